//! `lakebed backfill`: files and folders into a lake.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveTime};
use globset::GlobBuilder;
use lakebed::backfill::{Backfill, chain, plan, shape};
use lakebed::dry_run::dry_run;
use lakebed::job::lake::{Lake, overlaps, settled_path};
use lakebed::pipeline::{Progress, Stager};
use lakebed::record::RecordPlan;
use lakebed::report::Summary;
use lakebed::settings::{Flags, Settings};
use lakebed::source::local::{self, Listing, Selection};
use lakebed::store::FolderStore;
use lakebed::table::Tables;
use lakebed::table::duration::parse_duration_seconds;

use crate::{Exit, Refused, progress, show};

/// Memory that the process takes besides rows, pages and files.
const BASE_BYTES: u64 = 48 << 20;
/// A job with less than this spills more than it works.
const JOB_BYTES_MIN: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 finished (rejected records are in quarantine, and counted); 1 a source failed or is \
damaged, or more records than --max-rejected were rejected; 2 usage or configuration; 130 interrupted.\n\nEvery setting \
can also come from the environment (LAKEBED_LAKE, LAKEBED_SCHEMAS, LAKEBED_MEMORY, ...) or from ./lakebed.yaml."
)]
pub(crate) struct Args {
    /// Raw objects: files, and folders with all that is below them (names beginning with `.` or `_` are passed over)
    #[arg(required = true, value_name = "FILE|DIR")]
    raw: Vec<PathBuf>,
    /// The lake, a folder outside the raw ones; made if it is not there
    #[arg(long, value_name = "DIR")]
    to: Option<String>,
    /// Folder of schema files, one a table [default: schemas]
    #[arg(long, value_name = "DIR")]
    schemas: Option<String>,
    /// Only objects modified at or after this time: RFC 3339, a date, or an age such as 36h
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Only objects modified before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Only objects whose path below the named folder matches, such as `**/*.gz`
    #[arg(long, value_name = "GLOB")]
    glob: Option<String>,
    /// Jobs at once [default: one a core, fewer where memory is short]
    #[arg(long, value_name = "N")]
    jobs: Option<String>,
    /// Memory for rows and files, all jobs together [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Take this as the time the objects arrived, instead of when each was modified
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    arrival: Option<i64>,
    /// Exit with 1 where more records were rejected than this number, or this share such as 0.5%
    #[arg(long, value_name = "N|P%", value_parser = parse_allowance)]
    max_rejected: Option<Allowance>,
    /// Say what would be done, and look into the first objects; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

/// How many records may be rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Allowance {
    Records(u64),
    Percent(f64),
}

impl Allowance {
    fn is_exceeded(self, rejected: u64, read: u64) -> bool {
        match self {
            Self::Records(most) => rejected > most,
            Self::Percent(most) => rejected as f64 * 100.0 > most * read as f64,
        }
    }
}

fn parse_allowance(text: &str) -> Result<Allowance, String> {
    let parsed = match text.strip_suffix('%') {
        Some(share) => {
            let share: Option<f64> = share.parse().ok();
            share
                .filter(|share| (0.0..=100.0).contains(share))
                .map(Allowance::Percent)
        }
        None => text.parse().ok().map(Allowance::Records),
    };
    parsed.ok_or_else(|| "write a number of records such as 100, or a share such as 0.5%".to_owned())
}

/// RFC 3339, a date (its beginning in UTC), or how long ago.
fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        // What is half a second past is not yet reached by objects of whole seconds.
        return Ok(time.timestamp() + i64::from(time.timestamp_subsec_nanos() > 0));
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc().timestamp());
    }
    let age = parse_duration_seconds(text)
        .map_err(|_| "write a time such as 2019-10-12T02:00:00Z, a date, or an age such as 36h or 7d".to_owned())?;
    #[expect(
        clippy::disallowed_methods,
        reason = "an age counts from now; it selects sources and decides no byte"
    )]
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| error.to_string())?;
    Ok(now.as_secs() as i64 - age)
}

