//! Every call of a load, and everything that can go wrong with it, by the AWS SDK over a real socket.
//!
//! ```text
//!                503 500 429 expired skewed moved nameless refused closed reset at 0 1 half last stall trickle
//! GET raw         .   .   .     .      .     .       .        .      .       .    .  .   .    .     .      .
//! GET range       .   .   ...                    and: short body, wrong length, wrong checksum, 200 with an error,
//! HEAD raw        .                              200 with nothing, lost answer, wrong range, other ETag, range ignored
//! LIST raw        .
//! GET claim       .                              faults.rs says which of them a call can have, and why not
//! PUT intent, claim, data, outcome
//! CreateMultipartUpload, UploadPart, CompleteMultipartUpload
//! DELETE intent
//! ```
//!
//! Each case loads raw objects whose records are known into a lake of its own. It ends as the table says: loaded in spite of
//! the fault, or with a clean failure of everything that was not. What was called loaded is in a done outcome. Then nothing
//! fails any more, another process loads the rest, and the lake is judged record by record; a third one has nothing to do.
//!
//! With `LAKEBED_TEST_ROUNDS` set, the fault also strikes twice, as often as a request is tried, and for ever.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/lake.rs"]
mod lake;
#[path = "../kill/raw.rs"]
mod raw;
#[path = "../cli/sandbox.rs"]
#[allow(dead_code, reason = "raw objects are made with a part of it")]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;

mod case;
mod faults;
mod scene;

use case::run_all;
use faults::Call;

/// A test for each row of the table.
macro_rules! rows {
    ($($name:ident: $call:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            run_all(stringify!($name), Call::$call).await;
        }
    )*};
}

rows! {
    get_raw: GetRaw;
    get_raw_range: GetRange;
    head_raw: HeadRaw;
    list_raw: ListRaw;
    get_claim: GetClaim;
    put_intent: PutIntent;
    put_claim: PutClaim;
    put_data: PutData;
    create_upload: CreateUpload;
    upload_part: UploadPart;
    complete_upload: CompleteUpload;
    put_outcome: PutOutcome;
    delete_intent: DeleteIntent;
}

#[test]
fn no_cell_of_the_table_is_without_a_word() {
    let (mut cases, mut senseless) = (0, 0);
    for call in Call::ALL {
        for fault in faults::Trouble::ALL {
            match fault.of(*call) {
                Ok(_) => cases += 1,
                Err(why) => {
                    assert!(!why.is_empty());
                    senseless += 1;
                }
            }
        }
    }
    assert_eq!(cases + senseless, Call::ALL.len() * faults::Trouble::ALL.len());
    assert!(cases >= 220, "{cases} cases, {senseless} cells make no sense");
}
