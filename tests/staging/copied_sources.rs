//! Which rows and lines a job that replaces another has, whatever sources are there no more.

use std::collections::{BTreeMap, BTreeSet};

use lakebed::job::identity::SourceName;
use lakebed::job::outcome::Outcome;
use lakebed::job::stage::{FileKind, Job};
use lakebed::pipeline::Staged;
use lakebed::report::RecordCounts;

use crate::sandbox::{Dice, gzip};
use crate::world::{BySource, Held, World, by_source, codes, names, names_of, report_of};

/// A column of every type that a column may have.
const EVERY: &str = "\
table: every
event_time: { field: at, max_past: none }
columns:
  id: bigint
  src: string
  tiny: tinyint
  small: smallint
  whole: int
  approx: float
  exact: double
  d9: \"decimal(9,2)\"
  d18: \"decimal(18,4)\"
  d38: \"decimal(38,9)\"
  yes: boolean
  bytes: binary
  birthday: date
  ms: timestamp
  us: timestamp(6)
  list: \"array<array<string>>\"
  item: \"struct<a:int,b:string>\"
  props: \"map<string,int>\"
  deep: \"map<date,struct<a:array<timestamp>>>\"
unknown_fields: { keep_in: rest }
parquet: { row_group_rows: 100 }
";

/// Rows of this table lie outside its projection.
const OTHER: &str = "\
table: other
route: { kind: other }
event_time: { field: at, max_past: none }
columns: { id: bigint, src: string, note: string }
layout: day/hour
projection: { from: 2030-01-01, to: 2031-01-01 }
";

pub(crate) const TABLES: [(&str, &str); 2] = [("every", EVERY), ("other", OTHER)];

/// A record whose fields are NULL now and then.
fn every(src: &str, id: u64) -> String {
    let mut dice = Dice(id);
    let hour = dice.below(3);
    let all = [
        format!("\"tiny\":{}", dice.below(256) as i64 - 128),
        format!("\"small\":{}", dice.below(65536) as i64 - 32768),
        format!("\"whole\":{}", dice.next() as i32),
        format!("\"approx\":{}.25", dice.below(9999)),
        format!("\"exact\":-{}.125e3", dice.below(9999)),
        format!("\"d9\":{}.25", dice.below(9_999_999)),
        format!("\"d18\":-{}.0001", dice.below(99_999_999_999)),
        format!("\"d38\":{}123456789.5", dice.next()),
        format!("\"yes\":{}", dice.below(2) == 0),
        "\"bytes\":\"AP8B\"".to_owned(),
        format!("\"birthday\":\"19{:02}-02-28\"", dice.below(100)),
        format!("\"ms\":{}.178", dice.below(2_000_000_000)),
        format!("\"us\":{}.178652", dice.below(2_000_000_000)),
        format!("\"list\":[[\"{}\",null],[],null]", dice.below(99)),
        format!("\"item\":{{\"a\":{},\"b\":\"é{}\"}}", dice.below(9), dice.below(9)),
        format!("\"props\":{{\"k\":{},\"n\":null}}", dice.below(9)),
        format!("\"deep\":{{\"2019-10-12\":{{\"a\":[{},null]}}}}", dice.below(9999)),
        format!("\"more\":{{\"of\":[{id}]}}"),
    ];
    let some: String = all
        .iter()
        .filter(|_| dice.below(5) > 0)
        .map(|field| format!(",{field}"))
        .collect();
    format!(
        "{{\"id\":{id},\"src\":\"{src}\",\"at\":\"2024-05-01T{hour:02}:{:02}:00Z\"{some}}}\n",
        dice.below(60)
    )
}

fn other(src: &str, id: u64) -> String {
    let hour = id % 2;
    format!(
        "{{\"kind\":\"other\",\"id\":{id},\"src\":\"{src}\",\"at\":\"2024-05-02T{hour:02}:30:00Z\",\"note\":\"n{id}\"}}\n"
    )
}

fn rejects(src: &str, id: u64) -> String {
    format!(
        "{{\"id\":oops, \"src\":\"{src}\"}}\n{{\"id\":{id},\"src\":\"{src}\",\"at\":\"never\"}}\n\
         {{\"id\":\"x{id}\",\"src\":\"{src}\",\"at\":\"2024-05-01T00:00:00Z\"}}\n"
    )
}

pub(crate) const SOURCES: [&str; 6] = ["a.json", "b.json.gz", "c.json", "d.json", "e.json", "f.json"];

/// Several tables and hours, rejects, a damaged object, one that is empty, and one of rejects alone.
pub(crate) fn world() -> World {
    let world = World::new(&TABLES);
    let several = |src: &str, ids: std::ops::Range<u64>| -> String {
        let one = |id: u64| match id % 10 {
            0 => rejects(src, id),
            1 => other(src, id),
            _ => every(src, id),
        };
        ids.map(one).collect()
    };
    world.write("a.json", several("a.json", 0..300));
    let mut cut = gzip(several("b.json.gz", 300..900));
    cut.truncate(cut.len() * 2 / 3);
    world.write("b.json.gz", cut);
    world.write("c.json", several("c.json", 900..1100));
    world.write("d.json", (1100..1150).map(|id| other("d.json", id)).collect::<String>());
    world.write("e.json", " \n");
    world.write(
        "f.json",
        (1200..1220).map(|id| rejects("f.json", id)).collect::<String>(),
    );
    world
}

