//! Integers, floats, decimals and booleans: from their token's text, exactly or not at all.

use crate::reading::{MISMATCH, RANGE, check, check_modes};

#[test]
fn integers_take_every_value_of_their_width_and_none_beyond() {
    for (column, min, max, below, above) in [
        ("tinyint", "-128", "127", "-129", "128"),
        ("smallint", "-32768", "32767", "-32769", "32768"),
        ("int", "-2147483648", "2147483647", "-2147483649", "2147483648"),
        (
            "bigint",
            "-9223372036854775808",
            "9223372036854775807",
            "-9223372036854775809",
            "9223372036854775808",
        ),
    ] {
        let text = |value: &str| format!("\"{value}\"");
        let point = |value: &str| format!("{value}.000");
        let exponent = |value: &str| format!("{value}0e-1");
        let strings = [min, max, below, above].map(text);
        let points = [min, max, below, above].map(point);
        let exponents = [min, max, below, above].map(exponent);
        check_modes(
            &format!("type: {column}"),
            &[
                (min, min, min),
                (max, max, max),
                (below, RANGE, RANGE),
                (above, RANGE, RANGE),
                (&strings[0], MISMATCH, min),
                (&strings[1], MISMATCH, max),
                (&strings[2], MISMATCH, RANGE),
                (&strings[3], MISMATCH, RANGE),
                (&points[0], MISMATCH, min),
                (&points[1], MISMATCH, max),
                (&points[2], MISMATCH, RANGE),
                (&points[3], MISMATCH, RANGE),
                (&exponents[0], MISMATCH, min),
                (&exponents[1], MISMATCH, max),
                (&exponents[2], MISMATCH, RANGE),
                (&exponents[3], MISMATCH, RANGE),
            ],
        );
    }
}

#[test]
fn integers_of_every_width_take_the_same_forms() {
    for column in ["tinyint", "smallint", "int", "bigint"] {
        check_modes(
            &format!("type: {column}"),
            &[
                ("0", "0", "0"),
                ("-0", "0", "0"),
                ("7", "7", "7"),
                ("1.0", MISMATCH, "1"),
                ("-1.0", MISMATCH, "-1"),
                ("-0.0", MISMATCH, "0"),
                ("0e5", MISMATCH, "0"),
                ("1e2", MISMATCH, "100"),
                ("1E+2", MISMATCH, "100"),
                ("1200e-2", MISMATCH, "12"),
                ("1.5e1", MISMATCH, "15"),
                ("0.000000000000000000000000000000000000000000001e45", MISMATCH, "1"),
                ("1.5", MISMATCH, MISMATCH),
                ("1e-1", MISMATCH, MISMATCH),
                ("0.1", MISMATCH, MISMATCH),
                ("1e-99999999999999999999", MISMATCH, MISMATCH),
                ("1e400", MISMATCH, RANGE),
                ("-1e400", MISMATCH, RANGE),
                ("1e99999999999999999999", MISMATCH, RANGE),
                (
                    "123456789012345678901234567890123456789012345678901234567890",
                    RANGE,
                    RANGE,
                ),
                ("\"12\"", MISMATCH, "12"),
                ("\"-12\"", MISMATCH, "-12"),
                ("\"0\"", MISMATCH, "0"),
                ("\"-0\"", MISMATCH, "0"),
                ("\"\\u0031\\u0032\"", MISMATCH, "12"),
                (
                    "\"123456789012345678901234567890123456789012345678901234567890\"",
                    MISMATCH,
                    RANGE,
                ),
                ("\"+5\"", MISMATCH, MISMATCH),
                ("\"007\"", MISMATCH, MISMATCH),
                ("\"-01\"", MISMATCH, MISMATCH),
                ("\"0x1F\"", MISMATCH, MISMATCH),
                ("\"1.0\"", MISMATCH, MISMATCH),
                ("\"1e2\"", MISMATCH, MISMATCH),
                ("\" 1\"", MISMATCH, MISMATCH),
                ("\"1 \"", MISMATCH, MISMATCH),
                ("\"1\\n\"", MISMATCH, MISMATCH),
                ("\"1_0\"", MISMATCH, MISMATCH),
                ("\"1,0\"", MISMATCH, MISMATCH),
                ("\"\u{663}\"", MISMATCH, MISMATCH),
                ("\"\"", MISMATCH, MISMATCH),
                ("\"-\"", MISMATCH, MISMATCH),
                ("\"NULL\"", MISMATCH, MISMATCH),
                ("true", MISMATCH, MISMATCH),
                ("false", MISMATCH, MISMATCH),
                ("{}", MISMATCH, MISMATCH),
                ("[]", MISMATCH, MISMATCH),
                ("[1]", MISMATCH, MISMATCH),
                ("null", "NULL", "NULL"),
            ],
        );
    }
}

