//! Every example through the built function: it answers what the library answers, to the letter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lakebed::function::Function;
use lambda_simulator::Invocation;
use serde_json::{Value, json};

use crate::events::messages;
use crate::events::notification;
use crate::process::{Answered, Lambda};
use crate::support::s3::{Effect, Fault};
use crate::world::{World, gzip, handle, ids, lines, settings, tables};

const RAW: (&str, &str) = ("LAKEBED_RAW", "s3://example-raw");

fn examples() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        })
        .collect()
}

/// The objects that the examples name.
fn world() -> World {
    let world = World::new();
    let mut model = world.server.model();
    model.create_bucket("example-raw");
    model.seed("example-raw", "clicks/dt=2019-10-12/a b+c.gz", gzip(lines(0..10)));
    let second = "shop events/2019/10/12/03/shop-events-1-2019-10-12-03-20-12";
    model.seed("example-raw", second, lines(10..30));
    drop(model);
    world
}

/// What the library says in a world of its own.
async fn library(events: &[&Value]) -> Vec<Result<Value, String>> {
    let world = world();
    let function = Function::new(settings(&[RAW]), tables()).unwrap().with_s3(world.s3());
    let mut answers = Vec::new();
    for event in events {
        answers.push(handle(&function, event).await.answer.map_err(|error| error.to_string()));
    }
    answers
}

#[tokio::test]
async fn every_example_is_answered_as_the_library_answers_it() {
    let examples = examples();
    assert!(examples.len() > 20, "{}", examples.len());
    let odd = [
        json!(null),
        json!({"hello": "world"}),
        json!({"backfill": {}}),
        json!({"Items": [{"Key": "a"}]}),
    ];
    for event in examples.values().chain(&odd) {
        let world = world();
        let lambda = Lambda::start(&world, &[RAW]).await;
        // Twice: the second time all is there.
        for expected in library(&[event, event]).await {
            let answered = match lambda.answer(event).await {
                Answered::Response(answer) => Ok(answer),
                Answered::Error(_, message) => Err(message),
            };
            assert_eq!(answered, expected, "{event}");
        }
        for document in lambda.kill().await.documents() {
            assert!(document.is_object());
        }
    }
}

#[tokio::test]
async fn messages_that_are_not_done_at_the_deadline_are_given_back_before_it() {
    let world = World::new();
    for n in 0..4 {
        world.put(&format!("in/{n}/a"), lines(n * 10..n * 10 + 10));
    }
    let claims = Fault::on("PutObject", Effect::Hang).key(|key| key.contains("/claims/"));
    world.server.inject(claims.nth(3));
    let lambda = Lambda::start(&world, &[("LAKEBED_JOBS", "1")]).await;
    let bodies: Vec<_> = (0..4)
        .map(|n| notification(&[format!("in/{n}/a")]).to_string())
        .collect();
    let event = messages(&bodies);
    let began = Instant::now();
    let (_, answered) = lambda.send(Invocation::new(event.clone(), 6_000)).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let expected = json!({"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]});
    assert_eq!(answered.response(), expected);
    assert_eq!(world.copied().ids(), ids(0..20));
    world.server.clear_faults();
    assert_eq!(lambda.answer(&event).await.response(), json!({"batchItemFailures": []}));
    assert_eq!(world.lake().ids(), ids(0..40));
}
