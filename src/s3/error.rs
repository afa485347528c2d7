//! What a failed request to S3 means, in words that say what to do about it.

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
    /// Read a version of an object that is not the last.
    GetObjectVersion,
    /// Write an object, or take a step of an upload.
    PutObject,
    /// Remove an object.
    DeleteObject,
    /// List a bucket; also: learn that an object is not there.
    ListBucket,
    /// Throw an upload away.
    AbortMultipartUpload,
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
    NoSuchBucket,
    /// The region that S3 names, if it does.
    Elsewhere(Option<String>),
    Busy,
    /// Status 400 without a word, as HEAD gives it.
    Wordless,
    Unreachable,
    TimedOut,
    BrokenAnswer,
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
        let ours = self.client.config().region().map(AsRef::as_ref);
        if matches!(&refusal.trouble, Trouble::Elsewhere(theirs @ Some(_)) if theirs.as_deref() == ours) {
            refusal.trouble = Trouble::Wordless;
        }
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
pub fn refusal<E>(error: SdkError<E, HttpResponse>) -> Refusal
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
        SdkError::DispatchFailure(failure) => match found::<CredentialsError>(&error) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => (Trouble::NoCredentials, false),
            Some(CredentialsError::InvalidConfiguration(_)) => (Trouble::CredentialsUnread, false),
            // A service that gives credentials was busy, or away.
            Some(_) => (Trouble::CredentialsUnread, true),
            None if failure.is_timeout() => (Trouble::TimedOut, true),
            None if failure.is_io() => (Trouble::Unreachable, true),
            None if failure.is_user() => (Trouble::NotSent, false),
            None => (Trouble::Other, true),
        },
        _ => (Trouble::Other, true),
    };
    Refusal {
        status,
        code: None,
        transient,
        source: error.into_source().unwrap_or_else(Into::into),
        trouble,
        asked: None,
    }
}

fn answered(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> Refusal {
    let status = raw.status().as_u16();
    let code = error.code().map(str::to_owned);
    let region = raw.headers().get("x-amz-bucket-region").map(str::to_owned);
    let (trouble, transient) = match (status, code.as_deref().unwrap_or_default()) {
        // Static credentials stay expired. Those of roles are replaced by the machine, and then the next attempt succeeds.
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => (Trouble::Expired, true),
        (_, "RequestTimeTooSkewed" | "RequestExpired") => (Trouble::Skewed, false),
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidSecurity") => {
            (Trouble::WrongCredentials, false)
        }
        (_, "NoSuchBucket") => (Trouble::NoSuchBucket, false),
        (301 | 307, _) | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect") => {
            (Trouble::Elsewhere(region), false)
        }
        (400, "" | "BadRequest") if region.is_some() => (Trouble::Elsewhere(region), false),
        (429 | 503, _) | (_, "SlowDown" | "ServiceUnavailable" | "RequestLimitExceeded" | "Throttling") => {
            (Trouble::Busy, true)
        }
        (_, "RequestTimeout" | "InternalError" | "OperationAborted" | "ConditionalRequestConflict") => {
            (Trouble::Other, true)
        }
        (400, "" | "BadRequest") => (Trouble::Wordless, false),
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
        asked: None,
    }
}

/// The first error of a chain that is of one type.
fn found<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
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
            asked: None,
        }
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.asked.as_ref();
        let bucket = asked.map_or_else(|| "the bucket".to_owned(), |asked| format!("bucket {}", asked.bucket));
        let place = asked
            .and_then(|asked| asked.endpoint.as_deref())
            .map_or_else(|| "S3".to_owned(), |endpoint| format!("the S3 endpoint {endpoint}"));
        match &self.trouble {
            Trouble::NoCredentials => f.write_str(
                "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the \
                 machine or function a role",
            ),
            Trouble::CredentialsUnread => {
                f.write_str("the AWS credentials could not be read: see what the profile, role or login in use needs")
            }
            Trouble::Expired => f.write_str("the AWS credentials have expired: log in again, or set a new session token"),
            Trouble::WrongCredentials => {
                f.write_str("S3 does not know these AWS credentials: look at the access key, its secret and the session token")
            }
            Trouble::Skewed => f.write_str("the clock of this machine is wrong by more than S3 allows (15 minutes): set it"),
            Trouble::Denied => denied(asked, f),
            Trouble::NoSuchBucket => write!(f, "{bucket} does not exist: look at its name, and at the account in use"),
            Trouble::Elsewhere(Some(region)) => write!(f, "{bucket} is in region {region}: set AWS_REGION={region}"),
            Trouble::Elsewhere(None) => {
                write!(f, "{bucket} is in another region than requests are sent to: set AWS_REGION to it")
            }
            Trouble::Busy => write!(f, "{place} asks for fewer requests, after all attempts: try again later, or with fewer jobs at once"),
            Trouble::Wordless => f.write_str(
                "S3 refused the request without a reason, as it does when it is asked for an object's size alone: most \
                 often credentials have expired, or the region is another",
            ),
            Trouble::Unreachable => write!(
                f,
                "cannot reach {place}: look at the network, at AWS_ENDPOINT_URL_S3, and inside a VPC at its S3 endpoint"
            ),
            Trouble::TimedOut => write!(f, "{place} did not answer in time, in any attempt"),
            Trouble::BrokenAnswer => write!(f, "the answer of {place} broke off or made no sense"),
            Trouble::NotSent => write!(f, "a request to {place} could not be made: look at AWS_ENDPOINT_URL_S3 and the bucket's name"),
            Trouble::Other => write!(f, "{place} did not do it"),
        }
    }
}

fn denied(asked: Option<&Asked>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(Asked {
        action,
        bucket,
        key,
        expected_owner,
        ..
    }) = asked
    else {
        return f.write_str("access denied");
    };
    write!(f, "access denied: allow {action} on arn:aws:s3:::{bucket}")?;
    match action {
        Action::ListBucket => {}
        // Without it an absent object and a forbidden one look alike.
        Action::GetObject | Action::GetObjectVersion => {
            write!(
                f,
                "/{key}, and s3:ListBucket on arn:aws:s3:::{bucket}; with a KMS key also kms:Decrypt"
            )?;
        }
        Action::PutObject => write!(f, "/{key}; with a KMS key also kms:GenerateDataKey and kms:Decrypt")?,
        Action::DeleteObject | Action::AbortMultipartUpload => write!(f, "/{key}")?,
    }
    if let Some(owner) = expected_owner {
        write!(
            f,
            ". Or the bucket does not belong to account {owner}, which LAKEBED_EXPECTED_OWNER asks for"
        )?;
    }
    Ok(())
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3 answered {}", self.status)?;
        for said in [&self.code, &self.message].into_iter().flatten() {
            write!(f, " {said}")?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl Error for Answer {}
