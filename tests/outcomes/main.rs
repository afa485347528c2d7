//! Every conditional request of the protocol and every way it can end, cell by cell, by the AWS SDK over a real socket.
//!
//! ```text
//!                                success  412  409  5xx  timeout  reset  lost answer  others
//! PUT data, quarantine              .      .    .    .      .       .         .         .     data.rs
//! CompleteMultipartUpload           .      .    .    .      .       .         .         .     complete.rs
//! PUT intent                        .      .    .    .      .       .         .         .     intent.rs
//! PUT claim: new, over a dead one   .      .    .    .      .       .         .         .     claim.rs
//! PUT outcome                       .      .    .    .      .       .         .         .     outcome.rs
//! PUT outcome, done to dead         .      .    .    .      .       .         .         .     replace.rs
//! DELETE                            .                .      .       .         .         .     delete.rs
//! ```
//!
//! Each case says what is so when the request comes, what happens to it, how the run ends, and how often it was sent. A
//! run in doubt deletes nothing. Afterwards another process comes, nothing fails any more, and each row is there once.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/mod.rs"]
mod support;

/// The columns of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Success,
    PreconditionFailed,
    Conflict,
    ServerError,
    Timeout,
    Reset,
    LostAnswer,
    Other,
}

/// A test for each case of a row: its name, its column, and what `run` of the row takes.
macro_rules! cells {
    ($($column:ident $name:ident: $cell:expr;)*) => {
        /// The column of each case.
        pub(crate) const COLUMNS: &[crate::Column] = &[$(crate::Column::$column),*];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                Box::pin(run($cell)).await;
            }
        )*
    };
}

mod claim;
mod complete;
mod data;
mod delete;
mod intent;
mod outcome;
mod replace;
mod scene;

#[test]
fn no_cell_of_the_table_is_without_a_case() {
    use Column::*;
    let conditional = &[
        Success,
        PreconditionFailed,
        Conflict,
        ServerError,
        Timeout,
        Reset,
        LostAnswer,
        Other,
    ][..];
    let plain = &[Success, ServerError, Timeout, Reset, LostAnswer, Other][..];
    for (row, columns, cases) in [
        ("data", conditional, data::COLUMNS),
        ("complete", conditional, complete::COLUMNS),
        ("intent", conditional, intent::COLUMNS),
        ("claim", conditional, claim::COLUMNS),
        ("outcome", conditional, outcome::COLUMNS),
        ("replace", conditional, replace::COLUMNS),
        ("delete", plain, delete::COLUMNS),
    ] {
        for column in columns {
            assert!(cases.contains(column), "{row}: {column:?}");
        }
    }
}
