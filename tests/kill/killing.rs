//! When a process is killed, and how.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

use crate::moment::Tally;
use crate::sandbox::Run as _;
use crate::scene::Scene;
use crate::support::s3::{Effect, Entry, Fault};

/// When a process is killed.
#[derive(Clone, Debug)]
pub(crate) enum Strike {
    /// After so long.
    Time(Duration),
    /// When so many keys with this part are in the lake.
    Keys(&'static str, usize),
    /// At the n-th of such requests; others go on meanwhile.
    Request { at: Point, n: u64 },
}

/// Requests, and whether the one that is struck takes effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Any, where it is empty.
    pub(crate) operation: &'static str,
    pub(crate) part: &'static str,
    pub(crate) takes_effect: bool,
}

impl Point {
    pub(crate) const fn new(operation: &'static str, part: &'static str, takes_effect: bool) -> Self {
        Self {
            operation,
            part,
            takes_effect,
        }
    }

    pub(crate) fn is_of(&self, entry: &Entry) -> bool {
        let is_such = self.operation.is_empty() || entry.operation == self.operation;
        is_such && format!("{}/{}", entry.bucket, entry.key).contains(self.part)
    }
}

/// Runs a command and kills it; the moment is added to the tally. False where it had ended before.
pub(crate) fn kill(scene: &mut Scene, mut command: Command, strike: &Strike, tally: &mut Tally) -> bool {
    let struck = match strike {
        Strike::Time(after) => {
            let mut child = command.begin();
            std::thread::sleep(*after);
            end(&mut child)
        }
        Strike::Keys(part, n) => {
            let mut child = command.begin();
            let has_come = || scene.count(part) >= *n;
            while child.try_wait().unwrap().is_none() && !has_come() {}
            end(&mut child)
        }
        Strike::Request { at, n } => at_request(scene, &mut command, *at, *n),
    };
    scene.cloud.server.settle();
    scene.cloud.server.clear_faults();
    if struck {
        tally.add(&scene.after_kill());
    } else {
        tally.too_late += 1;
    }
    struck
}

fn at_request(scene: &Scene, command: &mut Command, at: Point, n: u64) -> bool {
    let server = &scene.cloud.server;
    server.clear_log();
    let effect = if at.takes_effect {
        Effect::HangAfter
    } else {
        Effect::Hang
    };
    let (reached, reaching) = mpsc::channel();
    let mut seen = 0;
    server.inject(Fault::on_any(effect).request(move |entry| {
        seen += u64::from(at.is_of(entry));
        let is_it = at.is_of(entry) && seen == n;
        if is_it {
            reached.send(()).unwrap();
        }
        is_it
    }));
    let mut child = command.begin();
    let is_running = |child: &mut Child| child.try_wait().unwrap().is_none();
    while is_running(&mut child) && reaching.recv_timeout(Duration::from_millis(2)).is_err() {}
    let took_effect = || {
        server
            .log()
            .iter()
            .any(|entry| entry.fault.is_some() && entry.status.is_some())
    };
    while at.takes_effect && is_running(&mut child) && !took_effect() {
        std::thread::sleep(Duration::from_micros(200));
    }
    end(&mut child)
}

/// Kills a process. False where it had ended.
fn end(child: &mut Child) -> bool {
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}
