//! What a failed request to S3 means, in words that say what to do about it.

mod words;

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

use super::S3;

/// What a request needs to be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read an object, or look at it.
    GetObject,
    /// Write an object, or take a step of an upload.
    PutObject,
    /// Remove an object.
    DeleteObject,
    /// List a bucket; also: learn that an object is not there.
    ListBucket,
    /// Throw an upload away.
    AbortMultipartUpload,
    /// List the uploads that are open in a bucket.
    ListBucketMultipartUploads,
}

impl fmt::Display for Action {
    /// The name in policies: `s3:GetObject`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3:{self:?}")
    }
}

/// A request to S3 that did not succeed. Says nothing about whether it took effect.
#[derive(Debug)]
pub struct Refusal {
    /// Of the answer, when there was one.
    pub status: Option<u16>,
    /// S3's name for the error: `NoSuchKey`. Answers to HEAD have none.
    pub code: Option<String>,
    /// Whether a later attempt may succeed without anybody changing anything.
    pub transient: bool,
    /// What S3, or the connection, said.
    pub source: Box<dyn Error + Send + Sync>,
    trouble: Trouble,
    /// It would have been tried again, had not so much failed before.
    out_of_retries: bool,
    asked: Option<Asked>,
}

/// What kind of trouble it is, as far as there is something to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    NoCredentials,
    CredentialsUnread,
    Expired,
    WrongCredentials,
    Skewed,
    Denied,
    /// In a storage class that has to be asked for it hours before.
    Archived,
    NoSuchBucket,
    /// The region that S3 names, if it does.
    Elsewhere(Option<String>),
    Busy,
    /// Status 400 without a word, as HEAD gives it.
    Wordless,
    Unreachable,
    TimedOut,
    BrokenAnswer,
    /// The endpoint's address lacks `http://`.
    NoUrl,
    NotSent,
    Other,
}

/// What was asked, for the message.
#[derive(Clone, Debug)]
struct Asked {
    action: Action,
    bucket: String,
    key: String,
    expected_owner: Option<String>,
    endpoint: Option<String>,
}

/// The innermost cause of an error of the connection, on one line. What stands around it says which layer passed it on.
#[derive(Debug)]
struct Cause(Box<dyn Error + Send + Sync>);

/// What S3 itself said.
#[derive(Debug)]
struct Answer {
    status: u16,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl S3 {
    /// What an error of the SDK means for a request about this bucket and key; for listings the key is the prefix.
    pub fn refusal<E>(&self, action: Action, bucket: &str, key: &str, error: SdkError<E, HttpResponse>) -> Refusal
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let mut refusal = refusal(error);
        if self.endpoint.as_ref().is_some_and(|endpoint| !endpoint.contains("://")) {
            (refusal.trouble, refusal.transient) = (Trouble::NoUrl, false);
        }
        let ours = self.client.config().region().map(AsRef::as_ref);
        if matches!(&refusal.trouble, Trouble::Elsewhere(theirs @ Some(_)) if theirs.as_deref() == ours) {
            refusal.trouble = Trouble::Wordless;
        }
        refusal.out_of_retries = refusal.transient && self.retries.are_spent();
        refusal.asked = Some(Asked {
            action,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            expected_owner: self.expected_owner.clone(),
            endpoint: self.endpoint.clone(),
        });
        refusal
    }
}

