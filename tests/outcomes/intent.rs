//! PUT of an intent, if its job has none.

use lakebed::job::outcome::State;
use lakebed::job::{Answer, publish};

use crate::claim::claimed;
use crate::scene::Ends::{self, Dead, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once, Then};
use crate::scene::{
    BUSY, CONFLICT, ERROR, FAILED, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, TRIES, UNHEARD, outcome, seeds,
};

/// What twins did before.
#[derive(Clone, Copy, PartialEq)]
enum Twin {
    Nothing,
    /// Its intent is there.
    Began,
    /// Its intent and its claim are there, and the job is dead.
    Died,
    /// Its intent was there, and the job is done.
    Finished,
}
use Twin::{Began, Died, Finished, Nothing};

/// Whose files the lake has then.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    Ours,
    Theirs,
    Nobodys,
}
use Whose::{Nobodys, Ours, Theirs};

/// What a twin did, what happens to the PUT, how the run ends, whose files are there, PUTs of the intent.
type Cell = (Twin, Strike, Ends, Whose, usize);

const DENIED: Ends = Stops("access denied");

cells! {
    Success an_intent_is_written: (Nothing, Never, Done, Ours, 1);

    PreconditionFailed that_of_a_twin_counts_and_ours_is_thrown_away: (Began, Never, Done, Theirs, 1);
    PreconditionFailed that_of_a_twin_that_has_finished_is_gone: (Finished, Once(FAILED), Done, Theirs, 1);
    PreconditionFailed that_of_a_dead_job_is_not_ours_to_revive: (Died, Never, Dead, Nobodys, 1);

    Conflict a_conflict_is_tried_again: (Nothing, Once(CONFLICT), Done, Ours, 2);
    Conflict a_conflict_with_a_twin_shows_its_intent: (Began, Once(CONFLICT), Done, Theirs, 2);
    Conflict a_conflict_without_end_leaves_the_uploads_open: (Nothing, Always(CONFLICT), Waits, Nobodys, BUSY);

    ServerError an_internal_error_is_tried_again: (Nothing, Once(ERROR), Done, Ours, 2);
    ServerError a_busy_s3_is_tried_again: (Nothing, Once(SLOW), Done, Ours, 2);
    ServerError errors_without_end_leave_the_uploads_open: (Nothing, Always(ERROR), Waits, Nobodys, TRIES);
    ServerError behind_errors_without_end_that_of_a_twin_counts: (Began, Always(SLOW), Done, Theirs, TRIES);

    Timeout no_answer_in_time_is_tried_again: (Nothing, Once(SILENCE), Done, Ours, 2);
    Timeout written_and_not_answered_in_time_is_ours: (Nothing, Once(UNHEARD), Done, Ours, 2);
    Timeout no_answer_in_time_ever_leaves_the_uploads_open: (Nothing, Always(SILENCE), Waits, Nobodys, TRIES);
    Timeout written_and_never_answered_in_time_is_read_back: (Nothing, Always(UNHEARD), Done, Ours, TRIES);

    Reset a_reset_is_tried_again: (Nothing, Once(RESET), Done, Ours, 2);
    Reset resets_without_end_leave_the_uploads_open: (Nothing, Always(RESET), Waits, Nobodys, TRIES);
    Reset behind_resets_without_end_that_of_a_twin_counts: (Began, Always(RESET), Done, Theirs, TRIES);

    LostAnswer ones_own_intent_seen_as_there_already_is_ours: (Nothing, Once(LOST), Done, Ours, 2);
    LostAnswer ones_own_intent_never_answered_is_read_back: (Nothing, Always(LOST), Done, Ours, TRIES);
    LostAnswer a_lost_refusal_does_not_make_that_of_a_twin_ours: (Began, Always(LOST), Done, Theirs, TRIES);

    Other a_refusal_is_not_tried_again: (Nothing, Always(REFUSED), DENIED, Nobodys, 1);
    Other a_refusal_after_a_lost_answer_leaves_the_uploads_open: (Nothing, Then(LOST, REFUSED), DENIED, Nobodys, 2);
}

async fn run((before, strike, ends, whose, puts): Cell) {
    let scene = Scene::new(&strike).await;
    let staged = scene.staged().await;
    let twin = scene.worker.clone().machine("twin");
    let twin = twin.stage(&scene.lake, staged.job.clone()).await.unwrap();
    match before {
        Nothing => twin.discard(&scene.lake).await.unwrap(),
        Began => scene.stop_after_intent(twin).await,
        Died => {
            let (key, bytes) = outcome(&twin, State::Dead);
            scene.stop_after_intent(twin).await;
            scene.model(seeds(vec![(key, bytes.into())]));
            scene.model(claimed(&staged, staged.job.id()));
        }
        Finished => assert!(matches!(publish(&scene.lake, twin).await.unwrap(), Answer::Done(_))),
    }
    scene.set("PutObject", "_lakebed/open/", strike, None);
    let id = staged.job.id().clone();
    let ended = publish(&scene.lake, staged.prepared).await;
    if let Ok(Answer::Done(outcome)) = &ended {
        let machine = outcome.counts["machine"].as_str().unwrap();
        assert_eq!(machine, if whose == Theirs { "twin" } else { "" }, "{}", scene.log());
    }
    scene.ended(ended, ends);

    scene.assert_sent("PutObject", &format!("_lakebed/open/{id}"), puts);
    match whose {
        // Not thrown away before it was read whose it is, nor after.
        Ours => scene.assert_sent("AbortMultipartUpload", "", 0),
        Theirs => assert_eq!(scene.open_uploads(), 0, "{}", scene.log()),
        Nobodys if ends == Dead => {}
        Nobodys => {
            scene.assert_nothing_is_cleaned_up();
            assert_eq!(scene.open_uploads(), 1);
        }
    }
    scene.comes_to_rest("1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_that_may_not_be_read_is_neither_ours_nor_a_twins() {
    let scene = Scene::new(&Never).await;
    let staged = scene.staged().await;
    scene.set("PutObject", "_lakebed/open/", Once(LOST), None);
    scene.set("GetObject", "_lakebed/open/", Always(REFUSED), None);
    scene.publish(staged.prepared, DENIED).await;
    scene.assert_nothing_is_cleaned_up();
    assert_eq!(scene.open_uploads(), 1);
    scene.comes_to_rest("1").await;
}
