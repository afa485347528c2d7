//! Numbers and times at their edges, against whole numbers of any size: the exact value, or a refusal.

use crate::reading::values;

/// A number as digits and a power of ten: no float is involved.
#[derive(Clone, Debug)]
struct Exact {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Exact {
    fn of(token: &str) -> Self {
        let (negative, rest) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let kept = digits.trim_end_matches('0');
        let exponent = exponent.parse::<i64>().unwrap() - fraction.len() as i64 + (digits.len() - kept.len()) as i64;
        let kept = kept.trim_start_matches('0');
        Self {
            negative: negative && !kept.is_empty(),
            digits: kept.to_owned(),
            exponent: if kept.is_empty() { 0 } else { exponent },
        }
    }

    /// Times ten to the power of `scale`, if that is whole and has at most 38 digits.
    fn scaled(&self, scale: i64) -> Option<i128> {
        let zeros = usize::try_from(self.exponent + scale).ok()?;
        if self.digits.is_empty() {
            return Some(0);
        }
        let digits = (self.digits.len() + zeros <= 38).then(|| format!("{}{}", self.digits, "0".repeat(zeros)))?;
        let magnitude: i128 = digits.parse().unwrap();
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

/// Edges of every width, of what a float holds exactly, and of how numbers are written.
fn tokens() -> Vec<String> {
    let edges: Vec<i128> = [7, 8, 15, 16, 31, 32, 53, 63, 64]
        .iter()
        .flat_map(|bits| {
            let edge = 1_i128 << bits;
            [edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1]
        })
        .collect();
    let mut tokens: Vec<String> = edges
        .iter()
        .flat_map(|edge| {
            [
                format!("{edge}"),
                format!("{edge}.0"),
                format!("{edge}e0"),
                format!("{edge}0E-1"),
                format!("{edge}.5"),
                format!("{edge}e2"),
            ]
        })
        .collect();
    tokens.extend(
        [
            "0",
            "-0",
            "-0.0",
            "0e0",
            "0.1",
            "1e400",
            "-1e400",
            "1e-400",
            "1.10",
            "0.30000000000000004",
            "1e38",
            "1e37",
            "99999999999999999999999999999999999999",
            "100000000000000000000000000000000000000",
            "1627668684594000000",
            "0.00000000000000000000000000000000000001",
            "12345678901234567890123456789012345678.5",
        ]
        .map(str::to_owned),
    );
    tokens
}

#[test]
fn a_number_is_exact_or_refused_in_every_column_of_whole_numbers_and_decimals() {
    let tokens = tokens();
    let bare: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut cases = 0;
    for (column, precision, scale, min, max) in [
        ("tinyint", 38, 0, i128::from(i8::MIN), i128::from(i8::MAX)),
        ("smallint", 38, 0, i128::from(i16::MIN), i128::from(i16::MAX)),
        ("int", 38, 0, i128::from(i32::MIN), i128::from(i32::MAX)),
        ("bigint", 38, 0, i128::from(i64::MIN), i128::from(i64::MAX)),
        ("decimal(9,2)", 9, 2, i128::MIN, i128::MAX),
        ("decimal(18,0)", 18, 0, i128::MIN, i128::MAX),
        ("decimal(38,0)", 38, 0, i128::MIN, i128::MAX),
        ("decimal(38,38)", 38, 38, i128::MIN, i128::MAX),
        ("decimal(38,9)", 38, 9, i128::MIN, i128::MAX),
    ] {
        let (found, _) = values(&format!("type: \"{column}\""), "", &bare);
        for (token, found) in tokens.iter().zip(found) {
            let exact = Exact::of(token).scaled(scale);
            let fits = |value: &i128| (min..=max).contains(value) && value.unsigned_abs() < 10_u128.pow(precision);
            match exact.filter(fits) {
                Some(value) => assert_eq!(
                    Exact::of(&found).scaled(scale),
                    Some(value),
                    "{token} as {column}: {found}"
                ),
                None => assert!(
                    ["Type.Range", "Type.Mismatch"].contains(&found.as_str()),
                    "{token} as {column}: {found}"
                ),
            }
            cases += 1;
        }
        // Numbers in strings are the same numbers, or none.
        let quoted: Vec<String> = tokens.iter().map(|token| format!("\"{token}\"")).collect();
        let (in_strings, _) = values(
            &format!("type: \"{column}\""),
            "",
            &quoted.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let (plain, _) = values(&format!("type: \"{column}\""), "", &bare);
        for ((token, quoted), plain) in tokens.iter().zip(in_strings).zip(plain) {
            assert!(
                quoted == plain || quoted.starts_with("Type."),
                "\"{token}\" as {column}: {quoted} and {plain}"
            );
            cases += 1;
        }
    }
    assert!(cases >= 400, "{cases}");
}

/// The nearest double is not always the number; a refusal there would refuse most of them.
#[test]
fn a_float_is_the_nearest_or_refused_where_a_whole_number_would_change() {
    let tokens = tokens();
    let (found, _) = values(
        "type: double",
        "",
        &tokens.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    for (token, found) in tokens.iter().zip(found) {
        let nearest: f64 = token.parse().unwrap();
        let is_whole = !token.contains(['.', 'e', 'E']);
        let keeps = token.parse::<i128>().is_ok_and(|value| nearest as i128 == value);
        let is_zero = Exact::of(token).digits.is_empty();
        if nearest.is_infinite() || nearest == 0.0 && !is_zero || is_whole && !keeps {
            assert_eq!(found, "Type.Range", "{token}");
        } else {
            assert_eq!(found.parse::<f64>().map(f64::to_bits), Ok(nearest.to_bits()), "{token}");
        }
    }
}

#[test]
fn a_time_is_exact_or_refused_and_never_1970_by_default() {
    let refused = "EventTime.Unreadable";
    let outside = "EventTime.OutOfRange";
    let cases = [
        // Seconds, milliseconds, microseconds, nanoseconds, and where one ends and the next begins.
        ("1627668684", "2021-07-30T18:11:24"),
        ("1627668684594", "2021-07-30T18:11:24.594"),
        ("1627668684594000", "2021-07-30T18:11:24.594"),
        ("1627668684594000000", "2021-07-30T18:11:24.594"),
        ("1627668684594000001", "2021-07-30T18:11:24.594"),
        ("99999999999", "5138-11-16T09:46:39"),
        ("100000000000", "1973-03-03T09:46:40"),
        ("99999999999999", "5138-11-16T09:46:39.999"),
        ("100000000000000", "1973-03-03T09:46:40"),
        ("99999999999999999", "5138-11-16T09:46:39.999999"),
        ("100000000000000000", "1973-03-03T09:46:40"),
        ("9223372036854775807", "2262-04-11T23:47:16.854775"),
        ("9223372036854775808", outside),
        ("-1", "1969-12-31T23:59:59"),
        ("-0.000001", "1969-12-31T23:59:59.999999"),
        ("0", "1970-01-01T00:00:00"),
        ("1e9", "2001-09-09T01:46:40"),
        ("1.5e0", "1970-01-01T00:00:01.500"),
        ("1e400", outside),
        ("-62135596800", "0001-01-01T00:00:00"),
        ("-62135596801", outside),
        // Years.
        ("\"0000-12-31T23:59:59Z\"", outside),
        ("\"0001-01-01T00:00:00Z\"", "0001-01-01T00:00:00"),
        ("\"0001-01-01T00:00:00+00:01\"", outside),
        ("\"1582-10-10T00:00:00Z\"", "1582-10-10T00:00:00"),
        ("\"1969-12-31T23:59:59.999Z\"", "1969-12-31T23:59:59.999"),
        ("\"9999-12-31T23:59:59.999999999Z\"", "9999-12-31T23:59:59.999999"),
        ("\"9999-12-31T23:59:59-00:01\"", outside),
        ("\"10000-01-01T00:00:00Z\"", refused),
        ("\"292277026596-12-04T15:30:08Z\"", refused),
        ("\"-0001-01-01T00:00:00Z\"", refused),
        ("\"+2019-10-12T02:37:22Z\"", refused),
        // Days, hours, seconds that there are not.
        ("\"2023-02-29T00:00:00Z\"", refused),
        ("\"2024-02-29T00:00:00Z\"", "2024-02-29T00:00:00"),
        ("\"1900-02-29T00:00:00Z\"", refused),
        ("\"2000-02-29T00:00:00Z\"", "2000-02-29T00:00:00"),
        ("\"2019-13-01T00:00:00Z\"", refused),
        ("\"2019-00-01T00:00:00Z\"", refused),
        ("\"2019-10-00T00:00:00Z\"", refused),
        ("\"2019-10-12T24:00:00Z\"", refused),
        ("\"2019-10-12T23:60:00Z\"", refused),
        ("\"2016-12-31T23:59:60Z\"", refused),
        // Offsets.
        ("\"2019-10-12T02:37:22+23:59\"", "2019-10-11T02:38:22"),
        ("\"2019-10-12T02:37:22-23:59\"", "2019-10-13T02:36:22"),
        ("\"2019-10-12T02:37:22+24:00\"", refused),
        ("\"2019-10-12T02:37:22+00:60\"", refused),
        ("\"2019-10-12T02:37:22-00:00\"", "2019-10-12T02:37:22"),
        ("\"2019-10-12T02:37:22+0530\"", "2019-10-11T21:07:22"),
        ("\"2019-10-12T02:37:22+05\"", "2019-10-11T21:37:22"),
        ("\"2019-10-12T02:37:22 CET\"", refused),
        // Fractions of no digit to twelve.
        ("\"2019-10-12T02:37:22.Z\"", refused),
        ("\"2019-10-12T02:37:22.1Z\"", "2019-10-12T02:37:22.100"),
        ("\"2019-10-12T02:37:22.12Z\"", "2019-10-12T02:37:22.120"),
        ("\"2019-10-12T02:37:22.123456Z\"", "2019-10-12T02:37:22.123456"),
        ("\"2019-10-12T02:37:22.999999999Z\"", "2019-10-12T02:37:22.999999"),
        ("\"2019-10-12T02:37:22.999999999999Z\"", "2019-10-12T02:37:22.999999"),
        // Nothing that needs a guess, and nothing that is no time.
        ("\"\"", refused),
        ("\" \"", refused),
        ("\"2019-10-12\"", refused),
        ("\"12/10/2019\"", refused),
        ("\"now\"", refused),
        ("\"20191012\"", refused),
        ("true", refused),
        ("[1570847842]", refused),
        ("{}", refused),
        ("{\"$date\":1570847842000,\"x\":1}", refused),
        ("null", "EventTime.Missing"),
    ];
    let plan = crate::reading::plan("columns: { t: timestamp(6) }\n");
    let block: String = cases.iter().map(|(value, _)| format!("{{\"t\":{value}}}\n")).collect();
    let outcomes = crate::reading::outcomes(&plan, (block + "{\"id\":1}").as_bytes());
    assert_eq!(outcomes.len(), cases.len() + 1);
    let told = |outcome: &Result<Vec<String>, _>| match outcome {
        Ok(row) => row[0].clone(),
        Err(rejected) => crate::reading::code(rejected),
    };
    for ((value, expected), outcome) in cases.iter().zip(&outcomes) {
        assert_eq!(told(outcome), *expected, "{value}");
    }
    assert_eq!(told(outcomes.last().unwrap()), "EventTime.Missing");
}
