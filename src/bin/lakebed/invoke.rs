//! `lakebed invoke`: the function's own handler, in process.

use std::io::Read as _;
use std::path::PathBuf;

use lakebed::function::{Function, Handled};
use lakebed::s3::S3;
use lakebed::settings::Flags;
use lakebed::table::Tables;
use serde_json::Value;

use crate::{Exit, Refused, flags, runtime, show};

/// Stands where the function has the id of a request.
const REQUEST_ID: &str = "invoke";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the objects that the event names and loads them, as the function would, and prints its answer on \
stdout. LAKEBED_RAW says below which prefixes objects may be read, such as s3://raw/events; LAKEBED_PARTIAL_BATCH=1 \
answers a batch with the messages that failed.\n\nExit code: 0 answered; 1 the invocation failed, or names messages, tasks or \
records that failed, or a report of what is not as it should be; 2 usage or configuration."
)]
pub(crate) struct Args {
    /// What the function is called with, as JSON, such as events/s3-put.json; `-` reads stdin
    #[arg(value_name = "EVENT.json|-")]
    event: PathBuf,
    /// The lake, a folder or a place in S3; made if it is not there
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    to: Option<String>,
    /// Folder of schema files, one a table [default: schemas]
    #[arg(long, value_name = "DIR")]
    schemas: Option<String>,
    /// Memory for rows and files, all jobs together [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
}

pub(crate) fn run(args: Args) -> Result<Exit, Refused> {
    let mut flags = Flags::new();
    for (name, value) in [
        ("LAKEBED_LAKE", &args.to),
        ("LAKEBED_SCHEMAS", &args.schemas),
        ("LAKEBED_MEMORY", &args.memory),
    ] {
        flags.extend(value.clone().map(|value| (name, value)));
    }
    let settings = flags::settings(flags)?;
    let payload = read(&args.event)?;
    let tables = Tables::load(&settings.schemas).map_err(Refused::usage)?;
    let function = Function::new(settings, tables).map_err(Refused::usage)?;
    let function = function.connecting(|owner| Box::pin(S3::connect(owner)));
    let runtime = runtime()?;
    let Handled {
        answer,
        metrics,
        troubles,
    } = runtime.block_on(function.handle(&payload, REQUEST_ID));
    show::invocation(&metrics, &troubles);
    let answer = answer.map_err(|error| {
        let message = format!("the invocation failed: {error}");
        match error.is_transient() {
            true => Refused::failed(message),
            false => Refused::usage(message),
        }
    })?;
    show::json(&answer)?;
    let any = |list: &str, is: &dyn Fn(&Value) -> bool| answer[list].as_array().is_some_and(|all| all.iter().any(is));
    let names_failed = any("batchItemFailures", &|_| true)
        || any("results", &|task| task["resultCode"] != "Succeeded")
        || any("records", &|record| record["result"] == "ProcessingFailed");
    // Of a report; other answers have none.
    let is_failed = answer["exit"].as_u64().is_some_and(|exit| exit != 0);
    Ok(if names_failed || is_failed {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn read(path: &PathBuf) -> Result<Value, Refused> {
    let refuse = |why: &dyn std::fmt::Display| Refused::usage(format!("{}: {why}", path.display()));
    let mut text = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut text))
    };
    read.map_err(|error| refuse(&error))?;
    serde_json::from_slice(&text).map_err(|error| refuse(&format!("not JSON: {error}")))
}
