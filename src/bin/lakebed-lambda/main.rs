//! The function: wires settings, tables and the Runtime API, and writes the logs and metrics of each invocation.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lakebed::emf::DEFAULT_SERVICE;
use lakebed::function::{Function, HandleError, Handled};
use lakebed::settings::{Flags, PREFIX, Settings};
use lakebed::table::Tables;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::{error, info};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where layers are unpacked.
const SCHEMAS_DIR: &str = "/opt/schemas";

/// What sends the requests elsewhere, the first that is set.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// It would say once more, as a value of Rust, what an event failed with.
const REPEATS: &str = "lambda_runtime::layers::panic";

/// What the Runtime API is told of an invocation that failed.
#[derive(Debug)]
struct Failed(HandleError);

impl From<Failed> for Diagnostic {
    fn from(Failed(error): Failed) -> Self {
        let error_type = match &error {
            HandleError::Door(_) => "Event.Unknown",
            HandleError::Order(_) => "Order.Unknown",
            HandleError::NotAllowed(_) => "Source.NotAllowed",
            HandleError::Sweep { .. } => "Lake.NotSwept",
            HandleError::Reconcile { .. } => "Lake.NotReconciled",
            HandleError::Unfinished { .. } | HandleError::OutOfTime { .. } => "Order.Unfinished",
            HandleError::List { .. } | HandleError::Nothing { .. } => "Source.NotListed",
            HandleError::Lake { .. } => "Lake.NotOpened",
            HandleError::Answer(_) => "Objects.NotLoaded",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: error.to_string(),
        }
    }
}

fn main() -> ExitCode {
    lakebed::heap::share();
    log();
    let ended = start().and_then(|(function, service)| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| format!("start: {error}"))?;
        runtime.block_on(serve(function, service))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            error!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// JSON always: that is what people search. Libraries say what is wrong, and never what is in requests.
fn log() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok();
    let level = level.map(|level| match level.eq_ignore_ascii_case("fatal") {
        // A word of Lambda's for which there is no level here.
        true => Ok(LevelFilter::ERROR),
        false => level.parse(),
    });
    let level = level.and_then(Result::ok).unwrap_or(LevelFilter::INFO);
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(REPEATS, LevelFilter::OFF)
        .with_target("lakebed", level)
        .with_target("lakebed_lambda", level);
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false);
    tracing_subscriber::registry().with(json).with(filter).init();
    std::panic::set_hook(Box::new(|panic| {
        // Where, and not the message: that may quote what was being read.
        let at = panic.location().map(ToString::to_string);
        error!(at, "a fault in lakebed, please report it");
    }));
}

/// All that can be wrong with the settings is said here, before the first event.
fn start() -> Result<(Function, String), String> {
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => environment.push((name, value)),
            (Ok(name), Err(_)) if name.starts_with(PREFIX) => return Err(format!("{name} is not UTF-8")),
            _ => {}
        }
    }
    let get = |wanted: &str| {
        let found = environment.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let mut defaults = Flags::from([("LAKEBED_SCHEMAS", SCHEMAS_DIR.to_owned())]);
    // A quarter is left for the process itself.
    let memory_mib = get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|mib| mib.parse::<u64>().ok());
    if let Some(mib) = memory_mib {
        defaults.insert("LAKEBED_MEMORY", format!("{}MiB", mib * 3 / 4));
    }
    let service = get("POWERTOOLS_SERVICE_NAME").unwrap_or_else(|| DEFAULT_SERVICE.to_owned());
    let text = |error: &dyn Display| error.to_string();
    let settings =
        Settings::read(&defaults, &Flags::new(), environment.into_iter(), None).map_err(|error| text(&error))?;
    let tables = Tables::load(&settings.schemas).map_err(|error| text(&error))?;
    let function = Function::new(settings, tables).map_err(|error| text(&error))?;
    Ok((function.in_memory(memory_mib), service))
}

async fn serve(function: Function, service: String) -> Result<(), String> {
    let shared = Arc::new((function, service));
    let answer = service_fn(move |event: LambdaEvent<Value>| {
        let shared = Arc::clone(&shared);
        async move {
            let (function, service) = &*shared;
            let began = Instant::now();
            let Handled {
                answer, mut metrics, ..
            } = function
                .handle_within(
                    &event.payload,
                    &event.context.request_id,
                    time_left(event.context.deadline),
                )
                .await;
            metrics.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            print(&metrics.line(service, now_ms()));
            answer.map_err(Failed)
        }
    });
    // Where all data goes to, if that is not S3 itself: somebody should notice it.
    let endpoint = ENDPOINTS.into_iter().find_map(|name| std::env::var(name).ok());
    info!(version = env!("CARGO_PKG_VERSION"), endpoint, "started");
    lambda_runtime::run(answer).await.map_err(|error| error.to_string())
}

/// CloudWatch takes a line of its own for metrics, from the function's output.
fn print(line: &str) {
    // Where nobody listens, nobody needs to know.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// What is left until a moment in milliseconds since 1970. None where it is past: some emulators send such.
fn time_left(deadline_ms: u64) -> Option<Duration> {
    let now = u64::try_from(now_ms()).unwrap_or_default();
    deadline_ms.checked_sub(now).map(Duration::from_millis)
}

fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "when an invocation ended and what it has left; decides no byte of the lake"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