/// What an error of the SDK means. [`S3::refusal`] has more to say: it knows what was asked.
fn refusal<E>(error: SdkError<E, HttpResponse>) -> Refusal
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    let (trouble, transient) = match &error {
        SdkError::ServiceError(service) => {
            return answered(service.err(), service.raw());
        }
        SdkError::ConstructionFailure(_) => (Trouble::NotSent, false),
        SdkError::TimeoutError(_) => (Trouble::TimedOut, true),
        // An answer that stopped, or was no XML: what it would have said is not known.
        SdkError::ResponseError(_) => (Trouble::BrokenAnswer, true),
        SdkError::DispatchFailure(failure) => match chain(&error).find_map(|error| error.downcast_ref()) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => (Trouble::NoCredentials, false),
            Some(CredentialsError::InvalidConfiguration(_)) => (Trouble::CredentialsUnread, false),
            // What gives credentials was busy, or away.
            Some(_) => (Trouble::CredentialsUnread, true),
            None if failure.is_timeout() => (Trouble::TimedOut, true),
            None if failure.is_io() => (Trouble::Unreachable, true),
            None if failure.is_user() => (Trouble::NotSent, false),
            // Its connection was closed, or what came is no HTTP.
            None => (Trouble::BrokenAnswer, true),
        },
        _ => (Trouble::Other, true),
    };
    Refusal {
        status,
        code: None,
        transient,
        source: Box::new(Cause(error.into_source().unwrap_or_else(Into::into))),
        trouble,
        out_of_retries: false,
        asked: None,
    }
}

fn answered(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> Refusal {
    let status = raw.status().as_u16();
    let code = error.code().map(str::to_owned);
    let region = region_of(raw);
    let (trouble, transient) = match (status, code.as_deref().unwrap_or_default()) {
        // Static credentials stay expired; those of roles are replaced, and then the next attempt succeeds.
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => (Trouble::Expired, true),
        (_, "RequestTimeTooSkewed" | "RequestExpired") => (Trouble::Skewed, false),
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidSecurity") => {
            (Trouble::WrongCredentials, false)
        }
        (_, "NoSuchBucket") => (Trouble::NoSuchBucket, false),
        (301 | 307, _) | (_, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            (Trouble::Elsewhere(region), false)
        }
        (400, "" | "BadRequest") if region.is_some() => (Trouble::Elsewhere(region), false),
        (429 | 503, _) | (_, "SlowDown" | "ServiceUnavailable" | "RequestLimitExceeded" | "Throttling") => {
            (Trouble::Busy, true)
        }
        (
            _,
            "RequestTimeout" | "InternalError" | "OperationAborted" | "ConditionalRequestConflict"
            // Bytes were lost or changed on their way.
            | "BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch",
        ) => (Trouble::Other, true),
        // An S3 of somebody else's that lacks what was asked for.
        (501, _) => (Trouble::Other, false),
        (400, "" | "BadRequest") => (Trouble::Wordless, false),
        (403, "InvalidObjectState") => (Trouble::Archived, false),
        (401 | 403, _) => (Trouble::Denied, false),
        // Success, yet no result in it: what happened is not known.
        (200..=299, "") => (Trouble::BrokenAnswer, true),
        (408 | 500.., _) => (Trouble::Other, true),
        _ => (Trouble::Other, false),
    };
    Refusal {
        status: Some(status),
        code: code.clone(),
        transient,
        source: Box::new(Answer {
            status,
            code,
            message: error.message().map(str::to_owned),
            request_id: raw.request_id().map(str::to_owned),
        }),
        trouble,
        out_of_retries: false,
        asked: None,
    }
}

/// Where the bucket is: from a header, which answers to HEAD have too, or from the error itself.
fn region_of(raw: &HttpResponse) -> Option<String> {
    if let Some(region) = raw.headers().get("x-amz-bucket-region") {
        return Some(region.to_owned());
    }
    let body = std::str::from_utf8(raw.body().bytes()?).ok()?;
    let (_, behind) = body.split_once("<Region>")?;
    let (region, _) = behind.split_once("</Region>")?;
    Some(region.to_owned())
}

/// An error and what caused it, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

impl Refusal {
    /// The body of an answer that broke off, or did not pass its checksum.
    pub fn broken_off(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            status: None,
            code: None,
            transient: true,
            source: why.into(),
            trouble: Trouble::BrokenAnswer,
            out_of_retries: false,
            asked: None,
        }
    }

    /// Nothing is left to try it again with.
    pub(crate) fn out_of_retries(self) -> Self {
        Self {
            out_of_retries: true,
            ..self
        }
    }
}

