//! Files that are larger than memory, and copies that are uploads; in a folder and in S3.

use std::collections::BTreeSet;
use std::sync::Arc;

use lakebed::job::outcome::Outcome;
use lakebed::job::stage::Content;
use lakebed::store::S3Store;

use crate::sandbox::{EVENT_YAML, events};
use crate::support::s3_lake::S3Lake;
use crate::world::{World, by_source, names, names_of};

const TABLES: [(&str, &str); 1] = [("event", EVENT_YAML)];
const MIB: usize = 1 << 20;

fn write(world: &World) {
    // One hour of 14 MiB in `b`, some of it in `a` and `c`: one file of three sources, of which two parts are uploads.
    world.write("a.json", events(0..500, 1, 40, "\n"));
    world.write("b.json", events(500..22_500, 1, 40, "\n"));
    world.write("c.json", events(22_500..23_000, 2, 40, "\n"));
}

/// Copies each of some choices of sources, with room for a file and without. All sources were loaded.
fn prove(world: &mut World, of: &Outcome) {
    let expected = by_source(&world.published(of), &names_of(of));
    assert!(of.files.iter().any(|file| file.size > 8 * MIB as u64));
    for copied in [
        BTreeSet::from(["b.json"]),
        BTreeSet::from(["a.json", "c.json"]),
        BTreeSet::from(["a.json", "b.json", "c.json"]),
    ] {
        let (job, heritage) = world.heir(of, &copied);
        let mut first = None;
        for memory in [256 * MIB, 8 * MIB] {
            world.memory = memory;
            let staged = world.stage(&job, Some(&heritage)).unwrap();
            let uploads = staged
                .files
                .iter()
                .filter(|file| matches!(file.content, Content::Upload { .. }));
            assert_eq!(uploads.count(), 1, "{copied:?}");
            let files = world.staged(&staged);
            assert!(
                by_source(&files, &names(&job)) == expected,
                "{copied:?} with {memory} bytes"
            );
            assert!(
                *first.get_or_insert_with(|| files.clone()) == files,
                "{copied:?} with {memory} bytes"
            );
        }
    }
}

#[test]
fn large_files_in_a_folder_are_copied() {
    let mut world = World::new(&TABLES);
    write(&world);
    let of = world.load();
    prove(&mut world, &of);
    assert!(world.open_uploads().is_empty());
}

#[test]
fn large_files_in_s3_are_copied() {
    let lake = S3Lake::new();
    let store: S3Store = lake.store.clone();
    let mut world = World::over(Arc::new(store), &TABLES);
    write(&world);
    let of = world.load();
    prove(&mut world, &of);
}
