//! The table: what goes wrong with which call, and how a load ends that meets it once.

use crate::support::s3::{Effect, Entry};

/// A call of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// An object of one range, asked for as a whole.
    GetRaw,
    /// The second range of an object of two.
    GetRange,
    HeadRaw,
    ListRaw,
    GetClaim,
    PutIntent,
    PutClaim,
    PutData,
    CreateUpload,
    UploadPart,
    CompleteUpload,
    PutOutcome,
    DeleteIntent,
}

/// What goes trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    SlowDown,
    InternalError,
    TooManyRequests,
    ExpiredToken,
    SkewedClock,
    Moved,
    Nameless,
    Refused,
    Closed,
    ResetAt0,
    ResetAt1,
    ResetInTheMiddle,
    ResetAtTheLast,
    Stall,
    Trickle,
    ShortBody,
    WrongLength,
    WrongChecksum,
    OkWithError,
    OkWithNothing,
    LostAnswer,
    WrongRange,
    OtherTag,
    RangeIgnored,
}

/// How a run ends that meets a fault once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ends {
    /// All is loaded.
    Loaded,
    /// Something is not, and is told in these words.
    Fails(&'static str),
}

/// Where the bytes of a call are.
enum Bytes {
    InAnswer,
    InRequest,
    Nowhere,
}

type Cell = Result<(Effect, Ends), &'static str>;

impl Call {
    pub(crate) const ALL: &[Self] = &[
        Self::GetRaw,
        Self::GetRange,
        Self::HeadRaw,
        Self::ListRaw,
        Self::GetClaim,
        Self::PutIntent,
        Self::PutClaim,
        Self::PutData,
        Self::CreateUpload,
        Self::UploadPart,
        Self::CompleteUpload,
        Self::PutOutcome,
        Self::DeleteIntent,
    ];

    /// Whether a request is such a call.
    pub(crate) fn is(self, entry: &Entry) -> bool {
        let (operation, of_raw) = (entry.operation, entry.bucket == "raw");
        let ours = |part: &str| !of_raw && entry.key.contains(part);
        // Also what is left of it, when a part has come.
        let is_second = entry.header("range").is_some_and(|range| {
            let from = range.trim_start_matches("bytes=").split('-').next();
            from.and_then(|from| from.parse().ok())
                .is_some_and(|from: u64| from >= 4 << 20)
        });
        match self {
            Self::GetRaw => operation == "GetObject" && of_raw,
            Self::GetRange => operation == "GetObject" && of_raw && is_second,
            Self::HeadRaw => operation == "HeadObject" && of_raw,
            Self::ListRaw => operation == "ListObjectsV2" && of_raw,
            Self::GetClaim => operation == "GetObject" && ours("/claims/"),
            Self::PutIntent => operation == "PutObject" && ours("/open/"),
            Self::PutClaim => operation == "PutObject" && ours("/claims/"),
            Self::PutData => operation == "PutObject" && ours(".parquet"),
            Self::CreateUpload => operation == "CreateMultipartUpload",
            Self::UploadPart => operation == "UploadPart",
            Self::CompleteUpload => operation == "CompleteMultipartUpload",
            Self::PutOutcome => operation == "PutObject" && ours("/jobs/"),
            Self::DeleteIntent => operation == "DeleteObject" && ours("/open/"),
        }
    }

    fn bytes(self) -> Bytes {
        match self {
            Self::GetRaw | Self::GetRange | Self::ListRaw | Self::GetClaim => Bytes::InAnswer,
            // What was begun, or done, is named in the answer.
            Self::CreateUpload | Self::CompleteUpload => Bytes::InAnswer,
            Self::PutIntent | Self::PutClaim | Self::PutData | Self::UploadPart | Self::PutOutcome => Bytes::InRequest,
            Self::HeadRaw | Self::DeleteIntent => Bytes::Nowhere,
        }
    }
}

