//! Spans of time in a schema or on the command line: `1d`, `36h`, `15m`, `90s`.

/// Longer than all of the years an event time can lie in: a limit that limits nothing.
const SECONDS_MAX: i64 = 10_000 * 366 * 86_400;

/// A text that is no span of time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DurationError {
    /// Not a whole number and one unit.
    #[error("duration `{0}`: write a whole number and one of the units s, m, h, d, such as 90s, 15m, 36h or 1d")]
    Form(String),
    /// Longer than 10,000 years.
    #[error("duration `{0}` is longer than 10,000 years; write a shorter one")]
    TooLong(String),
}

/// Seconds of a whole number and its unit: `s`, `m`, `h` or `d` (of 24 hours). No sign, no fraction, no spaces. `none`, where
/// it is allowed, is the caller's.
///
/// # Errors
/// Another form, and more than 10,000 years; so the seconds may be added to any instant without overflow.
pub fn parse_duration_seconds(text: &str) -> Result<i64, DurationError> {
    let form_error = || DurationError::Form(text.to_owned());
    let unit_seconds = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(form_error()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(form_error());
    }
    digits
        .parse::<i64>()
        .ok() // only digits: too large for an i64
        .and_then(|number| number.checked_mul(unit_seconds))
        .filter(|seconds| *seconds <= SECONDS_MAX)
        .ok_or_else(|| DurationError::TooLong(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, seconds) in [
            ("1d", 86_400),
            ("3650d", 315_360_000),
            ("36h", 129_600),
            ("15m", 900),
            ("90s", 90),
            ("0s", 0),
            ("007d", 604_800),
            ("3660000d", SECONDS_MAX),
        ] {
            assert_eq!(parse_duration_seconds(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_right_one() {
        for text in [
            "", "d", "1", "1w", "1D", "1 d", " 1d", "1d ", "-1d", "+1d", "1.5h", "1e3s", "1h30m", "P1D", "1day",
            "none", "٣d", "1µ", "1ms",
        ] {
            let error = parse_duration_seconds(text).unwrap_err();
            assert_eq!(error, DurationError::Form(text.to_owned()));
            assert!(error.to_string().ends_with("such as 90s, 15m, 36h or 1d"), "{error}");
        }
    }

    #[test]
    fn longer_than_all_time_is_refused() {
        for text in ["3660001d", "9223372036854775807d", "99999999999999999999999s"] {
            assert_eq!(
                parse_duration_seconds(text),
                Err(DurationError::TooLong(text.to_owned()))
            );
        }
    }
}
