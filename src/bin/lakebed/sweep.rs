//! `lakebed sweep`: what crashed is brought to its end, and what is left of it goes.

use std::sync::Arc;

use lakebed::engine::open_store;
use lakebed::job::sweep::{Progress, Report, SweepError, sweep_store};
use lakebed::place::Place;
use lakebed::settings::Settings;

use crate::{Exit, Refused, backfill, flags, progress, runtime, show};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Jobs that were stopped half way are finished or declared dead, files of dead jobs are deleted, records of \
jobs that ended a day ago are dropped, and uploads older than seven days that no job needs are aborted. Needs neither schemas \
nor raw objects; may run beside loads, and twice.\n\nExit code: 0 all settled; 1 some job could not be settled, or the lake \
could not be read; 2 usage or configuration, or there is no lake; 130 interrupted."
)]
pub(crate) struct Args {
    /// The lake, a folder or a place in S3 [default: LAKEBED_LAKE]
    #[arg(value_name = "DIR|s3://BUCKET/PREFIX")]
    lake: Option<String>,
    /// Say what would be done; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let (settings, lake) = flags::of_lake("sweep", args.lake.as_ref())?;
    let runtime = runtime()?;
    let swept = runtime.block_on(async {
        tokio::select! {
            swept = swept(&args, &settings, &lake) => swept.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    });
    // What was begun by other threads may be stopped anywhere, as by a crash.
    runtime.shutdown_background();
    let Some(report) = swept? else {
        show::note("interrupted: what was settled stays settled; sweep again for the rest");
        return Ok(Exit::Interrupted);
    };
    show::swept(&report, args.json)?;
    Ok(if report.exit == 0 { Exit::Done } else { Exit::Failed })
}

async fn swept(args: &Args, settings: &Settings, lake: &Place) -> Result<Report, Refused> {
    let refused = |error: &SweepError| {
        let Refused { exit, message } = backfill::refused(error, error.is_transient());
        Refused {
            exit,
            message: format!("lake {lake}: {message}"),
        }
    };
    let s3 = flags::s3_for(settings, [lake]).await;
    let store = open_store(lake, s3.as_ref()).map_err(|error| refused(&error.into()))?;
    let counted = Arc::new(Progress::default());
    let shown = progress::sweeping(Arc::clone(&counted));
    let report = sweep_store(store, lake.to_string(), args.dry_run, &counted).await;
    shown.end().await;
    report.map_err(|error| refused(&error))
}
