//! What was begun and has no name yet: open uploads, and what killed processes left of single objects.
//!
//! ```text
//! .<name>.<16 hex digits>.upload    an upload of <name>
//! .<name>.<pid>.<n>.tmp             an object that was being written; its id is <pid>.<n>
//! ```
//!
//! Nothing else that is hidden is ever looked at.

use std::fs;
use std::io;
use std::path::Path;

use super::is_absent;
use super::upload::{TEMPORARY, UPLOAD, is_temporary_id, is_upload_id};
use crate::store::{LakeKey, OpenUpload, UploadId, UploadPage, UploadsAfter};

const PAGE_UPLOADS: usize = 1000;

/// The page of what is open below `root` after `after`, by key and then by id.
pub(super) fn page(root: &Path, after: Option<&UploadsAfter>) -> io::Result<UploadPage> {
    let mut uploads = Vec::new();
    let after = after.map_or(("", ""), |after| (after.key.as_str(), after.id.as_str()));
    // One more than a page tells whether there are more.
    walk(root, "", after, &mut uploads)?;
    let more = uploads.len() > PAGE_UPLOADS;
    uploads.truncate(PAGE_UPLOADS);
    let next = uploads.last().filter(|_| more).map(|last: &OpenUpload| UploadsAfter {
        key: last.key.to_string(),
        id: last.id.as_str().to_owned(),
    });
    Ok(UploadPage { uploads, next })
}

fn walk(path: &Path, prefix: &str, after: (&str, &str), found: &mut Vec<OpenUpload>) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if is_absent(&error) => return Ok(()),
        entries => entries?,
    };
    // Whole keys, those of folders with their slash; and the id of what is open.
    let mut names: Vec<(String, Option<String>)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some((of, id)) = unfinished(name) {
            let key = format!("{prefix}{of}");
            if (key.as_str(), id) > after {
                names.push((key, Some(id.to_owned())));
            }
        } else if !name.starts_with('.') && entry.file_type()?.is_dir() {
            let below = format!("{prefix}{name}/");
            if below.as_str() > after.0 || after.0.starts_with(&below) {
                names.push((below, None));
            }
        }
    }
    names.sort_unstable();
    for (key, id) in names {
        if found.len() > PAGE_UPLOADS {
            return Ok(());
        }
        let Some(id) = id else {
            let name = key[prefix.len()..].trim_end_matches('/');
            walk(&path.join(name), &key, after, found)?;
            continue;
        };
        let ending = if is_upload_id(&id) { UPLOAD } else { TEMPORARY };
        let file = path.join(format!(".{}.{id}{ending}", &key[prefix.len()..]));
        let Ok(key) = LakeKey::new(key) else { continue };
        match fs::symlink_metadata(&file) {
            Err(error) if is_absent(&error) => {} // completed meanwhile
            about => {
                let about = about?;
                if about.is_file() {
                    found.push(OpenUpload {
                        key,
                        id: UploadId::new(id),
                        last_modified: about.modified()?,
                    });
                }
            }
        }
    }
    Ok(())
}

/// The name of the object that a hidden file was to become, and its id.
fn unfinished(name: &str) -> Option<(&str, &str)> {
    let hidden = name.strip_prefix('.')?;
    let (of, id) = match (hidden.strip_suffix(UPLOAD), hidden.strip_suffix(TEMPORARY)) {
        (Some(upload), _) => upload.rsplit_once('.').filter(|(_, id)| is_upload_id(id))?,
        (None, Some(temporary)) => {
            let (before, _) = temporary.rsplit_once('.')?;
            let (of, _) = before.rsplit_once('.')?;
            Some((of, &temporary[of.len() + 1..])).filter(|(_, id)| is_temporary_id(id))?
        }
        (None, None) => return None,
    };
    (!of.is_empty()).then_some((of, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_of_others_are_none_of_ours() {
        for (name, expected) in [
            (
                ".a-0000.parquet.0123456789abcdef.upload",
                Some(("a-0000.parquet", "0123456789abcdef")),
            ),
            (".x.json.4711.0.tmp", Some(("x.json", "4711.0"))),
            (".a.b.c.1.2.tmp", Some(("a.b.c", "1.2"))),
            ("a-0000.parquet.0123456789abcdef.upload", None),
            (".a.0123456789abcdeg.upload", None),
            (".a.0123456789abcde.upload", None),
            (".0123456789abcdef.upload", None),
            ("..0123456789abcdef.upload", None),
            (".x.json.4711.tmp", None),
            (".x.json.4711.x.tmp", None),
            (".1.2.tmp", None),
            (".x.1..tmp", None),
            (".x.tmp", None),
            (".git", None),
            (".", None),
        ] {
            assert_eq!(unfinished(name), expected, "{name}");
        }
    }
}
