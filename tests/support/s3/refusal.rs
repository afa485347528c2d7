//! Why S3 does not do what it was asked to: its error codes, with the status and the words that go with them.

/// An answer that is an error. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another owner than expected, or a policy that wants a condition.
    AccessDenied,
    /// A chunk of the body is not what was signed.
    BadChunkSignature,
    /// The body is not what its checksum says.
    BadDigest,
    /// The body is not what was signed.
    BadPayloadHash,
    /// The newest version is a delete marker.
    Deleted,
    EntityTooSmall,
    IncompleteBody,
    /// S3 itself failed, or answers so to part numbers with gaps.
    InternalError,
    InvalidArgument(&'static str),
    InvalidPart,
    InvalidPartOrder,
    /// The range begins past an object of this size.
    InvalidRange {
        size: u64,
    },
    InvalidRequest(&'static str),
    MalformedXml,
    /// The version asked for is a delete marker.
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    /// Something that S3 can do and the model cannot.
    NotImplemented(&'static str),
    PreconditionFailed,
}

impl Refusal {
    pub(crate) fn status(&self) -> u16 {
        self.parts().0
    }

    pub(crate) fn code(&self) -> &'static str {
        self.parts().1
    }

    pub(crate) fn message(&self) -> &'static str {
        self.parts().2
    }

    fn parts(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::AccessDenied => (403, "AccessDenied", "Access Denied"),
            Self::BadChunkSignature => (403, "SignatureDoesNotMatch", "A chunk is not what was signed."),
            Self::BadDigest => (400, "BadDigest", "The checksum given did not match what was received."),
            Self::BadPayloadHash => (400, "XAmzContentSHA256Mismatch", "The body is not what was signed."),
            Self::Deleted | Self::NoSuchKey => (404, "NoSuchKey", "The specified key does not exist."),
            Self::EntityTooSmall => (400, "EntityTooSmall", "A part other than the last is too small."),
            Self::IncompleteBody => (400, "IncompleteBody", "The body ended before its length."),
            Self::InternalError => (
                500,
                "InternalError",
                "We encountered an internal error. Please try again.",
            ),
            Self::InvalidArgument(message) => (400, "InvalidArgument", message),
            Self::InvalidPart => (
                400,
                "InvalidPart",
                "A part is missing, or is not the one that was named.",
            ),
            Self::InvalidPartOrder => (400, "InvalidPartOrder", "The parts are not in ascending order."),
            Self::InvalidRange { .. } => (416, "InvalidRange", "The requested range is not satisfiable"),
            Self::InvalidRequest(message) => (400, "InvalidRequest", message),
            Self::MalformedXml => (400, "MalformedXML", "The body is not what the schema asks for."),
            Self::MethodNotAllowed => (405, "MethodNotAllowed", "The version is a delete marker."),
            Self::NoSuchBucket => (404, "NoSuchBucket", "The specified bucket does not exist"),
            Self::NoSuchUpload => (404, "NoSuchUpload", "The upload is unknown, aborted or completed."),
            Self::NoSuchVersion => (404, "NoSuchVersion", "The specified version does not exist."),
            Self::NotImplemented(what) => (501, "NotImplemented", what),
            Self::PreconditionFailed => (412, "PreconditionFailed", "A precondition did not hold."),
        }
    }
}
