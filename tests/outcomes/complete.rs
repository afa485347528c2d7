//! CompleteMultipartUpload, if nothing is there.

use bytes::Bytes;
use lakebed::job::outcome::State;
use lakebed::job::stage::Content;

use crate::scene::Ends::{self, Dead, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once, Then};
use crate::scene::{
    BUSY, CONFLICT, Change, ERROR, FAILED, FOREIGN, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, Staged, TRIES, UNHEARD,
    all, files, outcome, removes, seeds,
};
use crate::support::s3::{At, Effect};

/// What is under the key when the request comes.
#[derive(Clone, Copy, PartialEq)]
enum There {
    Nothing,
    /// What the upload holds.
    Equal,
    /// Equal, and nobody may look at it.
    Unseen,
    Other,
}
use There::{Equal, Nothing, Other, Unseen};

/// What became of the upload, or of the job, meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Meanwhile {
    Waiting,
    /// The upload is not open any more.
    Gone,
    /// A twin has finished the job, and this file was compacted into another one since.
    Finished,
    /// The job is dead.
    Lost,
}
use Meanwhile::{Finished, Gone, Lost, Waiting};

/// What is there, what became of upload and job, what happens to the request, how the run ends, requests sent.
type Cell = fn() -> (There, Meanwhile, Strike, Ends, usize);

const UNLIKE: Ends = Stops("is there with other content");
const DENIED: Ends = Stops("access denied");
const OK_WITH_ERROR: Effect = Effect::OK_WITH_ERROR;
const NOTHING_SAID: Effect = Effect::Body("");
const ANOTHER_ELEMENT: Effect = Effect::Body("<?xml version=\"1.0\"?><Result/>");
const NO_ETAG: Effect = Effect::Body("<?xml version=\"1.0\"?><CompleteMultipartUploadResult/>");

cells! {
    Success an_upload_becomes_a_file: || (Nothing, Waiting, Never, Done, 1);
    Success status_200_with_an_error_is_a_failure: || (Nothing, Waiting, Once(OK_WITH_ERROR), Done, 2);
    Success errors_in_200_without_end_leave_all_as_it_is: || (Nothing, Waiting, Always(OK_WITH_ERROR), Waits, TRIES);
    Success behind_errors_in_200_an_equal_file_is_done: || (Equal, Waiting, Always(OK_WITH_ERROR), Done, TRIES);
    Success behind_errors_in_200_another_file_is_not_touched: || (Other, Waiting, Always(OK_WITH_ERROR), UNLIKE, TRIES);
    Success status_200_without_a_result_is_a_failure: || (Nothing, Waiting, Once(NOTHING_SAID), Done, 2);
    Success status_200_with_another_element_is_a_failure: || (Nothing, Waiting, Once(ANOTHER_ELEMENT), Done, 2);
    Success status_200_with_an_empty_result_is_a_failure: || (Nothing, Waiting, Once(NO_ETAG), Done, 2);
    Success done_without_a_result_is_read_back: || (Nothing, Waiting, Always(Effect::BodyAfter("")), Done, 1);
    Success no_result_ever_leaves_all_as_it_is: || (Nothing, Waiting, Always(NOTHING_SAID), Waits, BUSY);
    Success without_a_result_another_file_is_not_touched: || (Other, Waiting, Always(NO_ETAG), UNLIKE, 1);

    PreconditionFailed an_equal_file_is_done: || (Equal, Waiting, Never, Done, 1);
    PreconditionFailed another_file_is_not_touched: || (Other, Waiting, Never, UNLIKE, 1);
    PreconditionFailed a_file_that_is_gone_again_is_completed: || (Nothing, Waiting, Once(FAILED), Done, 2);
    PreconditionFailed a_file_that_is_gone_with_its_job_is_not: || (Nothing, Lost, Once(FAILED), Dead, 1);
    PreconditionFailed what_may_not_be_looked_at_is_neither_equal_nor_absent: || (Unseen, Waiting, Never, DENIED, 1);

    Conflict nothing_there_is_completed_once_more: || (Nothing, Waiting, Once(CONFLICT), Done, 2);
    Conflict an_equal_file_is_done_at_once: || (Equal, Waiting, Once(CONFLICT), Done, 1);
    Conflict another_file_stays: || (Other, Waiting, Once(CONFLICT), UNLIKE, 1);
    Conflict an_upload_that_is_gone_and_no_file_is_dead: || (Nothing, Gone, Once(CONFLICT), Dead, 2);
    Conflict a_dead_job_stops_and_deletes: || (Nothing, Lost, Once(CONFLICT), Dead, 1);
    Conflict a_job_that_a_twin_has_finished_is_done: || (Nothing, Finished, Once(CONFLICT), Done, 1);
    Conflict a_conflict_without_end_is_left_to_a_later_run: || (Nothing, Waiting, Always(CONFLICT), Waits, BUSY);

    ServerError an_internal_error_is_tried_again: || (Nothing, Waiting, Once(ERROR), Done, 2);
    ServerError a_busy_s3_is_tried_again: || (Nothing, Waiting, Once(SLOW), Done, 2);
    ServerError errors_without_end_leave_all_as_it_is: || (Nothing, Waiting, Always(ERROR), Waits, TRIES);
    ServerError behind_errors_without_end_an_equal_file_is_done: || (Equal, Waiting, Always(ERROR), Done, TRIES);
    ServerError behind_errors_without_end_another_file_is_not_touched: || (Other, Waiting, Always(SLOW), UNLIKE, TRIES);
    ServerError errors_do_not_say_that_an_upload_is_gone: || (Nothing, Gone, Always(ERROR), Waits, TRIES);

    Timeout no_answer_in_time_is_tried_again: || (Nothing, Waiting, Once(SILENCE), Done, 2);
    Timeout completed_and_not_answered_in_time_is_done: || (Nothing, Waiting, Once(UNHEARD), Done, 2);
    Timeout no_answer_in_time_ever_leaves_all_as_it_is: || (Nothing, Waiting, Always(SILENCE), Waits, TRIES);
    Timeout completed_and_never_answered_in_time_is_read_back: || (Nothing, Waiting, Always(UNHEARD), Done, TRIES);

    Reset a_reset_is_tried_again: || (Nothing, Waiting, Once(RESET), Done, 2);
    Reset resets_without_end_leave_all_as_it_is: || (Nothing, Waiting, Always(RESET), Waits, TRIES);
    Reset behind_resets_without_end_an_equal_file_is_done: || (Equal, Waiting, Always(RESET), Done, TRIES);
    Reset behind_resets_without_end_another_file_is_not_touched: || (Other, Waiting, Always(RESET), UNLIKE, TRIES);

    LostAnswer ones_own_upload_seen_as_gone_is_done: || (Nothing, Waiting, Once(LOST), Done, 2);
    LostAnswer ones_own_upload_never_answered_is_read_back: || (Nothing, Waiting, Always(LOST), Done, TRIES);
    LostAnswer a_lost_refusal_does_not_make_another_file_ours: || (Other, Waiting, Always(LOST), UNLIKE, TRIES);

    Other no_upload_and_an_equal_file_is_done: || (Equal, Gone, Never, Done, 1);
    Other no_upload_and_no_file_is_dead_and_run_again: || (Nothing, Gone, Never, Dead, 1);
    Other no_upload_and_another_file_is_not_touched: || (Other, Gone, Never, UNLIKE, 1);
    Other no_upload_and_a_file_that_may_not_be_looked_at_is_not_dead: || (Unseen, Gone, Never, DENIED, 1);
    Other a_refusal_is_not_tried_again: || (Nothing, Waiting, Always(REFUSED), DENIED, 1);
    Other a_refusal_proves_nothing_of_what_is_there: || (Equal, Waiting, Always(REFUSED), DENIED, 1);
    Other a_refusal_after_a_lost_answer_deletes_nothing: || (Nothing, Waiting, Then(LOST, REFUSED), DENIED, 2);
}

