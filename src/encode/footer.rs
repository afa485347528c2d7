//! What the footer of each file says of it, by name.

/// The job that made it.
pub const JOB: &str = "lakebed.job";
/// The table of its rows.
pub const TABLE: &str = "lakebed.table";
/// Their hour, `2019-10-12T02`.
pub const HOUR: &str = "lakebed.hour";
/// The first event time in RFC 3339, uncut. Where rows were copied from another file, the first one there.
pub const EVENT_TIME_MIN: &str = "lakebed.event_time.min";
/// The last one, likewise.
pub const EVENT_TIME_MAX: &str = "lakebed.event_time.max";
/// The column that holds the event time of each row, cut toward the past to its unit and never NULL. Absent where no
/// column of timestamps takes it as it was read.
pub const EVENT_TIME_COLUMN: &str = "lakebed.event_time.column";
/// The version of the encoder.
pub const ENCODER: &str = "lakebed.encoder";
/// The source, where there is but one and it is no local file.
pub const SOURCE: &str = "lakebed.source";
