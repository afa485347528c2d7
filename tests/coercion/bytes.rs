//! Strings and binary.

use crate::reading::{MISMATCH, SURROGATE, check, check_modes};

#[test]
fn a_string_takes_text_and_under_lossless_the_text_of_everything() {
    check_modes(
        "type: string",
        &[
            ("\"a\"", "\"a\"", "\"a\""),
            ("\"\"", "\"\"", "\"\""),
            ("\"null\"", "\"null\"", "\"null\""),
            ("1.50", MISMATCH, "\"1.50\""),
            ("-0", MISMATCH, "\"-0\""),
            ("1E+2", MISMATCH, "\"1E+2\""),
            (
                "123456789012345678901234567890",
                MISMATCH,
                "\"123456789012345678901234567890\"",
            ),
            ("true", MISMATCH, "\"true\""),
            ("false", MISMATCH, "\"false\""),
            ("{}", MISMATCH, "\"{}\""),
            ("[]", MISMATCH, "\"[]\""),
            ("[1, 2,\t[ ]]", MISMATCH, "\"[1, 2,\\t[ ]]\""),
            (
                "{ \"a\" : 1.0 , \"a\" : null }",
                MISMATCH,
                r#""{ \"a\" : 1.0 , \"a\" : null }""#,
            ),
            // What is kept verbatim keeps its escapes, halves of surrogate pairs included.
            (
                r#"{"a":"\u0041\ud83d\n"}"#,
                MISMATCH,
                r#""{\"a\":\"\\u0041\\ud83d\\n\"}""#,
            ),
            (r#"["\ude00"]"#, MISMATCH, r#""[\"\\ude00\"]""#),
            ("null", "NULL", "NULL"),
        ],
    );
}

#[test]
fn escapes_of_a_string_become_its_text() {
    check(
        "type: string",
        &[
            (r#""\"\\\/\b\f\n\r\t""#, r#""\"\\/\u{8}\u{c}\n\r\t""#),
            (r#""\u0041\u00E9\u4eac""#, "\"Aé京\""),
            (r#""\ud83d\ude00""#, "\"😀\""),
            (r#""x\uD83D\uDE00y""#, "\"x😀y\""),
            ("\"é京😀\u{7f}\"", "\"é京😀\\u{7f}\""),
            (r#""\u0000""#, r#""\0""#),
            (r#""\\u0041""#, r#""\\u0041""#),
        ],
    );
}

#[test]
fn half_a_surrogate_pair_is_refused_where_a_column_takes_the_string() {
    for text in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\ud83d\ude00""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\ude00\ude00""#,
    ] {
        check("type: string", &[(text, SURROGATE)]);
        check("type: binary, encoding: utf8", &[(text, SURROGATE)]);
        check("type: array<string>", &[(&format!("[{text}]"), SURROGATE)]);
        check("type: \"map<string,int>\"", &[(&format!("{{{text}:1}}"), SURROGATE)]);
        check(
            "type: \"struct<a:string>\"",
            &[(&format!("{{\"a\":{text}}}"), SURROGATE)],
        );
        check(
            "type: \"struct<a:string>\"",
            &[(&format!("{{\"a\":\"b\",\"other\":{text}}}"), "{a: \"b\"}")],
        );
        check(
            "type: \"struct<a:string>\"",
            &[(&format!("{{\"a\":\"b\",{text}:1}}"), "{a: \"b\"}")],
        );
        for column in ["bigint", "double", "\"decimal(9,2)\"", "boolean"] {
            check_modes(&format!("type: {column}"), &[(text, MISMATCH, SURROGATE)]);
        }
        for column in ["date", "timestamp"] {
            check(&format!("type: {column}"), &[(text, SURROGATE)]);
        }
    }
}

#[test]
fn base64_is_read_in_both_alphabets_with_right_padding_or_none() {
    check(
        "type: binary",
        &[
            ("\"\"", "x''"),
            ("\"AAEC\"", "x'000102'"),
            ("\"+/+/\"", "x'fbffbf'"),
            ("\"-_-_\"", "x'fbffbf'"),
            ("\"+\\/+\\/\"", "x'fbffbf'"),
            ("\"AQ==\"", "x'01'"),
            ("\"AQ\"", "x'01'"),
            ("\"AQI=\"", "x'0102'"),
            ("\"AQI\"", "x'0102'"),
            ("\"_w==\"", "x'ff'"),
            ("\"_w\"", "x'ff'"),
            // Padding that is there has to be right.
            ("\"AQ=\"", MISMATCH),
            ("\"AQI==\"", MISMATCH),
            ("\"AAEC=\"", MISMATCH),
            ("\"AQ===\"", MISMATCH),
            ("\"A\"", MISMATCH),
            ("\"A===\"", MISMATCH),
            ("\"=\"", MISMATCH),
            ("\"AQ==AQ==\"", MISMATCH),
            // Bits that stand for nothing have to be zero, or two texts would be one value.
            ("\"AR==\"", MISMATCH),
            ("\"AR\"", MISMATCH),
            ("\"+_+_\"", MISMATCH),
            ("\"AA EC\"", MISMATCH),
            ("\"AAEC\\n\"", MISMATCH),
            ("\"AA!C\"", MISMATCH),
            ("1", MISMATCH),
            ("true", MISMATCH),
            ("{}", MISMATCH),
            ("[0]", MISMATCH),
            ("null", "NULL"),
        ],
    );
}

#[test]
fn hex_is_two_digits_a_byte_in_either_case() {
    check(
        "type: binary, encoding: hex",
        &[
            ("\"\"", "x''"),
            ("\"00fF\"", "x'00ff'"),
            ("\"DEADbeef\"", "x'deadbeef'"),
            ("\"\\u0030\\u0031\"", "x'01'"),
            ("\"0\"", MISMATCH),
            ("\"000\"", MISMATCH),
            ("\"0g\"", MISMATCH),
            ("\"0x01\"", MISMATCH),
            ("\" 01\"", MISMATCH),
            ("\"+1\"", MISMATCH),
            ("10", MISMATCH),
        ],
    );
}

#[test]
fn utf8_takes_the_bytes_of_the_text() {
    check(
        "type: binary, encoding: utf8",
        &[
            ("\"\"", "x''"),
            ("\"aé\"", "x'61c3a9'"),
            (r#""\u00e9\n\u0000""#, "x'c3a90a00'"),
            ("10", MISMATCH),
            ("{}", MISMATCH),
        ],
    );
}

#[test]
fn the_encoding_holds_for_bytes_nested_in_the_column() {
    check(
        "type: \"map<string,array<binary>>\", encoding: hex",
        &[
            (r#"{"a":["01",null,""]}"#, r#"<"a" => [x'01', NULL, x'']>"#),
            (r#"{"a":["AQ=="]}"#, MISMATCH),
        ],
    );
}
