//! What loads, put together once for a process: settings, tables, lake and raw objects.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::job::LakeError;
use crate::job::lake::Lake;
use crate::load::{Loader, plan, shape};
use crate::pipeline::{Progress, Stager};
use crate::place::Place;
use crate::record::RecordPlan;
use crate::s3::S3;
use crate::settings::Settings;
use crate::source::raw::RawObjects;
use crate::source::s3::S3Objects;
use crate::store::{FolderStore, S3Store, Store, StoreError};
use crate::table::Tables;

/// Memory that the process takes besides rows, pages and files.
const BASE_BYTES: u64 = 64 << 20;
/// Beside another, a job with less than this spills more than it works.
const JOB_BYTES_MIN: u64 = 40 << 20;
/// What the only job has at least.
const ONLY_JOB_BYTES_MIN: u64 = 32 << 20;

/// Loads into one lake.
pub struct Engine {
    /// The lake.
    pub lake: Lake,
    /// Where raw objects are read from.
    pub raw: RawObjects,
    /// What loads them.
    pub loader: Arc<Loader>,
    /// Jobs at once.
    pub jobs_max: usize,
}

/// What an engine is built from.
pub struct EngineConfig<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The tables.
    pub tables: &'a Tables,
    /// Where the lake is.
    pub lake: &'a Place,
    /// How S3 is reached, where it is needed.
    pub s3: Option<S3>,
    /// The time that stands for every source's Last-Modified, if one was given.
    pub arrival_s: Option<i64>,
    /// Whether raw objects hold error records, of Firehose or from a quarantine, whose records are to be read.
    pub unwraps: bool,
    /// Whether the lake may be written to; otherwise it is only looked at.
    pub writes: bool,
    /// Where what is done is counted.
    pub progress: Arc<Progress>,
}

/// The lake cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is no lake of ours, or not of these tables.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

impl EngineError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Lake(error) => error.is_transient(),
        }
    }
}

/// The store of the lake at this place. Sends no request, and makes nothing.
pub fn open_store(lake: &Place, s3: Option<&S3>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match (lake, s3) {
        (Place::Local(path), _) => Arc::new(FolderStore::open(path)?),
        (Place::S3(location), Some(s3)) => Arc::new(S3Store::new(s3.clone(), location)),
        (Place::S3(location), None) => {
            return Err(StoreError::new(
                "open",
                location,
                false,
                "S3 is not set up in this process",
            ));
        }
    })
}

impl Engine {
    /// Opens the lake, and makes it where there is none yet.
    pub async fn open(config: EngineConfig<'_>) -> Result<Self, EngineError> {
        let EngineConfig {
            settings,
            tables,
            lake,
            s3,
            arrival_s,
            unwraps,
            writes,
            progress,
        } = config;
        let store = open_store(lake, s3.as_ref())?;
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let lake = match writes {
            true => Lake::open(store, &names).await?,
            false => Lake::inspect(store, &names).await?,
        };
        let raw = RawObjects::new(s3.map(|s3| Arc::new(S3Objects::new(s3))));
        let room = settings.memory.saturating_sub(BASE_BYTES).max(ONLY_JOB_BYTES_MIN);
        let jobs_max = settings
            .jobs
            .unwrap_or_else(|| rayon::current_num_threads().min((room / JOB_BYTES_MIN).max(1) as usize));
        let records = RecordPlan::new(tables.clone(), settings.limits);
        let stager = Stager::new(
            if unwraps { records.unwrapping() } else { records },
            Arc::new(tables.clone()),
            lake.clone(),
            raw.clone(),
            Handle::current(),
            (room / jobs_max as u64) as usize,
            settings.spill_dir.clone(),
            arrival_s,
            Arc::clone(&progress),
        );
        let [plan, sibling] = [unwraps, !unwraps].map(|unwraps| plan(tables, settings, arrival_s, unwraps));
        let loader = Loader::new(lake.clone(), raw.clone(), plan, stager, progress).with_sibling(&sibling);
        Ok(Self {
            lake,
            raw,
            loader: Arc::new(loader),
            jobs_max,
        })
    }

    /// Checks every table against what the lake has of it, without writing.
    pub async fn check_tables(&self, tables: &Tables) -> Result<(), LakeError> {
        for table in tables.iter() {
            self.lake.check_table(&shape(table)).await?;
        }
        Ok(())
    }
}