async fn run(cell: Cell) {
    // S3 answers a repeated completion as the first one for some time, and forgets it.
    for repeats in [false, true] {
        let (there, meanwhile, strike, ends, sent) = cell();
        let scene = Scene::new(&strike).await;
        scene.model(|model| model.repeats_completions = repeats);
        let staged = scene.staged().await;
        let key = staged.keys()[2].clone();
        scene.set(
            "CompleteMultipartUpload",
            key.as_str(),
            strike,
            Some(change(&staged, there, meanwhile)),
        );
        if there == Unseen {
            scene.set("HeadObject", key.as_str(), Always(REFUSED), None);
        }
        let ours = staged.bytes(&key);
        scene.publish(staged.prepared, ends).await;

        scene.assert_sent("CompleteMultipartUpload", key.as_str(), sent);
        match ends {
            Waits | Stops(_) => {
                scene.assert_nothing_is_cleaned_up();
                scene.assert_sent("PutObject", "_lakebed/jobs/", 0);
            }
            Dead => assert_eq!(
                (scene.bytes(&key), scene.open_uploads()),
                (None, 0),
                "files of a dead job"
            ),
            Done => {
                scene.assert_sent("DeleteObject", key.as_str(), 0);
                // One that a twin finished with other uploads is found by the rule that ends uploads.
                assert!(meanwhile == Finished || scene.open_uploads() == 0, "{}", scene.log());
            }
        }
        if meanwhile == Finished {
            assert_eq!(scene.bytes(&key), None, "it does not come back");
            scene.model(seeds(vec![(key.clone(), ours)]));
        }
        if ends == UNLIKE {
            assert_eq!(scene.bytes(&key).unwrap(), FOREIGN);
            // It is moved away, as the error says.
            scene.model(removes(key));
        }
        scene.comes_to_rest("1").await;
    }
}

/// What is so when the request comes.
fn change(staged: &Staged, there: There, meanwhile: Meanwhile) -> Change {
    let key = staged.keys()[2].clone();
    let bytes = match there {
        Nothing => None,
        Equal | Unseen => Some(staged.bytes(&key)),
        Other => Some(Bytes::from_static(FOREIGN)),
    };
    let there = seeds(bytes.into_iter().map(|bytes| (key.clone(), bytes)).collect());
    let ended = |state| {
        let (key, bytes) = outcome(&staged.whole, state);
        (key, Bytes::from(bytes))
    };
    let meanwhile: Change = match meanwhile {
        Waiting => seeds(vec![]),
        Lost => seeds(vec![ended(State::Dead)]),
        Finished => {
            let others = files(&staged.whole).into_iter().filter(|(file, _)| *file != key);
            seeds(others.chain([ended(State::Done)]).collect())
        }
        Gone => {
            let uploads = staged
                .prepared
                .files()
                .iter()
                .find_map(|prepared| match &prepared.content {
                    Content::Upload { id, .. } => Some(id.as_str().to_owned()),
                    Content::Small(_) => None,
                });
            let id = uploads.unwrap();
            Box::new(move |model| model.abort_upload(At::new("lake", &format!("p/{key}")), &id).unwrap())
        }
    };
    all(vec![there, meanwhile])
}
