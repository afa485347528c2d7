//! A case: one call, one thing that goes wrong with it, so many times.

use std::env;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::faults::{Call, Ends, Wrong};
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
    wrong: Wrong,
    times: Times,
}

/// Says how a case is run again, if it fails.
struct Again(Case);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Case { row, wrong, times, .. } = self.0;
            eprintln!(
                "to run this case again: LAKEBED_TEST_CASE={wrong:?}/{times:?} cargo test --test fault_grid {row}"
            );
        }
    }
}

/// All that can go wrong with a call.
pub(crate) async fn run_all(row: &'static str, call: Call) {
    let times: &[Times] = match env::var_os("LAKEBED_TEST_ROUNDS") {
        None => &[Times::Once],
        Some(_) => &[Times::Once, Times::Twice, Times::ToTheLimit, Times::ForEver],
    };
    let only = env::var("LAKEBED_TEST_CASE").ok();
    let cells = Wrong::ALL
        .iter()
        .flat_map(|wrong| times.iter().map(move |times| (*wrong, *times)));
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (wrong, times) in cells {
        let is_wanted = only.as_ref().is_none_or(|only| *only == format!("{wrong:?}/{times:?}"));
        if !is_wanted || wrong.of(call).is_err() {
            continue;
        }
        let case = Case {
            row,
            call,
            wrong,
            times,
        };
        let turn = Arc::clone(&at_once);
        running.spawn(async move {
            let _turn = turn.acquire().await;
            Box::pin(case.run()).await;
        });
    }
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
        let (effect, ends) = self.wrong.of(self.call).unwrap();
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
        if self.times == Times::Once {
            let as_expected = match ends {
                Ends::Loaded => ran.failed.is_empty(),
                Ends::Fails(words) => ran.failed.values().any(|why| why.contains(words)),
            };
            assert!(as_expected, "{self:?}: {ran:?} is not {ends:?}\n{log}");
        }
        // An upload whose name nobody was told stays until a rule of the bucket takes it away.
        let left = scene.stored().leftovers;
        scene.assert_comes_to_rest(&left).await;
    }
}