pub(crate) fn settings(flags: Flags) -> Result<Settings, Refused> {
    let file = match std::fs::read_to_string("lakebed.yaml") {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Refused::usage(format!("read lakebed.yaml: {error}"))),
    };
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        // Names that are no text are none of ours.
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => environment.push((name, value)),
            Err(_) if name.starts_with(lakebed::settings::PREFIX) => {
                return Err(Refused::usage(format!("{name} (from the environment) is not UTF-8")));
            }
            Err(_) => {}
        }
    }
    Settings::read(
        &flags,
        environment.into_iter(),
        file.as_deref().map(|text| ("lakebed.yaml", text)),
    )
    .map_err(Refused::usage)
}

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let mut flags = Flags::new();
    for (name, value) in [
        ("LAKEBED_LAKE", &args.to),
        ("LAKEBED_SCHEMAS", &args.schemas),
        ("LAKEBED_MEMORY", &args.memory),
        ("LAKEBED_JOBS", &args.jobs),
    ] {
        flags.extend(value.clone().map(|value| (name, value)));
    }
    let settings = settings(flags)?;
    let lake_name = settings
        .lake
        .clone()
        .ok_or_else(|| Refused::usage("say where the lake is: --to DIR, or LAKEBED_LAKE"))?;
    for name in args
        .raw
        .iter()
        .map(|raw| raw.to_string_lossy().into_owned())
        .chain([lake_name.clone()])
    {
        if name.starts_with("s3://") {
            let message =
                format!("{name}: this release reads and writes local files only; copy the objects to a folder");
            return Err(Refused::usage(message));
        }
    }
    let tables = Tables::load(&settings.schemas).map_err(Refused::usage)?;
    let listing = list(&args, &lake_name)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Refused::failed(format!("start: {error}")))?;
    runtime.block_on(load(&args, &settings, tables, listing, lake_name))
}

fn list(args: &Args, lake_name: &str) -> Result<Listing, Refused> {
    if let Some(raw) = args.raw.iter().find(|raw| overlaps(lake_name.as_ref(), raw)) {
        let message = format!(
            "the lake {lake_name} and the raw objects {} overlap: what is written would be read again; keep them apart",
            raw.display()
        );
        return Err(Refused::usage(message));
    }
    let glob = args
        .glob
        .as_ref()
        .map(|glob| GlobBuilder::new(glob).literal_separator(true).build());
    let glob = glob
        .transpose()
        .map_err(|error| Refused::usage(format!("--glob: {error}")))?;
    let selection = Selection {
        since_s: args.since,
        until_s: args.until,
        glob: glob.map(|glob| glob.compile_matcher()),
    };
    let listing = local::list(&args.raw, &selection).map_err(|error| Refused::usage(chain(&error)))?;
    // A link among the raw objects may lead there as well.
    let lake = settled_path(lake_name.as_ref());
    match listing.sources.iter().find(|source| source.path.starts_with(&lake)) {
        None => Ok(listing),
        Some(inside) => Err(Refused::usage(format!(
            "the lake {lake_name} and the raw objects overlap: {} lies in it, and is among them by a link; keep them apart",
            inside.path.display()
        ))),
    }
}