impl Trouble {
    pub(crate) const ALL: &[Self] = &[
        Self::SlowDown,
        Self::InternalError,
        Self::TooManyRequests,
        Self::ExpiredToken,
        Self::SkewedClock,
        Self::Moved,
        Self::Nameless,
        Self::Refused,
        Self::Closed,
        Self::ResetAt0,
        Self::ResetAt1,
        Self::ResetInTheMiddle,
        Self::ResetAtTheLast,
        Self::Stall,
        Self::Trickle,
        Self::ShortBody,
        Self::WrongLength,
        Self::WrongChecksum,
        Self::OkWithError,
        Self::OkWithNothing,
        Self::LostAnswer,
        Self::WrongRange,
        Self::OtherTag,
        Self::RangeIgnored,
    ];

    /// What it is for a call, and how a run ends that meets it once; or why there is no such thing.
    pub(crate) fn of(self, call: Call) -> Cell {
        let (effect, ends) = match self {
            Self::SlowDown => (Effect::SLOW_DOWN, Ends::Loaded),
            Self::InternalError => (Effect::INTERNAL_ERROR, Ends::Loaded),
            Self::TooManyRequests => (Effect::Answer(429, "TooManyRequests"), Ends::Loaded),
            // The credentials are such as can be had anew.
            Self::ExpiredToken => (Effect::Answer(400, "ExpiredToken"), Ends::Loaded),
            Self::SkewedClock => (Effect::Answer(403, "RequestTimeTooSkewed"), skewed(call)),
            // Nobody can do without the right region. What went before it stays for the next run.
            Self::Moved => (Effect::Answer(301, "PermanentRedirect"), Ends::Fails("another region")),
            Self::Nameless => (Effect::Nameless, Ends::Loaded),
            Self::Refused => (Effect::Unreachable, Ends::Loaded),
            Self::Closed => (Effect::Close, Ends::Loaded),
            Self::LostAnswer => (Effect::CloseAfter, Ends::Loaded),
            _ => return self.of_bytes(call),
        };
        Ok((effect, ends))
    }

    /// Whether a load can do without it ever being right.
    pub(crate) fn does_no_harm_to(self, call: Call) -> bool {
        let is_small = !matches!(call, Call::UploadPart);
        match (self, call) {
            // A finished intent is in nobody's way, but that the clock is wrong has to be told.
            (_, Call::DeleteIntent) => self != Self::SkewedClock,
            // Whatever is lost of an answer, what was done is read back.
            (Self::LostAnswer, Call::PutIntent | Call::PutClaim | Call::PutData | Call::PutOutcome) => true,
            (Self::LostAnswer, Call::CompleteUpload) => true,
            (Self::ResetAt0 | Self::ResetAt1 | Self::ResetInTheMiddle, Call::CompleteUpload) => true,
            (Self::ResetAtTheLast | Self::Stall | Self::Trickle, Call::CompleteUpload) => true,
            (Self::ShortBody | Self::WrongLength, Call::CompleteUpload) => true,
            // All that is needed of it has come, or comes soon.
            (Self::WrongLength, Call::GetRange) | (Self::RangeIgnored, _) => true,
            (Self::Trickle, _) => is_small && matches!(call.bytes(), Bytes::InRequest),
            _ => false,
        }
    }

