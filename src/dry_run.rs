//! What a backfill would do: what is loaded already, what is to do, and a sample of the hours and rejects to come. Writes
//! nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::runtime::Handle;

use crate::job::LakeError;
use crate::job::claim::owners;
use crate::job::lake::Lake;
use crate::load::chain;
use crate::quarantine::Code;
use crate::record::{BlockRows, Reader, RecordPlan, SourceContext, explain};
use crate::report::is_zero;
use crate::source::blocks::{Block, Blocks};
use crate::source::frame::FrameLimits;
use crate::source::inflate::{Damage, Inflate, InflateError};
use crate::source::listing::{Listing, Source};
use crate::source::raw::{RawObjects, ReadError};

/// Most objects that are sampled.
const SAMPLED_MAX: usize = 20;

/// What a backfill would do.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    version: u32,
    verb: &'static str,
    dry_run: bool,
    /// The lake.
    pub lake: String,
    /// Objects listed and selected.
    pub found: u64,
    /// Loaded before, in this version.
    pub already: u64,
    /// Of those to be loaded: loaded before in another version, whose rows are replaced.
    pub overwritten: Vec<String>,
    /// To be loaded, with their stored bytes. Objects that share a job with one of them are loaded again with it.
    pub to_do: Vec<ToDo>,
    /// What the first of them hold.
    pub sample: Sample,
}

/// An object to be loaded.
#[derive(Clone, Debug, Serialize)]
pub struct ToDo {
    /// Its name.
    pub source: String,
    /// Bytes as stored.
    pub bytes: u64,
}

/// What the first MiB of some objects holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// Objects looked into.
    pub objects: u64,
    /// Records and bad stretches in them.
    pub records: u64,
    /// Rows by table and hour.
    pub tables: BTreeMap<String, BTreeMap<String, u64>>,
    /// Rejects by code.
    pub quarantined: BTreeMap<String, u64>,
    /// Outputs of transforms beyond the first of each record.
    #[serde(skip_serializing_if = "is_zero")]
    pub added: u64,
    /// Records that transforms drop.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Objects that could not be read, and why.
    pub unreadable: BTreeMap<String, String>,
}

/// Compares a listing with the lake, and reads a sample of what is new.
pub async fn dry_run(
    lake: &Lake,
    lake_name: String,
    listing: &Listing,
    (raw, plan): (&RawObjects, &RecordPlan),
    (arrival_s, reload): (Option<i64>, bool),
) -> Result<DryRun, LakeError> {
    let mut result = DryRun {
        version: 1,
        verb: "backfill",
        dry_run: true,
        lake: lake_name,
        found: listing.sources.len() as u64,
        already: 0,
        overwritten: Vec::new(),
        to_do: Vec::new(),
        sample: Sample::default(),
    };
    let names = listing.sources.iter().map(|source| source.name.clone()).collect();
    for (source, owner) in listing.sources.iter().zip(owners(lake, names).await?) {
        match owner {
            Some(owner) if owner.version == source.version && !reload => {
                result.already += 1;
                continue;
            }
            Some(owner) if owner.version != source.version => result.overwritten.push(source.name.to_string()),
            Some(_) | None => {}
        }
        if result.to_do.len() < SAMPLED_MAX {
            let block = first_block(raw.clone(), source.clone(), plan.limits()).await;
            result.sample.add(plan, source, arrival_s, block);
        }
        result.to_do.push(ToDo {
            source: source.name.to_string(),
            bytes: source.version.size,
        });
    }
    Ok(result)
}

/// The first MiB of an object, cut behind its last whole record, and what is wrong with it so far.
type FirstBlock = (Option<Block>, Option<Damage>);

async fn first_block(raw: RawObjects, source: Source, limits: FrameLimits) -> Result<FirstBlock, ReadError> {
    let runtime = Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = raw.read(&runtime, std::slice::from_ref(&source), 0);
        let opened = reader.open(&source)?;
        let stream = match Inflate::with_hint(opened.stored, &opened.hint) {
            Ok(stream) => stream,
            Err(InflateError::Damaged(damage)) => return Ok((None, Some(damage))),
            Err(InflateError::Source(error)) => return Err(error.into()),
        };
        let mut blocks = Blocks::new(stream, limits).sampled();
        let block = blocks.next(Vec::new()).map_err(|error| match error {
            InflateError::Source(error) => error.into(),
            damaged @ InflateError::Damaged(_) => ReadError::Io(std::io::Error::other(damaged)),
        })?;
        Ok((block, blocks.ended().damage))
    });
    reading.await.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(cancelled) => unreachable!("reading is not cancelled: {cancelled}"),
    })
}

impl Sample {
    fn add(
        &mut self,
        plan: &RecordPlan,
        source: &Source,
        arrival_s: Option<i64>,
        block: Result<FirstBlock, ReadError>,
    ) {
        self.objects += 1;
        let (block, damage) = match block {
            Ok(found) => found,
            Err(error) => {
                self.unreadable.insert(source.name.to_string(), chain(&error));
                return;
            }
        };
        if let Some(damage) = damage {
            self.reject(Code::from(damage.kind).as_str());
        }
        let (bytes, damaged) = match block {
            Some(Block::Bytes { bytes, damaged, .. }) => (bytes, damaged),
            None => return,
            Some(Block::Oversized { code, .. }) => return self.reject(explain(code, plan).0.as_str()),
            Some(Block::NotJson { .. }) => return self.reject("Object.NotJson"),
        };
        let arrival_s = arrival_s.unwrap_or(source.version.last_modified_s);
        let context = SourceContext::new(plan, &source.name.key, arrival_s);
        let mut rows = BlockRows::new(plan);
        Reader::default().read(plan, &context, &bytes, &mut rows);
        if damaged {
            rows.take_broken_off(&bytes);
        }
        self.records += rows.read;
        self.added += rows.added;
        self.dropped += rows.dropped;
        for rejected in &rows.rejected {
            *self.quarantined.entry(rejected.code.as_str().to_owned()).or_default() += 1;
        }
        for (table, rows) in plan.tables().iter().zip(&rows.tables) {
            for hour in &rows.hours {
                *self
                    .tables
                    .entry(table.name.clone())
                    .or_default()
                    .entry(hour.to_string())
                    .or_default() += 1;
            }
        }
    }

    fn reject(&mut self, code: &str) {
        self.records += 1;
        *self.quarantined.entry(code.to_owned()).or_default() += 1;
    }
}
