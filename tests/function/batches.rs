//! Batches of many objects, and of objects of very different sizes.

use serde_json::json;

use crate::events::{message_each, messages, notification};
use crate::world::{World, answer, gzip, handle, ids, lines, long_lines, tally};

/// What many small objects cost: one job, one file an hour.
#[tokio::test]
async fn many_small_objects_make_one_job_and_one_file_an_hour() {
    let world = World::new();
    let keys: Vec<_> = (0..200).map(|n| format!("in/2024/05/01/12/{n:03}.gz")).collect();
    for (key, n) in keys.iter().zip(0..) {
        world.put(key, gzip(lines(n * 10..n * 10 + 10)));
    }
    let bodies: Vec<_> = keys.chunks(10).map(|keys| notification(keys).to_string()).collect();
    let handled = handle(&world.function(), &messages(&bodies)).await;
    assert_eq!(handled.answer.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!((handled.metrics.objects, handled.metrics.rows), (200, 2000));
    let lake = world.lake();
    assert_eq!(lake.outcomes().len(), 1);
    let folders: Vec<_> = lake
        .data()
        .into_keys()
        .map(|key| key.rsplit_once('/').unwrap().0.to_owned())
        .collect();
    assert_eq!(
        folders,
        [0, 1, 2, 3].map(|hour| format!("event/year=2024/month=05/day=01/hour={hour:02}"))
    );
    assert_eq!(lake.ids(), ids(0..2000));
    // Each object was read, and its claim read and laid, once.
    let of_claims = |operation| {
        let is_one = |request: &&crate::support::s3::Entry| {
            request.operation == operation && request.key.starts_with("p/_lakebed/claims/")
        };
        world.requests().iter().filter(is_one).count()
    };
    assert_eq!((of_claims("GetObject"), of_claims("PutObject")), (200, 200));
    let (gets, heads) = (world.calls("raw", "GetObject"), world.calls("raw", "HeadObject"));
    assert!(gets + heads <= 2 * 200, "{gets} + {heads}");
}

/// Objects of different folders are different jobs, so that a listing of each makes the same ones.
#[tokio::test]
async fn a_job_never_spans_two_folders() {
    let world = World::new();
    let keys = ["in/b/1", "in/a/1", "in/b/2", "in/a/2", "in/1"];
    keys.iter()
        .zip(0..)
        .for_each(|(key, n)| world.put(key, lines(n * 4..n * 4 + 4)));
    assert_eq!(
        answer(&world.function(), &message_each(&keys)).await,
        json!({"batchItemFailures": []})
    );
    let lake = world.lake();
    let outcomes = lake.outcomes();
    let mut jobs: Vec<Vec<_>> = outcomes
        .iter()
        .map(|outcome| {
            outcome["sources"]
                .as_array()
                .unwrap()
                .iter()
                .map(|source| source["key"].as_str().unwrap())
                .collect()
        })
        .collect();
    jobs.sort_unstable();
    assert_eq!(jobs, [vec!["in/1"], vec!["in/a/1", "in/a/2"], vec!["in/b/1", "in/b/2"]]);
    assert_eq!(lake.ids(), ids(0..20));
}

#[tokio::test]
async fn large_and_small_objects_share_a_batch() {
    let world = World::new();
    let large = long_lines(10_000..10_400, 2_000);
    assert!(large.len() > 12 << 20);
    world.put("in/large", large);
    world.put("in/large.gz", gzip(long_lines(20_000..20_100, 4_000)));
    (0..20).for_each(|n| world.put(&format!("in/small {n}"), lines(n * 5..n * 5 + 5)));
    world.put("in/none", "");
    let mut keys: Vec<_> = (0..20).map(|n| format!("in/small {n}")).collect();
    keys.extend(["in/large", "in/none", "in/large.gz"].map(str::to_owned));
    let function = world.function();
    assert_eq!(tally(&answer(&function, &notification(&keys)).await), [23, 23, 0, 0, 0]);
    let lake = world.lake();
    assert_eq!(
        lake.ids(),
        [ids(0..100), ids(10_000..10_400), ids(20_000..20_100)].concat()
    );
    // Read in ranges, and files of 8 MiB and more written in parts.
    let ranges = world
        .requests()
        .iter()
        .filter(|request| request.key == "in/large" && request.bucket == "raw")
        .count();
    assert!(ranges >= 4, "{ranges}");
    assert_eq!(tally(&answer(&function, &notification(&keys)).await), [23, 0, 23, 0, 0]);
}

/// A job is closed before it has more bytes than the settings say.
#[tokio::test]
async fn a_batch_of_more_than_a_job_may_hold_is_several_jobs() {
    let world = World::new();
    let keys: Vec<_> = (0..6).map(|n| format!("in/{n}")).collect();
    for (key, n) in keys.iter().zip(0..) {
        world.put(key, long_lines(n * 10..n * 10 + 10, 2_500));
    }
    let function = world.function_with(&[("LAKEBED_JOB_BYTES", "1MiB")]).unwrap();
    assert_eq!(tally(&answer(&function, &notification(&keys)).await), [6, 6, 0, 0, 0]);
    let lake = world.lake();
    assert_eq!((lake.ids(), lake.outcomes().len()), (ids(0..60), 3));
}