async fn load(
    args: &Args,
    settings: &Settings,
    tables: Tables,
    listing: Listing,
    lake_name: String,
) -> Result<Exit, Refused> {
    let failed = |error: &dyn std::error::Error| Refused::failed(chain(error));
    let store = FolderStore::open(lake_name.as_ref()).map_err(|error| Refused::usage(chain(&error)))?;
    let store = Arc::new(store);
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    let lake = match args.dry_run {
        true => Lake::inspect(store, &names).await,
        false => Lake::open(store, &names).await,
    };
    let lake = lake.map_err(|error| Refused::usage(format!("lake {lake_name}: {}", chain(&error))))?;
    for table in tables.iter() {
        lake.check_table(&shape(table))
            .await
            .map_err(|error| Refused::usage(chain(&error)))?;
    }
    let record_plan = RecordPlan::new(tables.clone(), settings.limits);
    if args.dry_run {
        let result = dry_run(&lake, lake_name, &listing, &record_plan, args.arrival).await;
        show::dry_run(&result.map_err(|error| failed(&error))?, args.json)?;
        return Ok(Exit::Done);
    }
    let mut summary = Summary::new("backfill", lake_name);
    summary.sources.found = listing.sources.len() as u64;
    summary.sources.hidden = listing.hidden;
    summary.sources.unselected = listing.unselected;
    let all_bytes = listing.sources.iter().map(|source| source.version.size).sum();

    let threads = rayon::current_num_threads();
    let room = settings.memory.saturating_sub(BASE_BYTES).max(JOB_BYTES_MIN / 2);
    let jobs_max = settings
        .jobs
        .unwrap_or_else(|| threads.min((room / JOB_BYTES_MIN).max(1) as usize));
    let counted = Arc::new(Progress::default());
    let plan = plan(&tables, settings, args.arrival);
    let stager = Stager::new(
        record_plan,
        Arc::new(tables),
        lake.clone(),
        tokio::runtime::Handle::current(),
        (room / jobs_max as u64) as usize,
        settings.spill_dir.clone(),
        args.arrival,
        Arc::clone(&counted),
    );
    let shown = progress::show(Arc::clone(&counted), summary.sources.found, all_bytes);
    let interrupt = tokio::spawn(interrupt(Arc::clone(&counted)));
    let jobs = local::pack(listing.sources, settings.job_bytes);
    Backfill::new(lake, plan, stager, Arc::clone(&counted))
        .run(jobs, jobs_max, &mut summary)
        .await;
    interrupt.abort();
    shown.end().await;

    let rejected = args.max_rejected;
    let too_many = rejected.is_some_and(|most| most.is_exceeded(summary.records.quarantined, summary.records.read));
    let exit = if counted.stop.load(Ordering::Relaxed) {
        Exit::Interrupted
    } else if !summary.failed.is_empty() || too_many {
        Exit::Failed
    } else {
        Exit::Done
    };
    summary.exit = exit as u8;
    show::summary(&summary, args.json)?;
    if too_many {
        let message = format!(
            "{} records were rejected, more than --max-rejected allows",
            summary.records.quarantined
        );
        return Err(Refused { exit, message });
    }
    Ok(exit)
}

/// First Ctrl-C: no new jobs, those publishing finish. Second: out, as if crashed; the next run goes on from there.
async fn interrupt(progress: Arc<Progress>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    progress.stop.store(true, Ordering::Relaxed);
    show::note("stopping: jobs that are being published finish, the rest is dropped (Ctrl-C again to end at once)");
    // Until the terminal has sent one it is the first one.
    tokio::time::sleep(Duration::from_millis(1)).await;
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(Exit::Interrupted as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_dates_or_ages() {
        assert_eq!(parse_time("2019-10-12T02:00:00+02:00"), Ok(1_570_838_400));
        assert_eq!(parse_time("2019-10-12T00:00:00.5Z"), Ok(1_570_838_401));
        assert_eq!(parse_time("2019-10-12"), Ok(1_570_838_400));
        let (hour, day) = (parse_time("1h").unwrap(), parse_time("24h").unwrap());
        assert!((hour - day - 23 * 3600).abs() <= 1);
        assert!(parse_time("yesterday").unwrap_err().contains("such as"));
    }

    #[test]
    fn allowances_are_numbers_or_shares() {
        assert_eq!(parse_allowance("10"), Ok(Allowance::Records(10)));
        assert_eq!(parse_allowance("0.5%"), Ok(Allowance::Percent(0.5)));
        assert!(parse_allowance("101%").is_err() && parse_allowance("-1").is_err() && parse_allowance("x%").is_err());
        assert!(Allowance::Percent(1.0).is_exceeded(2, 100) && !Allowance::Percent(1.0).is_exceeded(1, 100));
        assert!(Allowance::Records(0).is_exceeded(1, 100) && !Allowance::Records(1).is_exceeded(1, 100));
    }
}
