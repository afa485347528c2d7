//! What is copied from is not what was recorded, or is there no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lakebed::job::outcome::{Outcome, State};
use lakebed::job::stage::{FileKind, LakeFile};
use lakebed::pipeline::StageError;

use crate::sandbox::events;
use crate::world::World;

const TABLES: [(&str, &str); 1] = [("event", crate::sandbox::EVENT_YAML)];

/// Sources of several hours with rejects; the first hour of the first one makes a large file.
fn world() -> (World, Outcome) {
    let world = World::new(&TABLES);
    world.write("a.json", events(0..2_000, 2, 3, "\n") + "oops\n");
    world.write("b.json", events(2_000..3_000, 2, 3, "\n") + "oops\n");
    let of = world.load();
    (world, of)
}

fn stage(world: &World, of: &Outcome) -> StageError {
    let (job, heritage) = world.heir(of, &BTreeSet::from(["a.json"]));
    let error = world.stage(&job, Some(&heritage)).unwrap_err();
    assert_eq!(world.open_uploads(), [] as [&Path; 0]);
    error
}

#[track_caller]
fn assert_damaged(error: &StageError, why: &str) {
    assert!(matches!(error, StageError::Damaged { .. }), "{error:?}");
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(
        text.starts_with("the lake is damaged: ") && text.contains(why) && text.contains("`lakebed verify`"),
        "{text}"
    );
}

/// One file of each kind.
fn files(of: &Outcome) -> [&LakeFile; 2] {
    let is_data = |file: &&LakeFile| matches!(file.kind, FileKind::Data { .. });
    let data = of.files.iter().find(is_data).unwrap();
    let quarantine = of.files.iter().find(|file| !is_data(file)).unwrap();
    [data, quarantine]
}

#[test]
fn a_file_that_is_not_what_its_job_wrote_is_told_by_name() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 5] = [
        ("one bit", |bytes| bytes[20] ^= 1),
        ("the last byte", |bytes| *bytes.last_mut().unwrap() ^= 0x80),
        ("a byte less", |bytes| bytes.truncate(bytes.len() - 1)),
        ("a byte more", |bytes| bytes.push(0)),
        ("nothing left", Vec::clear),
    ];
    let (mut world, of) = world();
    for memory in [64 << 20, 1] {
        world.memory = memory;
        for file in files(&of) {
            let path = world.lake_path(&file.key);
            let whole = fs::read(&path).unwrap();
            for (what, change) in changes {
                let mut changed = whole.clone();
                change(&mut changed);
                fs::write(&path, changed).unwrap();
                let error = stage(&world, &of);
                assert_damaged(&error, &format!("{} is not what its job wrote", file.key));
                assert!(!error.to_string().contains("oops"), "{what}");
            }
            fs::write(&path, whole).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_gone_while_its_job_counts_is_damage() {
    let (world, of) = world();
    for file in files(&of) {
        let path = world.lake_path(&file.key);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_damaged(&stage(&world, &of), &format!("{} is not there", file.key));
        fs::write(path, whole).unwrap();
    }
}

#[test]
fn the_files_of_a_job_that_was_replaced_meanwhile_are_no_failure() {
    for file in [0, 1] {
        let (world, of) = world();
        let dead = Outcome {
            state: State::Dead,
            ..of.clone()
        };
        let outcome = world.lake_path(&format!("_lakebed/jobs/{}.json", of.job).try_into().unwrap());
        fs::write(outcome, serde_json::to_vec(&dead).unwrap()).unwrap();
        fs::remove_file(world.lake_path(&files(&of)[file].key)).unwrap();
        let error = stage(&world, &of);
        assert!(
            matches!(&error, StageError::Moved { job } if *job == of.job),
            "{error:?}"
        );
        assert!(error.is_transient());
    }
}

#[test]
fn an_outcome_that_contradicts_itself_is_not_copied_by() {
    type Change = fn(&mut Outcome);
    let changes: [(&str, Change); 6] = [
        ("has no counts that can be read", |of| of.counts = "none".into()),
        ("does not count ", |of| of.counts["sources"] = serde_json::json!([])),
        ("that do not add up", |of| {
            of.counts["sources"][0]["records"]["rows"] = 1.into()
        }),
        ("that do not add up", |of| {
            of.counts["sources"][0]["bytes"]["between"] = 1_000_000.into()
        }),
        ("that do not add up", |of| drop(of.files.pop())),
        ("has not as many rows as are recorded", |of| {
            let file = of
                .files
                .iter_mut()
                .find(|file| matches!(file.kind, FileKind::Data { .. }))
                .unwrap();
            let FileKind::Data { rows, .. } = &mut file.kind else {
                unreachable!()
            };
            *rows += 1;
        }),
    ];
    let (world, of) = world();
    for (why, change) in changes {
        let mut changed = of.clone();
        change(&mut changed);
        assert_damaged(&stage(&world, &changed), why);
    }
}

#[test]
fn a_line_that_is_no_entry_or_missing_is_damage() {
    let (world, of) = world();
    let place = of
        .files
        .iter()
        .position(|file| matches!(file.kind, FileKind::Quarantine { .. }))
        .unwrap();
    for (text, why) in [
        ("{\"errorMessage\":\"oops\"}\n{}\n", "has a line that is no entry"),
        ("", "has not as many entries as are recorded"),
        (
            "{\"errorCode\":\"Json.Syntax\"}",
            "has not as many entries as are recorded",
        ),
    ] {
        let mut changed = of.clone();
        let bytes = crate::sandbox::gzip(text);
        let file = &mut changed.files[place];
        (file.size, file.sha256) = (bytes.len() as u64, lakebed::store::Checksum::of(&bytes));
        fs::write(world.lake_path(&file.key), bytes).unwrap();
        assert_damaged(&stage(&world, &changed), why);
    }
}

#[test]
fn a_run_that_is_stopped_copies_nothing_more() {
    let (mut world, of) = world();
    world.stop = true;
    assert!(matches!(stage(&world, &of), StageError::Stopped));
}
