//! One process, one event after another: nothing of one is left for the next.

#![cfg(target_os = "linux")]

use crate::events::{message_each, notification};
use crate::process::Lambda;
use crate::world::{World, gzip, ids, lines, long_lines};

/// What allocators keep back and connections grow to.
const MORE_KIB_MAX: u64 = 24 << 10;
/// What a connection more or a thread of a pool more may be.
const MORE_FILES_MAX: usize = 16;

/// Good, damaged, foreign, missing and unreadable ones in turn, and now and then one that has to be spilled.
#[tokio::test]
async fn a_thousand_events_leave_neither_files_nor_memory_behind() {
    let world = World::new();
    let spill = tempfile::tempdir().unwrap();
    let environment = [
        ("LAKEBED_SPILL_DIR", spill.path().to_str().unwrap()),
        ("LAKEBED_MEMORY", "64MiB"),
        ("AWS_LAMBDA_LOG_LEVEL", "error"),
    ];
    let lambda = Lambda::start(&world, &environment).await;
    let large = long_lines(900_000..902_000, 1_000);
    assert!(large.len() > 24 << 20);
    let mut settled = None;
    for n in 0..1000_u64 {
        let key = format!("in/{}/{n}", n % 7);
        let text = lines(n * 4..n * 4 + 4);
        match n % 5 {
            0 => world.put(&key, text + "oops\n"),
            1 => world.put(&key, gzip(&text)),
            2 => world.put(&key, [gzip(&text), gzip("cut")[..9].to_vec()].concat()),
            _ => world.put(&key, text),
        }
        let event = match n % 3 {
            0 => notification(&[&key]),
            1 => message_each(&[key.as_str(), "in/missing", "other/a"]),
            _ => message_each(&[&key, &key]),
        };
        lambda.answer(&event).await.response();
        if n % 400 == 100 {
            let key = format!("in/large {n}");
            world.put(&key, large.clone());
            lambda.answer(&notification(&[&key])).await.response();
            world.delete(&key);
        }
        assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0, "after {n}");
        if n == 550 {
            settled = Some(lambda.holds());
        }
    }
    let (before, after) = (settled.unwrap(), lambda.holds());
    println!("{before:?} then {after:?}");
    assert!(after.0 <= before.0 + MORE_KIB_MAX, "{before:?} then {after:?} KiB");
    assert!(
        after.1 <= before.1 + MORE_FILES_MAX && after.2 <= before.2 + MORE_FILES_MAX,
        "{before:?} then {after:?}"
    );
    lambda.kill().await;
    let small: Vec<u64> = world.lake().ids().into_iter().filter(|id| *id < 900_000).collect();
    assert_eq!(small, ids(0..4000));
}
