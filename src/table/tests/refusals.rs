//! Every file that is refused: where the error stands, what it says and what to write instead.
//!
//! A case is a line `YAML | line:column | part of the message | part of the way out`; without the last there must be no
//! way out. `\n` in the YAML ends a line, `\t` is a tab.

use super::*;

/// The first lines of a table, up to its first column's name on the fourth.
const BEFORE_COLUMNS: &str = "table: t\nevent_time: { field: time }\ncolumns:\n  ";

/// Tells each case's error from `before + case + after`.
fn check_each(before: &str, cases: &str, after: &str) {
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (yaml, expected) = case.split_once('|').expect("a case has parts");
        let yaml = yaml.trim().replace("\\n", "\n").replace("\\t", "\t");
        check(&format!("{before}{yaml}{after}"), expected);
    }
}

/// The errors of a file, one a line, in the order they are told.
fn check(text: &str, expected: &str) {
    let SchemaErrors(errors) = load(&[("schemas/t.yaml", text)]).expect_err(text);
    let expected: Vec<&str> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(errors.len(), expected.len(), "{text}\n{}", SchemaErrors(errors));
    for (error, expected) in errors.iter().zip(expected) {
        let mut parts = expected.split('|').map(str::trim);
        let mut part = || parts.next().unwrap_or_default();
        let (place, message, way_out) = (part(), part(), part());
        let Position { line, column } = error.position.unwrap();
        assert_eq!(format!("{line}:{column}"), place, "{text}\n{error}");
        assert!(error.message.contains(message), "{text}\n{error}");
        let found = error.way_out.as_deref().unwrap_or_default();
        assert!(
            found.contains(way_out) && found.is_empty() == way_out.is_empty(),
            "{text}\n{error}"
        );
    }
}

