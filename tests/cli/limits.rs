//! Memory stays bounded whatever arrives.

use std::process::Child;
use std::time::Duration;

use crate::sandbox::{Ran, Run as _, Sandbox, events, finish, record};

/// Far below what is read, and what the default setting gives to one process.
const PEAK_KIB_MAX: u64 = 256 << 10;

/// The most memory that a process had at once, in KiB, and what it said.
pub(crate) fn peak(child: Child) -> (u64, Ran) {
    let status = format!("/proc/{}/status", child.id());
    let waiting = std::thread::spawn(move || finish(child));
    let mut peak_kib = 0;
    while !waiting.is_finished() {
        // Gone when the process is; the mark only ever rises, so the last look counts.
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let mark = mark.and_then(|mark| mark.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(mark.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    (peak_kib, waiting.join().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_object_or_the_record() {
    let sandbox = Sandbox::new();
    let together = events(0..120_000, 24, 18, "");
    assert!(together.len() > 40 << 20 && !together.contains('\n'));
    sandbox.write("raw/together.json", &together);
    let filled = |id, bytes: usize| record(id).replace("\"text\":\"", &format!("\"text\":\"{}", "x".repeat(bytes)));
    // One that is within the limit, and one beyond it between two good ones.
    sandbox.write("raw/long.json", filled(200_000, 15 << 20));
    let beyond = filled(300_000, 20 << 20);
    sandbox.write("raw/too_long.json", record(200_001) + &beyond + &record(200_002));

    let (peak_kib, ran) = peak(sandbox.command("backfill raw --to lake --json").begin());
    let ran = ran.exits(0);
    assert_eq!(ran.sources(), [3, 3, 0, 0, 0, 0]);
    assert!(peak_kib > 0 && peak_kib <= PEAK_KIB_MAX, "{peak_kib} KiB");
    let lake = sandbox.lake("lake");
    let expected: Vec<u64> = (0..120_000).chain(200_000..200_003).collect();
    assert!(lake.prove().ids() == expected, "rows are missing or doubled");
    let entries = lake.quarantine();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(
        (&entry["errorCode"], &entry["record"]),
        (&"Record.TooLarge".into(), &2.into())
    );
    assert_eq!(entry["offset"], record(200_001).len());
    assert_eq!(entry["length"], beyond.trim_end().len());
    assert_eq!(entry["rawDataTruncated"], true);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_number_of_hours() {
    let sandbox = Sandbox::new();
    // 1,500 hours, some of each in every stretch of the object.
    let at = |id: u64| {
        let hour = id * 7919 % 1500;
        let day = chrono::NaiveDate::from_ymd_opt(2023, 1, 1).unwrap() + chrono::Days::new(hour / 24);
        format!(
            "{{\"id\":{id},\"at\":\"{day}T{:02}:00:00Z\",\"kind\":\"k\",\"text\":\"{id:0>400}\"}}\n",
            hour % 24
        )
    };
    sandbox.write("raw/hours.json", (0..45_000).map(at).collect::<String>());
    let (peak_kib, ran) = peak(sandbox.command("backfill raw --to lake --json --memory 64MiB").begin());
    assert_eq!(ran.exits(0).json()["tables"]["event"]["hours"], 1500);
    assert!(peak_kib > 0 && peak_kib <= PEAK_KIB_MAX, "{peak_kib} KiB");
    assert!(sandbox.lake("lake").prove().ids() == (0..45_000).collect::<Vec<_>>());
}
