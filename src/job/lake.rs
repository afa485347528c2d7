//! A lake: its store, its mark, and what it keeps of its tables.
//!
//! ```text
//! _lakebed/lake.json             version of the layout; made by the first writer
//! _lakebed/tables/<table>.json   layout and columns last published, see `shape`
//! ```

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::identity::JobId;
use super::outcome::State;
use super::shape::{Recorded, TableShape};
use super::{Busy, LakeError, RECORD_VERSION};
use crate::store::{Body, LakeKey, Put, Replace, Store, Tag};

/// Jobs remembered; beyond it they are read again.
const REMEMBERED_MAX: usize = 10_000;
/// Memory for bytes of other workers' intents, in MiB, whatever number of jobs is settled at once.
const MEMORY_MIB: u32 = 32;
/// Attempts to record a table that others record at the same time.
const RECORD_ATTEMPTS_MAX: u32 = 20;

/// A lake that this release may work in. Cloning gives another handle of the same lake.
#[derive(Clone, Debug)]
pub struct Lake {
    store: Arc<dyn Store>,
    ended: Arc<Mutex<HashMap<JobId, State>>>,
    tables: Arc<Mutex<TablesSeen>>,
    memory: Arc<Semaphore>,
    /// Jobs that were found without an outcome.
    settled: Arc<AtomicU64>,
    /// Whoever holds it reads an outcome only to remember how its job has ended.
    alone: Arc<Semaphore>,
}

/// What this process knows of tables without asking again.
#[derive(Debug, Default)]
struct TablesSeen {
    /// Recorded as they are here.
    same: HashSet<TableShape>,
    /// Not recorded when they were looked for.
    absent: HashSet<String>,
}

/// The mark of a lake.
#[derive(Serialize, Deserialize)]
struct Mark {
    version: u32,
    format: String,
}

/// How a table stands to what was published of it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Nothing was published yet.
    New,
    /// The same layout and columns.
    Same,
    /// Columns were added, removed, moved or widened: one sentence each.
    Evolved(Vec<String>),
}

impl Lake {
    /// Opens a lake for these tables, and makes it one if it is not there.
    ///
    /// Refused: a lake of a newer release, and a folder of one of the tables that has files without the lake's mark.
    pub async fn open(store: Arc<dyn Store>, tables: &[&str]) -> Result<Self, LakeError> {
        let (lake, is_one) = Self::look_at(store, tables).await?;
        let mark = Mark {
            version: RECORD_VERSION,
            format: "lakebed".to_owned(),
        };
        let key = mark_key();
        if !is_one && !lake.create(&key, lake.to_json(&mark).into()).await? {
            lake.read_json::<Mark>(&key).await?;
        }
        Ok(lake)
    }

    /// The same checks without writing anything. What is not there yet reads as empty.
    pub async fn inspect(store: Arc<dyn Store>, tables: &[&str]) -> Result<Self, LakeError> {
        Ok(Self::look_at(store, tables).await?.0)
    }

    /// Whether it has the mark is told too.
    async fn look_at(store: Arc<dyn Store>, tables: &[&str]) -> Result<(Self, bool), LakeError> {
        let lake = Self::at(store);
        if lake.read_json::<Mark>(&mark_key()).await?.is_some() {
            return Ok((lake, true));
        }
        for &table in tables {
            let folder = table_folder(table)?;
            if lake.store.list(&folder, None).await?.objects.is_empty() {
                continue;
            }
            // Again: another process may have made the lake and published, all since the first look.
            return match lake.read_json::<Mark>(&mark_key()).await? {
                Some(_) => Ok((lake, true)),
                None => Err(LakeError::NotALake {
                    table: table.to_owned(),
                }),
            };
        }
        Ok((lake, false))
    }

    /// A lake that is there, or nothing. Writes nothing.
    pub async fn existing(store: Arc<dyn Store>) -> Result<Option<Self>, LakeError> {
        let lake = Self::at(store);
        Ok(lake.read_json::<Mark>(&mark_key()).await?.map(|_| lake))
    }

