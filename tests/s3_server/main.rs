//! The S3 that other tests rely on is strict where S3 is: each rule through the real client, over the wire.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod checksums;
mod conditions;
mod faults;
mod listing;
mod objects;
mod uploads;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;

use support::s3::{Model, Server};

/// 2024-05-01T12:00:00Z
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_714_564_800)
}

/// A server with the buckets `raw` and `lake`, where time stands still and parts may be small.
fn server() -> Server {
    server_with(|_| {})
}

fn server_with(change: impl FnOnce(&mut Model)) -> Server {
    let mut model = Model::at(noon());
    model.min_part_bytes = 1;
    for bucket in ["raw", "lake"] {
        model.create_bucket(bucket);
    }
    change(&mut model);
    Server::start(model)
}

/// How a request ended, in a few words: `ok`, `412 PreconditionFailed`, `no answer`.
fn ending<T, E: ProvideErrorMetadata>(result: &Result<T, SdkError<E, HttpResponse>>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(SdkError::ServiceError(error)) => {
            let (status, code) = (error.raw().status().as_u16(), error.err().code());
            // The answer to a HEAD has no body, and so no code.
            code.map_or(status.to_string(), |code| format!("{status} {code}"))
        }
        Err(_) => "no answer".to_owned(),
    }
}

async fn text(output: GetObjectOutput) -> String {
    let bytes = output.body.collect().await.unwrap().into_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn body(text: &str) -> aws_sdk_s3::primitives::ByteStream {
    text.as_bytes().to_vec().into()
}