#[test]
fn files_that_are_not_one_yaml_mapping() {
    check_each(
        "",
        r#"
                                                   | 1:1  | the file is empty | `table`
            # only a comment                       | 1:1  | the file is empty | `table`
            - a\n- b                               | 1:1  | expected a mapping (`key: value` lines), found a list
            page_view                              | 1:1  | found "page_view"
            table: t\n---\ntable: u                | 3:1  | a second YAML document | one file per table
            table: t\ncolumns:\n\tid: string       | 3:2  | not YAML: tabs | spaces
            table: [t                              | 1:8  | not YAML: unclosed bracket
            table: "t                              | 1:8  | not YAML: unclosed quote
            table: t\n  more: x                    | 2:7  | not YAML: mapping values are not allowed
            table: t\nformats: [%Y]                | 2:11 | not YAML: unexpected character | in quotes
            table: *name                           | 1:8  | unknown anchor
            table: !Ref x                          | 1:13 | unsupported tag `!Ref`
            a:\n  geo: struct<lat: double,b: int>  | 2:18 | not YAML | put the type in quotes
        "#,
        "\n",
    );
    check("", "1:1 | the file is empty | `table`");
    check("table: \0", "1:8 | not YAML");
}

#[test]
fn keys_that_are_missing_unknown_or_twice() {
    check(
        "# a comment\ndescription: nothing else\n",
        "2:1 | `table` is missing | table: t
         2:1 | `event_time` is missing | event_time: { field: time }
         2:1 | `columns` is missing | columns: { id: string }",
    );
    check(
        "table: t\nevent_time: { fields: time }\ncolumns: { id: { typ: int } }\n",
        "2:13 | `field` is missing | field: time
         2:15 | unknown key `fields` | `field`
         3:12 | the column `id` has no type | type: string
         3:18 | unknown key `typ` | `type`",
    );
    check_each(
        BASE,
        "
            colums: {}                          | 4:1  | unknown key `colums` | `columns`
            Event-Time: {}                      | 4:1  | unknown key `Event-Time` | `event_time`
            zzzzzzzz: 1                         | 4:1  | unknown key `zzzzzzzz` | one of `table`, `description`, `route`
            12: 1                               | 4:1  | unknown key `12` | one of
            ? ~\\n: x                           | 4:3  | a key is a text, not nothing
            ? [a]\\n: x                         | 4:3  | a key is a text, not a list
            parquet: { row_group_row: 5 }       | 4:12 | unknown key `row_group_row` | `row_group_rows`
            projection: { form: 2015-01-01 }    | 4:15 | unknown key `form` | `from`
            unknown_fields: {}                  | 4:17 | `keep_in` is missing | unknown_fields: { keep_in: rest }
            columns: { a: int }                 | 4:1  | `columns` stands here and on line 3 | keep one
            description:                        | 4:1  | `description` has no value | remove the line
            parquet: ~                          | 4:1  | `parquet` has no value | remove the line
            transform: 1                        | 4:12 | expected a text, found the number 1 | in quotes
            transform: ''                       | 4:13 | `transform`: expected term, found its end
            transform: '.a = now'               | 4:18 | no filter `now/0` here: a transform may depend on nothing but
            transform: ascii_donwcase           | 4:12 | no filter `ascii_donwcase/0` here | `ascii_downcase`
            transform: '[zzzzzz]'               | 4:14 | no filter `zzzzzz/0` here
            transform: .é = (1                  | 4:13 | `transform`: expected token, found `é`
            transform: \"\\x2e = zzzzzz\"         | 4:12 | no filter `zzzzzz/0` here (line 1, column 5 of the filter)
            transform: 'def f: f; f'            | 4:20 | `f` calls itself | `reduce`
        ",
        "\n",
    );
}

#[test]
fn a_filter_of_several_lines_is_wrong_where_it_is_wrong() {
    for (spelled, place) in [
        (
            "|\n  .a = 1\n  # wörter\n  | .b = é\n",
            "7:10 expected token, found `é`",
        ),
        ("|\n  .a = 1\n    | .b = zzzzzz\n", "6:12 no filter `zzzzzz/0` here"),
        ("|-\n  .a = 1 |\n  zzzzzz", "6:3 no filter `zzzzzz/0` here"),
        (
            ">\n  .a = 1 |\n  zzzzzz\n",
            "5:3 no filter `zzzzzz/0` here (line 1, column 10 of the filter)",
        ),
        ("|\n  .a = (1\n", "5:10 expected closing parenthesis, found its end"),
    ] {
        let (place, message) = place.split_once(' ').unwrap();
        let text = format!("table: t\nevent_time: {{ field: time }}\ncolumns: {{ id: string }}\ntransform: {spelled}");
        let SchemaErrors(errors) = load(&[("schemas/t.yaml", &text)]).expect_err(&text);
        let Position { line, column } = errors[0].position.unwrap();
        assert_eq!(format!("{line}:{column}"), place, "{}", errors[0]);
        assert!(errors[0].message.contains(message), "{}", errors[0]);
    }
}

#[test]
fn values_of_the_wrong_kind() {
    check_each(
        BASE,
        r#"
            description: 5                      | 4:14 | expected a text, found the number 5 | "5"
            description: true                   | 4:14 | expected a text, found `true` | "true"
            description: [a]                    | 4:14 | expected a text, found a list
            description: {}                     | 4:14 | expected a text, found a mapping
            parquet: snappy                     | 4:10 | expected a mapping (`key: value` lines), found "snappy"
            parquet: { row_group_rows: many }   | 4:28 | expected a whole number, found "many" | 1000000
            parquet: { row_group_rows: 1_000 }  | 4:28 | expected a whole number | digits only
            parquet: { row_group_rows: 1.5 }    | 4:28 | expected a whole number, found the number 1.5 | digits only
            parquet: { row_group_rows: -1 }     | 4:28 | expected a whole number | digits only
            parquet: { row_group_rows: 99999999999999999999 } | 4:28 | expected a whole number | digits only
            on_mismatch: set-null               | 4:14 | `set-null` is none of `quarantine`, `set_null` | `set_null`
            on_mismatch: [quarantine]           | 4:14 | expected a text, found a list
            unknown_fields: dropp               | 4:17 | `dropp` is none of `drop`, `quarantine` | `drop`
            coercion: qqqqqq                    | 4:11 | `qqqqqq` is none of `strict`, `lossless`
            coercion: openx                     | 4:11 | not supported yet; remove it or use `lossless` | lossless
            layout: year/month/day              | 4:9  | is not a layout | `year/month/day/hour`, `day/hour`, `datehour`
            keys: []                            | 4:7  | an empty list | at least one
            keys: [a, 5]                        | 4:11 | expected a text, found the number 5 | "5"
        "#,
        "\n",
    );
    check(
        "table: t\nevent_time: time\ncolumns: [id]\n",
        "2:13 | expected a mapping
         3:10 | expected a mapping",
    );
    check_each(
        BEFORE_COLUMNS,
        r#"
            a: { type: int, required: yes }        | 4:29 | expected `true` or `false`, found "yes" | without quotes
            a: { type: int, required: "true" }     | 4:29 | expected `true` or `false`, found "true" | without quotes
            a: { type: int, required: 1 }          | 4:29 | expected `true` or `false`, found the number 1 | without quotes
            a: [int]                               | 4:6  | expected the column's type, found a list | `string`
            a: 5                                   | 4:6  | expected the column's type, found the number 5 | `string`
            a:                                     | 4:4  | expected the column's type, found nothing | `string`
        "#,
        "\n",
    );
}

#[test]
fn names_of_tables() {
    check_each(
        "",
        r#"
            table: Page-View  | 1:8 | is not a table's name | `page_view`
            table: _t         | 1:8 | is not a table's name | `t`
            table: 2019       | 1:8 | expected a text, found the number 2019 | "2019"
            table: "2019"     | 1:8 | is not a table's name | `t_2019`
            table: ''         | 1:8 | is not a table's name | `t`
            table: clicks     | 1:8 | in a file of another name | rename the file to `clicks.yaml`
        "#,
        "\nevent_time: { field: time }\ncolumns: { id: string }\n",
    );
}

#[test]
fn names_of_columns() {
    check_each(
        BEFORE_COLUMNS,
        r#"
            userId: bigint                      | 4:3 | is not a column's name | user_id: { from: userId, type: bigint }
            id.orig_h: string                   | 4:3 | is not a column's name | id_orig_h: { from: id.orig_h, type: string }
            user-agent: string                  | 4:3 | is not a column's name | user_agent: { from: user-agent, type: string }
            "City Name": string                 | 4:3 | "City Name" is not | city_name: { from: "City Name", type: string }
            2nd: "decimal(12,2)"                | 4:3 | is not | _2nd: { from: "2nd", type: "decimal(12,2)" }
            ID: { type: int, from: /u/id }      | 4:3 | is not | id: { from: /u/id, type: int }
            /a: int                             | 4:3 | is not | a: { from: /~1a, type: int }
            day: string                         | 4:3 | a partition of the layout | event_day: { from: day, type: string }
            hour: { type: int }                 | 4:3 | a partition of the layout | event_hour: { from: hour, type: int }
            { id: string, id: int }             | 4:17 | `id` stands here and on line 4 | keep one
        "#,
        "\n",
    );
    check_each(
        BASE,
        "
            unknown_fields: { keep_in: Rest }   | 4:28 | is not a column's name | keep_in: rest
            unknown_fields: { keep_in: id }     | 4:28 | `id` is already a column | keep_in: other_id
            unknown_fields: { keep_in: year }   | 4:28 | a partition of the layout | keep_in: rest
            unknown_fields: { keep_in: datehour }\\nlayout: datehour | 4:28 | a partition of the layout | keep_in: rest
        ",
        "\n",
    );
    let long = "a".repeat(129);
    check(
        &format!("{BEFORE_COLUMNS}{long}: int\n"),
        "4:3 | is not a column's name | aaa: { from: aaa",
    );
}

#[test]
fn types_are_pointed_into() {
    check_each(
        BEFORE_COLUMNS,
        r#"
            a: varchar(10)                          | 4:6  | `varchar` is not supported | string
            a: { type: char(10) }                   | 4:14 | `char` is not supported | string
            a: "uniontype<int,string>"              | 4:7  | `uniontype` is not supported | string
            a: array<interval>                      | 4:12 | `interval` is not supported | bigint
            a: "map<string,integer>"                | 4:18 | `integer` is not supported | int
            a: "decimal(12,13)"                     | 4:14 | more digits behind the point | decimal(13,13)
            a: "map<double,string>"                 | 4:11 | a map's key | map<string,..>
            a: struct<>                             | 4:13 | a struct without members | struct<
            a: 'struct<x:int,x:int>'                | 4:20 | `x` stands twice | one of the two
            a: "struct<\u0041:int>"                 | 4:6  | `A` is not a member's name | keys: { a: "A" }
            a: ''                                   | 4:7  | ends where a type | such as
            a: "map<string,string>>            | 4:6  | not YAML: unclosed quote
        "#,
        "\n",
    );
    // Of a folded text the file does not say where its parts stand.
    let folded = "a: >\n    struct<x:int,\n    x:int>\n";
    check(
        &format!("{BEFORE_COLUMNS}{folded}"),
        "5:5 | `x` stands twice | one of the two",
    );
}

#[test]
fn types_cut_at_a_comma() {
    check_each(
        BEFORE_COLUMNS,
        r#"
            a: { type: decimal(12,2) }                            | 4:14 | must be quoted | type: "decimal(12,2)"
            a: { type: map<string,string>, required: true }       | 4:14 | must be quoted | type: "map<string,string>"
            a: { type: struct<x:decimal(5,2),y:decimal(5,2)> }    | 4:14 | must be quoted | type: "struct<x:decimal(5,2),y:decimal(5,2)>"
            { a: decimal(12,2), b: int }                          | 4:8  | must be quoted | a: "decimal(12,2)"
        "#,
        "\n",
    );
}

#[test]
fn options_of_columns() {
    check_each(
        BEFORE_COLUMNS,
        r#"
            a: { type: int, encoding: hex }                  | 4:29 | `encoding` means nothing for a column of type int | binary
            a: { type: binary, encoding: base32 }            | 4:32 | `base32` is none of `base64`, `hex`, `utf8` | `base64`
            a: { type: string, formats: [auto] }             | 4:31 | `formats` means nothing | timestamp
            a: { type: date, formats: auto }                 | 4:29 | `formats` means nothing | timestamp
            a: { type: date, timezone: UTC }                 | 4:30 | `timezone` means nothing | timestamp
            a: { type: timestamp, formats: [auto, iso] }     | 4:41 |
            a: { type: timestamp, formats: [] }              | 4:34 | an empty list | at least one
            a: { type: timestamp, timezone: Mars }           | 4:35 |
            a: { type: int, from: '' }                       | 4:25 | an empty field name | JSON Pointer
            a: { type: int, from: /x~y }                     | 4:25 | `~` | `/x~0y`
            a: { type: int, keys: { x: X } }                 | 4:27 | `x` is no member of a struct in int | `from`
            a: { type: struct<city:int>, keys: { ctiy: X } }       | 4:40 | `ctiy` is no member | `city`
            a: { type: struct<city:int>, keys: { zzzzzz: X } }     | 4:40 | is no member | one of `city`
            a: { type: struct<city:int>, keys: { city: 5 } }       | 4:46 | expected a text | "5"
            a: { type: "struct<x:int,y:int>", keys: { x: y } }     | 4:43 | `x` and `y` of one struct both read the JSON key "y" | one JSON key
        "#,
        "\n",
    );
}

#[test]
fn a_table_has_one_column_to_a_thousand_leaves() {
    let columns = |n: usize| {
        let columns: String = (0..n).map(|i| format!("c{i}: struct<a:int,b:int>\n  ")).collect();
        format!("{BEFORE_COLUMNS}{columns}\n")
    };
    check(
        &BASE.replace("{ id: string }", "{}"),
        "3:10 | at least one column | columns: { id: string }",
    );
    assert_eq!(table(&columns(500)).columns.len(), 500);
    check(&columns(501), "4:3 | 1002 columns | map<string,string>");
    let with_rest = columns(500) + "unknown_fields: { keep_in: rest }\n";
    check(&with_rest, "4:3 | 1001 columns | map<string,string>");
}

#[test]
fn event_times() {
    check_each(
        "table: t\nevent_time: ",
        r#"
            { field: '' }                          | 2:22 | an empty field name | JSON Pointer
            { field: /a~ }                         | 2:22 | `~` | `/a~0`
            { field: [time] }                      | 2:22 | expected a text, found a list
            { formats: [auto] }                    | 2:13 | `field` is missing | field: time
            { field: time, formats: [] }           | 2:37 | an empty list | at least one
            { field: time, formats: [auto, iso] }  | 2:44 |
            { field: time, timezone: CEST }        | 2:38 |
            { field: time, max_future: 1w }        | 2:40 | | `36h`
            { field: time, max_past: 3600 }        | 2:38 | | or `none`
            { field: time, max_past: [1d] }        | 2:38 | expected a text, found a list
        "#,
        "\ncolumns: { id: string }\n",
    );
}

#[test]
fn routes_and_keys() {
    check_each(
        BASE,
        r#"
            route: {}                             | 4:8  | `route` names no field | remove `route`
            route: page_view                      | 4:8  | expected a mapping
            route: { type: [] }                   | 4:16 | an empty list | at least one
            route: { type: ~ }                    | 4:16 | a missing or null field matches no route | "null"
            route: { type: [a, null] }            | 4:20 | a missing or null field | "null"
            route: { user: { kind: a } }          | 4:16 | found a mapping | JSON Pointer
            route: { type: [[a]] }                | 4:17 | found a list | JSON Pointer
            route: { v: 0x10 }                    | 4:13 | 0x10 is a number to YAML, but not to JSON | "0x10"
            route: { v: 1_000 }                   | 4:13 | not to JSON | "1_000"
            route: { v: .inf }                    | 4:13 | not to JSON | ".inf"
            route: { v: 007 }                     | 4:13 | not to JSON | "007"
            route: { v: +5 }                      | 4:13 | not to JSON | "+5"
            route: { v: 1e99999999999999999999 }  | 4:13 | not to JSON | "1e99999999999999999999"
            route: { /a~: 1 }                     | 4:10 | `~` | `/a~0`
            route: { type: a, /type: b }          | 4:19 | are the same field | a list of values
            keys: ''                              | 4:7  | an empty pattern | clicks/**
            keys: [ok/**, 'a/[']                  | 4:15 | is not a key pattern | `**`
        "#,
        "\n",
    );
}

#[test]
fn limits_of_files_and_dates() {
    check_each(
        BASE,
        "
            parquet: { compression: zstd }         | 4:25 | `zstd` is not supported | compression: snappy
            parquet: { row_group_rows: 0 }         | 4:28 | row groups of 0 rows | 1 to 100000000
            parquet: { row_group_rows: 100000001 } | 4:28 | row groups of | 1 to 100000000
            parquet: { row_group_bytes: 64MB }     | 4:29 | is not a size | `64MiB`
            parquet: { row_group_bytes: 1000 }     | 4:29 | out of range | from 1MiB to 1GiB
            parquet: { row_group_bytes: 2GiB }     | 4:29 | out of range | from 1MiB to 1GiB
            parquet: { file_bytes: 6GiB }          | 4:24 | out of range | from 1MiB to 5GiB
            parquet: { file_bytes: 1.5 }           | 4:24 | is not a size | a whole number
            projection: { from: 2015-02-30 }       | 4:21 | is not a date | YYYY-MM-DD
            projection: { from: 0000-01-01 }       | 4:21 | is not a date | YYYY-MM-DD
            projection: { to: 2040 }               | 4:19 | is not a date | YYYY-MM-DD
            projection: { to: 2040-1-1 }           | 4:19 | is not a date | YYYY-MM-DD
            projection: { from: 2050-01-01 }       | 4:13 | ends on 2040-12-31, before | from: 2040-12-31, to: 2050-01-01
        ",
        "\n",
    );
}

#[test]
fn one_error_does_not_hide_the_others() {
    check(
        "table: t\ncolumns:\n  Id: varchar(5)\n  b: { type: decimal(1,2), requird: true }\nlayout: hourly\nformats: []\n",
        r#"
            1:1  | `event_time` is missing | event_time
            3:3  | is not a column's name | id: { from: Id, type: "varchar(5)" }
            3:7  | `varchar` is not supported | string
            4:14 | must be quoted | type: "decimal(1,2)"
            4:28 | unknown key `requird` | `required`
            5:9  | is not a layout | `day/hour`
            6:1  | unknown key `formats` | one of
        "#,
    );
}