    fn at(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            ended: Arc::default(),
            tables: Arc::default(),
            memory: Arc::new(Semaphore::new(MEMORY_MIB as usize)),
            settled: Arc::default(),
            alone: Arc::new(Semaphore::new(1)),
        }
    }

    /// Where the lake is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Checks a table against what was published of it, without writing.
    ///
    /// Fails with [`LakeError::Table`] when files there already could not be read together with new ones.
    pub async fn check_table(&self, shape: &TableShape) -> Result<Admitted, LakeError> {
        let recorded = self.read_json::<Recorded>(&table_key(shape)?).await?;
        let (admitted, _) = admit(recorded.as_ref().map(|(recorded, _)| recorded), shape)?;
        match admitted {
            Admitted::New => drop(self.tables().absent.insert(shape.name.clone())),
            Admitted::Same => drop(self.tables().same.insert(shape.clone())),
            Admitted::Evolved(_) => {}
        }
        Ok(admitted)
    }

    /// The same, and records the table as it is now. Called before a job that has rows of it is published; asks the store
    /// once a process.
    pub async fn admit_table(&self, shape: &TableShape) -> Result<Admitted, LakeError> {
        if self.tables().same.contains(shape) {
            return Ok(Admitted::Same);
        }
        let admitted = self.record_table(shape).await?;
        self.tables().same.insert(shape.clone());
        Ok(admitted)
    }

    fn tables(&self) -> MutexGuard<'_, TablesSeen> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn record_table(&self, shape: &TableShape) -> Result<Admitted, LakeError> {
        let key = table_key(shape)?;
        for _ in 0..RECORD_ATTEMPTS_MAX {
            // Where another has recorded it since, the write says so.
            let absent = self.tables().absent.remove(&shape.name);
            let recorded = match absent {
                true => None,
                false => self.read_json::<Recorded>(&key).await?,
            };
            let (admitted, next) = admit(recorded.as_ref().map(|(recorded, _)| recorded), shape)?;
            if admitted == Admitted::Same {
                return Ok(admitted);
            }
            let bytes = self.to_json(&next);
            let written = match recorded {
                None => self.create(&key, bytes.into()).await?,
                Some((_, tag)) => self.store.put_if_match(&key, bytes, &tag).await? == Replace::Written,
            };
            // Else somebody records the table at the same moment, perhaps exactly this: judged anew.
            if written {
                return Ok(admitted);
            }
        }
        Err(LakeError::Contended {
            rounds: RECORD_ATTEMPTS_MAX,
        })
    }

    /// How many jobs were begun to be settled here from their intents.
    pub(super) fn settled(&self) -> u64 {
        self.settled.load(Ordering::SeqCst)
    }

    pub(super) fn count_settled(&self) {
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until nobody else reads an outcome to remember it.
    pub(super) async fn alone(&self) -> OwnedSemaphorePermit {
        let alone = Arc::clone(&self.alone);
        alone.acquire_owned().await.expect("the semaphore is never closed")
    }

    pub(super) fn remembered(&self, job: &JobId) -> Option<State> {
        self.ended().get(job).copied()
    }

    pub(crate) fn remember(&self, job: &JobId, state: State) {
        let mut ended = self.ended();
        if ended.len() >= REMEMBERED_MAX {
            ended.clear();
        }
        ended.insert(job.clone(), state);
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<JobId, State>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this many bytes may be held in memory.
    pub(super) async fn memory_for(&self, bytes: u64) -> OwnedSemaphorePermit {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).map_or(MEMORY_MIB, |mib| mib.min(MEMORY_MIB));
        Arc::clone(&self.memory)
            .acquire_many_owned(mib)
            .await
            .expect("the semaphore is never closed")
    }

    /// A record of the lake and its tag, or nothing.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, key: &LakeKey) -> Result<Option<(T, Tag)>, LakeError> {
        let Some((bytes, tag)) = self.store.get(key).await? else {
            return Ok(None);
        };
        Ok(Some((self.parse_json(key, &bytes)?, tag)))
    }

    /// Writes a new object, whoever else has requests for it under way. False: something is there, perhaps this very body.
    pub(super) async fn create(&self, key: &LakeKey, body: Body) -> Result<bool, LakeError> {
        let mut busy = Busy::default();
        loop {
            match self.store.put_if_absent(key, body.clone()).await? {
                Put::Written => return Ok(true),
                Put::Exists => return Ok(false),
                Put::Busy => busy.wait(key).await?,
            }
        }
    }

    /// Reads a record, its version first: a newer one may have any form.
    pub(super) fn parse_json<T: DeserializeOwned>(&self, key: &LakeKey, bytes: &[u8]) -> Result<T, LakeError> {
        #[derive(Deserialize)]
        struct Versioned {
            // Claims have a `version` of another kind, that of the source.
            version: serde_json::Value,
        }
        let malformed = |source| LakeError::Malformed {
            key: key.clone(),
            source,
        };
        let versioned: Versioned = serde_json::from_slice(bytes).map_err(malformed)?;
        let found = versioned
            .version
            .as_u64()
            .map_or(0, |found| u32::try_from(found).unwrap_or(u32::MAX));
        if found > RECORD_VERSION {
            return Err(LakeError::Newer {
                key: key.clone(),
                found,
                known: RECORD_VERSION,
            });
        }
        serde_json::from_slice(bytes).map_err(malformed)
    }

    /// A record as it is written.
    pub(super) fn to_json(&self, record: &impl Serialize) -> Bytes {
        serde_json::to_vec(record)
            .expect("records have text keys and no failing part")
            .into()
    }
}

