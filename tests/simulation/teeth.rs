//! The oracle notices what is wrong: lakes and histories doctored by hand, one fault each.

use sha2::{Digest, Sha256};

use crate::support::oracle::{LAKE, PREFIX, file};
use crate::support::s3::{Algorithm, At, Headers, Model};
use crate::support::sim::Request;
use crate::world::{Raw, World, names, simulate};
use crate::writer::Writer;

const DATA: &str = "p/t/year=2019/month=10/day=12/hour=00/";
const JOB: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The first key of the lake that has this in it.
fn key(model: &Model, part: &str) -> String {
    model.keys(LAKE).into_iter().find(|key| key.contains(part)).unwrap()
}

fn text(model: &Model, key: &str) -> String {
    String::from_utf8(model.bytes(LAKE, key).unwrap().to_vec()).unwrap()
}

/// Puts a changed object in the place of one.
fn change(model: &mut Model, key: &str, change: impl Fn(String) -> String) {
    let text = change(text(model, key));
    model.seed(LAKE, key, text);
}

/// Changes the rows of a file, and its outcome with it: the sums are right.
fn change_rows(model: &mut Model, change_lines: impl Fn(Vec<String>) -> Vec<String>) {
    let (data, outcome) = (key(model, DATA), key(model, "/jobs/"));
    let before = text(model, &data);
    let after = file::write("", &change_lines(file::parse(before.as_bytes()).unwrap()));
    let record = |text: &str| (sum(text), format!("\"size\":{}", text.len()));
    let ((old_sum, old_size), (new_sum, new_size)) = (record(&before), record(&after));
    model.seed(LAKE, &data, after);
    change(model, &outcome, |json| {
        let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
        for file in json["files"].as_array_mut().unwrap() {
            let text = file.to_string();
            if text.contains(&old_sum) {
                let text = text.replace(&old_sum, &new_sum).replace(&old_size, &new_size);
                *file = serde_json::from_str(&text).unwrap();
            }
        }
        json.to_string()
    });
}

