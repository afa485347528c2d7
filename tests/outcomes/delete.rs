//! DELETE of what counts no more: a finished intent, files of a dead job, files of a job whose place another took.

use lakebed::job::outcome::State;
use lakebed::job::settle::settle;
use lakebed::store::LakeKey;

use crate::replace::overwritten;
use crate::scene::Ends::{self, Dead, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once};
use crate::scene::{Change, ERROR, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, Staged, TRIES, UNHEARD, removes, seeds};
use crate::support::s3::Effect;

/// What is deleted.
#[derive(Clone, Copy, PartialEq)]
enum What {
    /// The intent of a job that is done.
    Intent,
    /// A file of a job that died.
    File,
    /// A file of a job whose place ours takes.
    Replaced,
}
use What::{File, Intent, Replaced};

/// What is deleted, whether it is gone when the request comes, what happens to the request, how the run ends, requests.
type Cell = (What, bool, Strike, Ends, usize);

const DENIED: Ends = Stops("allow s3:DeleteObject");
const NO_BUCKET: Effect = Effect::Answer(404, "NoSuchBucket");
const ABSENT: Effect = Effect::Answer(404, "NoSuchKey");

cells! {
    Success a_finished_intent_goes: (Intent, false, Never, Done, 1);
    Success a_file_of_a_dead_job_goes: (File, false, Never, Dead, 1);
    Success a_file_of_a_replaced_job_goes: (Replaced, false, Never, Done, 1);

    ServerError an_intent_goes_with_the_next_try: (Intent, false, Once(ERROR), Done, 2);
    ServerError a_file_goes_with_the_next_try: (File, false, Once(SLOW), Dead, 2);
    ServerError an_intent_that_stays_is_left_to_the_sweeper: (Intent, false, Always(ERROR), Done, TRIES);
    ServerError a_file_that_stays_keeps_its_sources_waiting: (File, false, Always(ERROR), Waits, TRIES);
    ServerError a_replaced_file_that_stays_keeps_the_heir_waiting: (Replaced, false, Always(SLOW), Waits, TRIES);

    Timeout an_intent_not_answered_in_time_is_left_to_the_sweeper: (Intent, false, Always(SILENCE), Done, TRIES);
    Timeout a_file_not_answered_in_time_keeps_its_sources_waiting: (File, false, Always(SILENCE), Waits, TRIES);
    Timeout a_file_gone_and_not_answered_in_time_is_gone: (File, false, Once(UNHEARD), Dead, 2);

    Reset an_intent_behind_resets_is_left_to_the_sweeper: (Intent, false, Always(RESET), Done, TRIES);
    Reset a_file_behind_resets_keeps_its_sources_waiting: (File, false, Always(RESET), Waits, TRIES);
    Reset a_replaced_file_behind_a_reset_goes_with_the_next_try: (Replaced, false, Once(RESET), Done, 2);

    LostAnswer an_intent_gone_unheard_is_gone: (Intent, false, Once(LOST), Done, 2);
    LostAnswer a_file_gone_unheard_is_gone: (File, false, Once(LOST), Dead, 2);
    LostAnswer an_intent_never_heard_of_is_gone: (Intent, false, Always(LOST), Done, TRIES);
    LostAnswer a_file_never_heard_of_is_asked_for_again_by_a_later_run: (File, false, Always(LOST), Waits, TRIES);

    Other an_intent_that_is_gone_is_done: (Intent, true, Never, Done, 1);
    Other a_file_that_is_gone_is_done: (File, true, Never, Dead, 1);
    Other an_absent_intent_is_done_where_a_store_says_so: (Intent, true, Always(ABSENT), Done, 1);
    Other an_absent_file_is_done_where_a_store_says_so: (File, true, Always(ABSENT), Dead, 1);
    Other a_missing_bucket_is_no_missing_file: (File, false, Always(NO_BUCKET), Stops("does not exist"), 1);
    Other a_refusal_for_an_intent_is_told: (Intent, false, Always(REFUSED), DENIED, 1);
    Other a_refusal_for_a_file_is_told: (File, false, Always(REFUSED), DENIED, 1);
    Other a_refusal_for_a_replaced_file_is_told: (Replaced, false, Always(REFUSED), DENIED, 1);
}

async fn run((what, gone, strike, ends, deletes): Cell) {
    let scene = Scene::new(&strike).await;
    let (staged, key) = match what {
        Intent => {
            let staged = scene.staged().await;
            let key = crate::support::key(&format!("_lakebed/open/{}", staged.job.id()));
            (staged, key)
        }
        File => {
            let staged = scene.staged().await;
            let key = staged.keys()[1].clone();
            (staged, key)
        }
        Replaced => {
            let (of, heir) = overwritten(&scene).await;
            let file = of.files.iter().find(|file| file.key.as_str().starts_with("t/hour=00"));
            (scene.stage(heir).await, file.unwrap().key.clone())
        }
    };
    let Staged { job, prepared, .. } = staged;
    let change: Change = if gone { removes(key.clone()) } else { seeds(vec![]) };
    scene.set("DeleteObject", key.as_str(), strike, Some(change));
    if what == File {
        scene.set(
            "CompleteMultipartUpload",
            "t/",
            Once(Effect::Answer(404, "NoSuchUpload")),
            None,
        );
    }
    scene.publish(prepared, ends).await;
    scene.assert_sent("DeleteObject", key.as_str(), deletes);

    if what == File && matches!(ends, Waits | Stops(_)) {
        waits(&scene, &key).await;
    }
    if what == Replaced {
        scene.s3.server.clear_faults();
        assert_eq!(settle(&scene.lake, job.id()).await.unwrap().state, State::Done);
        assert_eq!(scene.bytes(&key), None);
    }
    scene.comes_to_rest(if what == Replaced { "2" } else { "1" }).await;
}

/// As long as a file of a dead job is there, no other job shows the same rows a second time.
async fn waits(scene: &Scene, key: &LakeKey) {
    if scene.bytes(key).is_some() {
        assert!(scene.worker.load(&["a"]).await.is_err());
        let rows = scene.model(|model| model.keys("lake"));
        let rows = rows.iter().filter(|key| key.starts_with("p/t/"));
        assert!(rows.count() <= 1, "{}", scene.log());
    }
}
