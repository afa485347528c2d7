//! A temporary folder to run command lines in, what a run said, and records from a seed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::lake::Lake;

/// When the raw files of a sandbox were modified, unless a test says otherwise: 2024-06-01T00:00:00Z.
pub(crate) const MODIFIED_S: u64 = 1_717_200_000;

/// For a run that takes a second or two on a machine that does nothing else.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// One table that takes every record, with `id` to tell rows by.
pub(crate) const EVENT_YAML: &str = "\
table: event
event_time: { field: at, max_past: none }
columns:
  id: bigint
  at: timestamp
  kind: string
  text: string
";

/// A folder with schemas, raw objects and a lake, in which command lines are run.
pub(crate) struct Sandbox(TempDir);

/// How commands of a sandbox are run.
pub(crate) trait Run {
    /// To the end. One that hangs is killed, and has no exit code.
    fn run(&mut self) -> Ran;

    /// In the background.
    fn begin(&mut self) -> Child;
}

impl Run for Command {
    fn run(&mut self) -> Ran {
        let command = std::mem::replace(self, Self::new(""));
        let mut command = assert_cmd::Command::from_std(command);
        Ran::from(command.timeout(TIME_LIMIT).output().unwrap())
    }

    fn begin(&mut self) -> Child {
        let piped = self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    }
}

/// Waits for a run that was begun.
pub(crate) fn finish(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

/// What a run said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// With the table of [`EVENT_YAML`] and no raw object.
    pub(crate) fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.write("schemas/event.yaml", EVENT_YAML);
        sandbox
    }

    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // As `lakebed` names sources, also where the temporary folder is behind a link.
        self.0.path().canonicalize().unwrap().join(name)
    }

    /// Writes a file, modified at [`MODIFIED_S`].
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.write_at(name, bytes, MODIFIED_S);
    }

    pub(crate) fn write_at(&self, name: &str, bytes: impl AsRef<[u8]>, modified_s: u64) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(path).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(modified_s))
            .unwrap();
    }

    pub(crate) fn link(&self, name: &str, to: &str) {
        std::os::unix::fs::symlink(self.path(to), self.path(name)).unwrap();
    }

    pub(crate) fn lake(&self, name: &str) -> Lake {
        Lake::at(self.path(name))
    }

    /// A command line, split at white space, that will run in the sandbox.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakebed"));
        command.args(line.split_whitespace()).current_dir(self.0.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LAKEBED_") {
                command.env_remove(name);
            }
        }
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        self.command(line).run()
    }

    /// Loads `raw` into `lake`, with more arguments.
    pub(crate) fn load(&self, more: &str) -> Ran {
        self.run(&format!("backfill raw --to lake --json {more}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Fails with all that was said where the exit code is another one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self:?}");
        self
    }

    /// The whole of stdout as one JSON document; the exit code in it is that of the process.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let json: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        if let Some(exit) = json.get("exit") {
            assert_eq!(exit.as_i64(), self.exit.map(i64::from), "{self:?}");
        }
        json
    }

    /// `found done already failed damaged hidden` of the summary.
    #[track_caller]
    pub(crate) fn sources(&self) -> [u64; 6] {
        let json = self.json();
        ["found", "done", "already", "failed", "damaged", "hidden"].map(|name| json["sources"][name].as_u64().unwrap())
    }

    /// File name and code of each failed source.
    #[track_caller]
    pub(crate) fn failed(&self) -> Vec<(String, String)> {
        let of = |failed: &Value| {
            let name = Path::new(failed["source"].as_str().unwrap()).file_name().unwrap();
            (
                name.to_str().unwrap().to_owned(),
                failed["code"].as_str().unwrap().to_owned(),
            )
        };
        self.json()["failed"].as_array().unwrap().iter().map(of).collect()
    }
}

/// Numbers from a seed: SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Records with these ids in the first `hours` hours of 2024-05-01, each followed by `end`. `words` of text in each, of
/// sixteen digits nobody can compress.
pub(crate) fn events(ids: Range<u64>, hours: u64, words: u64, end: &str) -> String {
    let mut text = String::new();
    for id in ids {
        let mut dice = Dice(id);
        let (hour, minute, milli) = (dice.below(hours), dice.below(60), dice.below(60_000));
        let (second, milli) = (milli / 1000, milli % 1000);
        write!(
            text,
            "{{\"id\":{id},\"at\":\"2024-05-01T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\",\"kind\":\"k{}\",\"text\":\"",
            dice.below(5)
        )
        .unwrap();
        for _ in 0..words {
            write!(text, "{:016x}", dice.next()).unwrap();
        }
        write!(text, "\"}}{end}").unwrap();
    }
    text
}

/// One record a line, spread over six hours.
pub(crate) fn lines(ids: Range<u64>) -> String {
    events(ids, 6, 2, "\n")
}

/// A single record.
pub(crate) fn record(id: u64) -> String {
    lines(id..id + 1)
}

pub(crate) fn gzip(data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data.as_ref()).unwrap();
    encoder.finish().unwrap()
}
