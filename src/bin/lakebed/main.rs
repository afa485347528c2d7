//! The command line: one file a verb. `main` wires, and turns what comes back into words and an exit code.

mod backfill;
mod flags;
mod invoke;
mod progress;
mod reconcile;
mod replay;
mod schema;
mod show;
mod sweep;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How a verb ended, and with it the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Finished; rejected records are quarantined and counted.
    Done = 0,
    /// A source failed or is damaged, there were more rejects than allowed, or a lake is not as it should be.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Ctrl-C.
    Interrupted = 130,
}

/// What a verb could not do at all: said on stderr, and the exit code it ends with.
struct Refused {
    exit: Exit,
    message: String,
}

impl Refused {
    fn usage(message: impl ToString) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    fn failed(message: impl ToString) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.to_string(),
        }
    }
}

/// Sorts raw JSON objects into an event-time Parquet lake that Athena can prune exactly.
#[derive(Debug, Parser)]
#[command(
    name = "lakebed",
    version,
    propagate_version = true,
    max_term_width = 120,
    after_help = "Exit code: 0 finished; 1 a source failed or is damaged, too many records were rejected, or a lake is \
not as it should be; 2 usage or configuration; 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Load raw objects into a lake: every record once, under its own hour
    Backfill(backfill::Args),
    /// Answer an event as the function would, in process
    Invoke(invoke::Args),
    /// Find raw objects that no job has loaded, and load them
    Reconcile(reconcile::Args),
    /// Send what was rejected through the pipeline again, after a schema was mended
    Replay(replay::Args),
    /// Work with the schema files of tables
    #[command(subcommand)]
    Schema(schema::Verb),
    /// Bring what crashed to its end, and throw away what is left of it
    Sweep(sweep::Args),
    /// Prove a lake: every file, row, source and claim against what its jobs recorded
    Verify(verify::Args),
}

/// What requests and jobs run on; records are parsed elsewhere.
fn runtime() -> Result<tokio::runtime::Runtime, Refused> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Refused::failed(format!("start: {error}")))
}

fn main() -> ExitCode {
    lakebed::heap::share();
    let result = match Cli::parse().verb {
        Verb::Backfill(args) => backfill::run(args),
        Verb::Invoke(args) => invoke::run(args),
        Verb::Reconcile(args) => reconcile::run(args),
        Verb::Replay(args) => replay::run(args),
        Verb::Schema(verb) => schema::run(verb),
        Verb::Sweep(args) => sweep::run(args),
        Verb::Verify(args) => verify::run(args),
    };
    let exit = result.unwrap_or_else(|Refused { exit, message }| {
        // Nowhere is left to say it where stderr is closed.
        drop(writeln!(std::io::stderr(), "lakebed: {message}"));
        exit
    });
    ExitCode::from(exit as u8)
}
