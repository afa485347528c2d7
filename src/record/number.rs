//! Numbers from the text of their tokens, exactly: no detour through a float unless the column is one.

/// A number does not become a value of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It has digits behind the point that the type has not.
    Inexact,
    /// It is too large, too small, or needs more digits than the type has.
    Range,
}

/// `token` × 10^`scale` as an integer. `token` is a JSON number, at most 38 digits come out.
pub fn scaled(token: &[u8], scale: i64) -> Result<i128, NumberError> {
    if let Some(value) = short_integer(token).filter(|_| scale == 0) {
        return Ok(i128::from(value));
    }
    let (negative, unsigned) = match token {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, token),
    };
    let mantissa_len = unsigned
        .iter()
        .position(|b| matches!(b, b'e' | b'E'))
        .unwrap_or(unsigned.len());
    let (mantissa, exponent) = (&unsigned[..mantissa_len], exponent(&unsigned[mantissa_len..]));
    let digits = mantissa.iter().filter(|b| b.is_ascii_digit());
    let Some(first) = digits.clone().position(|b| *b != b'0') else {
        return Ok(0);
    };
    let all = digits.clone().count();
    let last = all - digits.clone().rev().position(|b| *b != b'0').unwrap_or(0);
    let behind_point = mantissa
        .iter()
        .position(|b| *b == b'.')
        .map_or(0, |point| mantissa.len() - point - 1);
    let power = exponent
        .saturating_add(scale)
        .saturating_sub(behind_point as i64)
        .saturating_add((all - last) as i64);
    if power < 0 {
        return Err(NumberError::Inexact);
    }
    if (last - first) as i64 > 38_i64.saturating_sub(power) {
        return Err(NumberError::Range);
    }
    let mut value: i128 = 0;
    for digit in digits.skip(first).take(last - first) {
        value = value * 10 + i128::from(digit - b'0');
    }
    value *= 10_i128.pow(power as u32);
    Ok(if negative { -value } else { value })
}

/// An integer token of at most 18 digits.
#[inline]
pub fn short_integer(token: &[u8]) -> Option<i64> {
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [_, b'-', digits @ ..] => (true, digits),
        [_, b'+', digits @ ..] => (false, digits),
        [_, digits @ ..] => (false, digits),
        [] => return 0,
    };
    // Beyond this no number of bounded length comes back into any range.
    let value = digits
        .iter()
        .fold(0_i64, |sum, d| (sum * 10 + i64::from(d - b'0')).min(1 << 40));
    if negative { -value } else { value }
}

macro_rules! nearest {
    ($name:ident, $float:ty, $exact_up_to:expr, $short:expr) => {
        /// The nearest value; `Range` where it overflows, where a number that is not zero would become zero, or where an
        /// integer token cannot be held.
        pub fn $name(token: &[u8]) -> Result<$float, NumberError> {
            if let Some(value) = $short(token) {
                return Ok(value);
            }
            let text = std::str::from_utf8(token).map_err(|_| NumberError::Inexact)?;
            let value: $float = text.parse().map_err(|_| NumberError::Inexact)?;
            let integer = !token.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
            if value.is_infinite() || value == 0.0 && !is_zero(token) {
                return Err(NumberError::Range);
            }
            // The limit itself may be the nearest of a number beyond it.
            if integer && value.abs() >= $exact_up_to && format!("{value:.0}") != text {
                return Err(NumberError::Range);
            }
            Ok(value)
        }
    };
}

nearest!(nearest_f64, f64, 9_007_199_254_740_992.0, short_decimal);
nearest!(nearest_f32, f32, 16_777_216.0, |_: &[u8]| None);

/// A token of at most 15 digits without exponent. They and the power of ten are exact as floats, so their quotient is the
/// nearest there is (Clinger 1990).
#[inline]
fn short_decimal(token: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 16 {
        return None;
    }
    let (mut value, mut all, mut behind_point) = (0_u64, 0, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + u64::from(byte - b'0');
                all += 1;
            }
            b'.' if behind_point.is_none() => behind_point = Some(all),
            _ => return None,
        }
    }
    if all == 0 || all > 15 {
        return None;
    }
    let power = behind_point.map_or(0, |before: usize| all - before);
    let value = value as f64 / POWERS[power];
    Some(if negative { -value } else { value })
}

