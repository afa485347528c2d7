//! PUT of a claim: new, if the source has none; over that of a dead job, if it is still there.

use lakebed::job::claim::Claim;
use lakebed::job::identity::JobId;
use lakebed::job::{Answer, publish};
use lakebed::store::LakeKey;

use crate::scene::Ends::{self, Dead, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once, Then};
use crate::scene::{
    BUSY, CONFLICT, Change, ERROR, FAILED, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, Staged, TRIES, UNHEARD, removes,
    seeds,
};
use crate::support::s3::{Effect, Model};
use crate::support::world::source;

/// What our claim is laid over.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    Nothing,
    /// That of a dead job.
    Corpse,
}
use Over::Corpse;

/// What is there when the request comes.
#[derive(Clone, Copy, PartialEq)]
enum There {
    /// What the intent expects.
    Expected,
    /// A claim of our job, by a twin.
    OurJobs,
    /// A claim of another job, which is not decided yet.
    Anothers,
    /// Nothing, although claims are never deleted.
    Gone,
}
use There::{Anothers, Expected, Gone, OurJobs};

/// What our claim is laid over, what is there, what happens to the PUT, how the run ends, PUTs of the claim.
type Cell = (Over, There, Strike, Ends, usize);

const DENIED: Ends = Stops("access denied");
const DAMAGED: Ends = Stops("was there and is gone");
const NO_BUCKET: Effect = Effect::Answer(404, "NoSuchBucket");
const NEW: Over = Over::Nothing;

cells! {
    Success a_new_claim_is_laid: (NEW, Expected, Never, Done, 1);
    Success a_claim_is_laid_over_a_dead_one: (Corpse, Expected, Never, Done, 1);

    PreconditionFailed that_of_a_twin_is_ours: (NEW, OurJobs, Never, Done, 1);
    PreconditionFailed that_of_another_job_makes_ours_dead: (NEW, Anothers, Never, Dead, 1);
    PreconditionFailed one_that_is_gone_stops: (NEW, Expected, Once(FAILED), DAMAGED, 1);
    PreconditionFailed that_of_a_twin_over_a_dead_one_is_ours: (Corpse, OurJobs, Never, Done, 1);
    PreconditionFailed that_of_another_job_over_a_dead_one_makes_ours_dead: (Corpse, Anothers, Never, Dead, 1);

    Conflict a_conflict_is_tried_again: (NEW, Expected, Once(CONFLICT), Done, 2);
    Conflict a_conflict_with_another_job_shows_its_claim: (NEW, Anothers, Once(CONFLICT), Dead, 2);
    Conflict a_conflict_without_end_decides_nothing: (NEW, Expected, Always(CONFLICT), Waits, BUSY);
    Conflict a_conflict_over_a_dead_one_is_tried_again: (Corpse, Expected, Once(CONFLICT), Done, 2);
    Conflict a_conflict_over_a_dead_one_shows_that_of_another_job: (Corpse, Anothers, Once(CONFLICT), Dead, 2);
    Conflict a_conflict_over_a_dead_one_without_end_decides_nothing: (Corpse, Expected, Always(CONFLICT), Waits, BUSY);

    ServerError an_internal_error_is_tried_again: (NEW, Expected, Once(ERROR), Done, 2);
    ServerError a_busy_s3_is_tried_again: (Corpse, Expected, Once(SLOW), Done, 2);
    ServerError errors_without_end_decide_nothing: (NEW, Expected, Always(ERROR), Waits, TRIES);
    ServerError behind_errors_that_of_a_twin_is_ours: (NEW, OurJobs, Always(ERROR), Done, TRIES);
    ServerError behind_errors_that_of_another_job_makes_ours_dead: (NEW, Anothers, Always(SLOW), Dead, TRIES);
    ServerError errors_over_a_dead_one_decide_nothing: (Corpse, Expected, Always(ERROR), Waits, TRIES);
    ServerError behind_errors_over_a_dead_one_that_of_a_twin_is_ours: (Corpse, OurJobs, Always(SLOW), Done, TRIES);
    ServerError behind_errors_one_over_a_dead_one_makes_ours_dead: (Corpse, Anothers, Always(SLOW), Dead, TRIES);

    Timeout no_answer_in_time_is_tried_again: (NEW, Expected, Once(SILENCE), Done, 2);
    Timeout no_answer_in_time_ever_decides_nothing: (NEW, Expected, Always(SILENCE), Waits, TRIES);
    Timeout laid_and_never_answered_in_time_is_read_back: (NEW, Expected, Always(UNHEARD), Done, TRIES);
    Timeout laid_over_a_dead_one_and_never_answered_is_read_back: (Corpse, Expected, Always(UNHEARD), Done, TRIES);

    Reset a_reset_is_tried_again: (NEW, Expected, Once(RESET), Done, 2);
    Reset a_reset_over_a_dead_one_is_tried_again: (Corpse, Expected, Once(RESET), Done, 2);
    Reset resets_without_end_decide_nothing: (NEW, Expected, Always(RESET), Waits, TRIES);
    Reset resets_over_a_dead_one_decide_nothing: (Corpse, Expected, Always(RESET), Waits, TRIES);

    LostAnswer ones_own_claim_seen_as_there_already_is_ours: (NEW, Expected, Once(LOST), Done, 2);
    LostAnswer ones_own_claim_never_answered_is_read_back: (NEW, Expected, Always(LOST), Done, TRIES);
    LostAnswer one_over_a_dead_one_seen_as_changed_is_ours: (Corpse, Expected, Once(LOST), Done, 2);
    LostAnswer one_over_a_dead_one_never_answered_is_read_back: (Corpse, Expected, Always(LOST), Done, TRIES);
    LostAnswer a_lost_refusal_does_not_make_that_of_another_job_ours: (NEW, Anothers, Always(LOST), Dead, TRIES);
    LostAnswer a_lost_refusal_over_a_dead_one_does_not_either: (Corpse, Anothers, Always(LOST), Dead, TRIES);

    Other one_that_is_gone_and_was_expected_stops: (Corpse, Gone, Never, DAMAGED, 1);
    Other a_missing_bucket_is_no_missing_claim: (Corpse, Expected, Always(NO_BUCKET), Stops("does not exist"), 1);
    Other a_refusal_is_not_tried_again: (NEW, Expected, Always(REFUSED), DENIED, 1);
    Other a_refusal_over_a_dead_one_is_not_tried_again: (Corpse, Expected, Always(REFUSED), DENIED, 1);
    Other a_refusal_after_a_lost_answer_decides_nothing: (NEW, Expected, Then(LOST, REFUSED), DENIED, 2);
}

