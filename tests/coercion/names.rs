//! Which member of a record a name takes: its own key, else the one of other case; never one of two.

use crate::reading::{DUPLICATE, LIMITS, check_records, code, outcomes_of, plan_of, read};

#[test]
fn a_column_takes_its_own_key_else_the_one_of_other_case() {
    check_records(
        "columns: { id: string, b: string }",
        &[
            (r#"{"t":0,"id":"1","b":"2"}"#, r#""1" | "2""#),
            (r#"{"b":"2","id":"1","t":0}"#, r#""1" | "2""#),
            (r#"{"t":0,"ID":"1","B":"2"}"#, r#""1" | "2""#),
            (r#"{"T":0,"Id":"1"}"#, r#""1" | NULL"#),
            (r#"{"t":0,"ID":"no","id":"1"}"#, r#""1" | NULL"#),
            (r#"{"t":0,"id":"1","ID":"no","Id":"no"}"#, r#""1" | NULL"#),
            (r#"{"t":0,"ID":"1","Id":"2"}"#, DUPLICATE),
            (r#"{"t":0,"id":"1","id":"1"}"#, DUPLICATE),
            (r#"{"t":0,"id":null,"id":null}"#, DUPLICATE),
            (r#"{"t":0,"id":"1","\u0069d":"1"}"#, DUPLICATE),
            (r#"{"t":0,"\u0069\u0064":"1"}"#, r#""1" | NULL"#),
            (r#"{"t":0,"\u0049D":"1"}"#, r#""1" | NULL"#),
            (r#"{"T":1,"t":0,"T":2,"id":"1"}"#, r#""1" | NULL"#),
            (r#"{"t":0,"t":0}"#, DUPLICATE),
            (r#"{"T":0,"T":0}"#, DUPLICATE),
            // Keys that nothing reads may stand as often as they like.
            (r#"{"t":0,"x":1,"x":2,"X":3}"#, "NULL | NULL"),
            // Case is ASCII case: the Kelvin sign is no k, and the long s is no s.
            (r#"{"t":0,"ıd":"1"}"#, "NULL | NULL"),
        ],
    );
}

#[test]
fn a_key_of_any_length_matches_without_case() {
    let key = "Key".repeat(100);
    check_records(
        &format!("columns: {{ id: {{ type: string, from: {key} }} }}"),
        &[
            (&format!("{{\"t\":0,\"{key}\":\"1\"}}"), "\"1\""),
            (&format!("{{\"t\":0,\"{}\":\"1\"}}", key.to_lowercase()), "\"1\""),
            (&format!("{{\"t\":0,\"{}s\":\"1\"}}", key.to_lowercase()), "NULL"),
        ],
    );
}

#[test]
fn names_that_differ_by_case_only_match_exactly() {
    check_records(
        "columns: { id: string, other: { type: string, from: ID } }",
        &[
            (r#"{"t":0,"id":"1","ID":"2"}"#, r#""1" | "2""#),
            (r#"{"t":0,"ID":"2"}"#, r#"NULL | "2""#),
            (r#"{"t":0,"Id":"3"}"#, "NULL | NULL"),
            (r#"{"t":0,"Id":"3","iD":"3"}"#, "NULL | NULL"),
            (r#"{"t":0,"ID":"2","ID":"2"}"#, DUPLICATE),
        ],
    );
}

#[test]
fn a_pointer_follows_objects_and_arrays_by_the_same_rules() {
    check_records(
        "columns: { id: { type: string, from: /user/id }, tag: { type: string, from: /tags/1 } }",
        &[
            (r#"{"t":0,"user":{"id":"1"},"tags":["a","b"]}"#, r#""1" | "b""#),
            (r#"{"t":0,"USER":{"Id":"1"},"tags":{"1":"b"}}"#, r#""1" | "b""#),
            (r#"{"t":0,"user":{"ID":"no","id":"1"}}"#, r#""1" | NULL"#),
            (r#"{"t":0,"user":{"id":"1","id":"1"}}"#, DUPLICATE),
            (r#"{"t":0,"user":{"ID":"1","Id":"2"}}"#, DUPLICATE),
            (r#"{"t":0,"user":{"id":"1"},"user":{}}"#, DUPLICATE),
            (r#"{"t":0,"User":{"id":"1"},"USER":{}}"#, DUPLICATE),
            (r#"{"t":0,"user":{"x":1,"x":2}}"#, "NULL | NULL"),
            (r#"{"t":0,"user":null,"tags":["a"]}"#, "NULL | NULL"),
            (r#"{"t":0,"user":"id","tags":"ab"}"#, "NULL | NULL"),
            (r#"{"t":0,"user":[{"id":"1"}],"tags":[]}"#, "NULL | NULL"),
        ],
    );
}

#[test]
fn a_key_with_a_dot_or_a_slash_in_it_is_one_key() {
    check_records(
        "columns: { a: { type: string, from: id.orig_h }, b: { type: string, from: \"x/y\" }, c: { type: string, from: /p~1q/~0r } }",
        &[
            (
                r#"{"t":0,"id.orig_h":"1","x/y":"2","p/q":{"~r":"3"}}"#,
                r#""1" | "2" | "3""#,
            ),
            (
                r#"{"t":0,"id":{"orig_h":"1"},"x":{"y":"2"},"p":{"q":{"~r":"3"}}}"#,
                "NULL | NULL | NULL",
            ),
        ],
    );
}

#[test]
fn members_of_structs_are_found_as_columns_are() {
    check_records(
        "columns: { v: { type: \"struct<city_name:string,lat:double>\", keys: { city_name: City Name } } }",
        &[
            (
                r#"{"t":0,"v":{"City Name":"a","lat":1}}"#,
                r#"{city_name: "a", lat: 1.0}"#,
            ),
            (
                r#"{"t":0,"v":{"LAT":1,"city name":"a"}}"#,
                r#"{city_name: "a", lat: 1.0}"#,
            ),
            (r#"{"t":0,"v":{"city_name":"a"}}"#, "{city_name: NULL, lat: NULL}"),
            (
                r#"{"t":0,"v":{"Lat":1,"lat":2,"LAT":3}}"#,
                "{city_name: NULL, lat: 2.0}",
            ),
            (r#"{"t":0,"v":{"lat":1,"lat":1}}"#, DUPLICATE),
            (r#"{"t":0,"v":{"Lat":1,"LAT":1}}"#, DUPLICATE),
            (r#"{"t":0,"v":{"x":1,"x":1}}"#, "{city_name: NULL, lat: NULL}"),
        ],
    );
}

#[test]
fn duplicates_of_keys_that_are_read_are_found_at_every_depth() {
    check_records(
        "columns: { v: \"array<struct<m:map<string,struct<a:int>>>>\" }\non_mismatch: set_null",
        &[
            (r#"{"t":0,"v":[{"m":{"k":{"a":1}}}]}"#, r#"[{m: <"k" => {a: 1}>}]"#),
            (r#"{"t":0,"v":[{"m":{"k":{"a":1,"a":1}}}]}"#, DUPLICATE),
            (
                r#"{"t":0,"v":[{"m":{"k":{"A":1,"a":1}}}]}"#,
                r#"[{m: <"k" => {a: 1}>}]"#,
            ),
            (r#"{"t":0,"v":[{},{"m":{"k":{},"k":{}}}]}"#, DUPLICATE),
            (r#"{"t":0,"v":[{"m":{"k":{},"\u006b":{}}}]}"#, DUPLICATE),
            (
                r#"{"t":0,"v":[{"m":{"k":{},"K":{}}}]}"#,
                r#"[{m: <"k" => {a: NULL}, "K" => {a: NULL}>}]"#,
            ),
            (r#"{"t":0,"v":[{"m":{}},{"m":{},"m":{}}]}"#, DUPLICATE),
        ],
    );
}

#[test]
fn a_routing_key_that_stands_twice_is_a_duplicate() {
    let table = |name: &str, route: &str| {
        let times = "event_time: { field: t, max_future: none, max_past: none }";
        format!("table: {name}\n{times}\ncolumns: {{ a: int }}\nroute: {route}")
    };
    let tables = [
        ("a", table("a", "{ kind: a }")),
        ("b", table("b", "{ /m/kind: b, x: 1 }")),
    ];
    let plan = plan_of(&tables, LIMITS);
    for (record, expected) in [
        (r#"{"t":0,"kind":"a","a":1}"#, "0: 1"),
        (r#"{"t":0,"KIND":"a","a":1}"#, "0: 1"),
        (r#"{"t":0,"kind":"a","KIND":"b","a":1}"#, "0: 1"),
        (r#"{"t":0,"m":{"kind":"b"},"x":1.0,"a":1}"#, "1: 1"),
        (r#"{"t":0,"m":{"kind":"b"},"x":"1","a":1}"#, "Route.NoTable"),
        (r#"{"t":0,"m":{"kind":"b"},"x":1,"kind":"a","a":1}"#, "1: 1"),
        (r#"{"t":0,"kind":"a","kind":"a","a":1}"#, DUPLICATE),
        (r#"{"t":0,"Kind":"a","KIND":"a","a":1}"#, DUPLICATE),
        (r#"{"t":0,"m":{"kind":"b","kind":"b"},"x":1,"a":1}"#, DUPLICATE),
        (r#"{"t":0,"m":{"kind":"b"},"x":1,"x":1,"a":1}"#, DUPLICATE),
        (r#"{"t":0,"kind":"A","a":1}"#, "Route.NoTable"),
        (r#"{"t":0,"kind":["a"],"a":1}"#, "Route.NoTable"),
        (r#"{"t":0,"kind":null,"a":1}"#, "Route.NoTable"),
        (r#"{"t":0,"a":1}"#, "Route.NoTable"),
    ] {
        let block = read(&plan, record.as_bytes());
        let table = usize::from(block.tables[0].is_empty());
        let found = outcomes_of(&plan, block, table).remove(0);
        let found = found.map_or_else(|rejected| code(&rejected), |row| format!("{table}: {}", row[0]));
        assert_eq!(found, expected, "{record}");
    }
}
