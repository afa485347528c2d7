//! A case: one call, one thing that goes wrong with it, so many times.

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::faults::{Call, Ends, Trouble};
use crate::scene::{Scene, TRIES};
use crate::support::s3::{Entry, Fault};

/// Cases at once: most of what they do is to wait.
const AT_ONCE: usize = 6;

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    Twice,
    /// As often as a request is tried.
    ToTheLimit,
    ForEver,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    row: &'static str,
    call: Call,
    trouble: Trouble,
    times: Times,
}

/// Says how a case is run again, if it fails.
struct Again(Case);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Case {
                row, trouble, times, ..
            } = self.0;
            eprintln!(
                "to run this case again: LAKEBED_TEST_CASE={trouble:?}/{times:?} cargo test --test fault_grid {row}"
            );
        }
    }
}

/// All that can go wrong with a call.
pub(crate) async fn run_all(row: &'static str, call: Call) {
    let only = env::var("LAKEBED_TEST_CASE").ok();
    let times: &[Times] = match env::var_os("LAKEBED_TEST_ROUNDS").is_some() || only.is_some() {
        false => &[Times::Once],
        true => &[Times::Once, Times::Twice, Times::ToTheLimit, Times::ForEver],
    };
    let cells = Trouble::ALL
        .iter()
        .flat_map(|trouble| times.iter().map(move |times| (*trouble, *times)));
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (trouble, times) in cells {
        let is_wanted = only
            .as_ref()
            .is_none_or(|only| *only == format!("{trouble:?}/{times:?}"));
        if !is_wanted || trouble.of(call).is_err() {
            continue;
        }
        let case = Case {
            row,
            call,
            trouble,
            times,
        };
        let turn = Arc::clone(&at_once);
        running.spawn(async move {
            let _turn = turn.acquire().await;
            Box::pin(case.run()).await;
        });
    }
    assert!(!running.is_empty(), "{row} has no such case");
    let mut failed = 0;
    while let Some(ended) = running.join_next().await {
        failed += u32::from(ended.is_err());
    }
    assert_eq!(failed, 0, "cases of {row} failed");
}

impl Case {
    async fn run(self) {
        let _again = Again(self);
        let scene = Scene::of(self.call).await;
        let (effect, ends) = self.trouble.of(self.call).unwrap();
        let call = self.call;
        let fault = Fault::on_any(effect).request(move |entry: &Entry| call.is(entry));
        scene.server.inject(match self.times {
            Times::Once => fault.first(1),
            Times::Twice => fault.first(2),
            Times::ToTheLimit => fault.first(TRIES),
            Times::ForEver => fault,
        });
        let ran = scene.run().await;
        let log = scene.log();
        let struck = scene.server.log().iter().filter(|entry| entry.fault.is_some()).count() + scene.server.astray();
        assert!(struck > 0, "{self:?} met no such call\n{log}");
        scene.assert_acknowledged(&ran);
        let as_expected = match (self.times, ends) {
            (Times::Once | Times::Twice, Ends::Loaded) => ran.failed.is_empty(),
            (_, Ends::Fails(words)) => ran.failed.values().any(|why| why.contains(words)),
            // Some requests are repeated by more than the client.
            (Times::ToTheLimit, Ends::Loaded) => true,
            (Times::ForEver, Ends::Loaded) => ran.failed.is_empty() == self.trouble.does_no_harm_to(call),
        };
        assert!(as_expected, "{self:?}: {ran:?} is not {ends:?}\n{log}");
        // An upload whose name nobody was told stays until a rule of the bucket takes it away.
        let left = match call {
            Call::CreateUpload => scene.stored().leftovers,
            _ => BTreeSet::new(),
        };
        scene.assert_comes_to_rest(&left).await;
    }
}
