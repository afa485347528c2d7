//! What `lakebed verify` notices: a sound lake is damaged in one way at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::sandbox::{EVENT_YAML, Sandbox, lines};
use crate::verify::{loaded, verify};

/// A lake to be damaged.
struct Victim<'a> {
    sandbox: &'a Sandbox,
    name: &'a str,
}

impl Victim<'_> {
    fn path(&self, key: &str) -> PathBuf {
        self.sandbox.path(self.name).join(key)
    }

    /// Keys below a folder that hold `part`, sorted.
    fn keys(&self, folder: &str, part: &str) -> Vec<String> {
        let root = self.path("");
        let mut keys = Vec::new();
        let mut folders = vec![root.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => keys.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        keys.retain(|key| key.contains(part));
        keys.sort();
        keys
    }

    /// A data file of the hour 02 of the first job.
    fn data(&self) -> String {
        let job = self.job();
        self.keys("event", "hour=02/")
            .into_iter()
            .find(|key| key.contains(&job))
            .unwrap()
    }

    fn quarantine(&self) -> String {
        self.keys("_lakebed/quarantine", &self.job()).remove(0)
    }

    /// The job with two sources.
    fn job(&self) -> String {
        let outcome = self.outcome();
        outcome
            .strip_prefix("_lakebed/jobs/")
            .unwrap()
            .strip_suffix(".json")
            .unwrap()
            .to_owned()
    }

    fn outcome(&self) -> String {
        let outcomes = self.keys("_lakebed/jobs", ".json");
        let is_first = |key: &String| self.json(key)["sources"].as_array().unwrap().len() == 2;
        outcomes.into_iter().find(is_first).unwrap()
    }

    fn claim(&self) -> String {
        let job = self.job();
        let claims = self.keys("_lakebed/claims", ".json");
        claims.into_iter().find(|key| self.json(key)["job"] == *job).unwrap()
    }

    fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(key)).unwrap()).unwrap()
    }

    fn edit(&self, key: &str, change: impl FnOnce(&mut Value)) {
        let mut json = self.json(key);
        change(&mut json);
        fs::write(self.path(key), json.to_string()).unwrap();
    }

    fn edit_outcome(&self, change: impl FnOnce(&mut Value)) {
        self.edit(&self.outcome(), change);
    }

    fn set(&self, pointer: &str, value: Value) {
        self.edit_outcome(|outcome| *outcome.pointer_mut(pointer).unwrap() = value);
    }

    /// Changes what the outcome says of the data file of hour 02.
    fn edit_file(&self, change: impl FnOnce(&mut Value)) {
        let key = self.data();
        self.edit_outcome(|outcome| {
            let files = outcome["files"].as_array_mut().unwrap();
            change(files.iter_mut().find(|file| file["key"] == *key).unwrap());
        });
    }

    fn delete(&self, key: &str) {
        fs::remove_file(self.path(key)).unwrap();
    }

    fn flip(&self, key: &str) {
        let mut bytes = fs::read(self.path(key)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(self.path(key), bytes).unwrap();
    }

    fn cut(&self, key: &str) {
        let bytes = fs::read(self.path(key)).unwrap();
        fs::write(self.path(key), &bytes[..bytes.len() - 1]).unwrap();
    }

    /// Moves or copies a file to another hour.
    fn to_another_hour(&self, move_it: bool) {
        let from = self.data();
        let to = self.path(&from.replace("hour=02", "hour=23"));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(self.path(&from), to).unwrap();
        if move_it {
            self.delete(&from);
        }
    }

    fn put(&self, key: &str, bytes: &str) {
        fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
        fs::write(self.path(key), bytes).unwrap();
    }
}

/// Copies all files below a folder, over those that are there.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            // As a store writes: whole or not at all.
            false => {
                let whole = to.with_file_name(".whole.tmp");
                fs::copy(&path, &whole).unwrap();
                fs::rename(whole, to).unwrap();
            }
        }
    }
}

