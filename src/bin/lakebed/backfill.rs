//! `lakebed backfill`: files and folders into a lake.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lakebed::dry_run::dry_run;
use lakebed::engine::{Engine, EngineConfig};
use lakebed::job::lake::settled_path;
use lakebed::load::{RunOptions, chain};
use lakebed::pipeline::Progress;
use lakebed::place::Place;
use lakebed::report::Summary;
use lakebed::s3::S3;
use lakebed::settings::Settings;
use lakebed::source::listing::{Listing, Selection, pack};
use lakebed::source::local;
use lakebed::source::s3::S3Objects;
use lakebed::table::Tables;

use crate::flags::{self, Loading, Selecting, parse_time};
use crate::{Exit, Refused, progress, runtime, show};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 finished (rejected records are in quarantine, and counted); 1 a source failed or is \
damaged, or more records than --max-rejected were rejected; 2 usage or configuration; 130 interrupted.\n\nEvery setting \
can also come from the environment (LAKEBED_LAKE, LAKEBED_SCHEMAS, LAKEBED_MEMORY, ...) or from ./lakebed.yaml."
)]
pub(crate) struct Args {
    /// Raw objects: files, folders with all that is below them (names beginning with `.` or `_` are passed over), and
    /// s3://bucket/prefix: the key `prefix` and all below `prefix/`
    #[arg(required = true, value_name = "FILE|DIR|s3://BUCKET/PREFIX")]
    raw: Vec<PathBuf>,
    #[command(flatten)]
    loading: Loading,
    #[command(flatten)]
    selecting: Selecting,
    /// Take this as the time the objects arrived, instead of when each was modified
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    arrival: Option<i64>,
    /// Exit with 1 where more records were rejected than this number, or this share such as 0.5%
    #[arg(long, value_name = "N|P%", value_parser = parse_allowance)]
    max_rejected: Option<Allowance>,
    /// Load objects again that were loaded before, in place of the rows that are there: after a schema was changed, or to
    /// mend what `lakebed verify` found. Objects of the same job that were not named are loaded again with them
    #[arg(long)]
    reload: bool,
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

pub(crate) fn parse_allowance(text: &str) -> Result<Allowance, String> {
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

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let (settings, lake) = args.loading.settings()?;
    let raw = args.raw.iter().map(Place::parse).collect::<Result<Vec<_>, _>>();
    let raw = raw.map_err(Refused::usage)?;
    if let Some(raw) = raw.iter().find(|raw| lake.overlaps(raw)) {
        let message = format!(
            "the lake {lake} and the raw objects {raw} overlap: what is written would be read again; keep them apart"
        );
        return Err(Refused::usage(message));
    }
    let tables = Tables::load(&settings.schemas).map_err(Refused::usage)?;
    let selection = args.selecting.selection()?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let s3 = flags::s3_for(&settings, raw.iter().chain([&lake])).await;
        let listing = list(&raw, &lake, s3.as_ref(), &selection).await?;
        let how = How {
            verb: "backfill",
            unwraps: false,
            arrival_s: args.arrival,
            reload: args.reload,
            dry_run: args.dry_run,
            max_rejected: args.max_rejected,
            json: args.json,
        };
        let engine = open(&settings, &tables, (&lake, s3), &how).await?;
        load(engine, &how, listing, settings.job_bytes, lake.to_string()).await
    })
}

/// How raw objects are loaded.
pub(crate) struct How {
    pub(crate) verb: &'static str,
    /// They hold error records, whose records are loaded.
    pub(crate) unwraps: bool,
    pub(crate) arrival_s: Option<i64>,
    pub(crate) reload: bool,
    pub(crate) dry_run: bool,
    pub(crate) max_rejected: Option<Allowance>,
    pub(crate) json: bool,
}

/// What is wrong here and now may pass; what is wrong with names, permissions or schemas is for the user to mend.
pub(crate) fn refused(error: &dyn std::error::Error, is_transient: bool) -> Refused {
    match is_transient {
        true => Refused::failed(chain(error)),
        false => Refused::usage(chain(error)),
    }
}

