//! PUT of a file of rows or rejects, if nothing is there.

use bytes::Bytes;
use lakebed::job::outcome::State;

use crate::scene::Ends::{self, Dead, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once, Then};
use crate::scene::{
    BUSY, CONFLICT, Change, ERROR, FAILED, FOREIGN, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, Staged, TRIES, UNHEARD,
    all, files, outcome, removes, seeds,
};
use crate::support::s3::Effect;

/// What is under the key when the request comes.
#[derive(Clone, Copy, PartialEq)]
enum There {
    Nothing,
    /// What we send, by a twin or an earlier try.
    Equal,
    /// Equal, and nobody may look at it.
    Unseen,
    OtherBytes,
    OtherSize,
}
use There::{Equal, Nothing, OtherBytes, OtherSize, Unseen};

/// What became of our job meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Job {
    Undecided,
    /// A twin has published all of it.
    Finished,
    /// A twin has, and its files are cut otherwise.
    FinishedOtherwise,
    Lost,
}
use Job::{Finished, FinishedOtherwise, Lost, Undecided};

/// For both kinds of files: what is there, what became of the job, what happens to the PUT, how the run ends, and PUTs of
/// the file.
type Cell = fn() -> (There, Job, Strike, Ends, usize);

const NO_BUCKET: Effect = Effect::Answer(404, "NoSuchBucket");
const UNLIKE: Ends = Stops("is there with other content");
const DENIED: Ends = Stops("access denied");

cells! {
    Success a_new_file_is_written: || (Nothing, Undecided, Never, Done, 1);

    PreconditionFailed an_equal_file_is_done: || (Equal, Undecided, Never, Done, 1);
    PreconditionFailed other_bytes_of_the_same_size_are_not_touched: || (OtherBytes, Undecided, Never, UNLIKE, 1);
    PreconditionFailed another_size_is_not_touched: || (OtherSize, Undecided, Never, UNLIKE, 1);
    PreconditionFailed the_outcome_of_a_twin_counts_and_not_how_we_cut: || (Nothing, FinishedOtherwise, Never, Done, 1);
    PreconditionFailed an_equal_file_of_a_dead_job_goes: || (Equal, Lost, Never, Dead, 1);
    PreconditionFailed a_file_that_is_gone_again_is_written: || (Nothing, Undecided, Once(FAILED), Done, 2);
    PreconditionFailed a_file_that_is_gone_with_its_job_is_not: || (Nothing, Lost, Once(FAILED), Dead, 1);
    PreconditionFailed what_may_not_be_looked_at_is_neither_equal_nor_absent: || (Unseen, Undecided, Never, DENIED, 1);

    Conflict an_undecided_job_tries_again: || (Nothing, Undecided, Once(CONFLICT), Done, 2);
    Conflict a_dead_job_stops_and_deletes: || (Nothing, Lost, Once(CONFLICT), Dead, 1);
    Conflict a_job_that_a_twin_has_finished_is_done: || (Nothing, Finished, Once(CONFLICT), Done, 1);
    Conflict an_equal_file_is_found_by_the_next_try: || (Equal, Undecided, Once(CONFLICT), Done, 2);
    Conflict another_file_is_found_by_the_next_try: || (OtherBytes, Undecided, Once(CONFLICT), UNLIKE, 2);
    Conflict a_conflict_without_end_is_left_to_a_later_run: || (Nothing, Undecided, Always(CONFLICT), Waits, BUSY);

    ServerError an_internal_error_is_tried_again: || (Nothing, Undecided, Once(ERROR), Done, 2);
    ServerError a_busy_s3_is_tried_again: || (Nothing, Undecided, Once(SLOW), Done, 2);
    ServerError internal_errors_without_end_leave_all_as_it_is: || (Nothing, Undecided, Always(ERROR), Waits, TRIES);
    ServerError a_busy_s3_without_end_leaves_all_as_it_is: || (Nothing, Undecided, Always(SLOW), Waits, TRIES);
    ServerError behind_errors_an_equal_file_is_done: || (Equal, Undecided, Always(ERROR), Done, TRIES);
    ServerError behind_errors_another_file_is_not_touched: || (OtherBytes, Undecided, Always(SLOW), UNLIKE, TRIES);
    ServerError errors_do_not_say_that_a_job_is_dead: || (Nothing, Lost, Always(ERROR), Waits, TRIES);

    Timeout no_answer_in_time_is_tried_again: || (Nothing, Undecided, Once(SILENCE), Done, 2);
    Timeout written_and_not_answered_in_time_is_done: || (Nothing, Undecided, Once(UNHEARD), Done, 2);
    Timeout no_answer_in_time_ever_leaves_all_as_it_is: || (Nothing, Undecided, Always(SILENCE), Waits, TRIES);
    Timeout written_and_never_answered_in_time_is_read_back: || (Nothing, Undecided, Always(UNHEARD), Done, TRIES);

    Reset a_reset_is_tried_again: || (Nothing, Undecided, Once(RESET), Done, 2);
    Reset resets_without_end_leave_all_as_it_is: || (Nothing, Undecided, Always(RESET), Waits, TRIES);
    Reset behind_resets_an_equal_file_is_done: || (Equal, Undecided, Always(RESET), Done, TRIES);
    Reset behind_resets_another_file_is_not_touched: || (OtherSize, Undecided, Always(RESET), UNLIKE, TRIES);

    LostAnswer ones_own_file_seen_as_there_already_is_done: || (Nothing, Undecided, Once(LOST), Done, 2);
    LostAnswer ones_own_file_never_answered_is_read_back: || (Nothing, Undecided, Always(LOST), Done, TRIES);
    LostAnswer a_lost_refusal_does_not_make_another_file_ours: || (OtherBytes, Undecided, Always(LOST), UNLIKE, TRIES);

    Other a_refusal_is_not_tried_again: || (Nothing, Undecided, Always(REFUSED), DENIED, 1);
    Other a_refusal_proves_nothing_of_what_is_there: || (Equal, Undecided, Always(REFUSED), DENIED, 1);
    Other a_refusal_after_a_lost_answer_deletes_nothing: || (Nothing, Undecided, Then(LOST, REFUSED), DENIED, 2);
    Other a_bucket_that_is_gone_stops: || (Nothing, Undecided, Always(NO_BUCKET), Stops("does not exist"), 1);
}

