//! JSON numbers compared by their exact value, as routing needs them.
//!
//! `1`, `1.0` and `10e-1` are one number, `9007199254740993` and `9007199254740992` are two: nothing passes through
//! `f64`. Memory follows the token's length, not the number's size: `1e1000000` is three bytes.

use std::fmt;

/// A number as `±digits × 10^exponent`. The digits neither begin nor end with `0`, zero has none: equal numbers have
/// equal parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExactNumber {
    negative: bool,
    digits: Box<str>,
    exponent: i64,
}

impl ExactNumber {
    /// Reads a JSON number token. `None` for anything else, white space around it included, and for exponents beyond
    /// 64 bits: such a number can neither stand in a schema nor equal one that does.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        let (negative, unsigned) = token.strip_prefix('-').map_or((false, token), |rest| (true, rest));
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        if !exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))) {
            return None;
        }

        let digits = [whole, fraction].concat();
        let leading = digits.trim_start_matches('0');
        let significant = leading.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self {
                negative: false,
                digits: "".into(),
                exponent: 0,
            });
        }
        let dropped = i64::try_from(leading.len() - significant.len()).ok()?;
        let shift = dropped - i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.map_or(Ok(0), str::parse::<i64>).ok()?.checked_add(shift)?;
        Some(Self {
            negative,
            digits: significant.into(),
            exponent,
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The canonical token: `-15e-1` for `-1.50`. Reads back as the same number.
impl fmt::Display for ExactNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            negative,
            digits,
            exponent,
        } = self;
        if digits.is_empty() {
            return f.write_str("0");
        }
        if *negative {
            f.write_str("-")?;
        }
        f.write_str(digits)?;
        if *exponent == 0 {
            Ok(())
        } else {
            write!(f, "e{exponent}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_equal_by_value_whatever_their_spelling() {
        for same in [
            &["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000"][..],
            &["0", "-0", "0.0", "0e99999999999999999999999", "-0.000e-7"],
            &["-1500", "-1.5e3", "-15E2", "-1500.0"],
            &["1e1000000", "10e999999"],
        ] {
            for token in same {
                assert_eq!(ExactNumber::parse(token), ExactNumber::parse(same[0]), "{token}");
                assert!(ExactNumber::parse(token).is_some(), "{token}");
            }
        }
        for (one, other) in [
            ("1", "-1"),
            ("1", "10"),
            ("9007199254740993", "9007199254740992"),
            ("1e1000000", "1e1000001"),
            ("0.1", "0.10000000000000000000000000001"),
        ] {
            assert_ne!(ExactNumber::parse(one), ExactNumber::parse(other), "{one} {other}");
        }
    }

    #[test]
    fn only_json_number_tokens_are_numbers() {
        for token in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1e1.5",
            "0x10",
            "1_000",
            " 1",
            "1 ",
            "NaN",
            "Infinity",
            "1e5e5",
            "1.2.3",
            "--1",
            "١",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert_eq!(ExactNumber::parse(token), None, "{token}");
        }
    }

    #[test]
    fn the_ends_of_the_exponent_do_not_overflow() {
        assert!(ExactNumber::parse(&format!("1e{}", i64::MAX)).is_some());
        assert_eq!(ExactNumber::parse(&format!("10e{}", i64::MAX)), None);
        assert!(ExactNumber::parse(&format!("1e{}", i64::MIN)).is_some());
        assert_eq!(ExactNumber::parse(&format!("0.1e{}", i64::MIN)), None);
    }

    proptest! {
        /// Moving the point and the exponent together changes the spelling and not the number.
        #[test]
        fn the_point_moves_with_the_exponent(n in any::<i64>(), shift in 0u32..40, zeros in 0usize..5) {
            let moved = format!("{n}{}e-{shift}", "0".repeat(shift as usize));
            let padded = format!("{n}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(ExactNumber::parse(&moved), ExactNumber::parse(&n.to_string()));
            prop_assert_eq!(ExactNumber::parse(&padded), ExactNumber::parse(&n.to_string()));
        }

        #[test]
        fn different_integers_are_different_numbers(a in any::<i128>(), b in any::<i128>()) {
            let (x, y) = (ExactNumber::parse(&a.to_string()), ExactNumber::parse(&b.to_string()));
            prop_assert_eq!(a == b, x == y);
        }

        #[test]
        fn the_canonical_token_reads_back(token in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,9})?") {
            let number = ExactNumber::parse(&token).unwrap();
            prop_assert_eq!(ExactNumber::parse(&number.to_string()), Some(number));
        }

        #[test]
        fn a_token_is_a_number_where_serde_json_says_so(token in "[-+0-9.eE]{0,12}") {
            let json = serde_json::from_str::<serde::de::IgnoredAny>(&token).is_ok();
            // Short tokens never leave the exponent's range.
            prop_assert_eq!(ExactNumber::parse(&token).is_some(), json, "{}", token);
        }
    }
}
