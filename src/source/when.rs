//! A moment as people write it: a time, a date, or how long ago.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveTime};

use crate::table::duration::parse_duration_seconds;

/// A moment, which may be told from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In seconds since 1970.
    At(i64),
    /// So many seconds before now.
    Ago(i64),
}

/// A text that is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a time such as 2019-10-12T02:00:00Z, a date, or an age such as 36h or 7d")]
pub struct WhenError;

impl When {
    /// In seconds since 1970.
    pub fn seconds(self, now: SystemTime) -> i64 {
        match self {
            Self::At(seconds) => seconds,
            Self::Ago(seconds) => {
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - seconds
            }
        }
    }
}

/// RFC 3339, a date (its beginning in UTC), or an age.
impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            // What is half a second past is not yet reached by objects of whole seconds.
            let seconds = time.timestamp() + i64::from(time.timestamp_subsec_nanos() > 0);
            return Ok(Self::At(seconds));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(date.and_time(NaiveTime::MIN).and_utc().timestamp()));
        }
        let age = parse_duration_seconds(text).map_err(|_| WhenError)?;
        Ok(Self::Ago(age))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_rfc_3339_dates_or_ages() {
        for (text, expected) in [
            ("2019-10-12T02:00:00+02:00", Ok(When::At(1_570_838_400))),
            ("2019-10-12T00:00:00.5Z", Ok(When::At(1_570_838_401))),
            ("2019-10-12", Ok(When::At(1_570_838_400))),
            ("36h", Ok(When::Ago(129_600))),
            ("0s", Ok(When::Ago(0))),
            ("yesterday", Err(WhenError)),
            ("-1h", Err(WhenError)),
        ] {
            assert_eq!(text.parse::<When>(), expected, "{text}");
        }
        let now = UNIX_EPOCH + Duration::from_millis(1_000_999);
        assert_eq!((When::Ago(1_001).seconds(now), When::At(7).seconds(now)), (-1, 7));
    }
}