fn admit(recorded: Option<&Recorded>, shape: &TableShape) -> Result<(Admitted, Recorded), LakeError> {
    let Some(recorded) = recorded else {
        return Ok((Admitted::New, Recorded::first(shape)));
    };
    let (next, changes) = recorded.evolved(shape).map_err(|why| LakeError::Table {
        table: shape.name.clone(),
        why,
    })?;
    let admitted = if next == *recorded {
        Admitted::Same
    } else {
        Admitted::Evolved(changes)
    };
    Ok((admitted, next))
}

fn mark_key() -> LakeKey {
    LakeKey::new("_lakebed/lake.json").expect("a key")
}

fn table_key(shape: &TableShape) -> Result<LakeKey, LakeError> {
    table_folder(&shape.name)?;
    Ok(LakeKey::new(format!("_lakebed/tables/{}.json", shape.name)).expect("a component and an ending"))
}

fn table_folder(table: &str) -> Result<LakeKey, LakeError> {
    let refused = |why: &str| LakeError::Table {
        table: table.to_owned(),
        why: why.to_owned(),
    };
    if table.contains('/') || table.starts_with('_') {
        return Err(refused("a table's name has no `/` and does not begin with `_`"));
    }
    LakeKey::new(table).map_err(|error| refused(&error.to_string()))
}

/// Whether a path is, or lies in, the other: a lake and the raw objects never overlap, either way round.
///
/// Both are [settled](settled_path) first.
pub fn overlaps(lake: &Path, raw: &Path) -> bool {
    let (lake, raw) = (settled_path(lake), settled_path(raw));
    lake.starts_with(&raw) || raw.starts_with(&lake)
}

/// An absolute path with links followed as far as it exists; what does not exist yet stays as it is written.
pub fn settled_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut settled = PathBuf::new();
    for component in absolute.components() {
        if component.as_os_str() == OsStr::new("..") {
            settled.pop();
            continue;
        }
        settled.push(component);
        // Link by link, so that `..` behind a link leaves the folder it points to.
        if let Ok(real) = settled.canonicalize() {
            settled = real;
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_overlaps_raw_objects_either_way_round() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir_all(root.join("raw/2019")).unwrap();
        std::fs::create_dir_all(root.join("data/lake")).unwrap();
        std::os::unix::fs::symlink(root.join("raw"), root.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("data/lake"), root.join("jump")).unwrap();
        for (lake, raw, expected) in [
            ("lake", "raw", false),
            ("raw", "raw", true),
            ("raw/lake", "raw", true),
            ("raw", "raw/2019", true),
            ("raw2", "raw", false),
            ("raw", "raw2", false),
            ("raw/./2019/../new", "raw", true),
            ("link/lake", "raw", true),
            ("raw/2019", "link", true),
            ("link/../lake", "raw", false),
            ("jump/../new", "data", true),
            ("jump/../new", "new", false),
            ("new", "jump/..", false),
            ("", "raw", true),
        ] {
            assert_eq!(overlaps(&root.join(lake), &root.join(raw)), expected, "{lake} {raw}");
        }
    }
}