/// What is done to a lake, the codes that a proof then finds, and those of a quick one, each once.
type Damage = (
    &'static str,
    fn(&Victim<'_>),
    &'static [&'static str],
    &'static [&'static str],
);

#[track_caller]
fn notices(damages: &[Damage]) {
    let sandbox = loaded();
    for (n, (what, damage, found, found_quickly)) in damages.iter().enumerate() {
        let name = format!("lake{n}");
        copy(&sandbox.path("lake"), &sandbox.path(&name));
        damage(&Victim {
            sandbox: &sandbox,
            name: &name,
        });
        for (ran, expected) in verify(&sandbox, &name).into_iter().zip([found, found_quickly]) {
            let json = ran.json();
            let codes: Vec<_> = json["codes"].as_object().unwrap().keys().collect();
            assert_eq!(codes, *expected, "{what}: {}", json["problems"]);
            assert_eq!(json["exit"], i32::from(!expected.is_empty()), "{what}");
            for problem in json["problems"].as_array().unwrap() {
                let message = problem["message"].as_str().unwrap();
                assert!(problem["key"].is_string() && message.len() > 20, "{what}: {problem}");
            }
        }
    }
}

#[test]
fn damaged_files_are_noticed() {
    notices(&[
        (
            "a data file deleted",
            |lake| lake.delete(&lake.data()),
            &["File.Missing"],
            &["File.Missing"],
        ),
        (
            "a quarantine file deleted",
            |lake| lake.delete(&lake.quarantine()),
            &["File.Missing"],
            &["File.Missing"],
        ),
        (
            "a data file truncated",
            |lake| lake.cut(&lake.data()),
            &["File.Size"],
            &["File.Size"],
        ),
        (
            "a quarantine file truncated",
            |lake| lake.cut(&lake.quarantine()),
            &["File.Size"],
            &["File.Size"],
        ),
        (
            "a bit of a data file flipped",
            |lake| lake.flip(&lake.data()),
            &["File.Checksum"],
            &[],
        ),
        (
            "a bit of a quarantine file flipped",
            |lake| lake.flip(&lake.quarantine()),
            &["File.Checksum"],
            &[],
        ),
        (
            "a data file moved to another hour",
            |lake| lake.to_another_hour(true),
            &["File.Missing", "File.Unlisted"],
            &["File.Missing", "File.Unlisted"],
        ),
        (
            "a data file copied to another hour",
            |lake| lake.to_another_hour(false),
            &["File.Unlisted"],
            &["File.Unlisted"],
        ),
        (
            "a table gone",
            |lake| fs::remove_dir_all(lake.path("event")).unwrap(),
            &["File.Missing"],
            &["File.Missing"],
        ),
    ]);
}

