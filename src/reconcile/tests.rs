//! Many objects and little memory.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::job::identity::SourceName;
use crate::store::FolderStore;

/// Outcomes, and sources of each.
const JOBS: u64 = 100;
const SOURCES: u64 = 1_000;
/// So little that nothing fits into it that is told of in the hundred thousand.
const MEMORY: usize = 256 << 10;

fn version(n: u64) -> Version {
    Version {
        etag: format!("{n:032x}"),
        size: n,
        last_modified_s: 1_714_521_600,
    }
}

fn name(n: u64) -> SourceName {
    SourceName::in_bucket("raw", format!("in/{:03}/{n:06}.json.gz", n % 997))
}

/// A lake in which every hundred sources one is missing, and one is of another version.
fn lake_at(root: &std::path::Path) {
    let folder = root.join("_lakebed/jobs");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(root.join("_lakebed/lake.json"), r#"{"version":1,"format":"lakebed"}"#).unwrap();
    for job in 0..JOBS {
        let id = "m".repeat(20) + &letters(job);
        let sources = (job * SOURCES..(job + 1) * SOURCES).filter(|n| n % 100 != 7);
        let sources: Vec<_> = sources
            .map(|n| {
                let version = if n % 100 == 8 {
                    version(n + 1_000_000)
                } else {
                    version(n)
                };
                json!({"bucket": "raw", "key": name(n).key, "etag": version.etag, "size": version.size,
                    "last_modified_s": version.last_modified_s})
            })
            .collect();
        let outcome = json!({"version": 1, "job": id, "state": "done", "plan": "m".repeat(26), "encoder": "1",
            "sources": sources, "files": [], "counts": {}});
        std::fs::write(folder.join(format!("{id}.json")), outcome.to_string()).unwrap();
    }
}

/// Six letters that no other job has.
fn letters(job: u64) -> String {
    (0..6)
        .rev()
        .map(|place| char::from(b'a' + (job >> (4 * place) & 15) as u8))
        .collect()
}

#[tokio::test]
async fn a_hundred_thousand_objects_are_compared_in_a_quarter_of_a_mebibyte() {
    let folder = tempfile::tempdir().unwrap();
    lake_at(folder.path());
    let store = Arc::new(FolderStore::open(folder.path()).unwrap());
    let lake = Lake::existing(store).await.unwrap().unwrap();
    let raw: Vec<Place> = vec![Place::parse("s3://raw/in").unwrap()];
    let options = Options {
        raw: raw.clone(),
        selection: Selection::default(),
        lake: Place::Local(folder.path().to_owned()),
        load: true,
        spill_dir: std::env::temp_dir(),
    };
    let mut report = Report::new("lake".to_owned());
    let mut seen = Sorter::new(options.spill_dir.clone(), MEMORY);
    let all = JOBS * SOURCES;
    // As a listing of another order would have them.
    for n in (0..all).rev() {
        seen.push(&names::key(&name(n)), &Entry::Raw(version(n))).unwrap();
    }
    let progress = Progress::default();
    lake::gather(&lake, &Wanted::of(&raw), &mut seen, &mut report, &progress)
        .await
        .unwrap();
    assert!(
        seen.memory_max() <= MEMORY + 4096,
        "{} bytes were held",
        seen.memory_max()
    );
    assert!(seen.runs() > 20, "{} runs", seen.runs());
    let mut missing = compare(&lake, seen, &options, &mut report).await.unwrap();
    report.end();
    let each = all / 100;
    let expected = SourceCounts {
        found: all,
        loaded: all - 2 * each,
        never: each,
        overwritten: each,
        missing_bytes: (0..all).filter(|n| matches!(n % 100, 7 | 8)).sum(),
        ..SourceCounts::default()
    };
    assert_eq!(report.sources, expected);
    assert_eq!(
        (report.missing.len(), report.missing_more),
        (LISTED_MAX, 2 * each - LISTED_MAX as u64)
    );
    assert_eq!(progress.outcomes.load(Relaxed), JOBS);
    // All of them come out again, in order.
    let mut last = None;
    let mut count = 0;
    while let Some((key, version)) = missing.next().unwrap() {
        let found = names::name(&key);
        assert!(last.as_ref().is_none_or(|last| *last < found), "{found} comes late");
        assert_eq!(found, name(version.size));
        last = Some(found);
        count += 1;
    }
    assert_eq!(count, 2 * each);
}