    /// The same of what is about the bytes of a body.
    fn of_bytes(self, call: Call) -> Cell {
        let effect = match (self, call.bytes()) {
            (Self::ResetAt0, Bytes::InAnswer) => Effect::Cut(0),
            (Self::ResetAt1, Bytes::InAnswer) => Effect::Cut(1),
            (Self::ResetInTheMiddle, Bytes::InAnswer) => Effect::CutHalf,
            (Self::ResetAtTheLast, Bytes::InAnswer) => Effect::CutBack(1),
            (Self::Stall, Bytes::InAnswer) => Effect::Stall(10),
            (Self::Trickle, Bytes::InAnswer) => Effect::Trickle(100),
            // What is missing of a listing is an object.
            (Self::ShortBody, Bytes::InAnswer) if call == Call::ListRaw => Effect::Shorter(250),
            (Self::ShortBody, Bytes::InAnswer) => Effect::Shorter(5),
            (Self::WrongLength, Bytes::InAnswer) => Effect::Longer(7),

            (Self::ResetAt0, Bytes::InRequest) => return Err("the same as closed before it was answered"),
            (Self::ResetAt1, Bytes::InRequest) => Effect::CutRequest(1),
            (Self::ResetInTheMiddle, Bytes::InRequest) => Effect::CutRequestHalf,
            (Self::ResetAtTheLast, Bytes::InRequest) => Effect::CutRequest(u64::MAX),
            (Self::Stall, Bytes::InRequest) => Effect::StallRequest(1),
            (Self::Trickle, Bytes::InRequest) => Effect::TrickleRequest(400),
            // As S3 says it of what it got.
            (Self::ShortBody, Bytes::InRequest) => Effect::Answer(400, "IncompleteBody"),
            (Self::WrongLength, Bytes::InRequest) => Effect::Answer(400, "RequestTimeout"),
            (Self::WrongChecksum, Bytes::InRequest) => Effect::Answer(400, "BadDigest"),

            (Self::Stall, Bytes::Nowhere) => Effect::Hang,
            (
                Self::ResetAt0 | Self::ResetAt1 | Self::ResetInTheMiddle | Self::ResetAtTheLast | Self::Trickle,
                Bytes::Nowhere,
            )
            | (Self::ShortBody, Bytes::Nowhere) => return Err("it has no body, and headers come as one piece"),
            (Self::WrongLength, Bytes::Nowhere) => return wrong_length(call),

            (Self::WrongChecksum, Bytes::InAnswer) => return wrong_checksum(call),
            (Self::WrongChecksum, Bytes::Nowhere) => return Err("nothing is summed up"),
            (Self::OkWithError, _) => return ok_with_error(call),
            (Self::OkWithNothing, _) => return Ok((Effect::Body(""), ok_with_nothing(call))),
            (Self::WrongRange, _) => match call {
                Call::GetRange => Effect::Header("content-range", "bytes 0-9/10"),
                _ => return Err("it asks for no range"),
            },
            (Self::RangeIgnored, _) => match call {
                Call::GetRange => Effect::IgnoreRange,
                _ => return Err("it asks for no range"),
            },
            (Self::OtherTag, _) => match call {
                // The object is looked at again, and is what it was.
                Call::GetRaw | Call::GetRange => Effect::OTHER_TAG,
                _ => return Err("its answer is not compared with a version"),
            },
            (other, _) => unreachable!("{other:?} is not about bytes"),
        };
        Ok((effect, Ends::Loaded))
    }
}

/// The answer tells the time as well, and the client signs by it then. To HEAD it does not say what is trouble.
fn skewed(call: Call) -> Ends {
    match call {
        Call::HeadRaw => Ends::Fails("access denied"),
        _ => Ends::Loaded,
    }
}

fn wrong_length(call: Call) -> Cell {
    match call {
        // It seems to be overwritten, and is not.
        Call::HeadRaw => Ok((Effect::Header("content-length", "7"), Ends::Loaded)),
        _ => Err("it has no body"),
    }
}

fn wrong_checksum(call: Call) -> Cell {
    match call {
        Call::GetRaw => Ok((Effect::Header("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="), Ends::Loaded)),
        Call::GetClaim => Ok((
            Effect::Header("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            Ends::Loaded,
        )),
        Call::CompleteUpload => Ok((Effect::Answer(400, "BadDigest"), Ends::Loaded)),
        Call::GetRange => Err("S3 has no sum of a range"),
        _ => Err("nothing is summed up"),
    }
}

fn ok_with_error(call: Call) -> Cell {
    match call {
        Call::HeadRaw => Err("it has no body for an error"),
        // What is no claim is none.
        Call::GetClaim => Ok((Effect::OK_WITH_ERROR, Ends::Fails("makes no sense"))),
        _ => Ok((Effect::OK_WITH_ERROR, Ends::Loaded)),
    }
}

/// Nothing was done, and nobody says so: what the answer lacks has to be missed.
fn ok_with_nothing(call: Call) -> Ends {
    match call {
        Call::HeadRaw => Ends::Fails("S3 gave no ETag"),
        Call::GetClaim | Call::UploadPart => Ends::Fails("makes no sense"),
        Call::ListRaw | Call::CreateUpload => Ends::Fails("no whole answer came"),
        Call::PutIntent | Call::PutClaim | Call::PutData | Call::PutOutcome => Ends::Fails("no whole answer came"),
        // It is looked at again, asked for again, or not needed.
        Call::GetRaw | Call::GetRange | Call::CompleteUpload | Call::DeleteIntent => Ends::Loaded,
    }
}
