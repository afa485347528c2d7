//! Counts since the Unix epoch, exact from their digits.
//!
//! The digits are never made a float and an exponent never makes digits: `1e999999999` costs no more than `1e9`. One
//! pass over the text checks it, one more takes the seconds and nanoseconds out of it.

use super::form::EpochUnit;
use super::instant::Instant;
use super::{TimeError, TimeError::OutOfRange};

/// The latest and earliest instants whose nanoseconds fit an i64.
const NANOS_MAX: (i64, u32) = (9_223_372_036, 854_775_807);
const NANOS_MIN: (i64, u32) = (-9_223_372_037, 145_224_192);

/// A decimal number: 0.d₁d₂d₃… × 10^`point`, d₁ not 0, digits in `whole` and then `fraction`; no digits for zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    point: i64,
    /// Digits before the point as written, leading zeros included.
    whole_digits: usize,
}

impl<'a> Decimal<'a> {
    /// A JSON number token: `-?digits[.digits][(e|E)[+|-]digits]`.
    pub(super) fn of_token(text: &'a str) -> Option<Self> {
        let (number, rest) = Self::split(text.as_bytes())?;
        let exponent = match *rest {
            [] => 0,
            [b'e' | b'E', b'-', ref digits @ ..] => -saturating(digits)?,
            [b'e' | b'E', b'+', ref digits @ ..] | [b'e' | b'E', ref digits @ ..] => saturating(digits)?,
            _ => return None,
        };
        Some(Self {
            point: number.point.saturating_add(exponent),
            ..number
        })
    }

    /// The digits of a string: `-?digits[.digits]`, no exponent.
    pub(super) fn of_text(text: &'a str) -> Option<Self> {
        match Self::split(text.as_bytes())? {
            (number, []) => Some(number),
            _ => None,
        }
    }

    /// As [`of_text`](Self::of_text), only with as many digits before the point as a time between 1973 and 2262 may have
    /// in some unit. 8, 14 and 17 digits look like `20191012`, `20191012023722` and `20191012023722178`.
    pub(super) fn of_telling_text(text: &'a str) -> Option<Self> {
        Self::of_text(text).filter(|number| matches!(number.whole_digits, 9..=13 | 15 | 16 | 18 | 19))
    }

    /// The number at the start of `text`, and what follows it.
    #[inline]
    fn split(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (negative, text) = match text {
            [b'-', text @ ..] => (true, text),
            text => (false, text),
        };
        let (whole, mut rest) = digits(text)?;
        let mut fraction: &[u8] = &[];
        if let [b'.', after @ ..] = rest {
            (fraction, rest) = digits(after)?;
        }
        let whole_digits = whole.len();
        let whole = without_leading_zeros(whole);
        let mut point = whole.len() as i64;
        if whole.is_empty() {
            let len = fraction.len();
            fraction = without_leading_zeros(fraction);
            point = -((len - fraction.len()) as i64);
        }
        Some((
            Self {
                negative,
                whole,
                fraction,
                point,
                whole_digits,
            },
            rest,
        ))
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    /// The instant this many units after the epoch, floor.
    #[inline]
    pub(super) fn instant(&self, unit: EpochUnit) -> Result<Instant, TimeError> {
        let point = if self.is_zero() {
            0
        } else {
            self.point.saturating_sub(unit.digits_below_second())
        };
        // The last second of 9999 has twelve digits.
        if point > 12 {
            return Err(OutOfRange);
        }
        let mut digits = self
            .whole
            .iter()
            .chain(self.fraction)
            .map(|byte| u32::from(byte - b'0'));
        let mut seconds: i64 = 0;
        for _ in 0..point {
            seconds = seconds * 10 + i64::from(digits.next().unwrap_or(0));
        }
        let mut nanos: u32 = 0;
        let zeros = point.saturating_neg().clamp(0, 9);
        for _ in zeros..9 {
            nanos = nanos * 10 + digits.next().unwrap_or(0);
        }
        if self.negative {
            // Down to the nanosecond below, and then to the second below.
            nanos += u32::from(digits.any(|digit| digit != 0));
            seconds = -seconds;
            if nanos > 0 {
                seconds -= 1;
                nanos = 1_000_000_000 - nanos;
            }
        }
        Instant::new(seconds, nanos).ok_or(OutOfRange)
    }

    /// The instant in the unit that the magnitude suggests: below 1e11 seconds, below 1e14 ms, below 1e17 µs, else ns.
    /// Guessed nanoseconds end where an i64 does, because nothing that writes them reaches further.
    #[inline]
    pub(super) fn instant_by_magnitude(&self) -> Result<(Instant, EpochUnit), TimeError> {
        let unit = match self.point {
            _ if self.is_zero() => EpochUnit::Seconds,
            ..=11 => EpochUnit::Seconds,
            12..=14 => EpochUnit::Millis,
            15..=17 => EpochUnit::Micros,
            18.. => EpochUnit::Nanos,
        };
        let instant = self.instant(unit)?;
        if unit == EpochUnit::Nanos && !(NANOS_MIN..=NANOS_MAX).contains(&(instant.seconds(), instant.nanos())) {
            return Err(OutOfRange);
        }
        Ok((instant, unit))
    }
}

/// Whether the token is a whole number without point and exponent, which a pattern may read too.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits at the start of `text`, at least one, and what follows them.
#[inline]
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (len > 0).then(|| text.split_at(len))
}

