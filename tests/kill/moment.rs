//! How far a lake had come when a process was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::judge::{Stored, hex, source_name};

/// How far a job had come whose intent was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// No claim was laid.
    Intended,
    /// Some claims were laid, not all.
    Claiming,
    /// All claims were laid, some files were there, not all.
    Publishing,
    /// All files were there, and no outcome.
    Published,
    /// The same, and the job that it replaces is dead.
    Replaced,
    /// The outcome was there, and the intent still.
    Ended,
}

/// Where a kill fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// No job was between intent and outcome, and some were to come.
    Before,
    /// At least one job was between intent and outcome.
    Between,
    /// All outcomes were there.
    After,
}

/// What a lake held when a process was killed.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) phase: Phase,
    pub(crate) stages: Vec<Stage>,
}

impl Moment {
    /// Of a lake that is to load these sources in these versions.
    pub(crate) fn of(lake: &Stored, wanted: &BTreeSet<(String, String)>) -> Self {
        let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
        for (_, key) in lake.named("_lakebed/claims/") {
            let claim: Value = serde_json::from_slice(&lake.objects[key]).unwrap();
            *claimed.entry(claim["job"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let state = |job: &str| {
            let outcome: Value =
                serde_json::from_slice(lake.objects.get(&format!("_lakebed/jobs/{job}.json"))?).unwrap();
            Some(outcome["state"].as_str().unwrap().to_owned())
        };
        let stage = |intent: &Value| {
            let job = intent["job"].as_str().unwrap();
            let (sources, files) = (
                intent["sources"].as_array().unwrap(),
                intent["files"].as_array().unwrap(),
            );
            let there = |file: &Value| lake.objects.contains_key(file["file"]["key"].as_str().unwrap());
            let replaced = sources[0]["was"]["job"].as_str();
            if state(job).is_some() {
                // The intent of an heir stays.
                return replaced.is_none().then_some(Stage::Ended);
            }
            Some(match claimed.get(job) {
                None => Stage::Intended,
                Some(claims) if *claims < sources.len() => Stage::Claiming,
                Some(_) if !files.iter().all(there) => Stage::Publishing,
                Some(_) if replaced.and_then(state).as_deref() == Some("dead") => Stage::Replaced,
                Some(_) => Stage::Published,
            })
        };
        let stages: Vec<Stage> = intents(lake).iter().filter_map(stage).collect();
        let done = outcomes(lake).filter(|outcome| outcome["state"] == "done");
        let loaded: BTreeSet<(String, String)> = done
            .flat_map(|outcome| outcome["sources"].as_array().unwrap().clone())
            .map(|source| (source_name(&source), source["etag"].as_str().unwrap().to_owned()))
            .collect();
        let phase = if stages.iter().any(|stage| *stage < Stage::Ended) {
            Phase::Between
        } else if !wanted.is_subset(&loaded) {
            Phase::Before
        } else {
            Phase::After
        };
        Self { phase, stages }
    }
}

fn outcomes(lake: &Stored) -> impl Iterator<Item = Value> {
    let outcomes = lake.named("_lakebed/jobs/");
    outcomes.map(|(_, key)| serde_json::from_slice(&lake.objects[key]).unwrap())
}

/// The first lines of all intents.
fn intents(lake: &Stored) -> Vec<Value> {
    let intents = lake.named("_lakebed/open/");
    let line = |bytes: &[u8]| bytes.split(|&byte| byte == b'\n').next().unwrap().to_vec();
    intents
        .map(|(_, key)| serde_json::from_slice(&line(&lake.objects[key])).unwrap())
        .collect()
}

/// What is wrong with the files a reader sees, at any moment: one that nobody announced, or that is not whole.
pub(crate) fn torn(lake: &Stored) -> Vec<String> {
    let mut listed: BTreeMap<String, String> = BTreeMap::new();
    let mut list = |file: &Value| {
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        listed.insert(text("key"), text("sha256"));
    };
    intents(lake)
        .iter()
        .flat_map(|intent| intent["files"].as_array().unwrap())
        .for_each(|file| list(&file["file"]));
    for outcome in outcomes(lake) {
        outcome["files"].as_array().unwrap().iter().for_each(&mut list);
    }
    let files = lake
        .files()
        .filter(|(key, bytes)| listed.get(*key) != Some(&hex(&Sha256::digest(bytes))));
    files
        .map(|(key, _)| format!("{key} is not what an intent or an outcome says"))
        .collect()
}

/// What changed between two moments and must not: files, and what a job came to. A done job may die for its heir.
pub(crate) fn changed(before: &Stored, after: &Stored) -> Vec<String> {
    let files = before
        .files()
        .filter(|(key, bytes)| after.objects.get(*key).is_some_and(|now| now != *bytes));
    let mut faults: Vec<_> = files.map(|(key, _)| format!("{key} has changed")).collect();
    for (_, key) in before.named("_lakebed/jobs/") {
        let state = |lake: &Stored| {
            let json: Option<Value> = lake
                .objects
                .get(key)
                .map(|bytes| serde_json::from_slice(bytes).unwrap());
            json.map(|json| json["state"].as_str().unwrap().to_owned())
        };
        let states = [state(before), state(after)];
        if !matches!(
            states.each_ref().map(Option::as_deref),
            [Some("done"), Some("done" | "dead")] | [Some("dead"), Some("dead")]
        ) {
            faults.push(format!("{key} has changed: {states:?}"));
        }
    }
    faults
}

/// The kills of many rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    phases: BTreeMap<Phase, u64>,
    stages: BTreeMap<Stage, u64>,
    /// Processes that had ended before they were to be killed.
    pub(crate) too_late: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, moment: &Moment) {
        self.kills += 1;
        *self.phases.entry(moment.phase).or_default() += 1;
        let stages: BTreeSet<Stage> = moment.stages.iter().copied().collect();
        for stage in stages {
            *self.stages.entry(stage).or_default() += 1;
        }
    }

    pub(crate) fn has_met(&self, phases: &[Phase], stages: &[Stage]) -> bool {
        phases.iter().all(|phase| self.phases.contains_key(phase))
            && stages.iter().all(|stage| self.stages.contains_key(stage))
    }
}

/// `64 kills: Before 20, Between 30, After 14; jobs met: Intended 3, ...`
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<K: fmt::Debug>(counts: &BTreeMap<K, u64>) -> String {
            let each: Vec<_> = counts.iter().map(|(what, n)| format!("{what:?} {n}")).collect();
            each.join(", ")
        }
        let (phases, stages) = (list(&self.phases), list(&self.stages));
        write!(
            f,
            "{} kills: {phases}; jobs met: {stages}; too late: {}",
            self.kills, self.too_late
        )
    }
}
