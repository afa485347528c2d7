//! `formats` and `timezone`, of the event time and of columns.

use serde::Serialize;

use super::error::{Position, Problem, Report};
use super::read::{Field, OneOrMany};
use crate::record::time::TimeFormats;

/// How times are written, by the names in the schema: what [`TimeFormats`] is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    pub(super) formats: Vec<String>,
    pub(super) timezone: String,
}

impl Times {
    /// One format, for times in UTC unless they name a zone.
    pub(super) fn utc(format: &str) -> Self {
        Self {
            formats: vec![format.to_owned()],
            timezone: "UTC".to_owned(),
        }
    }

    /// What the file gives, and for the rest these. What it gives wrong is reported and counts as not given.
    pub(super) fn with(
        &self,
        formats: &Field<OneOrMany<String>>,
        timezone: &Field<String>,
        report: &mut Report<'_>,
    ) -> Self {
        let mut times = self.clone();
        if let Some(given) = formats.given() {
            // One at a time, so that the error stands at the one that is wrong.
            let wrong = given
                .value
                .0
                .iter()
                .filter(|format| !is_sound(&[&format.value], "UTC", format.at, report));
            if wrong.count() == 0 {
                times.formats = given.value.0.iter().map(|format| format.value.clone()).collect();
            }
        }
        if let Some(given) = timezone.given()
            && is_sound(&["auto"], &given.value, given.at, report)
        {
            times.timezone.clone_from(&given.value);
        }
        times
    }

    pub(super) fn build(&self, at: Position, report: &mut Report<'_>) -> TimeFormats {
        let formats: Vec<&str> = self.formats.iter().map(String::as_str).collect();
        parse(&formats, &self.timezone, at, report).unwrap_or_else(TimeFormats::auto_utc)
    }
}

fn is_sound(formats: &[&str], timezone: &str, at: Position, report: &mut Report<'_>) -> bool {
    parse(formats, timezone, at, report).is_some()
}

fn parse(formats: &[&str], timezone: &str, at: Position, report: &mut Report<'_>) -> Option<TimeFormats> {
    let parsed = TimeFormats::parse(formats, timezone);
    report.take(at, parsed.map_err(|error| Problem::new(error.to_string())))
}
