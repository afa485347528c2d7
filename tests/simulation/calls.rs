//! What a job costs: every call it makes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::oracle::{LAKE, PREFIX};
use crate::support::sim::Entry;
use crate::world::{Raw, World, simulate};
use crate::writer::Writer;

/// Sources and files of the job; what happens to its sources once it is done, before it is loaded again; the calls of the last
/// load.
struct Cost {
    what: &'static str,
    sources: usize,
    files: u64,
    uploads: usize,
    then: Option<fn(&World)>,
    reload: bool,
    calls: &'static [(&'static str, usize)],
}

const PLAIN: Cost = Cost {
    what: "new",
    sources: 1,
    files: 1,
    uploads: 0,
    then: None,
    reload: false,
    calls: &[],
};

const COSTS: [Cost; 6] = [
    Cost {
        files: 49,
        calls: &[
            ("DeleteObject open", 1),
            ("GetObject claims", 1),
            ("GetObject raw", 2),
            ("PutObject claims", 1),
            ("PutObject jobs", 1),
            ("PutObject open", 1),
            ("PutObject t", 49),
        ],
        ..PLAIN
    },
    Cost {
        files: 49,
        uploads: 1,
        calls: &[
            ("CompleteMultipartUpload t", 49),
            ("CreateMultipartUpload t", 49),
            ("DeleteObject open", 1),
            ("GetObject claims", 1),
            ("GetObject raw", 2),
            ("PutObject claims", 1),
            ("PutObject jobs", 1),
            ("PutObject open", 1),
            ("UploadPart t", 98),
        ],
        ..PLAIN
    },
    Cost {
        sources: 49,
        calls: &[
            ("DeleteObject open", 1),
            ("GetObject claims", 49),
            ("GetObject raw", 98),
            ("PutObject claims", 49),
            ("PutObject jobs", 1),
            ("PutObject open", 1),
            ("PutObject t", 1),
        ],
        ..PLAIN
    },
    // The look that finds the heir to be made, the heir, and the look that finds it done.
    Cost {
        what: "overwritten",
        then: Some(overwritten),
        calls: &[
            ("DeleteObject t", 1),
            ("GetObject claims", 3),
            ("GetObject jobs", 3),
            ("GetObject raw", 2),
            ("HeadObject raw", 2),
            ("PutObject claims", 1),
            ("PutObject jobs", 2),
            ("PutObject open", 1),
            ("PutObject t", 1),
        ],
        ..PLAIN
    },
    Cost {
        what: "one overwritten, one deleted",
        sources: 2,
        then: Some(deleted_too),
        calls: &[
            ("DeleteObject t", 1),
            ("GetObject claims", 5),
            ("GetObject jobs", 3),
            ("GetObject raw", 3),
            ("GetObject t", 1),
            ("HeadObject raw", 3),
            ("PutObject claims", 2),
            ("PutObject jobs", 2),
            ("PutObject open", 1),
            ("PutObject t", 1),
        ],
        ..PLAIN
    },
    Cost {
        what: "reloaded",
        sources: 2,
        reload: true,
        calls: &[
            ("DeleteObject t", 1),
            ("GetObject claims", 6),
            ("GetObject jobs", 3),
            ("GetObject raw", 4),
            ("HeadObject raw", 4),
            ("PutObject claims", 2),
            ("PutObject jobs", 2),
            ("PutObject open", 1),
            ("PutObject t", 1),
        ],
        ..PLAIN
    },
];

fn overwritten(world: &World) {
    world.write(
        "raw/00",
        Raw {
            rejects: 0,
            ..Raw::new("B")
        }
        .hours(1),
    );
}

fn deleted_too(world: &World) {
    overwritten(world);
    world.remove("raw/01");
}

/// `PutObject claims`: a call without the names in its key.
fn kind(entry: &Entry) -> String {
    let request = &entry.request;
    let place = match request.key.strip_prefix(PREFIX) {
        Some(key) if request.bucket == LAKE => {
            let key = key.strip_prefix("_lakebed/").unwrap_or(key);
            key.split('/').next().unwrap_or_default()
        }
        _ => "raw",
    };
    // Two tables are one here.
    let place = if place == "u" { "t" } else { place };
    format!("{} {place}", request.operation)
}

/// The calls of the last delivery, after its worker has opened the lake.
fn calls(cost: &Cost) -> Vec<String> {
    let (world, result) = simulate(1, |world| async move {
        let batch: Vec<String> = (0..cost.sources).map(|n| format!("raw/{n:02}")).collect();
        for name in &batch {
            world.write(
                name,
                Raw {
                    rejects: 0,
                    ..Raw::new("A")
                }
                .hours(cost.files),
            );
        }
        let writer = Writer {
            uploads: cost.uploads,
            reload: cost.reload,
            ..Writer::default()
        };
        if cost.then.is_some() || cost.reload {
            world
                .deliver_now(
                    "before".to_owned(),
                    &batch,
                    Writer {
                        uploads: 0,
                        ..Writer::default()
                    },
                )
                .await?;
        }
        if let Some(then) = cost.then {
            then(&world);
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        world.deliver_now("it".to_owned(), &batch, writer).await
    });
    result.unwrap();
    let log = world.sim.log();
    let of_it = log.iter().filter(|entry| entry.actor == "it").map(kind);
    of_it.skip_while(|kind| !kind.ends_with(" raw")).collect()
}

#[test]
fn one_source_and_one_file_make_eight_calls() {
    assert_eq!(
        calls(&PLAIN),
        [
            "GetObject raw", // what is there, with its first bytes
            "GetObject claims",
            "GetObject raw", // the rest: not made where the first bytes were all
            "PutObject open",
            "PutObject claims",
            "PutObject t",
            "PutObject jobs",
            "DeleteObject open",
        ]
    );
}

#[test]
fn each_further_file_source_and_heir_has_its_calls() {
    for cost in COSTS {
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for call in calls(&cost) {
            *counted.entry(call).or_default() += 1;
        }
        let counted: Vec<(&str, usize)> = counted.iter().map(|(call, count)| (call.as_str(), *count)).collect();
        let Cost {
            sources, files, what, ..
        } = cost;
        assert_eq!(counted, cost.calls, "{sources} sources, {files} files, {what}");
    }
}
