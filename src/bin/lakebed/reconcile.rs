//! `lakebed reconcile`: raw objects against what the lake has of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lakebed::engine::{Engine, EngineConfig, open_store};
use lakebed::job::lake::Lake;
use lakebed::load::{RunOptions, chain};
use lakebed::pipeline;
use lakebed::place::Place;
use lakebed::reconcile::{Options, Progress, ReconcileError, Reconciled, Report, reconcile};
use lakebed::s3::S3;
use lakebed::settings::{Flags, Settings};
use lakebed::source::s3::S3Objects;
use lakebed::table::Tables;

use crate::backfill::parse_time;
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
    /// The lake, a folder or a place in S3 apart from the raw objects
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    to: Option<String>,
    /// Load what is missing
    #[arg(long)]
    load: bool,
    /// Folder of schema files, one a table, for --load [default: schemas]
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
    /// Jobs at once, for --load [default: one a core, fewer where memory is short]
    #[arg(long, value_name = "N")]
    jobs: Option<String>,
    /// Memory for rows and files, all jobs together, for --load [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Print the report as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
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
    let settings = backfill::settings(flags)?;
    let lake = settings
        .lake
        .clone()
        .ok_or_else(|| Refused::usage("say where the lake is: --to DIR, or LAKEBED_LAKE"))?;
    let lake = Place::parse(lake).map_err(|error| Refused::usage(format!("--to: {error}")))?;
    let raw = args.raw.iter().map(Place::parse).collect::<Result<Vec<_>, _>>();
    let options = Options {
        raw: raw.map_err(Refused::usage)?,
        selection: backfill::selection(args.since, args.until, args.glob.as_deref())?,
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
        let counted = Arc::new(pipeline::Progress::default());
        let found = tokio::select! {
            found = find(&settings, tables.as_ref(), &options, &counted) => found?,
            _ = tokio::signal::ctrl_c() => return Ok(None),
        };
        Ok(Some(match found {
            (found, None) => (found.report, false),
            (found, Some(engine)) => load(found, &engine, &settings, counted).await,
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
    counted: &Arc<pipeline::Progress>,
) -> Result<(Reconciled, Option<Engine>), Refused> {
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
    let s3 = match place.s3().is_some() || raw.iter().any(|raw| raw.s3().is_some()) {
        true => Some(S3::connect(settings.expected_owner.clone()).await),
        false => None,
    };
    let engine = match tables {
        None => None,
        Some(tables) => {
            let engine = Engine::open(EngineConfig {
                settings,
                tables,
                lake: place,
                s3: s3.clone(),
                arrival_s: None,
                unwraps: false,
                writes: true,
                progress: Arc::clone(counted),
            });
            let engine = engine
                .await
                .map_err(|error| of_lake(backfill::refused(&error, error.is_transient())))?;
            let checked = engine.check_tables(tables).await;
            checked.map_err(|error| backfill::refused(&error, error.is_transient()))?;
            Some(engine)
        }
    };
    let lake = match &engine {
        Some(engine) => engine.lake.clone(),
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
    Ok((found, engine))
}

/// Loads what is missing, and says whether it was stopped.
async fn load(
    found: Reconciled,
    engine: &Engine,
    settings: &Settings,
    counted: Arc<pipeline::Progress>,
) -> (Report, bool) {
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
