//! What can be wrong about `formats` and `timezone` in a schema, said before the first record is read.

/// `formats` or `timezone` cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeConfigError {
    /// Neither a named format nor a pattern.
    #[error(
        "time format `{format}` is not known{}; write auto, rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns or a strftime \
         pattern such as `%d/%b/%Y:%H:%M:%S %z`",
        did_you_mean(nearest.as_deref())
    )]
    UnknownFormat {
        /// As in the schema.
        format: String,
        /// A known format that looks much like it.
        nearest: Option<String>,
    },
    /// A pattern that is not strftime, or that could never name an instant.
    #[error("time pattern `{pattern}`: {problem}")]
    BadPattern {
        /// As in the schema.
        pattern: String,
        /// What is wrong with it, and what to write.
        problem: PatternProblem,
    },
    /// Not a name of the IANA time zone database.
    #[error(
        "time zone `{zone}` is not known{}; write an IANA name such as UTC or Europe/Berlin, upper and lower case as there",
        did_you_mean(nearest.as_deref())
    )]
    UnknownZone {
        /// As in the schema.
        zone: String,
        /// A known zone that looks much like it.
        nearest: Option<String>,
    },
    /// A list of no formats.
    #[error("`formats` is empty; write [auto], or leave it out")]
    Empty,
}

/// What is wrong with a strftime pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternProblem {
    /// A specifier that does not exist.
    #[error("`{0}` is no specifier; a percent sign itself is `%%`")]
    UnknownSpecifier(String),
    /// `%f` alone counts nanoseconds, so that `5` would be 0.000000005 s.
    #[error(
        "`%f` reads a count of nanoseconds; write `%3f`, `%6f` or `%9f` for that many digits, or `%.f` for a point and digits"
    )]
    BareFraction,
    /// No year, month and day.
    #[error("names no whole date; add one, such as `%Y-%m-%d`")]
    NoWholeDate,
    /// A part of a time of day without what is above it.
    #[error("names no whole time of day; write `%H`, `%H:%M` or `%H:%M:%S`, or `%I` together with `%p`, or none")]
    NoWholeTime,
    /// One specifier takes the digits of the next.
    #[error("cannot read what it prints; put something between specifiers that take any number of digits")]
    NotReadable,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"))
}

/// The value whose key is most like `name` without regard to case, with at most that many spelling errors; the first of
/// several alike.
pub(super) fn nearest<'a>(
    name: &str,
    spelling_errors_max: usize,
    known: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    let name = name.to_lowercase();
    known
        .map(|(key, value)| (strsim::damerau_levenshtein(&name, &key.to_lowercase()), value))
        .filter(|(errors, _)| *errors <= spelling_errors_max)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, value)| value.to_owned())
}
