//! `lakebed reconcile`: raw objects against what the lake has of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lakebed::engine::open_store;
use lakebed::job::lake::Lake;
use lakebed::load::{RunOptions, chain};
use lakebed::place::Place;
use lakebed::reconcile::{Options, Progress, ReconcileError, Reconciled, Report, reconcile};
use lakebed::settings::Settings;
use lakebed::source::s3::S3Objects;
use lakebed::table::Tables;

use crate::backfill::{How, Opened};
use crate::flags::{self, Loading, Selecting};
use crate::{Exit, Refused, backfill, progress, runtime, show};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --load it changes nothing, needs no schemas and reads no raw object. Events that are still on their \
way are not lost: `--until 1h` leaves out what is younger.\n\nExit code: 0 nothing is missing, or all of it was loaded; 1 \
something is missing, or failed or is damaged, or a record of the lake could not be read; 2 usage or configuration; 130 \
interrupted."
)]
pub(crate) struct Args {
    /// Raw objects: files, folders with all that is below them (names beginning with `.` or `_` are passed over), and
    /// s3://bucket/prefix: the key `prefix` and all below `prefix/`
    #[arg(required = true, value_name = "FILE|DIR|s3://BUCKET/PREFIX")]
    raw: Vec<PathBuf>,
    /// Load what is missing
    #[arg(long)]
    load: bool,
    #[command(flatten)]
    loading: Loading,
    #[command(flatten)]
    selecting: Selecting,
    /// Print the report as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let (settings, lake) = args.loading.settings()?;
    let raw = args.raw.iter().map(Place::parse).collect::<Result<Vec<_>, _>>();
    let options = Options {
        raw: raw.map_err(Refused::usage)?,
        selection: args.selecting.selection()?,
        lake,
        load: args.load,
        spill_dir: settings.spill_dir.clone(),
    };
    let tables = match args.load {
        true => Some(Tables::load(&settings.schemas).map_err(Refused::usage)?),
        false => None,
    };
    let runtime = runtime()?;
    let reconciled = runtime.block_on(async {
        let found = tokio::select! {
            found = find(&settings, tables.as_ref(), &options) => found?,
            _ = tokio::signal::ctrl_c() => return Ok(None),
        };
        Ok(Some(match found {
            (found, None) => (found.report, false),
            (found, Some(opened)) => load(found, opened, &settings).await,
        }))
    });
    // What is being listed or read by other threads is not waited for.
    runtime.shutdown_background();
    let Some((mut report, stopped)) = reconciled? else {
        show::note("interrupted: nothing was loaded");
        return Ok(Exit::Interrupted);
    };
    let exit = match (stopped, report.exit) {
        (true, _) => Exit::Interrupted,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Failed,
    };
    report.exit = exit as u8;
    if let Some(summary) = &mut report.load {
        summary.exit = exit as u8;
    }
    show::reconciled(&report, args.json)?;
    Ok(exit)
}

/// Compares the raw objects with the lake; what loads is there where something is to be loaded.
async fn find(
    settings: &Settings,
    tables: Option<&Tables>,
    options: &Options,
) -> Result<(Reconciled, Option<Opened>), Refused> {
    let Options { raw, lake: place, .. } = options;
    let of_lake = |Refused { exit, message }| Refused {
        exit,
        message: format!("lake {place}: {message}"),
    };
    if let Some(raw) = raw.iter().find(|raw| place.overlaps(raw)) {
        let error = ReconcileError::Overlap {
            lake: place.clone(),
            raw: raw.to_string(),
        };
        return Err(Refused::usage(error));
    }
    let s3 = flags::s3_for(settings, raw.iter().chain([place])).await;
    let opened = match tables {
        None => None,
        Some(tables) => {
            let how = How {
                verb: "reconcile",
                unwraps: false,
                arrival_s: None,
                reload: false,
                dry_run: false,
                max_rejected: None,
                json: false,
            };
            Some(backfill::open(settings, tables, (place, s3.clone()), &how).await?)
        }
    };
    let lake = match &opened {
        Some(opened) => opened.engine.lake.clone(),
        None => {
            let store = open_store(place, s3.as_ref());
            let store = store.map_err(|error| of_lake(backfill::refused(&error, error.is_transient())))?;
            let lake = Lake::existing(store).await;
            let lake = lake.map_err(|error| of_lake(backfill::refused(&error, error.is_transient())))?;
            lake.ok_or_else(|| of_lake(Refused::usage(ReconcileError::NotALake)))?
        }
    };
    let progress = Arc::new(Progress::default());
    let shown = progress::reconciling(Arc::clone(&progress));
    let s3 = s3.map(|s3| Arc::new(S3Objects::new(s3)));
    let found = reconcile(&lake, s3, options, &progress).await;
    shown.end().await;
    let found = found.map_err(|error| match &error {
        ReconcileError::Spill(_) => Refused::failed(chain(&error)),
        error => backfill::refused(error, error.is_transient()),
    })?;
    Ok((found, opened))
}

/// Loads what is missing, and says whether it was stopped.
async fn load(found: Reconciled, Opened { engine, counted }: Opened, settings: &Settings) -> (Report, bool) {
    let sources = found.report.sources;
    let shown = progress::show(Arc::clone(&counted), sources.missing(), sources.missing_bytes);
    let interrupt = tokio::spawn(backfill::interrupt(Arc::clone(&counted)));
    let options = RunOptions {
        jobs_max: engine.jobs_max,
        reload: false,
    };
    let report = found.load(&engine.loader, settings.job_bytes, options).await;
    interrupt.abort();
    shown.end().await;
    (report, counted.stop.load(Ordering::Relaxed))
}