#[test]
fn files_of_others_are_noticed() {
    const FOREIGN: &[&str] = &["File.Foreign"];
    notices(&[
        ("in a table", |lake| lake.put("event/x.parquet", "x"), FOREIGN, FOREIGN),
        (
            "in the last hour",
            |lake| lake.put("event/year=9/x.parquet", "x"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "named as if a job had made it",
            |lake| lake.put("event/year=2024/mzxw6ytboiaaaaaaaaaaaaaaaa-0000.parquet", "x"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "in quarantine",
            |lake| lake.put("_lakebed/quarantine/date=2024-06-01/x.gz", "x"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "under a name that no key can be",
            |lake| lake.put("event/a\\b.parquet", "x"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "among the outcomes",
            |lake| lake.put("_lakebed/jobs/x.json", "{}"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "among the claims",
            |lake| lake.put("_lakebed/claims/x", "{}"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "among the intents",
            |lake| lake.put("_lakebed/open/x", "{}"),
            FOREIGN,
            FOREIGN,
        ),
        (
            "hidden, as killed processes leave it",
            |lake| lake.put("event/.x.1.0.tmp", "x"),
            &[],
            &[],
        ),
        ("beside the tables", |lake| lake.put("notes/readme.txt", "x"), &[], &[]),
    ]);
}

#[test]
fn deleted_records_are_noticed() {
    notices(&[
        (
            "an outcome",
            |lake| lake.delete(&lake.outcome()),
            &["File.NoOutcome", "Outcome.Missing"],
            &["File.NoOutcome", "Outcome.Missing"],
        ),
        (
            "an outcome and its claims",
            |lake| {
                let job = lake.job();
                lake.delete(&lake.outcome());
                for claim in lake.keys("_lakebed/claims", ".json") {
                    if lake.json(&claim)["job"] == *job {
                        lake.delete(&claim);
                    }
                }
            },
            &["File.Foreign"],
            &["File.Foreign"],
        ),
        (
            "a claim",
            |lake| lake.delete(&lake.claim()),
            &["Claim.Missing"],
            &["Claim.Missing"],
        ),
        (
            "the record of a table",
            |lake| lake.delete("_lakebed/tables/event.json"),
            &["Table.Record"],
            &["Table.Record"],
        ),
    ]);
}

#[test]
fn edited_outcomes_are_noticed() {
    const COUNTS: &[&str] = &["Outcome.Counts"];
    const DAMAGED: &[&str] = &["Outcome.Damaged"];
    notices(&[
        ("no JSON", |lake| lake.cut(&lake.outcome()), DAMAGED, DAMAGED),
        (
            "of another job",
            |lake| lake.set("/job", json!("mzxw6ytboiaaaaaaaaaaaaaaaa")),
            DAMAGED,
            DAMAGED,
        ),
        (
            "of a newer release",
            |lake| lake.set("/version", json!(2)),
            DAMAGED,
            DAMAGED,
        ),
        (
            "records read",
            |lake| lake.set("/counts/records/read", json!(7)),
            COUNTS,
            COUNTS,
        ),
        (
            "rows of a source",
            |lake| lake.set("/counts/sources/0/records/rows", json!(7)),
            COUNTS,
            COUNTS,
        ),
        ("no counts", |lake| lake.set("/counts", json!(null)), COUNTS, COUNTS),
        (
            "rows of a file",
            |lake| lake.edit_file(|file| file["rows"] = json!(1_000)),
            DAMAGED,
            DAMAGED,
        ),
        (
            "rows of a file and all sums with them",
            |lake| {
                let mut before = (0, 0);
                lake.edit_file(|file| {
                    before = (
                        file["rows"].as_u64().unwrap(),
                        file["rows_of"][0]["rows"].as_u64().unwrap(),
                    );
                    file["rows"] = json!(before.0 + 1);
                    file["rows_of"][0]["rows"] = json!(before.1 + 1);
                    file["rows_of"].as_array_mut().unwrap().truncate(1);
                    file["rows"] = json!(before.1 + 1);
                });
                let gone = before.0 - before.1;
                lake.edit_outcome(|outcome| {
                    let add = |records: &mut Value, more: i64| {
                        for name in ["read", "rows"] {
                            records[name] = json!(records[name].as_i64().unwrap() + more);
                        }
                    };
                    add(&mut outcome["counts"]["records"], 1 - gone as i64);
                    add(&mut outcome["counts"]["sources"][0]["records"], 1);
                    add(&mut outcome["counts"]["sources"][1]["records"], -(gone as i64));
                });
            },
            &["File.Rows"],
            &[],
        ),
        (
            "a file fewer",
            |lake| {
                let key = lake.data();
                lake.edit_outcome(|outcome| {
                    outcome["files"]
                        .as_array_mut()
                        .unwrap()
                        .retain(|file| file["key"] != *key)
                });
            },
            &["File.Unlisted", "Outcome.Counts"],
            &["File.Unlisted", "Outcome.Counts"],
        ),
        (
            "a file twice",
            |lake| {
                lake.edit_outcome(|outcome| {
                    let first = outcome["files"][0].clone();
                    outcome["files"].as_array_mut().unwrap().push(first);
                });
            },
            &["Outcome.Counts", "Outcome.Damaged"],
            &["Outcome.Counts", "Outcome.Damaged"],
        ),
        (
            "a size",
            |lake| lake.edit_file(|file| file["size"] = json!(1)),
            &["File.Size"],
            &["File.Size"],
        ),
        (
            "a checksum",
            |lake| lake.edit_file(|file| file["sha256"] = json!("0".repeat(64))),
            &["File.Checksum"],
            &[],
        ),
        (
            "an hour",
            |lake| lake.edit_file(|file| file["hour"] = json!("2024-05-01T03")),
            &["File.Hour"],
            &["File.Hour"],
        ),
        (
            "an hour, and the file moved there",
            |lake| {
                lake.to_another_hour(true);
                let key = lake.keys("event", "hour=23/").remove(0);
                let was = key.replace("hour=23", "hour=02");
                lake.edit_outcome(|outcome| {
                    let files = outcome["files"].as_array_mut().unwrap();
                    let file = files.iter_mut().find(|file| file["key"] == *was).unwrap();
                    file["key"] = json!(key);
                    file["hour"] = json!("2024-05-01T23");
                });
            },
            &["File.Hour"],
            &[],
        ),
        (
            "a table",
            |lake| lake.edit_file(|file| file["table"] = json!("shop")),
            DAMAGED,
            DAMAGED,
        ),
        (
            "the encoder",
            |lake| lake.set("/encoder", json!("1")),
            &["File.Footer"],
            &[],
        ),
        (
            "dead and not done",
            |lake| lake.set("/state", json!("dead")),
            &["File.LeftOver"],
            &["File.LeftOver"],
        ),
        (
            "a source's version",
            |lake| lake.set("/sources/0/etag", json!("1")),
            &["Claim.Wrong"],
            &[],
        ),
        (
            "a source's name",
            |lake| lake.set("/sources/0/key", json!("/raw/other")),
            &["Claim.Missing", "Claim.Wrong"],
            &["Claim.Missing", "Claim.Wrong"],
        ),
        (
            "a source twice",
            |lake| lake.edit_outcome(|outcome| outcome["sources"][1] = outcome["sources"][0].clone()),
            &["Claim.Wrong", "Source.Twice"],
            &["Claim.Wrong", "Source.Twice"],
        ),
        (
            "a source fewer",
            |lake| lake.edit_outcome(|outcome| drop(outcome["sources"].as_array_mut().unwrap().pop())),
            DAMAGED,
            DAMAGED,
        ),
    ]);
}

/// As a job does that replaces the one that has the source.
fn lay_over(lake: &Victim<'_>) {
    lake.edit(&lake.claim(), |claim| {
        claim["was"] = json!({ "job": claim["job"], "version": claim["version"] });
        claim["job"] = json!("mzxw6ytboiaaaaaaaaaaaaaaaa");
    });
}

#[test]
fn edited_claims_are_noticed() {
    notices(&[
        ("no JSON", |lake| lake.cut(&lake.claim()), &["Claim.Wrong"], &[]),
        (
            "another version",
            |lake| lake.edit(&lake.claim(), |claim| claim["version"]["size"] = json!(1)),
            &["Claim.Wrong"],
            &[],
        ),
        (
            "another job",
            |lake| {
                lake.edit(&lake.claim(), |claim| {
                    claim["job"] = json!("mzxw6ytboiaaaaaaaaaaaaaaaa")
                })
            },
            &["Claim.Wrong"],
            &[],
        ),
        (
            "a job that would replace it, and is not there",
            lay_over,
            &["Outcome.Missing"],
            &[],
        ),
        (
            "a job that is about to replace it",
            |lake| {
                lay_over(lake);
                lake.put("_lakebed/open/mzxw6ytboiaaaaaaaaaaaaaaaa", "{}");
            },
            &[],
            &[],
        ),
    ]);
}

#[test]
fn a_job_that_was_stopped_half_way_is_told_from_a_dead_one() {
    const UNFINISHED: &[&str] = &["Job.Unfinished"];
    notices(&[(
        "with files",
        |lake| {
            lake.put(&format!("_lakebed/open/{}", lake.job()), "{}");
            lake.delete(&lake.outcome());
        },
        UNFINISHED,
        UNFINISHED,
    )]);
    // Without a file of it nobody reads anything that does not count.
    let sandbox = loaded();
    sandbox.write("lake/_lakebed/open/mzxw6ytboiaaaaaaaaaaaaaaaa", "{}");
    let ran = sandbox.run("verify lake").exits(0);
    assert!(ran.stdout.contains("\n1 job not finished: "), "{ran:?}");
    assert_eq!(verify(&sandbox, "lake")[0].json()["unfinished"], 1);
}

#[test]
fn a_source_in_two_done_jobs_is_named_with_both() {
    let sandbox = loaded();
    sandbox.write("wider/event.yaml", EVENT_YAML.to_owned() + "  more: string\n");
    sandbox.run("backfill raw/b --to other --schemas wider").exits(0);
    // As if the claim had been deleted and the object loaded again.
    copy(&sandbox.path("other"), &sandbox.path("lake"));
    let jobs: Vec<_> = sandbox
        .lake("lake")
        .outcomes()
        .iter()
        .map(|outcome| outcome["job"].clone())
        .collect();
    assert_eq!(jobs.len(), 3);
    for ran in verify(&sandbox, "lake") {
        let json = ran.exits(1).json();
        assert_eq!(json["codes"], json!({ "Source.Twice": 1 }));
        let message = json["problems"][0]["message"].as_str().unwrap();
        let source = sandbox.path("raw/b/1.json");
        assert!(message.contains(source.to_str().unwrap()), "{message}");
        let named = jobs
            .iter()
            .filter(|job| message.contains(job.as_str().unwrap()))
            .count();
        assert_eq!(named, 2, "{message}");
    }
}

#[test]
fn problems_are_told_in_words_with_what_to_do() {
    let sandbox = loaded();
    let lake = Victim {
        sandbox: &sandbox,
        name: "lake",
    };
    let (moved, flipped) = (lake.data(), lake.quarantine());
    lake.to_another_hour(true);
    lake.flip(&flipped);
    let text = sandbox.run("verify lake").exits(1).stdout;
    let mut expected: BTreeMap<&str, String> = BTreeMap::new();
    expected.insert("not proved", "NOT PROVED. As recorded: 10 files of 2 jobs (".to_owned());
    expected.insert("problems", "\n3 problems:\n".to_owned());
    expected.insert(
        "missing",
        format!("\n  {moved}: is not there, and its job is done; bring it back"),
    );
    expected.insert("flipped", format!("\n  {flipped}: has other bytes than its job wrote"));
    let unlisted = moved.replace("hour=02", "hour=23");
    expected.insert(
        "unlisted",
        format!("\n  {unlisted}: is none of the files of its job, which is done; it has name and size of"),
    );
    expected.insert("way out", "move it back there (File.Unlisted)\n".to_owned());
    for (what, expected) in expected {
        assert!(text.contains(&expected), "{what}: {text}");
    }
}

#[test]
fn many_problems_are_counted_and_some_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..100));
    sandbox.load("").exits(0);
    for n in 0..1_200 {
        sandbox.write(&format!("lake/event/year=2024/{n:04}.parquet"), "x");
    }
    let text = sandbox.run("verify lake").exits(1).stdout;
    assert!(text.contains("\n1,200 problems:\n"), "{text}");
    assert!(
        text.contains("\n  and 1,180 more; --json lists the first 1,000 (in all: 1,200 File.Foreign)\n"),
        "{text}"
    );
    let json = sandbox.run("verify lake --json").exits(1).json();
    assert_eq!(
        (json["problems"].as_array().unwrap().len(), &json["problems_more"]),
        (1_000, &200.into())
    );
    assert_eq!(json["codes"]["File.Foreign"], 1_200);
}