/// Proves what always holds of a job that replaces another, and gives its files.
fn prove(world: &World, of: &Outcome, job: &Job, staged: &Staged, copied: &BTreeSet<&str>) -> Vec<Held> {
    let (old, new) = (world.published(of), world.staged(staged));
    assert_eq!(staged.report.quarantined, codes(&new), "{copied:?}");
    let mut numbers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for held in &new {
        let number = held.file.key.file_name().strip_prefix(job.id().as_str()).unwrap();
        numbers.entry(held.folder()).or_default().push(number);
        let is_copy = |source: usize| copied.contains(short(&names(job)[source]));
        let copies = held.file.rows_of.iter().filter(|rows| is_copy(rows.source)).count();
        assert!(
            copies == 0 || copies == held.file.rows_of.len(),
            "{}: copied and read",
            held.file.key
        );
        let FileKind::Data { table, hour, .. } = &held.file.kind else {
            continue;
        };
        let facts = held.facts();
        assert_eq!(facts["lakebed.job"], job.id().as_str());
        assert_eq!((&facts["lakebed.table"], &facts["lakebed.hour"]), (table, hour));
        if copies > 0 {
            // All that was said of the old file, but whose it is.
            let mut expected = old.iter().find(|old| old.folder() == held.folder()).unwrap().facts();
            expected.insert("lakebed.job".into(), job.id().to_string());
            assert_eq!(facts, expected, "{}", held.file.key);
        }
    }
    for (folder, mut numbers) in numbers {
        numbers.sort_unstable();
        let ending = if folder.starts_with("_lakebed") {
            "ndjson.gz"
        } else {
            "parquet"
        };
        let expected: Vec<String> = (0..numbers.len())
            .map(|number| format!("-{number:04}.{ending}"))
            .collect();
        assert_eq!(numbers, expected, "{folder}");
    }
    let (before, after) = (report_of(of), &staged.report);
    let mut records = RecordCounts::default();
    for (place, name) in names(job).iter().enumerate() {
        records.add(&after.sources[place].records);
        if copied.contains(short(name)) {
            let from = names_of(of).iter().position(|old| old == name).unwrap();
            assert_eq!(after.sources[place], before.sources[from], "{name}");
        }
    }
    assert_eq!(after.records, records);
    assert!(after.records.is_sound() && after.bytes.is_sound());
    new
}

fn short(name: &SourceName) -> &str {
    name.key.rsplit('/').next().unwrap()
}

fn bytes(files: &[Held]) -> BTreeMap<String, bytes::Bytes> {
    files
        .iter()
        .map(|held| (held.file.key.to_string(), held.bytes.clone()))
        .collect()
}

#[test]
fn whatever_sources_are_copied_every_row_and_line_of_all_is_there_once() {
    let world = world();
    let of = world.load();
    let expected = by_source(&world.published(&of), &names_of(&of));
    assert!(expected.len() > 15, "{} folders of sources", expected.len());
    assert_eq!(codes(&world.published(&of)).len(), 4);
    for chosen in 1..1u32 << SOURCES.len() {
        let is_chosen = |place: &usize| chosen & 1 << place != 0;
        let copied: BTreeSet<&str> = (0..SOURCES.len())
            .filter(is_chosen)
            .map(|place| SOURCES[place])
            .collect();
        let (job, heritage) = world.heir(&of, &copied);
        let kept: Vec<_> = copied.iter().map(|name| (name, world.take_away(name))).collect();
        let staged = world.stage(&job, Some(&heritage)).unwrap();
        let new = prove(&world, &of, &job, &staged, &copied);
        // Those that are read are what they were.
        assert!(by_source(&new, &names(&job)) == expected, "{copied:?}");
        let outside = staged
            .report
            .tables
            .get("other")
            .map_or(0, |table| table.outside_projection);
        let others = new.iter().filter(|held| held.file.key.as_str().starts_with("other/"));
        assert_eq!(
            outside,
            others.map(|held| held.file.kind.rows()).sum::<u64>(),
            "{copied:?}"
        );
        assert_eq!(staged.report.records, report_of(&of).records, "{copied:?}");
        assert_eq!(staged.report.quarantined, report_of(&of).quarantined, "{copied:?}");
        for (name, bytes) in kept {
            world.write(name, bytes);
        }
    }
}

