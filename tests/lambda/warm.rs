//! One process, one event after another: nothing of one is left for the next.

#![cfg(target_os = "linux")]

use crate::events::{message_each, notification};
use crate::process::Lambda;
use crate::world::{World, gzip, ids, lines, long_lines};

/// Events; `LAKEBED_TEST_ROUNDS` multiplies them.
const EVENTS: u64 = 500;
/// What is kept of each job so that it is not asked for again, and what an allocator may keep back.
const MORE_KIB_MAX: u64 = 4 << 10;
/// The same where objects of some MiB were spilled in between.
const PEAK_KIB_MAX: u64 = 192 << 10;

/// Good, damaged, foreign, missing and doubled ones in turn, and some that have to be spilled.
#[tokio::test]
async fn many_events_leave_neither_files_nor_memory_behind() {
    let asked = std::env::var("LAKEBED_TEST_ROUNDS").map_or(1, |text| text.parse().expect("it is a number"));
    let events = EVENTS * asked;
    let world = World::new();
    let spill = tempfile::tempdir().unwrap();
    let environment = [
        ("LAKEBED_SPILL_DIR", spill.path().to_str().unwrap()),
        ("LAKEBED_MEMORY", "64MiB"),
        ("AWS_LAMBDA_LOG_LEVEL", "error"),
    ];
    let lambda = Lambda::start(&world, &environment).await;
    let large = long_lines(900_000_000..900_002_000, 1_000);
    assert!(large.len() > 24 << 20);
    let mut settled = (0, 0, 0);
    for n in 0..events {
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
        // The large ones come early, and then there are small ones alone.
        if n % 50 == 10 && n < 150 {
            let key = format!("in/large {n}");
            world.put(&key, large.clone());
            lambda.answer(&notification(&[&key])).await.response();
            world.delete(&key);
        }
        if n == 200 {
            settled = lambda.holds();
        }
        assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0, "after {n}");
    }
    let left = lambda.holds();
    eprintln!("{settled:?}, {} events later {left:?}", events - 200);
    assert!(
        left.0 <= settled.0 + MORE_KIB_MAX * asked && left.0 <= PEAK_KIB_MAX,
        "{settled:?}, then {left:?}"
    );
    let more = (left.1.saturating_sub(settled.1), left.2.saturating_sub(settled.2));
    assert!(
        more.0 <= 4 && more.1 <= 4,
        "open files and threads: {settled:?}, then {left:?}"
    );
    lambda.kill().await;
    let small: Vec<u64> = world.lake().ids().into_iter().filter(|id| *id < 900_000_000).collect();
    assert_eq!(small, ids(0..events * 4));
}
