//! The process, the Runtime API it asks, and what it wrote.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use lambda_simulator::{Invocation, InvocationState, InvocationStatus, Simulator};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{ENVIRONMENT, SCHEMAS, World};

/// For what takes milliseconds on a machine that does nothing else.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A running function.
pub(crate) struct Lambda {
    pub(crate) runtime: Simulator,
    child: Child,
    output: [JoinHandle<String>; 2],
    _folder: TempDir,
}

/// How a process ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None where it was killed.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Whether it had asked for an event.
    pub(crate) asked: bool,
}

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Answered {
    Response(Value),
    /// Type and message.
    Error(String, String),
}

impl Lambda {
    /// Begins a process with nothing in its environment but what Lambda gives, what reaches the world's S3, the usual
    /// settings, and these; an empty value takes one away.
    pub(crate) async fn start(world: &World, more: &[(&str, &str)]) -> Self {
        let runtime = Simulator::builder().build().await.unwrap();
        let folder = TempDir::new().unwrap();
        for (name, text) in SCHEMAS {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakebed-lambda"));
        command.env_clear().current_dir(folder.path());
        command.envs(runtime.lambda_env_vars()).envs(world.server.environment());
        command.envs(ENVIRONMENT).env("LAKEBED_SCHEMAS", folder.path());
        for (name, value) in more {
            match *value {
                "" => command.env_remove(name),
                value => command.env(name, value),
            };
        }
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let output = [read_all(stdout), read_all(stderr)];
        Self {
            runtime,
            child,
            output,
            _folder: folder,
        }
    }

    /// Sends an event and waits for what becomes of it; its id, too.
    pub(crate) async fn send(&self, invocation: Invocation) -> (String, Answered) {
        let id = self.runtime.enqueue(invocation).await;
        let InvocationState {
            status,
            response,
            error,
            ..
        } = self
            .runtime
            .wait_for_invocation_complete(&id, TIME_LIMIT)
            .await
            .unwrap();
        let answered = match (status, response, error) {
            (InvocationStatus::Success, Some(response), None) => Answered::Response(response.payload),
            (InvocationStatus::Error, None, Some(error)) => Answered::Error(error.error_type, error.error_message),
            other => panic!("{other:?}"),
        };
        (id, answered)
    }

    pub(crate) async fn answer(&self, event: &Value) -> Answered {
        self.send(Invocation::new(event.clone(), 30_000)).await.1
    }

    #[track_caller]
    pub(crate) fn assert_runs(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None);
    }

    /// Memory that the process holds, in KiB, its open files, and its threads.
    #[cfg(target_os = "linux")]
    pub(crate) fn holds(&self) -> (u64, usize, usize) {
        let of = |name: &str| format!("/proc/{}/{name}", self.child.id());
        let status = fs::read_to_string(of("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let count = |name: &str| fs::read_dir(of(name)).unwrap().count();
        let kib = resident.trim().trim_end_matches(" kB").parse().unwrap();
        (kib, count("fd"), count("task"))
    }

    /// Ends the process from outside, as Lambda does.
    pub(crate) async fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended().await
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ends(mut self) -> Ended {
        let waited = tokio::time::timeout(TIME_LIMIT, async {
            while self.child.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if waited.await.is_err() {
            self.child.kill().unwrap();
        }
        self.ended().await
    }

    async fn ended(mut self) -> Ended {
        let asked = self.runtime.is_initialized().await;
        let exit = self.child.wait().unwrap().code();
        let [stdout, stderr] = self.output.map(|reader| reader.join().unwrap());
        self.runtime.shutdown().await;
        Ended {
            exit,
            stdout,
            stderr,
            asked,
        }
    }
}

fn read_all(mut pipe: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

impl Ended {
    /// Every line of the output; all of it is JSON.
    #[track_caller]
    pub(crate) fn documents(&self) -> Vec<Value> {
        assert_eq!(self.stderr, "");
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The lines that are logs.
    #[track_caller]
    pub(crate) fn logs(&self) -> Vec<Value> {
        self.documents()
            .into_iter()
            .filter(|document| document.get("_aws").is_none())
            .collect()
    }

    /// The lines that are metrics.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Vec<Value> {
        self.documents()
            .into_iter()
            .filter(|document| document.get("_aws").is_some())
            .collect()
    }
}

impl Answered {
    #[track_caller]
    pub(crate) fn response(self) -> Value {
        match self {
            Self::Response(payload) => payload,
            Self::Error(..) => panic!("{self:?}"),
        }
    }

    /// Type and message.
    #[track_caller]
    pub(crate) fn error(self) -> (String, String) {
        match self {
            Self::Error(error_type, message) => (error_type, message),
            Self::Response(_) => panic!("{self:?}"),
        }
    }
}