fn key() -> LakeKey {
    crate::support::key(&format!("_lakebed/claims/{}.json", source("a").id()))
}

async fn run((over, there, strike, ends, puts): Cell) {
    let scene = Scene::new(&strike).await;
    if over == Corpse {
        leave_a_corpse(&scene).await;
    }
    let rival = if there == Anothers {
        Some(scene.rival().await)
    } else {
        None
    };
    let staged = scene.staged().await;
    let before = scene.bytes(&key());
    assert_eq!(before.is_some(), over == Corpse);
    let change: Change = match there {
        Expected => seeds(vec![]),
        OurJobs => claimed(&staged, staged.job.id()),
        Anothers => claimed(&staged, &rival.unwrap()),
        Gone => removes(key()),
    };
    let (id, files) = (staged.job.id().clone(), staged.keys());
    scene.set("PutObject", "_lakebed/claims/", strike, Some(change));
    scene.publish(staged.prepared, ends).await;

    scene.assert_sent("PutObject", "_lakebed/claims/", puts);
    if matches!(ends, Waits | Stops(_)) {
        scene.assert_nothing_is_cleaned_up();
        scene.assert_sent("PutObject", "_lakebed/jobs/", 0);
    }
    if ends != Done {
        // Nothing is visible before it is decided.
        let visible = files.iter().filter(|key| scene.bytes(key).is_some());
        assert_eq!(visible.count(), 0, "{}", scene.log());
        scene.assert_sent("PutObject", "t/", 0);
        scene.assert_sent("CompleteMultipartUpload", "t/", 0);
    }
    if ends == Dead {
        assert_eq!(scene.sent("PutObject", &format!("_lakebed/jobs/{id}")), 1);
        assert_ne!(claim(&scene).job, id);
        scene.assert_deletes_come_last();
    }
    if there == Gone {
        // Brought back, as the error says.
        scene.model(|model: &mut Model| model.seed("lake", &format!("p/{}", key()), before.unwrap()));
    }
    scene.comes_to_rest("1").await;
}

fn claim(scene: &Scene) -> Claim {
    serde_json::from_slice(&scene.bytes(&key()).unwrap()).unwrap()
}

/// The claim of a job, as somebody else lays it.
pub(crate) fn claimed(staged: &Staged, job: &JobId) -> Change {
    let claim = Claim {
        job: job.clone(),
        version: staged.job.sources()[0].version.clone(),
        was: None,
    };
    seeds(vec![(key(), serde_json::to_vec(&claim).unwrap().into())])
}

/// The claim of a job that died because its upload was thrown away.
async fn leave_a_corpse(scene: &Scene) {
    let worker = scene.worker.clone().plan("dead");
    let job = worker.job(&scene.lake, &["a"]).await.unwrap().unwrap();
    let prepared = worker.stage(&scene.lake, job).await.unwrap();
    scene.set(
        "CompleteMultipartUpload",
        "t/",
        Always(Effect::Answer(404, "NoSuchUpload")),
        None,
    );
    assert_eq!(publish(&scene.lake, prepared).await.unwrap(), Answer::Dead);
    scene.s3.server.clear_faults();
}
