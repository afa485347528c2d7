//! PUT of an outcome from done to dead, if it is still what was read: a job that takes its place is whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use lakebed::job::claim::{Look, Sources, look};
use lakebed::job::heir::{Inheritance, inherit};
use lakebed::job::identity::{JobId, Plan, SourceName, Version};
use lakebed::job::outcome::{Outcome, State, read};
use lakebed::job::settle::settle;
use lakebed::job::stage::Job;
use lakebed::store::{LakeKey, Pending};

use crate::scene::Ends::{self, Done, Stops, Waits};
use crate::scene::Strike::{self, Always, Never, Once, Then};
use crate::scene::{
    BUSY, CONFLICT, Change, ERROR, FAILED, LOST, REFUSED, RESET, SILENCE, SLOW, Scene, TRIES, UNHEARD, outcome_key,
    removes, seeds,
};
use crate::support::world::{World, source};

/// What is there when the request comes.
#[derive(Clone, Copy, PartialEq)]
enum There {
    /// What was read a moment ago.
    Unchanged,
    /// A twin has written that it is dead.
    Dead,
    /// Still done, and written otherwise.
    Rewritten,
    /// Nothing, although outcomes are never deleted.
    Gone,
}
use There::{Dead, Gone, Rewritten, Unchanged};

/// What is there, what happens to the PUT, how the run ends, PUTs of the replaced outcome.
type Cell = (There, Strike, Ends, usize);

const DENIED: Ends = Stops("access denied");

cells! {
    Success the_replaced_job_is_dead: (Unchanged, Never, Done, 1);

    PreconditionFailed dead_by_a_twin_is_dead: (Dead, Never, Done, 1);
    PreconditionFailed still_done_is_read_again_and_replaced: (Rewritten, Never, Done, 2);
    PreconditionFailed a_refusal_that_does_not_hold_is_tried_again: (Unchanged, Once(FAILED), Done, 2);

    Conflict a_conflict_is_tried_again: (Unchanged, Once(CONFLICT), Done, 2);
    Conflict a_conflict_with_a_twin_shows_it_dead: (Dead, Once(CONFLICT), Done, 2);
    Conflict a_conflict_without_end_deletes_nothing: (Unchanged, Always(CONFLICT), Waits, BUSY);

    ServerError an_internal_error_is_tried_again: (Unchanged, Once(ERROR), Done, 2);
    ServerError a_busy_s3_is_tried_again: (Unchanged, Once(SLOW), Done, 2);
    ServerError errors_without_end_delete_nothing: (Unchanged, Always(ERROR), Waits, TRIES);
    ServerError behind_errors_without_end_dead_by_a_twin_is_dead: (Dead, Always(SLOW), Done, TRIES);

    Timeout no_answer_in_time_is_tried_again: (Unchanged, Once(SILENCE), Done, 2);
    Timeout written_and_not_answered_in_time_is_dead: (Unchanged, Once(UNHEARD), Done, 2);
    Timeout no_answer_in_time_ever_deletes_nothing: (Unchanged, Always(SILENCE), Waits, TRIES);
    Timeout written_and_never_answered_in_time_is_read_back: (Unchanged, Always(UNHEARD), Done, TRIES);

    Reset a_reset_is_tried_again: (Unchanged, Once(RESET), Done, 2);
    Reset resets_without_end_delete_nothing: (Unchanged, Always(RESET), Waits, TRIES);
    Reset behind_resets_without_end_dead_by_a_twin_is_dead: (Dead, Always(RESET), Done, TRIES);

    LostAnswer ones_own_write_seen_as_a_change_is_dead: (Unchanged, Once(LOST), Done, 2);
    LostAnswer ones_own_write_never_answered_is_read_back: (Unchanged, Always(LOST), Done, TRIES);

    Other one_that_is_gone_stops: (Gone, Never, Stops("was there and is gone"), 1);
    Other a_refusal_is_not_tried_again: (Unchanged, Always(REFUSED), DENIED, 1);
    Other a_refusal_after_a_lost_answer_deletes_nothing: (Unchanged, Then(LOST, REFUSED), DENIED, 2);
}

/// The raw objects, for whoever wants to keep them.
#[derive(Clone)]
struct Raw(Arc<World>);

impl Sources for Raw {
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        self.0.version_now(name)
    }

    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        self.0.version_settled(name)
    }
}

/// A loaded source that is overwritten, the job that loaded it, and its heir.
pub(crate) async fn overwritten(scene: &Scene) -> (Outcome, Job) {
    scene.worker.load(&["a"]).await.unwrap();
    scene.world.write("a", "2");
    let Look::Overwritten { job } = look(&scene.lake, &source("a"), &*scene.world).await.unwrap() else {
        panic!("it is overwritten")
    };
    let inherited = inherit(&scene.lake, &job, &BTreeSet::new(), &Raw(scene.world.clone()))
        .await
        .unwrap();
    let Inheritance::Heir { sources, of, .. } = inherited else {
        panic!("{inherited:?}")
    };
    (*of, Job::new(&Plan::new("p1", "", ""), sources))
}

async fn run((there, strike, ends, puts): Cell) {
    let scene = Scene::new(&strike).await;
    let (of, heir) = overwritten(&scene).await;
    let staged = scene.stage(heir).await;
    let key = outcome_key(&of.job);
    let before = scene.bytes(&key).unwrap();
    let change: Change = match there {
        Unchanged => seeds(vec![]),
        Dead => seeds(vec![(key.clone(), replaced(&of, staged.job.id()).into())]),
        Rewritten => seeds(vec![(key.clone(), serde_json::to_vec_pretty(&of).unwrap().into())]),
        Gone => removes(key.clone()),
    };
    scene.set("PutObject", key.as_str(), strike, Some(change));
    let heir = staged.job.id().clone();
    let new = staged.keys();
    scene.publish(staged.prepared, ends).await;

    scene.assert_sent("PutObject", key.as_str(), puts);
    let visible = |keys: &[LakeKey]| keys.iter().filter(|key| scene.bytes(key).is_some()).count();
    let old: Vec<LakeKey> = of.files.iter().map(|file| file.key.clone()).collect();
    assert_eq!(visible(&new), new.len(), "the new rows are there first");
    if ends == Done {
        assert_eq!(visible(&old), 0, "{}", scene.log());
        let of = read(&scene.lake, &of.job).await.unwrap().unwrap();
        assert_eq!((of.state, of.replaced_by), (State::Dead, Some(heir.clone())));
        scene.assert_sent("PutObject", outcome_key(&heir).as_str(), 1);
    } else {
        assert_eq!(visible(&old), old.len(), "{}", scene.log());
        scene.assert_nothing_is_cleaned_up();
        scene.assert_sent("PutObject", outcome_key(&heir).as_str(), 0);
    }
    if there == Gone {
        // Brought back, as the error says.
        scene.model(seeds(vec![(key, before)]));
    }
    scene.s3.server.clear_faults();
    assert_eq!(settle(&scene.lake, &heir).await.unwrap().state, State::Done);
    scene.comes_to_rest("2").await;
}

/// The outcome of a job whose place another took, as a twin writes it.
fn replaced(of: &Outcome, heir: &JobId) -> Vec<u8> {
    let replaced = Outcome {
        state: State::Dead,
        replaced_by: Some(heir.clone()),
        ..of.clone()
    };
    serde_json::to_vec(&replaced).unwrap()
}
