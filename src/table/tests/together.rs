//! Files of a folder, and tables that must not be at odds.

use std::fs;

use super::*;

/// A file of a table with these lines besides what every table needs.
fn file(name: &str, more: &str) -> (String, String) {
    (
        format!("schemas/{name}.yaml"),
        format!("table: {name}\nevent_time: {{ field: time }}\ncolumns: {{ id: string }}\n{more}\n"),
    )
}

fn errors(files: Vec<(String, String)>) -> Vec<SchemaError> {
    Tables::from_sources(files).map_or_else(|SchemaErrors(errors)| errors, |_| Vec::new())
}

#[test]
fn two_tables_that_can_both_match_are_refused() {
    for (one, other, refused) in [
        ("route: { type: a }", "route: { type: b }", false),
        ("route: { type: a }", "route: { type: a }", true),
        ("route: { type: [a, b] }", "route: { type: [b, c] }", true),
        ("route: { type: 1 }", "route: { type: 1.0 }", true),
        ("route: { type: 2 }", "route: { type: \"2\" }", false),
        ("route: { type: a }", "route: { kind: b }", true),
        ("route: { type: a }", "route: { type: a, kind: b }", false),
        ("route: { type: a, v: 1 }", "route: { type: a, v: 2 }", false),
        ("route: { type: a, v: 1 }", "route: { type: a, w: 2 }", true),
        ("route: { type: a }", "keys: x/**", true),
        ("keys: x/**", "keys: y/**", false),
        ("keys: x/**", "keys: x/y/**", true),
        (
            "keys: x/**\nroute: { type: a }",
            "keys: x/**\nroute: { type: b }",
            false,
        ),
        (
            "keys: x/**\nroute: { type: a }",
            "keys: y/**\nroute: { type: a }",
            false,
        ),
        ("keys: x/**\nroute: { type: a }", "route: { type: a, kind: b }", true),
        ("", "route: { type: a }", false),
        ("", "keys: x/**", false),
        ("", "", true),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            let errors = errors(vec![file("a", one), file("b", other)]);
            assert_eq!(errors.len(), usize::from(refused), "{one} | {other}: {errors:?}");
            if let [error] = &errors[..] {
                assert_eq!(
                    (error.file.as_str(), error.position.unwrap()),
                    ("schemas/b.yaml", Position { line: 1, column: 8 })
                );
                assert!(
                    error.message.contains("schemas/a.yaml") && error.message.contains("`b`"),
                    "{error}"
                );
                assert!(error.way_out.is_some(), "{error}");
            }
        }
    }
}

#[test]
fn a_table_is_described_once() {
    let (_, text) = file("a", "");
    let errors = errors(vec![
        ("schemas/a.yml".to_owned(), text.clone()),
        ("schemas/a.yaml".to_owned(), text),
    ]);
    let [error] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(error.file, "schemas/a.yml");
    assert!(
        error.message.contains("schemas/a.yaml describes the table `a` too"),
        "{error}"
    );
}

#[test]
fn the_errors_of_all_files_come_by_file_and_place() {
    let errors = errors(vec![
        file("c", "route: { type: a }"),
        file("b", "route: { type: a }\nlayout: hourly"),
        ("schemas/a.yaml".to_owned(), "table: [".to_owned()),
    ]);
    let places: Vec<_> = errors
        .iter()
        .map(|e| (e.file.as_str(), e.position.unwrap().line))
        .collect();
    assert_eq!(
        places,
        [("schemas/a.yaml", 1), ("schemas/b.yaml", 5), ("schemas/c.yaml", 1)]
    );
    let shown = SchemaErrors(errors).to_string();
    assert!(
        shown.contains(
            "schemas/b.yaml:5:9: \"hourly\" is not a layout\n  |\n5 | layout: hourly\n  |         ^\ntry: one of"
        ),
        "{shown}"
    );
}

#[test]
fn tables_are_found_by_name_and_come_sorted() {
    let tables = Tables::from_sources(vec![
        file("b", "route: { type: b }"),
        file("a", ""),
        file("c", "route: { type: c }\nkeys: c/**"),
    ])
    .unwrap();
    assert_eq!(
        tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(tables.get("b").unwrap().route_entries(), 1);
    assert!(tables.get("d").is_none());
    assert!(load(&[]).unwrap().as_slice().is_empty());
}

#[test]
fn a_folder_is_read_without_what_is_hidden_or_no_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    for (name, more) in [("a.yaml", "route: { type: a }"), ("b.yml", "")] {
        write(name, file(&name[..1], more).1.as_bytes());
    }
    for name in [
        ".hidden.yaml",
        "_draft.yaml",
        "table.schema.json",
        "README.md",
        "c.yaml.bak",
    ] {
        write(name, b"not: a: schema");
    }
    fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    let tables = Tables::load(folder.path()).unwrap();
    assert_eq!(
        tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );

    write("d.yaml", b"table: \xff");
    write("e.yaml", b"table: [");
    let SchemaErrors(errors) = Tables::load(folder.path()).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].file.ends_with("d.yaml") && errors[0].position.is_none(),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].file.ends_with("e.yaml") && errors[1].position.is_some(),
        "{}",
        errors[1]
    );
}

#[test]
fn a_folder_without_schemas_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (path, message) in [
        (folder.path().to_owned(), "no schema files"),
        (folder.path().join("x"), "cannot be read"),
    ] {
        let SchemaErrors(errors) = Tables::load(&path).unwrap_err();
        assert!(
            errors[0].to_string().starts_with(&path.display().to_string()),
            "{}",
            errors[0]
        );
        assert!(
            errors[0].message.contains(message) && errors[0].way_out.is_some(),
            "{}",
            errors[0]
        );
    }
}

#[test]
fn a_hostile_file_is_an_error_and_no_crash() {
    let bomb: String = (1..40)
        .map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1))
        .collect();
    for text in [
        "[".repeat(100_000),
        format!("a: {}", "{a: ".repeat(5_000)),
        format!("a0: &a0 x\n{bomb}"),
        "table: t\n".repeat(200_000),
        "columns: { a: ".to_owned() + &"array<".repeat(50_000) + " }",
    ] {
        let errors = errors(vec![("schemas/t.yaml".to_owned(), text)]);
        assert!(!errors.is_empty());
        assert!(
            errors.iter().all(|error| error.to_string().len() < 200_000),
            "an error repeats the file"
        );
    }
}
