//! Arrays, structs and maps: by element, by member, by key and value.

use crate::reading::{DUPLICATE, MISMATCH, RANGE, check, check_modes};

#[test]
fn an_array_is_read_by_element() {
    check(
        "type: array<int>",
        &[
            ("[]", "[]"),
            ("[1]", "[1]"),
            ("[1,null,-3]", "[1, NULL, -3]"),
            ("[null]", "[NULL]"),
            ("[ 1 ,\t2 ]", "[1, 2]"),
            ("[1,\"x\"]", MISMATCH),
            ("[1,2147483648]", RANGE),
            ("[[1]]", MISMATCH),
            ("1", MISMATCH),
            ("\"\"", MISMATCH),
            ("\"[1]\"", MISMATCH),
            ("{}", MISMATCH),
            ("true", MISMATCH),
            ("null", "NULL"),
        ],
    );
    check_modes("type: array<int>", &[("[\"1\",2.0]", MISMATCH, "[1, 2]")]);
}

#[test]
fn a_struct_is_read_by_member() {
    check(
        "type: \"struct<a:int,b:string>\"",
        &[
            ("{}", "{a: NULL, b: NULL}"),
            ("{\"a\":1,\"b\":\"x\"}", "{a: 1, b: \"x\"}"),
            ("{\"b\":\"x\"}", "{a: NULL, b: \"x\"}"),
            ("{\"a\":null,\"b\":null}", "{a: NULL, b: NULL}"),
            ("{\"c\":true,\"a\":1}", "{a: 1, b: NULL}"),
            ("{\"a\":true}", MISMATCH),
            ("{\"a\":2147483648}", RANGE),
            ("[]", MISMATCH),
            ("[1,\"x\"]", MISMATCH),
            ("\"\"", MISMATCH),
            ("\"{}\"", MISMATCH),
            ("1", MISMATCH),
            ("null", "NULL"),
        ],
    );
    check_modes(
        "type: \"struct<a:int,b:string>\"",
        &[("{\"a\":\"1\",\"b\":1.50}", MISMATCH, "{a: 1, b: \"1.50\"}")],
    );
}

