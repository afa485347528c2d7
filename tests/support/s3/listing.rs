//! The listing half of the model: keys in the order of their bytes, a page at a time.

use std::ops::Bound;

use super::model::{At, Model, Object};
use super::refusal::Refusal;

#[derive(Clone, Debug)]
pub(crate) struct ListQuery<'a> {
    pub(crate) prefix: &'a str,
    /// Only keys after this one; empty for all.
    pub(crate) after: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) max: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<(String, Object)>,
    pub(crate) prefixes: Vec<String>,
    /// The `after` of the next page, if there is one.
    pub(crate) next: Option<String>,
}

impl Model {
    /// The newest versions, in the order of their keys' bytes. `at.key` is not looked at.
    pub(crate) fn list(&self, at: At<'_>, query: &ListQuery<'_>) -> Result<Listing, Refusal> {
        let bucket = self.permitted(at)?;
        let mut listing = Listing::default();
        let mut last = String::new();
        let from = if query.after >= query.prefix {
            Bound::Excluded(query.after)
        } else {
            Bound::Included(query.prefix)
        };
        for (key, object) in bucket.newest_in((from, Bound::Unbounded)) {
            if !key.starts_with(query.prefix) {
                break;
            }
            if listing.prefixes.last().is_some_and(|prefix| key.starts_with(prefix)) {
                continue;
            }
            if listing.objects.len() + listing.prefixes.len() == query.max {
                // S3 says that a page of no keys is the last one.
                listing.next = Some(last).filter(|_| query.max > 0);
                break;
            }
            let rest = &key[query.prefix.len()..];
            let rolled = query
                .delimiter
                .and_then(|delimiter| Some((rest.find(delimiter)?, delimiter.len())));
            if let Some((begin, length)) = rolled {
                let prefix = &key[..query.prefix.len() + begin + length];
                listing.prefixes.push(prefix.to_owned());
                // After every key that it stands for.
                last = format!("{prefix}{}", char::MAX);
            } else {
                listing.objects.push((key.to_owned(), object.clone()));
                last = key.to_owned();
            }
        }
        Ok(listing)
    }
}
