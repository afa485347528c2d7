//! PUT of an outcome, if there is none.

use lakebed::job::outcome::State;

use crate::scene::Ends::{self, Dead, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once, Then};
use crate::scene::{
    BUSY, CONFLICT, Change, ERROR, FAILED, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, TRIES, UNHEARD, outcome, seeds,
};
use crate::support::s3::Effect;

/// What we are about to write.
#[derive(Clone, Copy, PartialEq)]
enum Ours {
    /// All files are there.
    Whole,
    /// An upload was thrown away.
    Torn,
}
use Ours::{Torn, Whole};

/// What is there when the request comes.
#[derive(Clone, Copy, PartialEq)]
enum There {
    Nothing,
    SaysDone,
    SaysDead,
}
use There::{Nothing, SaysDead, SaysDone};

/// What we are about to write, what is there, what happens to the PUT, how the run ends, PUTs of the outcome.
type Cell = (Ours, There, Strike, Ends, usize);

const DENIED: Ends = Stops("access denied");

cells! {
    Success done_is_written: (Whole, Nothing, Never, Done, 1);
    Success dead_is_written_before_anything_is_deleted: (Torn, Nothing, Never, Dead, 1);

    PreconditionFailed that_of_a_twin_says_done: (Whole, SaysDone, Never, Done, 1);
    PreconditionFailed that_of_a_twin_says_dead_and_all_files_go: (Whole, SaysDead, Never, Dead, 1);
    PreconditionFailed one_that_is_gone_stops: (Whole, Nothing, Once(FAILED), Stops("was there and is gone"), 1);
    PreconditionFailed dead_twice_is_dead: (Torn, SaysDead, Never, Dead, 1);

    Conflict a_conflict_is_tried_again: (Whole, Nothing, Once(CONFLICT), Done, 2);
    Conflict a_conflict_shows_that_of_a_twin: (Whole, SaysDead, Once(CONFLICT), Dead, 2);
    Conflict a_conflict_without_end_cleans_nothing_up: (Whole, Nothing, Always(CONFLICT), Waits, BUSY);
    Conflict a_conflict_without_end_of_a_dead_job_cleans_nothing_up: (Torn, Nothing, Always(CONFLICT), Waits, BUSY);

    ServerError an_internal_error_is_tried_again: (Whole, Nothing, Once(ERROR), Done, 2);
    ServerError a_busy_s3_is_tried_again: (Torn, Nothing, Once(SLOW), Dead, 2);
    ServerError errors_without_end_clean_nothing_up: (Whole, Nothing, Always(ERROR), Waits, TRIES);
    ServerError errors_without_end_of_a_dead_job_clean_nothing_up: (Torn, Nothing, Always(SLOW), Waits, TRIES);
    ServerError behind_errors_without_end_that_of_a_twin_says_done: (Whole, SaysDone, Always(SLOW), Done, TRIES);
    ServerError behind_errors_without_end_that_of_a_twin_says_dead: (Whole, SaysDead, Always(ERROR), Dead, TRIES);

    Timeout no_answer_in_time_is_tried_again: (Whole, Nothing, Once(SILENCE), Done, 2);
    Timeout written_and_not_answered_in_time_is_done: (Whole, Nothing, Once(UNHEARD), Done, 2);
    Timeout no_answer_in_time_ever_cleans_nothing_up: (Whole, Nothing, Always(SILENCE), Waits, TRIES);
    Timeout written_and_never_answered_in_time_is_read_back: (Whole, Nothing, Always(UNHEARD), Done, TRIES);

    Reset a_reset_is_tried_again: (Whole, Nothing, Once(RESET), Done, 2);
    Reset resets_without_end_clean_nothing_up: (Whole, Nothing, Always(RESET), Waits, TRIES);
    Reset resets_without_end_of_a_dead_job_clean_nothing_up: (Torn, Nothing, Always(RESET), Waits, TRIES);

    LostAnswer ones_own_outcome_seen_as_there_already_is_done: (Whole, Nothing, Once(LOST), Done, 2);
    LostAnswer ones_own_outcome_never_answered_is_read_back: (Whole, Nothing, Always(LOST), Done, TRIES);
    LostAnswer dead_and_never_answered_is_read_back: (Torn, Nothing, Always(LOST), Dead, TRIES);
    LostAnswer a_lost_refusal_does_not_make_us_done: (Whole, SaysDead, Always(LOST), Dead, TRIES);

    Other a_refusal_is_not_tried_again: (Whole, Nothing, Always(REFUSED), DENIED, 1);
    Other a_refusal_of_a_dead_job_cleans_nothing_up: (Torn, Nothing, Always(REFUSED), DENIED, 1);
    Other a_refusal_after_a_lost_answer_cleans_nothing_up: (Whole, Nothing, Then(LOST, REFUSED), DENIED, 2);
}

async fn run((ours, there, strike, ends, puts): Cell) {
    let scene = Scene::new(&strike).await;
    let staged = scene.staged().await;
    let keys = staged.keys();
    let said = |state| {
        let (key, bytes) = outcome(&staged.whole, state);
        vec![(key, bytes.into())]
    };
    let change: Change = match there {
        Nothing => seeds(vec![]),
        SaysDone => seeds(said(State::Done)),
        SaysDead => seeds(said(State::Dead)),
    };
    scene.set("PutObject", "_lakebed/jobs/", strike, Some(change));
    if ours == Torn {
        scene.set(
            "CompleteMultipartUpload",
            "t/",
            Always(Effect::Answer(404, "NoSuchUpload")),
            None,
        );
    }
    scene.publish(staged.prepared, ends).await;

    scene.assert_sent("PutObject", "_lakebed/jobs/", puts);
    let there: Vec<_> = keys.iter().filter(|key| scene.bytes(key).is_some()).collect();
    match ends {
        Waits | Stops(_) => {
            scene.assert_nothing_is_cleaned_up();
            assert_eq!(there.len(), if ours == Torn { 2 } else { 3 }, "{there:?}");
        }
        Dead => {
            assert_eq!(there, [&keys[0]; 0], "files of a dead job");
            assert_eq!(scene.open_uploads(), 0);
            scene.assert_deletes_come_last();
        }
        Done => {
            scene.assert_sent("DeleteObject", "t/", 0);
            scene.assert_sent("DeleteObject", "_lakebed/quarantine", 0);
        }
    }
    scene.comes_to_rest("1").await;
}