#[test]
fn a_map_is_read_by_key_and_value() {
    check(
        "type: \"map<string,int>\"",
        &[
            ("{}", "<>"),
            (
                "{\"a\":1,\"B\":2,\"b\":null}",
                "<\"a\" => 1, \"B\" => 2, \"b\" => NULL>",
            ),
            ("{\"\":0}", "<\"\" => 0>"),
            (r#"{"\u0041\n":1}"#, r#"<"A\n" => 1>"#),
            (r#"{"a":1,"a":1}"#, DUPLICATE),
            (r#"{"a":1,"b":2,"\u0061":1}"#, DUPLICATE),
            (r#"{"a":1,"b":"x"}"#, MISMATCH),
            (r#"{"a":2147483648}"#, RANGE),
            ("[]", MISMATCH),
            ("[[\"a\",1]]", MISMATCH),
            ("\"\"", MISMATCH),
            ("1", MISMATCH),
            ("null", "NULL"),
        ],
    );
    check_modes(
        "type: \"map<string,int>\"",
        &[(r#"{"a":"1"}"#, MISMATCH, r#"<"a" => 1>"#)],
    );
}

#[test]
fn keys_of_maps_are_read_as_strings_of_their_type() {
    for (column, min, max, beyond) in [
        ("tinyint", "-128", "127", "128"),
        ("smallint", "-32768", "32767", "32768"),
        ("int", "-2147483648", "2147483647", "2147483648"),
        (
            "bigint",
            "-9223372036854775808",
            "9223372036854775807",
            "9223372036854775808",
        ),
    ] {
        check(
            &format!("type: \"map<{column},boolean>\""),
            &[
                (
                    &format!("{{\"{min}\":true,\"{max}\":false}}"),
                    &format!("<{min} => true, {max} => false>"),
                ),
                (&format!("{{\"{beyond}\":true}}"), RANGE),
                (r#"{"1":true,"-0":null}"#, "<1 => true, 0 => NULL>"),
                (r#"{"0":true,"-0":null}"#, DUPLICATE),
                (r#"{"1":true,"\u0031":true}"#, DUPLICATE),
                (r#"{"01":true}"#, MISMATCH),
                (r#"{"+1":true}"#, MISMATCH),
                (r#"{"1.0":true}"#, MISMATCH),
                (r#"{"x":true}"#, MISMATCH),
                (r#"{"":true}"#, MISMATCH),
            ],
        );
    }
    check(
        "type: \"map<date,double>\"",
        &[
            (
                r#"{"2019-10-12":1,"1969-12-31":null}"#,
                "<2019-10-12 => 1.0, 1969-12-31 => NULL>",
            ),
            (r#"{"2019-10-12":1,"2019-10-12":2}"#, DUPLICATE),
            (r#"{"2019-02-29":1}"#, MISMATCH),
            (r#"{"12.10.2019":1}"#, MISMATCH),
        ],
    );
    check_modes(
        "type: \"map<date,double>\"",
        &[
            (r#"{"2019-10-12T00:00:00Z":1}"#, MISMATCH, "<2019-10-12 => 1.0>"),
            (r#"{"2019-10-12":1,"2019-10-12 00:00:00":2}"#, MISMATCH, DUPLICATE),
        ],
    );
}

#[test]
fn nested_values_are_read_however_deep() {
    check(
        "type: \"array<array<struct<m:map<int,array<string>>,d:decimal(9,2)>>>\"",
        &[
            ("[[],null,[null]]", "[[], NULL, [NULL]]"),
            (
                r#"[[{"m":{"1":["a",null],"2":[]},"d":1.5}],[{"d":-1}]]"#,
                r#"[[{m: <1 => ["a", NULL], 2 => []>, d: 1.50}], [{m: NULL, d: -1.00}]]"#,
            ),
            (r#"[[{"m":{"1":["a"]}}],[{"d":1.555}]]"#, RANGE),
            (r#"[[{"m":{"1":["a"],"x":[]}}]]"#, MISMATCH),
            (r#"[[{"m":{"1":"a"}}]]"#, MISMATCH),
            ("[[{}],{}]", MISMATCH),
        ],
    );
    check(
        "type: \"map<string,map<string,struct<a:array<timestamp>>>>\"",
        &[
            (
                r#"{"x":{"y":{"a":["2019-10-12T02:37:22Z"]},"z":null},"w":{}}"#,
                r#"<"x" => <"y" => {a: [2019-10-12T02:37:22]}, "z" => NULL>, "w" => <>>"#,
            ),
            (r#"{"x":{"y":{"a":["yesterday"]}}}"#, MISMATCH),
        ],
    );
}

#[test]
fn a_nested_column_keeps_its_rows_apart() {
    // One block, many rows of every length: offsets of nested values must not run into one another.
    let cases: Vec<(String, String)> = (0..50)
        .map(|row| {
            let json = |i: usize| {
                if i % 3 == 2 {
                    "null".into()
                } else {
                    format!("{{\"a\":[{}]}}", vec!["1"; i].join(","))
                }
            };
            let text = |i: usize| {
                if i % 3 == 2 {
                    "NULL".into()
                } else {
                    format!("{{a: [{}]}}", vec!["1"; i].join(", "))
                }
            };
            let of = |f: &dyn Fn(usize) -> String| (0..row % 7).map(f).collect::<Vec<_>>();
            (
                format!("[{}]", of(&json).join(",")),
                format!("[{}]", of(&text).join(", ")),
            )
        })
        .collect();
    let cases: Vec<_> = cases
        .iter()
        .map(|(json, text)| (json.as_str(), text.as_str()))
        .collect();
    check("type: \"array<struct<a:array<int>>>\"", &cases);
}
