//! Names of objects that are hard to get right: each is read under its own name, however its event spells it.

use crate::events::{created, encoded, encoded_with_slashes, encoded_without_plus, message_each, messages, records};
use crate::world::{World, answer, ids, tally};

pub(crate) fn hostile_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "plain",
        "a b",
        "a+b",
        "a  b++c",
        "a%2Bb",
        "a%252Bb",
        "a%20b",
        "100%",
        "%zz",
        "%FF",
        "a?b#c&d=e;f",
        "a=1/b=2",
        "//",
        "a//b",
        "/leading",
        "trailing/",
        ".",
        "..",
        "a/../b",
        "./a",
        "../../etc/passwd",
        "...",
        "a\nb",
        "a\tb",
        "a\rb",
        "a\u{7f}b",
        "\u{1}",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{1f30a}",
        "\u{202e}fdp.exe",
        "\u{feff}bom",
        "\"quoted\"",
        "'",
        "\\",
        "<a&amp;>",
        "{\"id\":1}",
        "a:b@c",
        "a|b^c`d",
        "~-_.!*'()$,",
        "_lakebed/claims/x.json",
        ".hidden",
    ]
    .map(str::to_owned)
    .into();
    keys.push("k".repeat(1024));
    keys.push("\u{e9}".repeat(512));
    keys
}

/// Every key as `s3://raw/<key>`, with a record whose id is the key's place.
fn world(keys: &[String]) -> World {
    let world = World::new();
    for (n, key) in keys.iter().enumerate() {
        world.put(key, format!("{{\"id\":{n},\"at\":\"2024-05-01T02:00:00Z\"}}"));
    }
    world
}

#[tokio::test]
async fn hostile_names_are_read_however_they_are_encoded() {
    let keys = hostile_keys();
    let encodings = [encoded, encoded_with_slashes, encoded_without_plus];
    for first in 0..encodings.len() {
        let world = world(&keys);
        let function = world.function_with(&[("LAKEBED_RAW", "s3://raw")]).unwrap();
        for turn in 0..encodings.len() {
            let encoding = encodings[(first + turn) % encodings.len()];
            let event = records(keys.iter().map(|key| created(&encoding(key))).collect());
            let all = keys.len() as u64;
            let (loaded, already) = if turn == 0 { (all, 0) } else { (0, all) };
            assert_eq!(tally(&answer(&function, &event).await), [all, loaded, already, 0, 0]);
        }
        let lake = world.lake();
        assert_eq!(lake.ids(), ids(0..keys.len() as u64));
        assert_eq!(lake.claims().len(), keys.len());
    }
}

#[tokio::test]
async fn hostile_names_are_the_same_objects_through_a_queue_and_a_listing() {
    let keys: Vec<_> = hostile_keys()
        .iter()
        .map(|key| format!("in/{}", &key[..key.len().min(1000)]))
        .collect();
    let world = world(&keys);
    let function = world.function();
    assert_eq!(
        answer(&function, &message_each(&keys)).await["batchItemFailures"],
        serde_json::json!([])
    );
    let claims = world.lake().claims();
    assert_eq!(claims.len(), keys.len());
    let summary = world.backfill().await;
    assert_eq!(
        (summary.sources.already, summary.sources.done),
        (keys.len() as u64, 0),
        "{:?}",
        summary.failed
    );
    assert_eq!(world.lake().claims(), claims);
    assert_eq!(world.lake().ids(), ids(0..keys.len() as u64));
}

#[tokio::test]
async fn names_that_are_no_names_fail_their_message_alone() {
    let world = World::new();
    world.put("in/good", "{\"id\":0,\"at\":\"2024-05-01T02:00:00Z\"}");
    let function = world.function();
    let body = |encoded: &str| records(vec![created(encoded)]).to_string();
    let bad = ["in/%FF", "in/%C3%28", "", "in/%ED%A0%80"];
    let bodies: Vec<_> = bad.iter().chain(&["in/good"]).map(|encoded| body(encoded)).collect();
    let answer = answer(&function, &messages(&bodies)).await;
    assert_eq!(crate::events::failed_messages(&answer), ["m0", "m1", "m2", "m3"]);
    assert_eq!(world.calls("raw", "GetObject"), 1);
    assert_eq!(world.lake().ids(), [0]);
}
