//! Listing a folder in the order S3 lists: by the bytes of whole keys, not folder by folder.

use std::fs;
use std::io;
use std::path::Path;

use super::is_absent;
use crate::store::{LakeKey, Listed, Page, STRANGE_MAX};

const PAGE_OBJECTS: usize = 1000;

/// The page of keys below `folder`, which is at `path`, after `start_after`.
pub(super) fn page(path: &Path, folder: &LakeKey, start_after: Option<&LakeKey>) -> io::Result<Page> {
    let mut found = Page {
        objects: Vec::new(),
        more: false,
        strange: Vec::new(),
    };
    // One more than a page tells whether there are more.
    walk(
        path,
        &format!("{folder}/"),
        start_after.map_or("", LakeKey::as_str),
        PAGE_OBJECTS + 1,
        &mut found,
    )?;
    found.more = found.objects.len() > PAGE_OBJECTS;
    found.objects.truncate(PAGE_OBJECTS);
    // Those behind the page belong to the next.
    if let (true, Some(last)) = (found.more, found.objects.last()) {
        found.strange.retain(|name| name.as_str() < last.key.as_str());
    }
    Ok(found)
}

fn walk(path: &Path, prefix: &str, after: &str, wanted: usize, found: &mut Page) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if is_absent(&error) => return Ok(()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Hidden files, and names that no key can be: none of the lake's objects.
        let name = entry.file_name();
        let text = format!("{prefix}{}", name.to_string_lossy());
        let (Some(_), Ok(key)) = (name.to_str(), LakeKey::new(text.as_str())) else {
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if !is_hidden && text.as_str() > after && found.strange.len() < STRANGE_MAX {
                found.strange.push(text);
            }
            continue;
        };
        // With its slash, as it stands in whole keys: `a-b/x` comes before `a/x`.
        let is_folder = entry.file_type()?.is_dir();
        let text = if is_folder { format!("{key}/") } else { key.to_string() };
        if text.as_str() > after || is_folder && after.starts_with(&text) {
            names.push((text, key, is_folder));
        }
    }
    names.sort_unstable();
    for (text, key, is_folder) in names {
        if found.objects.len() >= wanted {
            return Ok(());
        }
        let path = path.join(key.file_name());
        if is_folder {
            walk(&path, &text, after, wanted, found)?;
            continue;
        }
        match fs::metadata(&path) {
            Err(error) if is_absent(&error) => {} // deleted meanwhile
            about => {
                let about = about?;
                found.objects.push(Listed {
                    key,
                    size: about.len(),
                    last_modified: about.modified()?,
                });
            }
        }
    }
    Ok(())
}
