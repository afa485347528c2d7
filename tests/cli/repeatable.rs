//! The same raw objects give the same bytes, whatever threads, memory and jobs they were read with.

use crate::sandbox::{Run as _, Sandbox, events, gzip, lines};

#[test]
fn threads_memory_and_jobs_decide_no_byte() {
    let sandbox = Sandbox::new();
    // Many hours in several folders; one hour with more than is kept in memory as a small file; rejects; a damaged object.
    sandbox.write("raw/a/1.json", events(0..20_000, 24, 3, "\n"));
    sandbox.write("raw/a/2.json.gz", gzip(events(20_000..30_000, 24, 3, "")));
    sandbox.write("raw/b/large.json", events(30_000..50_000, 1, 40, "\n"));
    let bad: String = (50_000..52_000)
        .map(|id| lines(id..id + 1) + "{\"id\":oops}\n")
        .collect();
    sandbox.write("raw/c/bad.json", bad);
    let mut cut = gzip(events(60_000..70_000, 3, 3, "\n"));
    cut.truncate(cut.len() / 2);
    sandbox.write("raw/c/cut.json.gz", cut);
    let runs = [
        ("1", "--jobs 1"),
        ("1", "--jobs 4 --memory 64MiB"),
        ("2", "--jobs 2"),
        ("2", "--jobs 8 --memory 64MiB"),
        ("4", "--jobs 1 --memory 64MiB"),
        ("4", "--memory 1GiB"),
    ];
    let mut first = None;
    for (place, (threads, more)) in runs.into_iter().enumerate() {
        let mut command = sandbox.command(&format!("backfill raw --to lake{place} --json {more}"));
        let ran = command.env("RAYON_NUM_THREADS", threads).run().exits(1);
        assert_eq!(ran.failed(), [("cut.json.gz".into(), "Codec.Truncated".into())]);
        let lake = sandbox.lake(&format!("lake{place}"));
        lake.prove();
        let written = (lake.data(), lake.quarantine(), lake.outcomes());
        let largest = written.0.values().map(bytes::Bytes::len).max().unwrap();
        assert!(largest > 8 << 20, "no file is an upload: {largest}");
        match &first {
            None => first = Some(written),
            Some(first) => {
                let keys =
                    |data: &std::collections::BTreeMap<String, bytes::Bytes>| data.keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(&first.0), keys(&written.0), "{threads} threads, {more}");
                for (key, bytes) in &written.0 {
                    assert!(first.0[key] == bytes, "{key} differs with {threads} threads, {more}");
                }
                assert_eq!(first.1, written.1, "{threads} threads, {more}");
                assert_eq!(first.2, written.2, "{threads} threads, {more}");
            }
        }
    }
}
