//! `--dry-run`: says what is done and what is to do, looks into the first objects, writes nothing.

use serde_json::json;

use crate::sandbox::{MODIFIED_S, Sandbox, lines, record};

#[test]
fn a_dry_run_makes_nothing_not_even_the_lake() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..100));
    for more in ["", "--json"] {
        sandbox
            .run(&format!("backfill raw --to new/lake --dry-run {more}"))
            .exits(0);
        assert!(!sandbox.path("new").exists());
    }
    // Nor where it is refused.
    sandbox.run("backfill nothing --to new/lake --dry-run").exits(2);
    assert!(!sandbox.path("new").exists());
}

#[test]
fn a_dry_run_tells_done_from_to_do_and_samples_what_is_to_do() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..100));
    sandbox.write("raw/b.json", lines(100..200));
    sandbox.load("").exits(0);
    sandbox.write_at("raw/b.json", lines(100..200), MODIFIED_S + 5);
    let new = lines(200..300) + "oops\n" + &record(300).replace("2024", "20x4");
    sandbox.write("raw/c.json", &new);
    sandbox.write("raw/d.csv", "a,b\n");
    let before = sandbox.lake("lake").snapshot();

    let ran = sandbox.run("backfill raw --to lake --dry-run --json").exits(0);
    let result = ran.json();
    let path = |name: &str| sandbox.path("raw").join(name).to_str().unwrap().to_owned();
    assert_eq!((&result["version"], &result["dry_run"]), (&1.into(), &true.into()));
    assert_eq!((&result["found"], &result["already"]), (&4.into(), &1.into()));
    assert_eq!(result["overwritten"], json!([path("b.json")]));
    assert_eq!(
        result["to_do"],
        json!([
            {"source": path("b.json"), "bytes": lines(100..200).len()},
            {"source": path("c.json"), "bytes": new.len()},
            {"source": path("d.csv"), "bytes": 4},
        ])
    );
    let sample = &result["sample"];
    assert_eq!((&sample["objects"], &sample["records"]), (&3.into(), &203.into()));
    assert_eq!(
        sample["quarantined"],
        json!({"EventTime.Unreadable": 1, "Json.Syntax": 1, "Object.NotJson": 1})
    );
    let hours = sample["tables"]["event"].as_object().unwrap();
    assert_eq!(hours.values().map(|rows| rows.as_u64().unwrap()).sum::<u64>(), 200);
    assert!(hours.keys().all(|hour| hour.starts_with("2024-05-01T0")), "{hours:?}");

    let ran = sandbox.run("backfill raw --to lake --dry-run").exits(0);
    for expected in [
        "4 objects found, 1 already loaded, 3 to load (".to_owned(),
        "nothing was written".to_owned(),
        format!("load {}", path("c.json")),
        format!("changed since it was loaded, its rows are replaced: {}", path("b.json")),
        "1 would be quarantined: Json.Syntax".to_owned(),
    ] {
        assert!(ran.stdout.contains(&expected), "no {expected:?} in {}", ran.stdout);
    }
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
}

#[test]
fn a_dry_run_takes_the_same_selection() {
    let sandbox = Sandbox::new();
    for id in 0..30 {
        sandbox.write_at(&format!("raw/{id:02}.json"), record(id), MODIFIED_S + id);
    }
    let ran = sandbox
        .run("backfill raw --to lake --dry-run --json --glob 1*")
        .exits(0);
    assert_eq!(
        (&ran.json()["found"], &ran.json()["sample"]["objects"]),
        (&10.into(), &10.into())
    );
    // No more than twenty are looked into, and all are listed.
    let ran = sandbox.run("backfill raw --to lake --dry-run --json").exits(0);
    assert_eq!(
        (&ran.json()["found"], &ran.json()["sample"]["objects"]),
        (&30.into(), &20.into())
    );
    assert_eq!(ran.json()["to_do"].as_array().unwrap().len(), 30);
}