#[test]
fn a_bigint_goes_through_no_float() {
    check(
        "type: bigint",
        &[
            ("9007199254740993", "9007199254740993"),
            ("-9007199254740993", "-9007199254740993"),
            ("1152921504606846977", "1152921504606846977"),
        ],
    );
    check_modes(
        "type: bigint",
        &[
            ("9007199254740993.0", MISMATCH, "9007199254740993"),
            ("9.223372036854775807e18", MISMATCH, "9223372036854775807"),
            ("9.223372036854775808e18", MISMATCH, RANGE),
            ("9.2233720368547758075e18", MISMATCH, MISMATCH),
        ],
    );
}

#[test]
fn a_double_is_the_nearest_and_never_silently_something_else() {
    check(
        "type: double",
        &[
            ("0.1", "0.1"),
            ("-0", "-0.0"),
            ("-0.0", "-0.0"),
            ("1", "1.0"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("0.3333333333333333333333333333333333333", "0.3333333333333333"),
            ("1.7976931348623157e308", "1.7976931348623157e308"),
            ("1.7976931348623159e308", RANGE),
            ("-1.7976931348623159e308", RANGE),
            ("1e400", RANGE),
            ("1e99999999999999999999", RANGE),
            ("5e-324", "5e-324"),
            ("2e-324", RANGE),
            ("-2e-324", RANGE),
            ("1e-99999999999999999999", RANGE),
            ("0e-400", "0.0"),
            ("0e400", "0.0"),
            ("0.0e-99999999999999999999", "0.0"),
            // An int token must be held; a token with a point or exponent says itself that it is no exact number.
            ("9007199254740992", "9007199254740992.0"),
            ("9007199254740993", RANGE),
            ("-9007199254740993", RANGE),
            ("9007199254740994", "9007199254740994.0"),
            ("9007199254740993.0", "9007199254740992.0"),
            ("9.007199254740993e15", "9007199254740992.0"),
            ("100000000000000000000", "1e20"),
            ("100000000000000000001", RANGE),
            ("true", MISMATCH),
            ("{}", MISMATCH),
            ("[1.5]", MISMATCH),
            ("null", "NULL"),
        ],
    );
}

#[test]
fn a_float_is_the_nearest_and_never_silently_something_else() {
    check(
        "type: float",
        &[
            ("0.1", "0.1"),
            ("-0", "-0.0"),
            ("3.4028235e38", "3.4028235e38"),
            ("3.4028236e38", RANGE),
            ("-3.4028236e38", RANGE),
            ("1e-45", "1e-45"),
            ("1e-46", RANGE),
            ("16777216", "16777216.0"),
            ("16777217", RANGE),
            ("-16777217", RANGE),
            ("16777218", "16777218.0"),
            ("16777217.0", "16777216.0"),
            // Rounded once, not first to a double: the double nearest to this lies half way and would round to even.
            ("1.00000005960464477540", "1.0000001"),
            ("false", MISMATCH),
            ("{}", MISMATCH),
            ("[]", MISMATCH),
            ("null", "NULL"),
        ],
    );
}

#[test]
fn floats_take_numbers_in_strings_only_under_lossless() {
    for column in ["type: float", "type: double"] {
        check_modes(
            column,
            &[
                ("\"1.5\"", MISMATCH, "1.5"),
                ("\"-1.5e3\"", MISMATCH, "-1500.0"),
                ("\"12\"", MISMATCH, "12.0"),
                ("\"NaN\"", MISMATCH, "NaN"),
                ("\"Infinity\"", MISMATCH, "inf"),
                ("\"-Infinity\"", MISMATCH, "-inf"),
                ("\"1e400\"", MISMATCH, RANGE),
                ("\"1e-400\"", MISMATCH, RANGE),
                ("\"9007199254740993\"", MISMATCH, RANGE),
                ("\"+1\"", MISMATCH, MISMATCH),
                ("\" 1\"", MISMATCH, MISMATCH),
                ("\"1 \"", MISMATCH, MISMATCH),
                ("\".5\"", MISMATCH, MISMATCH),
                ("\"1.\"", MISMATCH, MISMATCH),
                ("\"01\"", MISMATCH, MISMATCH),
                ("\"1e\"", MISMATCH, MISMATCH),
                ("\"nan\"", MISMATCH, MISMATCH),
                ("\"-NaN\"", MISMATCH, MISMATCH),
                ("\"inf\"", MISMATCH, MISMATCH),
                ("\"+Infinity\"", MISMATCH, MISMATCH),
                ("\"1,5\"", MISMATCH, MISMATCH),
                ("\"0x1p3\"", MISMATCH, MISMATCH),
                ("\"\"", MISMATCH, MISMATCH),
            ],
        );
    }
}

#[test]
fn a_decimal_is_exact_in_each_width_that_it_is_stored_in() {
    let (nines38, one38) = ("9".repeat(38), format!("1{}", "0".repeat(38)));
    let (small38, over38) = (format!("0.{}", "9".repeat(38)), format!("0.{}1", "9".repeat(38)));
    for (column, cases) in [
        (
            "decimal(9,2)",
            &[
                ("9999999.99", "9999999.99"),
                ("-9999999.99", "-9999999.99"),
                ("10000000", RANGE),
                ("10000000.00", RANGE),
                ("-10000000", RANGE),
                ("0.01", "0.01"),
                ("0.001", RANGE),
            ][..],
        ),
        (
            "decimal(9,0)",
            &[
                ("999999999", "999999999"),
                ("1000000000", RANGE),
                ("1.0", "1"),
                ("1.5", RANGE),
            ],
        ),
        (
            "decimal(9,9)",
            &[("0.999999999", "0.999999999"), ("1", RANGE), ("0.0000000001", RANGE)],
        ),
        (
            "decimal(18,4)",
            &[
                ("99999999999999.9999", "99999999999999.9999"),
                ("-99999999999999.9999", "-99999999999999.9999"),
                ("100000000000000", RANGE),
                ("0.00001", RANGE),
            ],
        ),
        (
            "decimal(38,0)",
            &[
                (nines38.as_str(), nines38.as_str()),
                (one38.as_str(), RANGE),
                ("1e37", &format!("1{}", "0".repeat(37))),
                ("1e38", RANGE),
            ],
        ),
        (
            "decimal(38,38)",
            &[
                (small38.as_str(), small38.as_str()),
                (over38.as_str(), RANGE),
                ("1", RANGE),
                ("0", &format!("0.{}", "0".repeat(38))),
            ],
        ),
        (
            "decimal(19,1)",
            &[
                ("999999999999999999.9", "999999999999999999.9"),
                ("1000000000000000000", RANGE),
            ],
        ),
    ] {
        check(&format!("type: \"{column}\""), cases);
    }
}

#[test]
fn a_decimal_takes_every_form_of_a_number_and_rounds_none() {
    check_modes(
        "type: \"decimal(12,2)\"",
        &[
            ("1", "1.00", "1.00"),
            ("-0", "0.00", "0.00"),
            ("1.5", "1.50", "1.50"),
            ("1.50", "1.50", "1.50"),
            ("1.500000000000000000000000000000000000000000000", "1.50", "1.50"),
            ("-12.34", "-12.34", "-12.34"),
            ("1.234e1", "12.34", "12.34"),
            ("1234E-2", "12.34", "12.34"),
            ("123400e-4", "12.34", "12.34"),
            ("1e9", "1000000000.00", "1000000000.00"),
            ("1e10", RANGE, RANGE),
            ("0e999999", "0.00", "0.00"),
            ("12.345", RANGE, RANGE),
            ("0.001", RANGE, RANGE),
            ("0.1e-2", RANGE, RANGE),
            ("1e400", RANGE, RANGE),
            ("1e-400", RANGE, RANGE),
            ("\"12.34\"", MISMATCH, "12.34"),
            ("\"-1.5e1\"", MISMATCH, "-15.00"),
            ("\"12.345\"", MISMATCH, RANGE),
            ("\"12.340\"", MISMATCH, "12.34"),
            ("\"1e10\"", MISMATCH, RANGE),
            ("\"+1\"", MISMATCH, MISMATCH),
            ("\".5\"", MISMATCH, MISMATCH),
            ("\"1.\"", MISMATCH, MISMATCH),
            ("\"01\"", MISMATCH, MISMATCH),
            ("\" 1\"", MISMATCH, MISMATCH),
            ("\"1,5\"", MISMATCH, MISMATCH),
            ("\"NaN\"", MISMATCH, MISMATCH),
            ("\"\"", MISMATCH, MISMATCH),
            ("true", MISMATCH, MISMATCH),
            ("{}", MISMATCH, MISMATCH),
            ("[1]", MISMATCH, MISMATCH),
            ("null", "NULL", "NULL"),
        ],
    );
}

#[test]
fn a_boolean_is_true_or_false_and_no_number() {
    check_modes(
        "type: boolean",
        &[
            ("true", "true", "true"),
            ("false", "false", "false"),
            ("\"true\"", MISMATCH, "true"),
            ("\"false\"", MISMATCH, "false"),
            ("\"tru\\u0065\"", MISMATCH, "true"),
            ("\"True\"", MISMATCH, MISMATCH),
            ("\"FALSE\"", MISMATCH, MISMATCH),
            ("\" true\"", MISMATCH, MISMATCH),
            ("\"yes\"", MISMATCH, MISMATCH),
            ("\"1\"", MISMATCH, MISMATCH),
            ("\"\"", MISMATCH, MISMATCH),
            ("1", MISMATCH, MISMATCH),
            ("0", MISMATCH, MISMATCH),
            ("{}", MISMATCH, MISMATCH),
            ("[true]", MISMATCH, MISMATCH),
            ("null", "NULL", "NULL"),
        ],
    );
}
