//! Listings, page by page.

use aws_sdk_s3::types::{EncodingType, Object};

use super::{S3Objects, odd, version};
use crate::job::identity::SourceName;
use crate::s3::{Action, S3Location, decode_key};
use crate::source::listing::{Listing, Selection, Source};
use crate::store::StoreError;

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

    /// The same for more objects than memory holds: `each` takes a page at a time.
    pub async fn list_parts<E: From<StoreError>>(
        &self,
        location: &S3Location,
        selection: &Selection,
        each: &mut (dyn FnMut(Listing) -> Result<(), E> + Send),
    ) -> Result<(), E> {
        if location.prefix() != location.root() {
            // Of all keys that begin with it, the prefix itself comes first.
            let first = self.page(location, location.prefix(), None, 1).await?.0;
            if let Some(object) = first.first().filter(|object| object.key() == Some(location.prefix())) {
                let name = location.prefix().rsplit('/').next().unwrap_or_default();
                let mut listing = Listing::default();
                add(&mut listing, location, object, name, selection)?;
                each(listing)?;
            }
        }
        let mut token = None;
        loop {
            let (objects, next) = self.page(location, location.root(), token, 1000).await?;
            let mut listing = Listing::default();
            for object in &objects {
                let below = object
                    .key()
                    .and_then(|key| key.strip_prefix(location.root()))
                    .unwrap_or_default();
                add(&mut listing, location, object, below, selection)?;
            }
            each(listing)?;
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// A page of at most `keys_max`, and how to ask for the next one.
    async fn page(
        &self,
        location: &S3Location,
        prefix: &str,
        token: Option<String>,
        keys_max: i32,
    ) -> Result<(Vec<Object>, Option<String>), StoreError> {
        let request = self
            .s3
            .client()
            .list_objects_v2()
            .bucket(location.bucket())
            .prefix(prefix)
            .max_keys(keys_max)
            .set_continuation_token(token)
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
