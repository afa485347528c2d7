//! Numbers of a filter: what it does not touch keeps its text, what it calculates is exact where integers allow it.
//!
//! | | |
//! | --- | --- |
//! | written in the record or the filter | its token, digit by digit: `0.1000`, `1e400`, `-0` |
//! | integers of up to 38 digits | `+`, `-`, `*`, `%` and whole quotients are exact |
//! | all else | calculated as a double; what no finite double holds is an error |

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use crate::record::number::is_json_number;

/// Digits of an integer that is calculated with exactly.
const DIGITS_MAX: usize = 38;
/// Doubles below are written without a fraction where they have none: up to here each integer is one.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// A JSON number.
#[derive(Clone, Debug)]
pub(super) enum Number {
    /// An integer that is written as this one is.
    Int(i64),
    /// Finite; with a fraction, or beyond 2⁵³.
    Float(f64),
    /// Any other, as it is written.
    Token(Rc<String>),
}

impl Number {
    /// `token` is a JSON number.
    pub(super) fn from_token(token: &str) -> Self {
        match token.parse() {
            Ok(int) if token != "-0" => Self::Int(int),
            _ => Self::Token(Rc::new(token.to_owned())),
        }
    }

    /// Reads what a filter may write, also what JSON would not, such as `007.5`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match is_json_number(text.as_bytes()) {
            true => Some(Self::from_token(text)),
            false => text.parse().ok().and_then(Self::from_f64),
        }
    }

    pub(super) fn from_i128(int: i128) -> Self {
        match i64::try_from(int) {
            Ok(int) => Self::Int(int),
            Err(_) => Self::Token(Rc::new(int.to_string())),
        }
    }

    /// Nothing of what JSON cannot write.
    pub(super) fn from_f64(float: f64) -> Option<Self> {
        if float.fract() == 0.0 && float.abs() <= WHOLE_MAX {
            return Some(Self::Int(float as i64));
        }
        float.is_finite().then_some(Self::Float(float))
    }

    /// The integer that it is written as, if it is short enough to be calculated with.
    pub(super) fn integer(&self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(i128::from(*int)),
            Self::Float(_) => None,
            Self::Token(token) => {
                let digits = token.trim_start_matches('-');
                (digits.len() <= DIGITS_MAX).then(|| token.parse().ok()).flatten()
            }
        }
    }

    /// The nearest double; infinite beyond the largest.
    pub(super) fn float(&self) -> f64 {
        match self {
            Self::Int(int) => *int as f64,
            Self::Float(float) => *float,
            Self::Token(token) => token.parse().expect("a JSON number reads as a double"),
        }
    }

    /// A place in an array: an integer, however it is written.
    pub(super) fn place(&self) -> Option<isize> {
        let whole = || Some(self.float()).filter(|float| float.fract() == 0.0 && float.abs() <= WHOLE_MAX);
        match self.integer() {
            Some(int) => isize::try_from(int).ok(),
            None => whole().map(|float| float as isize),
        }
    }

    pub(super) fn negated(&self) -> Self {
        match self {
            Self::Int(int) => Self::from_i128(-i128::from(*int)),
            Self::Float(float) => Self::Float(-float),
            Self::Token(token) => Self::from_token(
                &token
                    .strip_prefix('-')
                    .map_or_else(|| format!("-{token}"), str::to_owned),
            ),
        }
    }

    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        self.calculated(other, i128::checked_add, |a, b| a + b)
    }

    pub(super) fn minus(&self, other: &Self) -> Option<Self> {
        self.calculated(other, i128::checked_sub, |a, b| a - b)
    }

    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        self.calculated(other, i128::checked_mul, |a, b| a * b)
    }

    /// Nothing where `other` is 0.
    pub(super) fn by(&self, other: &Self) -> Option<Self> {
        let whole = |a: i128, b: i128| (a.checked_rem(b) == Some(0)).then(|| a.checked_div(b)).flatten();
        self.calculated(other, whole, |a, b| a / b)
    }

    /// The remainder, with the sign of `self`. Nothing where `other` is 0.
    pub(super) fn modulo(&self, other: &Self) -> Option<Self> {
        self.calculated(other, i128::checked_rem, |a, b| a % b)
    }

    /// By integers where there are two and their result is one, else by doubles.
    fn calculated(
        &self,
        other: &Self,
        exactly: impl Fn(i128, i128) -> Option<i128>,
        nearly: impl Fn(f64, f64) -> f64,
    ) -> Option<Self> {
        let exact = self.integer().zip(other.integer()).and_then(|(a, b)| exactly(a, b));
        match exact {
            Some(int) => Some(Self::from_i128(int)),
            None => Self::from_f64(nearly(self.float(), other.float())),
        }
    }

    /// Numbers are equal as doubles, and where both are integers as such. The second part keeps the order total.
    fn key(&self) -> (f64, i128) {
        // -0 is 0.
        let float = self.float() + 0.0;
        (float, self.integer().unwrap_or(float as i128))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            return a.cmp(b);
        }
        let ((a, a_exact), (b, b_exact)) = (self.key(), other.key());
        a.total_cmp(&b).then(a_exact.cmp(&b_exact))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => write!(f, "{int}"),
            // The shortest that reads as the same double, with an exponent where that is shorter.
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Token(token) => f.write_str(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn a_number_that_nobody_touches_keeps_its_text() {
        for text in [
            "0",
            "-0",
            "0.1000",
            "1e400",
            "1E+05",
            "-1.50",
            "9223372036854775807",
            "12345678901234567890",
            "123456789012345678901234567890123456789012345678901234567890",
        ] {
            assert_eq!(number(text).to_string(), text);
        }
    }

    #[test]
    fn integers_of_38_digits_are_exact_and_all_else_is_a_double() {
        type Op = fn(&Number, &Number) -> Option<Number>;
        let (plus, minus, times, by, modulo): (Op, Op, Op, Op, Op) =
            (Number::plus, Number::minus, Number::times, Number::by, Number::modulo);
        for (op, a, b, expected) in [
            (plus, "1", "2", Some("3")),
            (plus, "9223372036854775807", "1", Some("9223372036854775808")),
            (plus, "12345678901234567890", "1", Some("12345678901234567891")),
            (plus, "0.1", "0.2", Some("0.30000000000000004")),
            (plus, "0.5", "0.50", Some("1")),
            (minus, "1", "12345678901234567890", Some("-12345678901234567889")),
            (minus, "5", "-0", Some("5")),
            (times, "1.5", "100", Some("150")),
            (times, "99999999999999999999999999999999999999", "10", Some("1e39")),
            (times, "1e300", "1e300", None),
            (by, "6", "3", Some("2")),
            (by, "1", "3", Some("0.3333333333333333")),
            (by, "1", "0", None),
            (by, "0", "0", None),
            (by, "1e400", "2", None),
            (modulo, "-7", "3", Some("-1")),
            (modulo, "5.5", "2", Some("1.5")),
            (modulo, "5", "0", None),
        ] {
            let result = op(&number(a), &number(b)).map(|number| number.to_string());
            assert_eq!(result.as_deref(), expected, "{a}, {b}");
        }
        assert_eq!(
            number("-9223372036854775808").negated().to_string(),
            "9223372036854775808"
        );
        assert_eq!(number("0.10").negated().negated().to_string(), "0.10");
    }

    #[test]
    fn numbers_are_ordered_by_value_and_the_order_is_total() {
        let sorted = [
            "-1e400",
            "-12345678901234567890",
            "-1",
            "0",
            "0.1",
            "1",
            "9007199254740992",
            "9007199254740993",
            "12345678901234567890",
            "12345678901234567891",
            "1e300",
            "1e400",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a}, {b}");
            }
        }
        for (a, b) in [("1", "1.0"), ("0", "-0"), ("0.1", "0.1000"), ("100", "1e2")] {
            assert_eq!(number(a), number(b));
        }
    }

    #[test]
    fn a_place_in_an_array_is_an_integer_however_it_is_written() {
        for (text, place) in [
            ("1", Some(1)),
            ("-1", Some(-1)),
            ("1.0", Some(1)),
            ("1e2", Some(100)),
            ("1.5", None),
            ("1e400", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text).place(), place, "{text}");
        }
    }
}
