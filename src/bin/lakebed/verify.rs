//! `lakebed verify`: a lake against what its jobs recorded.

use std::sync::Arc;

use lakebed::engine::open_store;
use lakebed::place::Place;
use lakebed::settings::Settings;
use lakebed::verify::{Options, Progress, Report, VerifyError, verify};

use crate::{Exit, Refused, backfill, flags, progress, runtime, show};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs neither schemas nor raw objects, and changes nothing. A lake that is loaded into at the same time is \
no problem.\n\nExit code: 0 proved; 1 problems were found, or the lake could not be read; 2 usage or configuration, or \
there is no lake; 130 interrupted."
)]
pub(crate) struct Args {
    /// The lake, a folder or a place in S3 [default: LAKEBED_LAKE]
    #[arg(value_name = "DIR|s3://BUCKET/PREFIX")]
    lake: Option<String>,
    /// Compare keys and sizes alone: no file is opened
    #[arg(long)]
    quick: bool,
    /// Print the report as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let (settings, lake) = flags::of_lake("verify", args.lake.as_ref())?;
    let runtime = runtime()?;
    let verified = runtime.block_on(async {
        tokio::select! {
            verified = verified(&args, &settings, &lake) => verified.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    });
    // What is being read by other threads is not waited for.
    runtime.shutdown_background();
    let Some(report) = verified? else {
        show::note("interrupted: nothing is proved, and nothing was changed");
        return Ok(Exit::Interrupted);
    };
    show::verified(&report, args.json)?;
    Ok(if report.is_proved() { Exit::Done } else { Exit::Failed })
}

async fn verified(args: &Args, settings: &Settings, lake: &Place) -> Result<Report, Refused> {
    let refused = |error: &VerifyError| {
        let Refused { exit, message } = backfill::refused(error, error.is_transient());
        Refused {
            exit,
            message: format!("lake {lake}: {message}"),
        }
    };
    let s3 = flags::s3_for(settings, [lake]).await;
    let store = open_store(lake, s3.as_ref()).map_err(|error| refused(&error.into()))?;
    let options = Options {
        lake: lake.to_string(),
        quick: args.quick,
        spill_dir: settings.spill_dir.clone(),
    };
    let counted = Arc::new(Progress::default());
    let shown = progress::verifying(Arc::clone(&counted));
    let report = verify(store, &options, &counted).await;
    shown.end().await;
    report.map_err(|error| refused(&error))
}
