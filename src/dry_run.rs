//! What a backfill would do: what is loaded already, what is to do, and a sample of the hours and rejects to come. Writes
//! nothing.

use std::collections::BTreeMap;
use std::fs::File;

use serde::Serialize;

use crate::job::LakeError;
use crate::job::claim::owner;
use crate::job::lake::Lake;
use crate::quarantine::Code;
use crate::record::{BlockRows, Reader, RecordPlan, SourceContext, explain};
use crate::source::blocks::{Block, Blocks};
use crate::source::inflate::{Inflate, InflateError};
use crate::source::local::{Listing, LocalSource};

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
    /// Loaded before in another version: not touched.
    pub overwritten: Vec<String>,
    /// To be loaded, with their stored bytes.
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
    /// Objects that could not be read, and why.
    pub unreadable: BTreeMap<String, String>,
}

/// Compares a listing with the lake, and reads a sample of what is new.
pub async fn dry_run(
    lake: &Lake,
    lake_name: String,
    listing: &Listing,
    plan: &RecordPlan,
    arrival_s: Option<i64>,
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
    for source in &listing.sources {
        match owner(lake, &source.name).await? {
            Some(owner) if owner.version == source.version => result.already += 1,
            Some(_) => result.overwritten.push(source.name.to_string()),
            None => {
                if result.to_do.len() < SAMPLED_MAX {
                    result.sample.add(plan, source, arrival_s);
                }
                result.to_do.push(ToDo {
                    source: source.name.to_string(),
                    bytes: source.version.size,
                });
            }
        }
    }
    Ok(result)
}

impl Sample {
    fn add(&mut self, plan: &RecordPlan, source: &LocalSource, arrival_s: Option<i64>) {
        self.objects += 1;
        let block = File::open(&source.path)
            .map_err(|error| error.to_string())
            .and_then(|file| {
                let stream = match Inflate::new(file) {
                    Ok(stream) => stream,
                    Err(InflateError::Damaged(damage)) => return Ok((None, Some(damage))),
                    Err(InflateError::Source(error)) => return Err(error.to_string()),
                };
                let mut blocks = Blocks::new(stream, plan.limits()).sampled();
                let block = blocks.next(Vec::new()).map_err(|error| error.to_string())?;
                Ok((block, blocks.ended().damage))
            });
        let (block, damage) = match block {
            Ok(found) => found,
            Err(error) => {
                self.unreadable.insert(source.name.to_string(), error);
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
