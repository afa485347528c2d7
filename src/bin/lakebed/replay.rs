//! `lakebed replay`: what was rejected goes through the pipeline again.
//!
//! ```text
//! quarantine of the lake itself ──> its jobs, each tried and replaced where an entry is a row now
//! error objects of Firehose,    ──> raw objects like any others, except that the records in their error records are read
//! quarantine of other lakes
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lakebed::engine::open_store;
use lakebed::job::identity::JobId;
use lakebed::job::lake::{Lake, settled_path};
use lakebed::job::outcome;
use lakebed::load::ReplayOptions;
use lakebed::place::Place;
use lakebed::report::Summary;
use lakebed::s3::S3;
use lakebed::source::listing::Listing;
use lakebed::store::LakeKey;
use lakebed::table::Tables;
use lakebed::verify::VerifyError;

use crate::backfill::{self, Allowance, How, Opened, parse_allowance, refused};
use crate::flags::{self, Loading, Selecting};
use crate::{Exit, Refused, progress, runtime, show};

/// Where the quarantine of a lake is.
const QUARANTINE: &str = "_lakebed/quarantine";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Mend the schema file first, then replay. What becomes a row leaves the quarantine; what is rejected \
again stays there. A second replay under the same schemas changes nothing.\n\nExit code: 0 finished; \
1 something could not be replayed; 2 usage or configuration; 130 interrupted."
)]
pub(crate) struct Args {
    /// What to replay: the quarantine of the lake, or a folder or file of it [default: all of it]; or objects of error
    /// records elsewhere, as Firehose writes them below `processing-failed/` and `format-conversion-failed/`
    #[arg(value_name = "QUARANTINE|FILE|DIR|s3://BUCKET/PREFIX")]
    from: Vec<String>,
    #[command(flatten)]
    loading: Loading,
    #[command(flatten)]
    selecting: Selecting,
    /// Of objects of error records: exit with 1 where more records were rejected than this number, or this share such as 0.5%
    #[arg(long, value_name = "N|P%", value_parser = parse_allowance)]
    max_rejected: Option<Allowance>,
    /// Say what would become of it; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let (settings, lake) = args.loading.settings()?;
    let from = args.from.iter().map(Place::parse).collect::<Result<Vec<_>, _>>();
    let from = from.map_err(Refused::usage)?;
    let mut own = Vec::new();
    for place in &from {
        own.extend(own_quarantine(place, &lake)?);
    }
    if from.is_empty() {
        own.push(LakeKey::new(QUARANTINE).expect("a key"));
    }
    let elsewhere = from.len() > own.len();
    if elsewhere && !own.is_empty() {
        return Err(Refused::usage(
            "the quarantine of the lake and objects from elsewhere are replayed in a run each: name one or the other",
        ));
    }
    if !elsewhere && (args.selecting.selects() || args.max_rejected.is_some()) {
        return Err(Refused::usage(format!(
            "--since, --until, --glob and --max-rejected are about objects of error records from elsewhere; of the lake's \
             own quarantine name a folder, such as {lake}/{QUARANTINE}/date=2019-10-12"
        )));
    }
    let tables = Tables::load(&settings.schemas).map_err(Refused::usage)?;
    let selection = args.selecting.selection()?;
    let how = How {
        verb: "replay",
        unwraps: elsewhere,
        arrival_s: None,
        reload: false,
        dry_run: args.dry_run,
        max_rejected: args.max_rejected,
        json: args.json,
    };
    let runtime = runtime()?;
    runtime.block_on(async {
        let s3 = flags::s3_for(&settings, from.iter().chain([&lake])).await;
        if !elsewhere {
            refuse_no_lake(&lake, s3.as_ref()).await?;
            let opened = backfill::open(&settings, &tables, (&lake, s3), &how).await?;
            return replay(opened, &args, own, &lake).await;
        }
        let listing = backfill::list(&from, &lake, s3.as_ref(), &selection).await?;
        let opened = backfill::open(&settings, &tables, (&lake, s3), &how).await?;
        refuse_copies(&opened, &listing, &lake).await?;
        backfill::load(opened, &how, listing, settings.job_bytes, lake.to_string()).await
    })
}