fn sum(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two sources of three hours, loaded and swept.
async fn loaded(world: &World) -> Result<(), String> {
    for name in names(&["a", "b"]) {
        world.write(&name, Raw::new("A").hours(3));
    }
    world
        .deliver_now("w".to_owned(), &names(&["a", "b"]), Writer::default())
        .await
}

#[test]
fn a_lake_at_rest_that_is_wrong_is_noticed() {
    type Doctor = fn(&mut Model);
    let faults: [(&str, Doctor); 11] = [
        (
            "I1: raw/a has 6 records in the lake and should have 7: 1 missing",
            |model| {
                change_rows(model, |lines| lines[1..].to_vec());
            },
        ),
        (
            "I1: raw/a has 8 records in the lake and should have 7: 0 missing, 1 twice",
            |model| {
                change_rows(model, |lines| [&lines[..1], &lines].concat());
            },
        ),
        (
            "I1: raw/a has 7 records in the lake and should have 7: 1 missing, 0 twice, 1 of another",
            |model| {
                change_rows(model, |mut lines| {
                    lines[0] = lines[0].replace(r#""content":"A""#, r#""content":"B""#);
                    lines
                });
            },
        ),
        ("I1: there are rows of raw/x", |model| {
            change_rows(model, |lines| {
                let foreign = lines[0].replace("raw/a", "raw/x");
                [&lines[..], &[foreign]].concat()
            });
        }),
        ("I3: ", |model| {
            change_rows(model, |mut lines| {
                lines[0] = lines[0].replace("T00", "T01");
                lines
            });
        }),
        ("I4: ", |model| {
            let data = key(model, DATA);
            model.delete(At::new(LAKE, &data), None).unwrap();
        }),
        ("I4: ", |model| {
            let data = key(model, DATA);
            change(model, &data, |text| text.replacen("PAR1 ", "PAR1 x", 1));
        }),
        ("I2: ", |model| change_rows_to_half(model)),
        ("I10: ", |model| {
            let text = file::write("", &[]);
            model.seed(LAKE, &format!("{DATA}{JOB}-0000.parquet"), text);
        }),
        ("I10: ", |model| {
            drop(model.seed(LAKE, &format!("{PREFIX}_lakebed/open/{JOB}"), "{}"))
        }),
        ("I11: ", |model| {
            drop(model.seed(LAKE, &format!("{PREFIX}t/hour=00/x.parquet"), ""))
        }),
    ];
    for (place, (expected, doctor)) in faults.into_iter().enumerate() {
        let (_, result) = simulate(1, |world| async move {
            loaded(&world).await?;
            world.sim.with_watch(|watch, model| watch.at_rest(model))?;
            world.sim.with_model(doctor);
            let noticed = world.sim.with_watch(|watch, model| watch.at_rest(model));
            match noticed {
                Err(why) if why.starts_with(expected) => Ok(()),
                other => Err(format!("fault {place}, {expected}: {other:?}")),
            }
        });
        result.unwrap();
    }
}

/// A file that is cut, and its outcome says so.
fn change_rows_to_half(model: &mut Model) {
    let (data, outcome) = (key(model, DATA), key(model, "/jobs/"));
    let whole = text(model, &data);
    let half = whole[..whole.len() / 2].to_owned();
    change(model, &outcome, |json| {
        json.replace(&sum(&whole), &sum(&half)).replace(
            &format!("\"size\":{}", whole.len()),
            &format!("\"size\":{}", half.len()),
        )
    });
    model.seed(LAKE, &data, half);
}

/// What is seen as it happens.
#[test]
fn a_write_that_is_wrong_is_noticed() {
    type Doctor = fn(&mut Model) -> (&'static str, String);
    let faults: [(&str, &str, Doctor); 12] = [
        ("I2: ", "a", |model| {
            let key = format!("{DATA}{JOB}-0000.parquet");
            model.seed(LAKE, &key, "PAR1 half of it");
            ("PutObject", key)
        }),
        ("I3: ", "a", |model| {
            let key = format!("{DATA}{JOB}-0000.parquet");
            let row = r#"{"source":"raw/a","table":"t","hour":"2019-10-12T05"}"#.to_owned();
            model.seed(LAKE, &key, file::write("", &[row]));
            ("PutObject", key)
        }),
        ("I4: ", "a", |model| {
            let key = key(model, DATA);
            model.delete(At::new(LAKE, &key), None).unwrap();
            ("DeleteObject", key)
        }),
        ("I7: ", "a", |model| {
            let key = key(model, DATA);
            change(model, &key, |text| text.replacen("PAR1 ", "PAR1 other", 1));
            ("PutObject", key)
        }),
        ("I11: ", "a", |model| {
            model.seed(LAKE, "p/t/x.parquet", "");
            ("PutObject", "p/t/x.parquet".to_owned())
        }),
        ("I11: ", "a", |model| {
            model.seed(LAKE, "elsewhere", "");
            ("PutObject", "elsewhere".to_owned())
        }),
        ("I11: ", "a", |model| {
            let key = key(model, "/claims/");
            model.delete(At::new(LAKE, &key), None).unwrap();
            ("DeleteObject", key)
        }),
        ("I11: an upload", "a", |model| {
            let key = key(model, "/claims/");
            let at = At::new(LAKE, &key);
            model
                .create_upload(at, Headers::default(), Some(Algorithm::Sha256), None)
                .unwrap();
            ("CreateMultipartUpload", key)
        }),
        ("_lakebed/jobs", "a", |model| {
            // Dead, and done again.
            let key = key(model, "/jobs/");
            change(model, &key, |json| {
                json.replace(r#""state":"done""#, r#""state":"alive""#)
            });
            ("PutObject", key)
        }),
        ("I4: ", "a", |model| {
            let key = key(model, "/jobs/");
            change(model, &key, |json| {
                json.replace(r#""state":"done""#, r#""state":"dead""#)
            });
            ("PutObject", key)
        }),
        ("I4: ", "a", |model| {
            // A done job whose files never were.
            let outcome = key(model, "/jobs/");
            let job = outcome.rsplit('/').next().unwrap().trim_end_matches(".json").to_owned();
            let json = text(model, &outcome).replace(&job, JOB);
            let key = format!("{PREFIX}_lakebed/jobs/{JOB}.json");
            model.seed(LAKE, &key, json);
            ("PutObject", key)
        }),
        ("t/year", "a", |model| {
            // Visible, and nobody has decided.
            let key = format!("{DATA}{JOB}-0000.parquet");
            model.seed(LAKE, &key, file::write("", &[]));
            ("PutObject", key)
        }),
    ];
    for (place, (expected, _, doctor)) in faults.into_iter().enumerate() {
        let (_, result) = simulate(1, |world| async move {
            loaded(&world).await?;
            let (operation, key) = world.sim.with_model(doctor);
            let request = Request {
                operation,
                bucket: LAKE.to_owned(),
                key,
                note: String::new(),
            };
            let at = world.sim.calls();
            world
                .sim
                .with_watch(|watch, model| watch.see(model, &request, Some("w"), at));
            let seen = world.sim.with_watch(|watch, _| watch.faults().to_vec());
            match seen.first() {
                Some(why) if why.starts_with(expected) => Ok(()),
                other => Err(format!("fault {place}, {expected}: {other:?}")),
            }
        });
        result.unwrap();
    }
}

/// I1 when it is decided, I5 when it is answered, I6 and I10 at the end, I11 in raw.
#[test]
fn a_history_that_is_wrong_is_noticed() {
    let expect = |expected: &'static str, seen: Vec<String>| match seen.first() {
        Some(why) if why.starts_with(expected) => Ok(()),
        other => Err(format!("{expected}: {other:?}")),
    };
    let faults = |world: &World| world.sim.with_watch(|watch, _| watch.faults().to_vec());
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        world.write("raw/c", Raw::new("A"));
        world.sim.with_watch(|watch, _| watch.acknowledged("raw/c", 0));
        expect("I5: raw/c", faults(&world))
    });
    result.unwrap();
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        // Answered for what it was before.
        world.write("raw/a", Raw::new("B"));
        let line = world.sim.calls() + 1;
        world.sim.with_watch(|watch, _| watch.acknowledged("raw/a", line));
        expect("I5: raw/a", faults(&world))
    });
    result.unwrap();
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        let request = Request {
            operation: "PutObject",
            bucket: "raw".to_owned(),
            key: "a".to_owned(),
            note: String::new(),
        };
        world
            .sim
            .with_watch(|watch, model| watch.see(model, &request, Some("w"), 0));
        expect("I11: ", faults(&world))
    });
    result.unwrap();
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        // The outcome is of a version that has other records.
        let outcome = world.sim.with_model(|model| {
            let outcome = key(model, "/jobs/");
            let json = text(model, &outcome).replace("\"etag\":\"", "\"etag\":\"0");
            model.seed(LAKE, &outcome, json.replace(r#""state":"done""#, r#""state":"dead""#));
            outcome
        });
        let request = Request {
            operation: "PutObject",
            bucket: LAKE.to_owned(),
            key: outcome,
            note: String::new(),
        };
        world
            .sim
            .with_watch(|watch, model| watch.see(model, &request, Some("w"), 0));
        expect("I4: ", faults(&world))
    });
    result.unwrap();
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        let before = world.sim.calls();
        world.write("raw/a", Raw::new("B"));
        world
            .deliver_now("again".to_owned(), &names(&["a"]), Writer::default())
            .await?;
        expect("I6: ", world.nothing_written_since(before).err().into_iter().collect())
    });
    result.unwrap();
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        let key = format!("{DATA}{JOB}-0000.parquet");
        let at = At::new(LAKE, &key);
        world.sim.with_model(|model| {
            model
                .create_upload(at, Headers::default(), Some(Algorithm::Sha256), None)
                .unwrap();
        });
        let request = Request {
            operation: "CreateMultipartUpload",
            bucket: LAKE.to_owned(),
            key: key.clone(),
            note: String::new(),
        };
        world
            .sim
            .with_watch(|watch, model| watch.see(model, &request, Some("w"), 0));
        expect(
            "I10: w left",
            world
                .sim
                .with_watch(|watch, model| watch.at_rest(model))
                .err()
                .into_iter()
                .collect(),
        )
    });
    result.unwrap();
    // I9: somebody has put another file where one of the job's has to be.
    let (_, result) = simulate(1, |world| async move {
        loaded(&world).await?;
        world.write("raw/c", Raw::new("A"));
        world.sim.with_model(|model| {
            let claim = key(model, "/claims/");
            change(model, &claim, |json| json.replace(|c: char| c.is_ascii_digit(), "a"));
        });
        world.forget_answers();
        expect(
            "I9: ",
            world.bring_to_rest(Writer::default()).await.err().into_iter().collect(),
        )
    });
    result.unwrap();
}