/// All raw objects below these places that are selected.
pub(crate) async fn list(
    raw: &[Place],
    lake: &Place,
    s3: Option<&S3>,
    selection: &Selection,
) -> Result<Listing, Refused> {
    let mut listing = Listing::default();
    for place in raw {
        match (place, s3) {
            (Place::Local(path), _) => {
                let found = local::list(std::slice::from_ref(path), selection);
                listing.append(found.map_err(|error| Refused::usage(chain(&error)))?);
            }
            (Place::S3(location), Some(s3)) => {
                let found = S3Objects::new(s3.clone()).list(location, selection).await;
                let found = found.map_err(|error| refused(&error, error.is_transient()))?;
                // A folder that is not there is refused, and so is what stands for one.
                if found.is_empty() && !location.prefix().is_empty() {
                    let message = format!("there is no object {location}, and none below it");
                    return Err(Refused::usage(message));
                }
                listing.append(found);
            }
            (Place::S3(_), None) => unreachable!("S3 is reached where a place is there"),
        }
    }
    listing.settle();
    let Place::Local(lake_path) = lake else {
        return Ok(listing);
    };
    // A link among the raw objects may lead there as well.
    let settled = settled_path(lake_path);
    let paths = listing.sources.iter().filter_map(|source| source.name.path());
    match paths.into_iter().find(|path| path.starts_with(&settled)) {
        None => Ok(listing),
        Some(inside) => Err(Refused::usage(format!(
            "the lake {lake} and the raw objects overlap: {} lies in it, and is among them by a link; keep them apart",
            inside.display()
        ))),
    }
}

/// An engine, and what it counts while it works.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) counted: Arc<Progress>,
}

/// Opens the lake for these tables, and checks them against what it holds.
pub(crate) async fn open(
    settings: &Settings,
    tables: &Tables,
    (lake, s3): (&Place, Option<S3>),
    how: &How,
) -> Result<Opened, Refused> {
    let counted = Arc::new(Progress::default());
    let engine = Engine::open(EngineConfig {
        settings,
        tables,
        lake,
        s3,
        arrival_s: how.arrival_s,
        unwraps: how.unwraps,
        writes: !how.dry_run,
        progress: Arc::clone(&counted),
    });
    let engine = engine.await.map_err(|error| {
        let Refused { exit, message } = refused(&error, error.is_transient());
        Refused {
            exit,
            message: format!("lake {lake}: {message}"),
        }
    })?;
    engine
        .check_tables(tables)
        .await
        .map_err(|error| refused(&error, error.is_transient()))?;
    Ok(Opened { engine, counted })
}

/// Loads what was listed, or says what would be done.
pub(crate) async fn load(
    Opened { engine, counted }: Opened,
    how: &How,
    listing: Listing,
    job_bytes: u64,
    lake_name: String,
) -> Result<Exit, Refused> {
    if how.dry_run {
        let result = dry_run(
            &engine.lake,
            lake_name,
            &listing,
            (&engine.raw, engine.loader.record_plan()),
            (how.arrival_s, how.reload),
        )
        .await;
        show::dry_run(&result.map_err(|error| Refused::failed(chain(&error)))?, how.json)?;
        return Ok(Exit::Done);
    }
    let mut summary = Summary::new(how.verb, lake_name);
    summary.sources.found = listing.sources.len() as u64;
    summary.sources.hidden = listing.hidden;
    summary.sources.unselected = listing.unselected;
    let all_bytes = listing.sources.iter().map(|source| source.version.size).sum();

    let shown = progress::show(Arc::clone(&counted), summary.sources.found, all_bytes);
    let interrupt = tokio::spawn(interrupt(Arc::clone(&counted)));
    let jobs = pack(listing.sources, job_bytes);
    let options = RunOptions {
        jobs_max: engine.jobs_max,
        reload: how.reload,
    };
    engine.loader.run(jobs, options, &mut summary, &mut |_, _| {}).await;
    interrupt.abort();
    shown.end().await;

    let rejected = how.max_rejected;
    let too_many = rejected.is_some_and(|most| most.is_exceeded(summary.records.quarantined, summary.records.read));
    let exit = if counted.stop.load(Ordering::Relaxed) {
        Exit::Interrupted
    } else if !summary.failed.is_empty() || too_many {
        Exit::Failed
    } else {
        Exit::Done
    };
    summary.exit = exit as u8;
    show::summary(&summary, how.json)?;
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
pub(crate) async fn interrupt(progress: Arc<Progress>) {
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
    fn allowances_are_numbers_or_shares() {
        assert_eq!(parse_allowance("10"), Ok(Allowance::Records(10)));
        assert_eq!(parse_allowance("0.5%"), Ok(Allowance::Percent(0.5)));
        assert!(parse_allowance("101%").is_err() && parse_allowance("-1").is_err() && parse_allowance("x%").is_err());
        assert!(Allowance::Percent(1.0).is_exceeded(2, 100) && !Allowance::Percent(1.0).is_exceeded(1, 100));
        assert!(Allowance::Records(0).is_exceeded(1, 100) && !Allowance::Records(1).is_exceeded(1, 100));
    }
}
