//! S3 inside the test process: a strict model of it, and a server that speaks its protocol over the model.
//!
//! ```text
//! aws-sdk-s3 ──HTTP──> server ──> faults? ──> face (s3s) ──> model   buckets, versions, uploads: no I/O, no async
//!                        └──> log: every request, and what it was answered
//! ```
//!
//! ```ignore
//! let mut model = Model::default();
//! model.create_bucket("lake").conditional_only = true;
//! let server = Server::start(model);
//! server.inject(Fault::on("GetObject", Effect::Cut(100)).nth(2));
//! let client = server.client();
//! // ...
//! assert_eq!(server.calls("PutObject"), 1);
//! assert_eq!(server.model().bytes("lake", "key").unwrap(), "body");
//! ```
//!
//! What the model does not know it refuses with 501 instead of passing over it, so that no test relies on a condition
//! that nobody checks.

#![allow(unused_imports, reason = "each test file uses a part of it")]

pub(crate) mod content;
pub(crate) mod direct;
mod face;
pub(crate) mod faults;
pub(crate) mod listing;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod refusal;
pub(crate) mod server;
pub(crate) mod uploads;

pub(crate) use content::{Algorithm, ByteRange, Checksum, ChecksumType, Claims, Content, Payload};
pub(crate) use faults::{Effect, Fault};
pub(crate) use listing::{ListQuery, Listing};
pub(crate) use log::Entry;
pub(crate) use model::{At, Bucket, Condition, Deleted, Headers, Model, OWNER, Object, Stored, Versioning};
pub(crate) use refusal::Refusal;
pub(crate) use server::Server;
pub(crate) use uploads::{Completion, OpenUpload, PartClaim, UploadQuery};