#[test]
fn what_is_read_is_what_is_there_now_and_what_is_copied_is_what_was() {
    let world = world();
    let of = world.load();
    let old = by_source(&world.published(&of), &names_of(&of));
    world.write("c.json", every("c.json", 7) + &every("c.json", 8) + "oops\n");
    for name in ["a.json", "b.json.gz", "f.json"] {
        world.take_away(name);
    }
    let copied = BTreeSet::from(["a.json", "b.json.gz", "f.json"]);
    let (job, heritage) = world.heir(&of, &copied);
    let staged = world.stage(&job, Some(&heritage)).unwrap();
    let new = by_source(&prove(&world, &of, &job, &staged, &copied), &names(&job));
    let without_c = |all: &BySource| -> BySource {
        let others = all.iter().filter(|((name, _), _)| name != "c.json");
        others.map(|(place, lines)| (place.clone(), lines.clone())).collect()
    };
    assert!(without_c(&new) == without_c(&old));
    let of_c: Vec<&String> = new
        .iter()
        .filter(|((name, _), _)| name == "c.json")
        .flat_map(|(_, lines)| lines)
        .collect();
    assert_eq!(of_c.len(), 3);
    assert_eq!(staged.report.sources[2].records.rows, 2);
}

#[test]
fn memory_decides_no_byte_and_the_same_job_gives_the_same_files_again() {
    let mut world = world();
    let of = world.load();
    let copied = BTreeSet::from(["a.json", "b.json.gz", "d.json", "e.json", "f.json"]);
    let (job, heritage) = world.heir(&of, &copied);
    let mut first = None;
    for memory in [64 << 20, 1, 100_000, 64 << 20] {
        world.memory = memory;
        let staged = world.staged(&world.stage(&job, Some(&heritage)).unwrap());
        let first = first.get_or_insert_with(|| bytes(&staged));
        assert!(bytes(&staged) == *first, "with {memory} bytes of memory");
    }
}

#[test]
fn a_table_that_is_no_longer_configured_or_has_changed_is_no_obstacle() {
    let mut world = world();
    let of = world.load();
    let expected = by_source(&world.published(&of), &names_of(&of));
    world.configure(&[(
        "every",
        "table: every\nevent_time: { field: t }\ncolumns: { id: string, new: int }\n",
    )]);
    let copied = BTreeSet::from(SOURCES);
    let (job, heritage) = world.heir(&of, &copied);
    let staged = world.stage(&job, Some(&heritage)).unwrap();
    let new = prove(&world, &of, &job, &staged, &copied);
    assert!(by_source(&new, &names(&job)) == expected);
    // Nothing was read, and what lies outside of a projection nobody knows.
    assert_eq!(staged.report.tables, BTreeMap::new());
}

#[test]
fn a_job_without_rows_is_replaced_by_one_without_files() {
    let world = World::new(&TABLES);
    world.write("e.json", "\n");
    let of = world.load();
    world.take_away("e.json");
    let copied = BTreeSet::from(["e.json"]);
    let (job, heritage) = world.heir(&of, &copied);
    let staged = world.stage(&job, Some(&heritage)).unwrap();
    assert!(staged.files.is_empty());
    assert_eq!(staged.report, report_of(&of));
}

#[test]
fn a_heritage_of_nothing_is_a_job_as_any_other() {
    let world = world();
    let of = world.load();
    let (job, heritage) = world.heir(&of, &BTreeSet::new());
    let all = world.staged(&world.stage(&job, None).unwrap());
    assert_eq!(world.staged(&world.stage(&job, Some(&heritage)).unwrap()), all);
}

#[test]
fn rows_stand_in_the_order_of_the_new_job() {
    let world = world();
    let mut of = world.load();
    let old = by_source(&world.published(&of), &names_of(&of));
    // As if the first two had been read the other way round: what is of `a` stands behind what is of `b`.
    of.sources.swap(0, 1);
    let copied = BTreeSet::from(SOURCES);
    let (job, heritage) = world.heir(&of, &copied);
    let places: Vec<(usize, usize)> = heritage.copied.iter().map(|copied| (copied.from, copied.to)).collect();
    assert_eq!(places[..3], [(1, 0), (0, 1), (2, 2)]);
    let staged = world.stage(&job, Some(&heritage)).unwrap();
    let new = by_source(&prove(&world, &of, &job, &staged, &copied), &names(&job));
    let swapped = |name: &str| match name {
        "a.json" => "b.json.gz".to_owned(),
        "b.json.gz" => "a.json".to_owned(),
        other => other.to_owned(),
    };
    let expected: BySource = old
        .into_iter()
        .map(|((name, folder), lines)| ((swapped(&name), folder), lines))
        .collect();
    assert!(new == expected);
}

#[test]
fn the_footer_names_the_source_where_the_job_has_but_one_in_a_bucket() {
    let world = World::new(&TABLES);
    world.write("a.json", (0..5).map(|id| every("a.json", id)).collect::<String>());
    let mut of = world.load();
    assert!(
        world
            .published(&of)
            .iter()
            .all(|held| !held.facts().contains_key("lakebed.source"))
    );
    of.sources[0].name = SourceName::in_bucket("raw", "2024/a.json");
    let (job, heritage) = world.heir(&of, &BTreeSet::from(["a.json"]));
    let files = world.staged(&world.stage(&job, Some(&heritage)).unwrap());
    assert!(!files.is_empty());
    for held in files {
        assert_eq!(held.facts()["lakebed.source"], "s3://raw/2024/a.json");
    }
}