impl Refusal {
    /// Success that names nothing.
    pub fn without_result() -> Self {
        Self {
            status: Some(200),
            ..Self::broken_off("the result is missing")
        }
    }

    /// Whether success was promised, and neither a result nor an error came after it.
    pub fn is_without_result(&self) -> bool {
        matches!(self.status, Some(200..=299)) && self.code.is_none()
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

impl Error for Cause {}

impl Error for Answer {}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;
    use aws_sdk_s3::primitives::SdkBody;
    use aws_sdk_s3::{Client, config};

    use super::*;

    /// How a refusal reads that has this status, header of the region, code and body.
    fn told(status: u16, region: Option<&'static str>, code: &str, body: &'static str) -> (String, bool) {
        let mut raw = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        raw.headers_mut().insert("x-amz-request-id", "4442587FB7D0A2F9");
        if let Some(region) = region {
            raw.headers_mut().insert("x-amz-bucket-region", region);
        }
        let said = ErrorMetadata::builder().code(code).message("Said by S3.").build();
        let said = if code.is_empty() {
            ErrorMetadata::builder().build()
        } else {
            said
        };
        let settings = config::Builder::new()
            .behavior_version(config::BehaviorVersion::latest())
            .region(config::Region::from_static("us-east-1"));
        let s3 = S3::with_client(Client::from_conf(settings.build()), Some("111122223333".to_owned()));
        let error = SdkError::service_error(PutObjectError::generic(said), raw);
        let refusal = s3.refusal(Action::PutObject, "lake", "p/a", error);
        (format!("{refusal}: {}", refusal.source), refusal.transient)
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let elsewhere = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        for (status, region, code, body, words, transient) in [
            (
                403,
                None,
                "AccessDenied",
                "",
                "access denied: allow s3:PutObject on arn:aws:s3:::lake/p/a; with a KMS key also kms:GenerateDataKey \
                 and kms:Decrypt. Or the bucket does not belong to account 111122223333, which LAKEBED_EXPECTED_OWNER \
                 asks for: S3 answered 403 AccessDenied Said by S3. (request 4442587FB7D0A2F9)",
                false,
            ),
            (
                301,
                Some("eu-west-1"),
                "PermanentRedirect",
                "",
                "bucket lake is in region eu-west-1: set AWS_REGION=eu-west-1",
                false,
            ),
            (400, Some("eu-west-1"), "", "", "set AWS_REGION=eu-west-1", false),
            (
                400,
                None,
                "AuthorizationHeaderMalformed",
                elsewhere,
                "set AWS_REGION=eu-west-1",
                false,
            ),
            (307, None, "TemporaryRedirect", "", "set AWS_REGION to it", false),
            // The region is right; HEAD does not say what is not.
            (
                400,
                Some("us-east-1"),
                "",
                "",
                "refused the request without a reason",
                false,
            ),
            (404, None, "NoSuchBucket", "", "bucket lake does not exist", false),
            (400, None, "ExpiredToken", "", "the AWS credentials have expired", true),
            (403, None, "SignatureDoesNotMatch", "", "look at the access key", false),
            (503, None, "SlowDown", "", "asks for fewer requests", true),
            (503, None, "", "<html>", "S3 answered 503 (request", true),
            (
                200,
                None,
                "InternalError",
                "",
                "S3 failed: S3 answered 200 InternalError",
                true,
            ),
            (200, None, "", "", "no whole answer came from S3", true),
            (
                400,
                None,
                "InvalidPart",
                "",
                "S3 refused the request: S3 answered 400 InvalidPart",
                false,
            ),
        ] {
            let (told, said_transient) = told(status, region, code, body);
            assert!(told.contains(words), "{status} {code}: {told}");
            assert_eq!(said_transient, transient, "{status} {code}: {told}");
        }
    }
}
