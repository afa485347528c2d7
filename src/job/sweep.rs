//! Sweeping: brings what crashed to its end, also where nobody comes again for its sources.
//!
//! ```text
//! open/ ──> each intent: settle its job ──> its outcome, or that of the job it replaced, is dead: delete these files again
//!                                       └─> the intent is old: drop it
//! ```
//!
//! Files of dead jobs are deleted when the job dies. A request of a process that is dead itself may land after that and bring
//! a file back, so the intent stays for a day and each sweep deletes once more.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::LakeError;
use super::identity::JobId;
use super::intent;
use super::lake::Lake;
use super::outcome::{self, State};
use super::settle::{delete_all, settle};
use super::stage::abort_uploads;
use crate::store::LakeKey;

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Intents found.
    pub intents: u64,
    /// Of them: jobs that are done.
    pub done: u64,
    /// Of them: jobs that are dead.
    pub dead: u64,
    /// Of them: dropped because they were old.
    pub dropped: u64,
    /// Jobs that could not be settled, and why. Their intents stay.
    pub failed: Vec<(LakeKey, LakeError)>,
}

/// Settles every job that has an intent. Files of dead jobs are deleted once more, and intents are dropped that were written
/// before `before`, and their outcomes too, by the clock of the store: a day ago is what nobody's request takes.
///
/// Fails where the intents cannot be listed; what is wrong with one job does not keep the others.
pub async fn sweep(lake: &Lake, before: SystemTime) -> Result<Swept, LakeError> {
    let folder = LakeKey::new("_lakebed/open").expect("a key");
    let mut swept = Swept::default();
    let mut after = None;
    loop {
        let page = lake.store().list(&folder, after.as_ref()).await?;
        for listed in &page.objects {
            swept.intents += 1;
            match sweep_one(lake, &listed.key, listed.last_modified, before).await {
                Ok((state, dropped)) => {
                    swept.done += u64::from(state == State::Done);
                    swept.dead += u64::from(state == State::Dead);
                    swept.dropped += u64::from(dropped);
                }
                Err(error) => swept.failed.push((listed.key.clone(), error)),
            }
        }
        match page.objects.into_iter().next_back() {
            Some(last) if page.more => after = Some(last.key),
            _ => return Ok(swept),
        }
    }
}

async fn sweep_one(
    lake: &Lake,
    key: &LakeKey,
    written: SystemTime,
    before: SystemTime,
) -> Result<(State, bool), LakeError> {
    let job = JobId::try_from(key.file_name().to_owned()).map_err(|_| intent::damaged(key, "is named after no job"))?;
    let state = settle(lake, &job).await?.state;
    // Not there any more where the job was settled just now and replaced none.
    let Some(stored) = intent::read(lake, &job).await? else {
        return Ok((state, false));
    };
    let mut keys: BTreeSet<LakeKey> = BTreeSet::new();
    for job in std::iter::once(&job).chain(stored.intent.replaces()) {
        if let Some(dead) = outcome::read(lake, job)
            .await?
            .filter(|outcome| outcome.state == State::Dead)
        {
            keys.extend(dead.keys());
        }
    }
    if state == State::Dead {
        // A late twin's intent may have cut its files otherwise than the outcome says.
        keys.extend(stored.intent.files.iter().map(|held| held.file.key.clone()));
    }
    delete_all(lake, keys).await?;
    // Those that are files by now are no uploads any more.
    abort_uploads(lake, stored.intent.uploads()).await?;
    // A job that was left open may have ended only now, and so may the requests of those who worked at it till then.
    let old = written < before && outcome::ended_before(lake, &job, before).await?;
    if old {
        lake.store().delete(key).await?;
    }
    Ok((state, old))
}
