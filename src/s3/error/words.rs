//! How a refusal reads.

use std::fmt;

use super::{Action, Answer, Asked, Cause, Refusal, Trouble, chain};

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.asked.as_ref();
        let bucket = asked.map_or_else(|| "the bucket".to_owned(), |asked| format!("bucket {}", asked.bucket));
        let place = asked
            .and_then(|asked| asked.endpoint.as_deref())
            .map_or_else(|| "S3".to_owned(), |endpoint| format!("the S3 endpoint {endpoint}"));
        self.trouble(asked, &bucket, &place, f)?;
        match self.out_of_retries {
            true => f.write_str("; too many requests have failed for it to be asked again now: try again later"),
            false => Ok(()),
        }
    }
}

impl Refusal {
    fn trouble(&self, asked: Option<&Asked>, bucket: &str, place: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trouble {
            Trouble::NoCredentials => f.write_str(
                "no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                 give the machine or function a role",
            ),
            Trouble::CredentialsUnread => f.write_str(
                "the AWS credentials could not be loaded: look at the profile, role or login in use, or set \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            Trouble::Expired => {
                f.write_str("the AWS credentials have expired: log in again, or set a new session token")
            }
            Trouble::WrongCredentials => f.write_str(
                "S3 does not know these AWS credentials: look at the access key, its secret and the session token",
            ),
            Trouble::Skewed => {
                f.write_str("the clock of this machine is wrong by more than S3 allows (15 minutes): set it")
            }
            Trouble::Denied => denied(asked, f),
            Trouble::Archived => f.write_str("it is archived (Glacier): restore it, and run again when that is done"),
            Trouble::NoSuchBucket => write!(
                f,
                "{bucket} does not exist: look at its name, and at the account in use"
            ),
            Trouble::Elsewhere(Some(region)) => write!(f, "{bucket} is in region {region}: set AWS_REGION={region}"),
            Trouble::Elsewhere(None) => {
                write!(
                    f,
                    "{bucket} is in another region than requests are sent to: set AWS_REGION to it"
                )
            }
            Trouble::Busy => write!(
                f,
                "{place} asks for fewer requests, after all attempts: try again later, or with fewer jobs at once"
            ),
            Trouble::Wordless => f.write_str(
                "S3 refused the request without a reason, as it does when it is asked for an object's size alone: most \
                 often credentials have expired, or the region is another",
            ),
            Trouble::Unreachable => write!(
                f,
                "cannot reach {place}: look at the network, at AWS_ENDPOINT_URL_S3, and inside a VPC at its S3 endpoint"
            ),
            Trouble::TimedOut => write!(f, "{place} did not answer in time, in any attempt"),
            Trouble::BrokenAnswer => write!(f, "no whole answer came from {place}"),
            Trouble::NoUrl => write!(
                f,
                "{place} is no URL: begin AWS_ENDPOINT_URL_S3 with http:// or https://"
            ),
            Trouble::NotSent => write!(
                f,
                "a request to {place} could not be made: look at AWS_ENDPOINT_URL_S3 and the bucket's name"
            ),
            Trouble::Other if self.transient => write!(f, "{place} failed"),
            Trouble::Other => write!(f, "{place} refused the request"),
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
        Action::ListBucket | Action::ListBucketMultipartUploads => {}
        // Without it an absent object and a forbidden one look alike.
        Action::GetObject => {
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

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = chain(self.0.as_ref())
            .last()
            .map(ToString::to_string)
            .unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        f.write_str(&lines.join("; "))
    }
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