fn is_zero(token: &[u8]) -> bool {
    token
        .iter()
        .take_while(|b| !matches!(b, b'e' | b'E'))
        .all(|b| !matches!(b, b'1'..=b'9'))
}

/// Is the whole text a JSON number?
pub fn is_json_number(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(rest);
    if whole == 0 || whole > 1 && text[text.len() - rest.len() - whole] == b'0' {
        return false;
    }
    let rest = match rest {
        [b'.', rest @ ..] => match digits(rest) {
            (0, _) => return false,
            (_, rest) => rest,
        },
        _ => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => matches!(digits(rest), (1.., [])),
        _ => false,
    }
}

/// Is the whole text an integer as JSON writes them?
pub fn is_json_integer(text: &[u8]) -> bool {
    is_json_number(text) && !text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'))
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    (len, &text[len..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_decimals_are_exact() {
        use NumberError::{Inexact, Range};
        for (token, scale, expected) in [
            ("0", 0, Ok(0)),
            ("-0", 0, Ok(0)),
            ("9007199254740993", 0, Ok(9_007_199_254_740_993)),
            ("1.0", 0, Ok(1)),
            ("1e3", 0, Ok(1000)),
            ("1E+3", 0, Ok(1000)),
            ("1500e-2", 0, Ok(15)),
            ("1.5", 0, Err(Inexact)),
            ("1.50", 1, Ok(15)),
            ("-12.34", 2, Ok(-1234)),
            ("12.345", 2, Err(Inexact)),
            ("0.00", 0, Ok(0)),
            ("0e999999999999999999999", 0, Ok(0)),
            ("1e999999999999999999999", 0, Err(Range)),
            ("1e-999999999999999999999", 0, Err(Inexact)),
            ("99999999999999999999999999999999999999", 0, Ok(10_i128.pow(38) - 1)),
            ("100000000000000000000000000000000000000", 0, Err(Range)),
            ("-1e37", 0, Ok(-(10_i128.pow(37)))),
            ("1e38", 0, Err(Range)),
            ("0.00000000000000000000000000000000000000000000001e47", 0, Ok(1)),
            ("1.00000000000000000000000000000000000000000000000", 0, Ok(1)),
        ] {
            assert_eq!(scaled(token.as_bytes(), scale), expected, "{token} scale {scale}");
        }
    }

    #[test]
    fn floats_are_nearest_and_never_silently_something_else() {
        for (token, expected) in [
            ("0.1", Ok(0.1)),
            ("-0", Ok(-0.0)),
            ("1e308", Ok(1e308)),
            ("1e309", Err(NumberError::Range)),
            ("1e-400", Err(NumberError::Range)),
            ("0e-400", Ok(0.0)),
            ("9007199254740992", Ok(9_007_199_254_740_992.0)),
            ("9007199254740993", Err(NumberError::Range)),
            ("9007199254740993.0", Ok(9_007_199_254_740_992.0)),
            ("100000000000000000000", Ok(1e20)),
            ("100000000000000000001", Err(NumberError::Range)),
        ] {
            assert_eq!(nearest_f64(token.as_bytes()), expected, "{token}");
        }
        assert_eq!(nearest_f32(b"16777217"), Err(NumberError::Range));
        assert_eq!(nearest_f32(b"16777216"), Ok(16_777_216.0));
        assert_eq!(nearest_f32(b"1e39"), Err(NumberError::Range));
    }

    proptest::proptest! {
        #[test]
        fn a_short_decimal_is_what_the_standard_library_reads(digits in "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,15})?") {
            let expected: f64 = digits.parse().unwrap();
            if let Some(value) = short_decimal(digits.as_bytes()) {
                proptest::prop_assert_eq!(value.to_bits(), expected.to_bits());
            } else {
                proptest::prop_assert!(digits.bytes().filter(u8::is_ascii_digit).count() > 15 || digits.len() > 16);
            }
        }
    }

    #[test]
    fn text_is_a_number_only_as_json_writes_numbers() {
        for good in ["0", "-0", "10", "1.50", "1e3", "1E-3", "0.0"] {
            assert!(is_json_number(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", " 1", "1 ", "0x1F", "NaN", "--1", "00",
        ] {
            assert!(!is_json_number(bad.as_bytes()), "{bad}");
        }
        assert!(is_json_integer(b"-12") && !is_json_integer(b"1e2") && !is_json_integer(b"1.0"));
    }
}
