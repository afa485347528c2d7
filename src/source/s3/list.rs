//! Listings, page by page.

use aws_sdk_s3::types::{EncodingType, Object};

use super::{S3Objects, odd, version};
use crate::job::identity::SourceName;
use crate::s3::{Action, S3Location, decode_key};
use crate::source::listing::{Listing, Selection, Source};
use crate::store::StoreError;

/// Where a page begins.
#[derive(Default)]
struct Start<'a> {
    token: Option<String>,
    /// Behind this key.
    after: Option<&'a str>,
}

/// What a page holds that is selected, and the last of all of its keys.
struct Part<'a> {
    listing: Listing,
    last: Option<&'a str>,
}

/// Why a listing ends before its end.
enum Halt {
    /// Behind this key.
    Full(String),
    Failed(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl S3Objects {
    /// The object a location names, and all below it. Keys that end in a slash and hold nothing are folders to consoles and
    /// tools, and are passed over.
    pub async fn list(&self, location: &S3Location, selection: &Selection) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let mut add = |part| {
            listing.append(part);
            Ok::<(), StoreError>(())
        };
        self.list_parts(location, selection, &mut add).await?;
        Ok(listing)
    }

    /// The first of those whose keys stand behind `after`, in their order: `most` that are selected, or `listed_most` of all,
    /// and the rest of a page. Also the last key of all, where there may be more behind it.
    pub async fn list_from(
        &self,
        location: &S3Location,
        selection: &Selection,
        after: Option<&str>,
        (most, listed_most): (usize, u64),
    ) -> Result<(Listing, Option<String>), StoreError> {
        let mut listing = Listing::default();
        let mut add = |part: Part<'_>| {
            listing.append(part.listing);
            let listed = listing.sources.len() as u64 + listing.hidden + listing.unselected;
            match part
                .last
                .filter(|_| listing.sources.len() >= most || listed >= listed_most)
            {
                Some(last) => Err(Halt::Full(last.to_owned())),
                None => Ok(()),
            }
        };
        match self.list_parts_after(location, selection, after, &mut add).await {
            Ok(()) => Ok((listing, None)),
            Err(Halt::Full(last)) => Ok((listing, Some(last))),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// All of them, for more objects than memory holds: `each` takes a page at a time.
    pub async fn list_parts<E: From<StoreError>>(
        &self,
        location: &S3Location,
        selection: &Selection,
        each: &mut (dyn FnMut(Listing) -> Result<(), E> + Send),
    ) -> Result<(), E> {
        self.list_parts_after(location, selection, None, &mut |part| each(part.listing))
            .await
    }

    async fn list_parts_after<E: From<StoreError>>(
        &self,
        location: &S3Location,
        selection: &Selection,
        after: Option<&str>,
        each: &mut (dyn FnMut(Part<'_>) -> Result<(), E> + Send),
    ) -> Result<(), E> {
        if location.prefix() != location.root() && after.is_none() {
            // Of all keys that begin with it, the prefix itself comes first.
            let first = self.page(location, location.prefix(), Start::default(), 1).await?.0;
            if let Some(object) = first.first().filter(|object| object.key() == Some(location.prefix())) {
                let name = location.prefix().rsplit('/').next().unwrap_or_default();
                let mut listing = Listing::default();
                add(&mut listing, location, object, name, selection)?;
                each(Part { listing, last: None })?;
            }
        }
        let mut start = Start {
            after,
            ..Start::default()
        };
        loop {
            let (objects, next) = self.page(location, location.root(), start, 1000).await?;
            let mut listing = Listing::default();
            for object in &objects {
                let below = object
                    .key()
                    .and_then(|key| key.strip_prefix(location.root()))
                    .unwrap_or_default();
                add(&mut listing, location, object, below, selection)?;
            }
            let last = objects.last().and_then(Object::key);
            each(Part { listing, last })?;
            match next {
                None => return Ok(()),
                token => start = Start { token, after: None },
            }
        }
    }

    /// A page of at most `keys_max`, and how to ask for the next one.
    async fn page(
        &self,
        location: &S3Location,
        prefix: &str,
        start: Start<'_>,
        keys_max: i32,
    ) -> Result<(Vec<Object>, Option<String>), StoreError> {
        let request = self
            .s3
            .client()
            .list_objects_v2()
            .bucket(location.bucket())
            .prefix(prefix)
            .max_keys(keys_max)
            .set_continuation_token(start.token)
            .set_start_after(start.after.map(str::to_owned))
            // XML cannot hold every character of a key.
            .encoding_type(EncodingType::Url)
            .set_expected_bucket_owner(self.s3.expected_owner());
        let answer = request.send().await.map_err(|error| {
            let refused = self.s3.refusal(Action::ListBucket, location.bucket(), prefix, error);
            StoreError::new("list", location, refused.transient, refused)
        })?;
        let more = answer.is_truncated == Some(true);
        let next = answer.next_continuation_token.filter(|_| more);
        if more && next.is_none() {
            // Taken for the end, it would hide objects.
            let why = "S3 says that there are more objects, and not how to ask for them";
            return Err(StoreError::new("list", location, true, why));
        }
        let mut objects = answer.contents.unwrap_or_default();
        // Other stores need not know of it.
        if answer.encoding_type == Some(EncodingType::Url) {
            for object in &mut objects {
                let key = decode_key(object.key().unwrap_or_default());
                object.key = Some(key.map_err(|error| StoreError::new("list", location, false, error))?);
            }
        }
        Ok((objects, next))
    }
}

fn add(
    listing: &mut Listing,
    location: &S3Location,
    object: &Object,
    below: &str,
    selection: &Selection,
) -> Result<(), StoreError> {
    let name = SourceName::in_bucket(location.bucket(), object.key().unwrap_or_default());
    let size = object.size().and_then(|size| u64::try_from(size).ok());
    let version = version(object.e_tag(), size, object.last_modified()).map_err(|why| odd(&name, why))?;
    let source = Source { name, version };
    if source.is_folder() {
        listing.hidden += 1;
    } else {
        listing.add(source, below, selection);
    }
    Ok(())
}
