//! The raw side: every object that is there and selected.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::report::Report;
use super::{Entry, Options, Progress, ReconcileError, count_found, names};
use crate::job::identity::SourceName;
use crate::job::lake::settled_path;
use crate::place::Place;
use crate::s3::S3Location;
use crate::sort::Sorter;
use crate::source::listing::Listing;
use crate::source::local::{self, ListError};
use crate::source::s3::S3Objects;
use crate::store::StoreError;

/// Parts of a listing of files that wait to be taken.
const PARTS_MAX: usize = 4;

/// Which sources of done jobs may be among the raw objects.
pub(super) struct Wanted {
    locations: Vec<S3Location>,
    has_files: bool,
}

impl Wanted {
    pub(super) fn of(raw: &[Place]) -> Self {
        Self {
            locations: raw.iter().filter_map(|place| place.s3().cloned()).collect(),
            has_files: raw.iter().any(|place| place.s3().is_none()),
        }
    }

    pub(super) fn has(&self, name: &SourceName) -> bool {
        match &name.bucket {
            Some(bucket) => self.locations.iter().any(|place| place.contains(bucket, &name.key)),
            // A link leads anywhere.
            None => self.has_files,
        }
    }
}

/// Adds all that is there.
pub(super) async fn list(
    options: &Options,
    s3: Option<Arc<S3Objects>>,
    seen: &mut Sorter<Entry>,
    report: &mut Report,
    progress: &Progress,
) -> Result<(), ReconcileError> {
    let lake = match &options.lake {
        Place::Local(path) => Some(settled_path(path)),
        Place::S3(_) => None,
    };
    for place in &options.raw {
        let mut is_empty = true;
        let mut add = |part: Listing| {
            is_empty &= part.is_empty();
            report.sources.hidden += part.hidden;
            report.sources.unselected += part.unselected;
            count_found(progress, part.sources.len());
            for source in part.sources {
                // A link among the raw objects may lead there as well.
                let path = lake
                    .as_ref()
                    .and_then(|lake| source.name.path().filter(|path| path.starts_with(lake)));
                if let Some(path) = path {
                    return Err(ReconcileError::Overlap {
                        lake: options.lake.clone(),
                        raw: format!("{}, which a link leads to,", path.display()),
                    });
                }
                seen.push(&names::key(&source.name), &Entry::Raw(source.version))
                    .map_err(ReconcileError::Spill)?;
            }
            Ok(())
        };
        match place {
            Place::Local(path) => {
                let mut parts = walk(path.clone(), options);
                while let Some(part) = parts.recv().await {
                    add(part?)?;
                }
            }
            Place::S3(location) => {
                let s3 = s3.as_ref().ok_or_else(|| {
                    let why = "S3 is not set up in this process";
                    StoreError::new("list", location, false, why)
                })?;
                s3.list_parts(location, &options.selection, &mut add).await?;
                // A folder that is not there is refused, and so is what stands for one.
                if is_empty && !location.prefix().is_empty() {
                    return Err(ReconcileError::Nothing(place.clone()));
                }
            }
        }
    }
    Ok(())
}

/// Walks where it may block. It ends when nobody takes the parts any more.
fn walk(path: PathBuf, options: &Options) -> mpsc::Receiver<Result<Listing, ListError>> {
    let (parts, receiver) = mpsc::channel(PARTS_MAX);
    let selection = options.selection.clone();
    tokio::task::spawn_blocking(move || {
        let mut each = |part| parts.blocking_send(Ok(part)).is_ok();
        if let Err(error) = local::list_parts(&[path], &selection, &mut each) {
            // Where nobody listens, nobody needs to know.
            drop(parts.blocking_send(Err(error)));
        }
    });
    receiver
}
