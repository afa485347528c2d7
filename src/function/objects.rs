//! The objects that a call names: found, chosen, loaded, and told what became of each.
//!
//! ```text
//! names ──first GET──> versions ──wish: which?──> jobs ──run──> fates
//!          └ not there: under its other name     └ too large for the time, a folder, left out, dry run
//! ```

use std::collections::HashMap;

use tracing::warn;

use super::{HandleError, Works};
use crate::door::{Allowed, Call, Failure, Fate, Fates, Wanted, Wish};
use crate::engine::Engine;
use crate::function::deadline::Deadline;
use crate::job::LakeError;
use crate::job::claim::{Owner, owners};
use crate::job::identity::SourceName;
use crate::load::{Became, RunOptions};
use crate::report::Summary;
use crate::source::listing::{Selection, Source, pack};

/// The code of an object that is not there.
const MISSING: &str = "Source.Missing";
/// That of one that there is never time enough for.
pub(super) const TOO_LARGE: &str = "Source.TooLarge";

/// How the objects of a call are loaded.
pub(super) struct Objects<'a> {
    pub(super) call: &'a Call,
    pub(super) allowed: &'a Allowed,
    pub(super) deadline: &'a Deadline,
    pub(super) memory_mib: Option<u64>,
    pub(super) job_bytes: u64,
}

/// Who wants each object. One may be wanted under two names.
type WantedBy = HashMap<SourceName, Vec<Wanted>>;

impl Objects<'_> {
    /// Loads what is wanted, and says what became of each as soon as it is known. What nothing is said of was not come to.
    pub(super) async fn load(
        &self,
        works: &Works,
        engine: &Engine,
        wanted: Vec<Wanted>,
        summary: &mut Summary,
        fates: &mut Fates,
    ) -> Result<(), HandleError> {
        let mut by: WantedBy = HashMap::new();
        for wanted in wanted {
            by.entry(name_of(&wanted)).or_default().push(wanted);
        }
        let mut sources = self.find(engine, &mut by, fates).await;
        let mut tell = |name: &SourceName, fate: &Fate| {
            let wanted = by.get(name).into_iter().flatten();
            fates.extend(wanted.map(|wanted| (wanted.clone(), fate.clone())));
        };
        let selection = selection(self.call.wish(), engine).await;
        let selection = selection.map_err(|error| works.lake_error(error.into()))?;
        let large: Vec<Source> = sources
            .extract_if(.., |source| self.refused(source).is_some())
            .collect();
        sources.retain(|source| {
            let fate = fate_before(source, &selection);
            fate.iter().for_each(|fate| tell(&source.name, fate));
            fate.is_none()
        });
        for (source, is_loaded) in are_loaded(engine, large)
            .await
            .map_err(|error| works.lake_error(error.into()))?
        {
            let fate =
                fate_before(&source, &selection).unwrap_or_else(|| match is_loaded && !self.call.wish().reload {
                    true => Fate::Already,
                    false => Fate::Failed(Failure::new(
                        TOO_LARGE,
                        self.refused(&source).unwrap_or_default(),
                        false,
                    )),
                });
            tell(&source.name, &fate);
        }
        if self.call.wish().dry_run {
            let told = foresee(engine, self.call.wish(), sources).await;
            let told = told.map_err(|error| works.lake_error(error.into()))?;
            told.iter().for_each(|(name, fate)| tell(name, fate));
            return Ok(());
        }
        let options = RunOptions {
            jobs_max: engine.jobs_max,
            reload: self.call.wish().reload,
        };
        let jobs = pack(sources, self.job_bytes);
        let mut became = |name: &SourceName, became: Became| tell(name, &became.into());
        engine.loader.run(jobs, options, summary, &mut became).await;
        if let Some(s3) = engine.raw.s3() {
            s3.forget();
        }
        Ok(())
    }

    /// What is there, under one name or the other. What is not has its fate.
    async fn find(&self, engine: &Engine, by: &mut WantedBy, fates: &mut Fates) -> Vec<Source> {
        let (mut sources, failed) = engine.loader.find(by.keys().cloned().collect()).await;
        let mut others = Vec::new();
        for (name, failed) in failed {
            for wanted in by.remove(&name).unwrap_or_default() {
                let other = self.call.otherwise(&wanted).filter(|_| failed.code == MISSING);
                match other.filter(|other| self.allowed.admit(other).is_ok()) {
                    Some(other) => others.push((wanted, name_of(other), failed.clone())),
                    None => drop(fates.insert(wanted, Became::Failed(failed.clone()).into())),
                }
            }
        }
        let names = others.iter().map(|(_, other, _)| other.clone());
        let names: Vec<_> = names.filter(|other| !by.contains_key(other)).collect();
        if !names.is_empty() {
            sources.extend(engine.loader.find(names).await.0);
            sources.sort_by(|a, b| a.name.cmp(&b.name));
            sources.dedup_by(|a, b| a.name == b.name);
        }
        for (wanted, other, failed) in others {
            match sources.iter().any(|source| source.name == other) {
                true => {
                    warn!(object = %wanted, "found as {other}: the sender encodes keys otherwise than is known of it");
                    by.entry(other).or_default().push(wanted);
                }
                false => drop(fates.insert(wanted, Became::Failed(failed).into())),
            }
        }
        sources
    }

    fn refused(&self, source: &Source) -> Option<String> {
        self.deadline.refuses(source.version.size, self.memory_mib)
    }
}