#[inline]
fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

/// The value of digits, or the largest i64: far beyond what any mantissa could bring back into range.
fn saturating(text: &[u8]) -> Option<i64> {
    match digits(text)? {
        (digits, []) => Some(digits.iter().fold(0, |value: i64, digit| {
            value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::EpochUnit::{Micros, Millis, Nanos, Seconds};
    use super::*;

    fn read(token: &str, unit: EpochUnit) -> Result<(i64, u32), TimeError> {
        let instant = Decimal::of_token(token).unwrap().instant(unit)?;
        Ok((instant.seconds(), instant.nanos()))
    }

    fn guess(token: &str) -> Result<(i64, u32, EpochUnit), TimeError> {
        let (instant, unit) = Decimal::of_token(token).unwrap().instant_by_magnitude()?;
        Ok((instant.seconds(), instant.nanos(), unit))
    }

    #[test]
    fn the_magnitude_tells_the_unit_and_a_boundary_belongs_to_the_finer_one() {
        for (token, expected) in [
            ("0", Ok((0, 0, Seconds))),
            ("-0", Ok((0, 0, Seconds))),
            ("0.000", Ok((0, 0, Seconds))),
            ("0e999", Ok((0, 0, Seconds))),
            ("1", Ok((1, 0, Seconds))),
            ("1570847842", Ok((1_570_847_842, 0, Seconds))),
            ("99999999999", Ok((99_999_999_999, 0, Seconds))),
            ("99999999999.9999999999", Ok((99_999_999_999, 999_999_999, Seconds))),
            ("100000000000", Ok((100_000_000, 0, Millis))),
            ("1e11", Ok((100_000_000, 0, Millis))),
            ("1E+11", Ok((100_000_000, 0, Millis))),
            ("0.1e12", Ok((100_000_000, 0, Millis))),
            ("1570847842178", Ok((1_570_847_842, 178_000_000, Millis))),
            ("99999999999999", Ok((99_999_999_999, 999_000_000, Millis))),
            ("99999999999999.999999999", Ok((99_999_999_999, 999_999_999, Millis))),
            ("100000000000000", Ok((100_000_000, 0, Micros))),
            ("1e14", Ok((100_000_000, 0, Micros))),
            ("1570847842178652", Ok((1_570_847_842, 178_652_000, Micros))),
            ("99999999999999999", Ok((99_999_999_999, 999_999_000, Micros))),
            ("100000000000000000", Ok((100_000_000, 0, Nanos))),
            ("1e17", Ok((100_000_000, 0, Nanos))),
            ("1627668684594000000", Ok((1_627_668_684, 594_000_000, Nanos))),
            ("1570847842178652123", Ok((1_570_847_842, 178_652_123, Nanos))),
        ] {
            assert_eq!(guess(token), expected, "{token}");
        }
    }

    #[test]
    fn negative_numbers_follow_the_same_boundaries() {
        for (token, expected) in [
            ("-1", Ok((-1, 0, Seconds))),
            ("-1e10", Ok((-10_000_000_000, 0, Seconds))),
            ("-62135596800", Ok((-62_135_596_800, 0, Seconds))),
            ("-62135596801", Err(OutOfRange)),
            ("-99999999999", Err(OutOfRange)),
            ("-1e11", Ok((-100_000_000, 0, Millis))),
            ("-100000000000", Ok((-100_000_000, 0, Millis))),
            ("-62135596800000", Ok((-62_135_596_800, 0, Millis))),
            ("-62135596800000.001", Err(OutOfRange)),
            ("-99999999999999", Err(OutOfRange)),
            ("-1e14", Ok((-100_000_000, 0, Micros))),
            ("-62135596800000000", Ok((-62_135_596_800, 0, Micros))),
            ("-62135596800000001", Err(OutOfRange)),
            ("-99999999999999999", Err(OutOfRange)),
            ("-1e17", Ok((-100_000_000, 0, Nanos))),
            ("-1570847842178652123", Ok((-1_570_847_843, 821_347_877, Nanos))),
        ] {
            assert_eq!(guess(token), expected, "{token}");
        }
    }

    #[test]
    fn guessed_nanoseconds_end_with_the_i64() {
        for (token, expected) in [
            ("9223372036854775807", Ok((9_223_372_036, 854_775_807, Nanos))),
            ("9223372036854775807.9", Ok((9_223_372_036, 854_775_807, Nanos))), // cut first, then compared
            ("9223372036854775808", Err(OutOfRange)),
            ("9999999999999999999", Err(OutOfRange)),
            ("-9223372036854775808", Ok((-9_223_372_037, 145_224_192, Nanos))),
            ("-9223372036854775808.1", Err(OutOfRange)),
            ("-9223372036854775809", Err(OutOfRange)),
            ("1e19", Err(OutOfRange)),
            ("1e400", Err(OutOfRange)),
            ("-1e400", Err(OutOfRange)),
            ("292277026596000000000", Err(OutOfRange)),
        ] {
            assert_eq!(guess(token), expected, "{token}");
        }
    }

    #[test]
    fn a_named_unit_reaches_over_all_years() {
        for (token, unit, expected) in [
            ("253402300799", Seconds, Ok((253_402_300_799, 0))),
            ("253402300799.999999999999", Seconds, Ok((253_402_300_799, 999_999_999))),
            ("253402300800", Seconds, Err(OutOfRange)),
            ("-62135596800", Seconds, Ok((-62_135_596_800, 0))),
            ("-62135596800.0000000001", Seconds, Err(OutOfRange)),
            ("292277026596", Seconds, Err(OutOfRange)),
            ("1000", Millis, Ok((1, 0))),
            ("253402300799999", Millis, Ok((253_402_300_799, 999_000_000))),
            ("253402300800000", Millis, Err(OutOfRange)),
            ("1000", Micros, Ok((0, 1_000_000))),
            ("253402300799999999", Micros, Ok((253_402_300_799, 999_999_000))),
            ("253402300800000000", Micros, Err(OutOfRange)),
            ("1000", Nanos, Ok((0, 1_000))),
            ("9223372036854775808", Nanos, Ok((9_223_372_036, 854_775_808))), // no i64 limit where nothing is guessed
            ("253402300799999999999", Nanos, Ok((253_402_300_799, 999_999_999))),
            ("253402300800000000000", Nanos, Err(OutOfRange)),
            ("-62135596800000000000", Nanos, Ok((-62_135_596_800, 0))),
            ("-62135596800000000001", Nanos, Err(OutOfRange)),
        ] {
            assert_eq!(read(token, unit), expected, "{token} {unit:?}");
        }
    }

    #[test]
    fn fractions_and_exponents_count_exactly_and_are_cut_toward_the_past() {
        for (token, unit, expected) in [
            ("1570847842.178652", Seconds, (1_570_847_842, 178_652_000)),
            ("1570847842.1786521239", Seconds, (1_570_847_842, 178_652_123)),
            ("1.570847842178652e9", Seconds, (1_570_847_842, 178_652_000)),
            ("15708478421786.52e-4", Seconds, (1_570_847_842, 178_652_000)),
            ("1.5e3", Seconds, (1_500, 0)),
            ("1.5e0", Seconds, (1, 500_000_000)),
            ("5e-1", Seconds, (0, 500_000_000)),
            ("0.1", Seconds, (0, 100_000_000)),
            ("0.000000001", Seconds, (0, 1)),
            ("0.0000000009", Seconds, (0, 0)),
            ("1e-9", Seconds, (0, 1)),
            ("1e-999999999999999999999", Seconds, (0, 0)),
            ("0000001.5", Seconds, (1, 500_000_000)),
            ("-0.5", Seconds, (-1, 500_000_000)),
            ("-1.5", Seconds, (-2, 500_000_000)),
            ("-0.000000001", Seconds, (-1, 999_999_999)),
            ("-0.0000000001", Seconds, (-1, 999_999_999)),
            ("-1e-999999999999999999999", Seconds, (-1, 999_999_999)),
            ("-0.9999999999", Seconds, (-1, 0)),
            ("-1.0000000000", Seconds, (-1, 0)),
            ("-1.9999999999", Seconds, (-2, 0)),
            ("-0.0", Seconds, (0, 0)),
            ("1.5", Millis, (0, 1_500_000)),
            ("1570847842178.652123", Millis, (1_570_847_842, 178_652_123)),
            ("-0.0000001", Millis, (-1, 999_999_999)),
            ("1570847842178652.1239", Micros, (1_570_847_842, 178_652_123)),
            ("1.9", Nanos, (0, 1)),
            ("-1", Nanos, (-1, 999_999_999)),
            ("-1.1", Nanos, (-1, 999_999_998)),
            ("0.1", Nanos, (0, 0)),
        ] {
            assert_eq!(read(token, unit), Ok(expected), "{token} {unit:?}");
        }
    }

    #[test]
    fn absurd_exponents_and_lengths_are_only_looked_at() {
        for token in [
            "1e999999999",
            "1e9223372036854775807",
            "1e99999999999999999999999999",
            "-1e999999999",
        ] {
            for unit in [Seconds, Millis, Micros, Nanos] {
                assert_eq!(read(token, unit), Err(OutOfRange), "{token}");
            }
        }
        let zeros = "0".repeat(100_000);
        for (token, expected) in [
            (format!("1{zeros}e-100000"), Ok((1, 0))),
            (format!("0.{zeros}1e100001"), Ok((1, 0))),
            (format!("{zeros}1"), Ok((1, 0))),
            (format!("1{zeros}"), Err(OutOfRange)),
            (format!("0e{zeros}9"), Ok((0, 0))),
            (format!("-0.{zeros}1"), Ok((-1, 999_999_999))),
            (format!("1.{zeros}1"), Ok((1, 0))),
        ] {
            assert_eq!(read(&token, Seconds), expected);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", "+5", "--5", ".5", "5.", "-.5", "5.e3", "1e", "1e+", "1e-", "1e+-5", "1e5.5", "1.5.5", "0x1F",
            "1_000", " 5", "5 ", "NaN", "Infinity", "five", "٣", "1e5e5", "1,5",
        ] {
            assert_eq!(Decimal::of_token(text), None, "{text:?}");
            assert_eq!(Decimal::of_text(text), None, "{text:?}");
        }
        assert_eq!(Decimal::of_text("1e5"), None, "text has no exponent");
    }

    #[test]
    fn text_is_a_number_only_with_a_telling_count_of_digits() {
        for count in 1..=25 {
            let telling = [9, 10, 11, 12, 13, 15, 16, 18, 19].contains(&count);
            let digits = "1".repeat(count);
            for text in [
                digits.clone(),
                format!("-{digits}"),
                format!("{digits}.123456789123"),
                format!("-{digits}.0"),
            ] {
                assert_eq!(Decimal::of_telling_text(&text).is_some(), telling, "{text}");
            }
        }
    }

    #[test]
    fn only_whole_numbers_are_integers() {
        for (token, integer) in [
            ("20191012", true),
            ("-5", true),
            ("0", true),
            ("1.0", false),
            ("1e3", false),
            ("", false),
            ("-", false),
        ] {
            assert_eq!(is_integer(token), integer, "{token:?}");
        }
    }
}
