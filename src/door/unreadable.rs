//! Why a message, or a record of a notification, cannot be read.

use crate::s3::KeyError;

/// Of a version with another first number, nothing is known.
pub(super) const VERSION_MAJOR: &str = "2";

/// A message, or a record of one, that cannot be read. Holds no values but a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The text of a message is not an S3 event notification.
    #[error("the {part} {seen}: not an S3 event notification")]
    Shape {
        /// What holds it.
        part: &'static str,
        /// What it is instead.
        seen: String,
    },
    /// The text of a message is missing, or no text.
    #[error("the {part} {why}")]
    Body {
        /// What should hold it.
        part: &'static str,
        /// What it is instead.
        why: String,
    },
    /// The text of a message is not JSON.
    #[error("the {part} is not JSON: {why}")]
    NotJson {
        /// What holds it.
        part: &'static str,
        /// Where it stops being JSON.
        why: String,
    },
    /// What is said of all objects.
    #[error("{why}")]
    Arguments {
        /// What is wrong with it, and what to write.
        why: String,
    },
    /// One item of a list.
    #[error("item {number}: {}", of_item(.fault))]
    Item {
        /// From 1.
        number: usize,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// One record of a notification.
    #[error("record {number}: {fault}")]
    Record {
        /// From 1.
        number: usize,
        /// What is wrong with it.
        fault: RecordFault,
    },
}

/// What is wrong with a record of a notification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// Not an object.
    #[error("it is {found}, not an object")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// A version of the format whose fields may mean something else.
    #[error("eventVersion is {found}, and this release reads {VERSION_MAJOR}.x: use a newer release of lakebed")]
    Version {
        /// As it stands, cut.
        found: String,
    },
    /// Something that has to be there is not.
    #[error("{field} is missing")]
    Missing {
        /// Its path.
        field: &'static str,
    },
    /// Something that has to be text is not.
    #[error("{field} is {found}, not text")]
    NotText {
        /// Its path.
        field: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Neither the name of a new object's event nor of another one.
    #[error("eventName is not the name of an event")]
    EventName,
    /// Not the name of an event of S3 itself.
    #[error("detail-type is none of S3's own events: let the rule match \"Object Created\"")]
    DetailType,
    /// The bucket's name is empty.
    #[error("s3.bucket.name is empty")]
    NoBucket,
    /// The key cannot be decoded.
    #[error("s3.object.key {0}")]
    Key(KeyError),
}

/// Items have names of their own for what records have.
fn of_item(fault: &RecordFault) -> String {
    match fault {
        RecordFault::NoBucket => "the bucket's name is empty".to_owned(),
        RecordFault::Key(why) => format!("the key {why}"),
        RecordFault::NotAnObject { .. }
        | RecordFault::Version { .. }
        | RecordFault::Missing { .. }
        | RecordFault::NotText { .. }
        | RecordFault::EventName
        | RecordFault::DetailType => fault.to_string(),
    }
}