/// What becomes of an object that is not meant.
fn fate_before(source: &Source, selection: &Selection) -> Option<Fate> {
    if source.is_folder() {
        let why = "it is the empty object that stands for a folder".to_owned();
        return Some(Fate::Skipped { why });
    }
    let why = "since, until or glob leave it out".to_owned();
    (!selection.takes(&source.name.key, &source.version)).then_some(Fate::LeftOut { why })
}

/// Whether each is loaded in the version that it has.
pub(super) async fn are_loaded(engine: &Engine, sources: Vec<Source>) -> Result<Vec<(Source, bool)>, LakeError> {
    let names = sources.iter().map(|source| source.name.clone()).collect();
    let owners = owners(&engine.lake, names).await?.into_iter();
    let is_loaded = |(source, owner): (Source, Option<Owner>)| {
        let is_loaded = owner.is_some_and(|owner| owner.version == source.version);
        (source, is_loaded)
    };
    Ok(sources.into_iter().zip(owners).map(is_loaded).collect())
}

/// Which objects are meant, with moments that are told from now.
pub(super) async fn selection(wish: &Wish, engine: &Engine) -> Result<Selection, crate::store::StoreError> {
    let now = match wish.needs_now() {
        true => engine.lake.store().now().await?,
        false => std::time::UNIX_EPOCH,
    };
    let [since, until] = [wish.since, wish.until].map(|when| when.map(|when| when.seconds(now)));
    Ok(Selection::new(since, until, wish.glob.as_deref()).expect("it was tried when the call was read"))
}

/// What would become of each.
async fn foresee(engine: &Engine, wish: &Wish, sources: Vec<Source>) -> Result<Vec<(SourceName, Fate)>, LakeError> {
    let names = sources.iter().map(|source| source.name.clone()).collect();
    let owners = owners(&engine.lake, names).await?;
    let fate = |(source, owner): (Source, Option<Owner>)| {
        let why = match owner {
            Some(owner) if owner.version == source.version && !wish.reload => return (source.name, Fate::Already),
            Some(_) => "dry run: it would be loaded in place of the rows that are there",
            None => "dry run: it would be loaded",
        };
        (source.name, Fate::LeftOut { why: why.to_owned() })
    };
    Ok(sources.into_iter().zip(owners).map(fate).collect())
}

fn name_of(wanted: &Wanted) -> SourceName {
    SourceName::in_bucket(&wanted.bucket, &wanted.key)
}

impl From<Became> for Fate {
    fn from(became: Became) -> Self {
        match became {
            Became::Loaded(counts) => Self::Loaded(counts),
            Became::Already => Self::Already,
            Became::Failed(failed) => Self::Failed(Failure::new(failed.code, failed.message, failed.transient)),
        }
    }
}