async fn run(cell: Cell) {
    // Rejects first, then rows.
    for file in [0, 1] {
        let (there, job, strike, ends, puts) = cell();
        let scene = Scene::new(&strike).await;
        let staged = scene.staged().await;
        let key = staged.keys()[file].clone();
        let change = change(&scene, &staged, file, there, job).await;
        scene.set("PutObject", key.as_str(), strike, Some(change));
        if there == Unseen {
            let denied = Always(REFUSED);
            scene.set("HeadObject", key.as_str(), denied, None);
        }
        let ours = staged.bytes(&key);
        scene.publish(staged.prepared, ends).await;

        scene.assert_sent("PutObject", key.as_str(), puts);
        assert_asked_before_each_repetition(&scene, key.as_str());
        match ends {
            Waits | Stops(_) => scene.assert_nothing_is_cleaned_up(),
            Dead => assert_eq!(scene.bytes(&key), None, "files of a dead job"),
            Done => scene.assert_sent("DeleteObject", key.as_str(), 0),
        }
        if ends == UNLIKE {
            assert_ne!(scene.bytes(&key), Some(ours));
            // It is moved away, as the error says.
            scene.model(removes(key));
        }
        scene.comes_to_rest("1").await;
    }
}

/// What is so when the PUT comes.
async fn change(scene: &Scene, staged: &Staged, file: usize, there: There, job: Job) -> Change {
    let key = staged.keys()[file].clone();
    let ours = staged.bytes(&key);
    let other = match there {
        Nothing => None,
        Equal | Unseen => Some(ours),
        OtherBytes => Some(Bytes::from(ours.iter().map(|byte| byte ^ 1).collect::<Vec<_>>())),
        OtherSize => Some(Bytes::from_static(FOREIGN)),
    };
    let there = seeds(other.into_iter().map(|bytes| (key.clone(), bytes)).collect());
    let of = |outcome: (_, Vec<u8>)| (outcome.0, Bytes::from(outcome.1));
    let end = match job {
        Undecided => vec![],
        Lost => vec![of(outcome(&staged.whole, State::Dead))],
        Finished => {
            let mut all = files(&staged.whole);
            all.push(of(outcome(&staged.whole, State::Done)));
            all
        }
        FinishedOtherwise => {
            let twin = scene.worker.clone().small().machine("twin");
            let twin = twin.stage(&scene.lake, staged.job.clone()).await.unwrap();
            let mut all = files(&twin);
            all.push(of(outcome(&twin, State::Done)));
            all
        }
    };
    all(vec![there, seeds(end)])
}

/// A PUT that S3 refused because a delete came first is not repeated before it is known whether the job is dead.
fn assert_asked_before_each_repetition(scene: &Scene, key: &str) {
    let mut refused = false;
    for entry in scene.s3.server.log() {
        if entry.operation == "GetObject" && entry.key.starts_with("p/_lakebed/jobs/") {
            refused = false;
        }
        if entry.operation == "PutObject" && entry.key == format!("p/{key}") {
            assert!(!refused, "{}", scene.log());
            refused = entry.status == Some(409);
        }
    }
}