/// What of the lake's own quarantine a place is; nothing where it is elsewhere.
fn own_quarantine(place: &Place, lake: &Place) -> Result<Option<LakeKey>, Refused> {
    let below = match (place, lake) {
        (Place::Local(path), Place::Local(lake)) => {
            let (path, lake) = (settled_path(path), settled_path(lake));
            let below = path.strip_prefix(&lake).ok();
            below.map(|below| below.to_string_lossy().into_owned())
        }
        (Place::S3(there), Place::S3(lake)) if there.bucket() == lake.bucket() => {
            let folder = format!("{}/", there.prefix().trim_end_matches('/'));
            let below = match lake.root() {
                "" => Some(folder.as_str()),
                root => folder.strip_prefix(root),
            };
            below.map(|below| below.trim_matches('/').to_owned())
        }
        _ => None,
    };
    let Some(below) = below else {
        if place.overlaps(lake) {
            let message = format!("{place} holds the lake {lake} and more: name the lake, or objects apart from it");
            return Err(Refused::usage(message));
        }
        return Ok(None);
    };
    // The lake stands for its quarantine.
    let key = if below.is_empty() { QUARANTINE } else { &below };
    let inside = key == QUARANTINE || key.strip_prefix(QUARANTINE).is_some_and(|rest| rest.starts_with('/'));
    match LakeKey::new(key).ok().filter(|_| inside) {
        Some(key) => Ok(Some(key)),
        None => Err(Refused::usage(format!(
            "{place} lies in the lake, and is not of its quarantine: name {lake}/{QUARANTINE}, or a folder of it"
        ))),
    }
}

/// What loads makes a lake where there is none; what reads the quarantine of one was given the wrong place.
async fn refuse_no_lake(lake: &Place, s3: Option<&S3>) -> Result<(), Refused> {
    let store = open_store(lake, s3).map_err(|error| refused(&error, error.is_transient()))?;
    let there = Lake::existing(store).await;
    match there.map_err(|error| refused(&error, error.is_transient()))? {
        Some(_) => Ok(()),
        None => Err(Refused::usage(format!("lake {lake}: {}", VerifyError::NotALake))),
    }
}

/// Quarantine files of this lake that were copied elsewhere: their records would be there twice once the files in the lake
/// are replayed, or their objects loaded again.
async fn refuse_copies(opened: &Opened, listing: &Listing, lake: &Place) -> Result<(), Refused> {
    let mut asked = HashSet::new();
    for source in &listing.sources {
        let name = source.name.key.rsplit('/').next().unwrap_or_default();
        let Some(job) = JobId::of_file(name).filter(|_| name.ends_with(".ndjson.gz")) else {
            continue;
        };
        if !asked.insert(job.clone()) {
            continue;
        }
        let of_this_lake = outcome::read(&opened.engine.lake, &job).await;
        if of_this_lake
            .map_err(|error| refused(&error, error.is_transient()))?
            .is_some()
        {
            return Err(Refused::usage(format!(
                "{} is a copy of quarantine of this very lake: replay it where it is, by `lakebed replay --to {lake}`",
                source.name
            )));
        }
    }
    Ok(())
}

async fn replay(
    Opened { engine, counted }: Opened,
    args: &Args,
    own: Vec<LakeKey>,
    lake: &Place,
) -> Result<Exit, Refused> {
    let mut summary = Summary::new("replay", lake.to_string());
    let shown = progress::replaying(Arc::clone(&counted));
    let interrupt = tokio::spawn(backfill::interrupt(Arc::clone(&counted)));
    let options = ReplayOptions {
        below: own,
        jobs_max: engine.jobs_max,
        dry_run: args.dry_run,
    };
    engine.loader.replay(&options, &mut summary).await;
    interrupt.abort();
    shown.end().await;
    let is_unfinished = summary.replayed.is_some_and(|replayed| replayed.jobs_unfinished > 0);
    let exit = if counted.stop.load(Ordering::Relaxed) {
        Exit::Interrupted
    } else if !summary.failed.is_empty() || is_unfinished {
        Exit::Failed
    } else {
        Exit::Done
    };
    summary.exit = exit as u8;
    show::replayed(&summary, args.dry_run, args.json)?;
    Ok(exit)
}
