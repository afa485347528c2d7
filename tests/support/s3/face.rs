//! The protocol: requests as s3s reads them become calls of the model, and its answers become answers.

mod convert;
mod uploads;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, TrailingHeaders};

use self::convert::{
    checksum_in, checksum_out, condition, kind_of, no_conditions, object_headers, payload, place, range_of,
    split_metadata, stream, tag, url_encoded,
};
use super::listing::ListQuery;
use super::model::{At, Model, Object as Found};
use super::refusal::Refusal;

/// In a request's extensions: its `Range` is not to be heeded.
#[derive(Clone)]
pub(super) struct IgnoreRange;

pub(super) struct Face {
    model: Arc<Mutex<Model>>,
}

/// What a request has besides its input.
struct Rest {
    trailers: Option<TrailingHeaders>,
    ignore_range: bool,
}

type Answer<'f, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'f>>;

/// The trait's methods, each of which is the one of `Face` that has its name.
macro_rules! operations {
    ($($name:ident: $input:ty => $output:ty;)*) => {
        impl S3 for Face {
            $(fn $name<'a, 'f>(&'a self, request: S3Request<$input>) -> Answer<'f, $output>
            where
                'a: 'f,
                Self: 'f,
            {
                let rest = Rest {
                    trailers: request.trailing_headers,
                    ignore_range: request.extensions.get::<IgnoreRange>().is_some(),
                };
                Box::pin(async move { Face::$name(self, request.input, rest).await.map(S3Response::new) })
            })*
        }
    };
}

operations! {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput;
    delete_object: DeleteObjectInput => DeleteObjectOutput;
    get_object: GetObjectInput => GetObjectOutput;
    head_object: HeadObjectInput => HeadObjectOutput;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output;
    put_object: PutObjectInput => PutObjectOutput;
    upload_part: UploadPartInput => UploadPartOutput;
}

impl Face {
    pub(super) fn new(model: Arc<Mutex<Model>>) -> Self {
        Self { model }
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    async fn put_object(&self, mut input: PutObjectInput, rest: Rest) -> S3Result<PutObjectOutput> {
        let checksum = checksum_in!(input)?;
        let payload = payload(
            input.body,
            input.content_length,
            checksum,
            input.content_md5,
            rest.trailers,
        )
        .await?;
        let condition = condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        no_conditions(&[input.write_offset_bytes.is_some()])?;
        let headers = object_headers(input.content_encoding, input.content_type, input.metadata);
        let at = place!(input, &input.key);
        let stored = self.model().put(at, payload, headers, &condition)?;
        let mut output = PutObjectOutput {
            e_tag: tag(stored.tag),
            version_id: stored.version,
            checksum_type: kind_of(&stored.checksum),
            ..Default::default()
        };
        checksum_out!(output, stored.checksum);
        Ok(output)
    }

    async fn get_object(&self, input: GetObjectInput, rest: Rest) -> S3Result<GetObjectOutput> {
        no_conditions(&[
            input.if_none_match.is_some(),
            input.if_modified_since.is_some(),
            input.if_unmodified_since.is_some(),
            input.part_number.is_some(),
        ])?;
        let at = place!(input, &input.key);
        let object = self.find(at, input.version_id.as_deref(), input.if_match.as_ref())?;
        let size = object.content.len();
        let asked = input.range.filter(|_| !rest.ignore_range).map(range_of);
        let range = asked.map_or(Ok(0..size), |range| range.of(size))?;
        let (content_type, metadata) = split_metadata(&object.headers);
        // A part of the bytes would not have it.
        let checksum = object
            .checksum
            .filter(|_| asked.is_none() && input.checksum_mode.is_some());
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some((range.end - range.start) as i64),
            content_range: asked.map(|_| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            body: Some(stream(object.content.slice(range))),
            content_encoding: object.headers.content_encoding,
            content_type,
            metadata,
            e_tag: tag(object.tag),
            last_modified: Some(object.last_modified.into()),
            version_id: object.version,
            checksum_type: kind_of(&checksum),
            ..Default::default()
        };
        checksum_out!(output, checksum);
        Ok(output)
    }

    async fn head_object(&self, input: HeadObjectInput, _rest: Rest) -> S3Result<HeadObjectOutput> {
        no_conditions(&[
            input.if_none_match.is_some(),
            input.if_modified_since.is_some(),
            input.if_unmodified_since.is_some(),
            input.part_number.is_some(),
            input.range.is_some(),
        ])?;
        let at = place!(input, &input.key);
        let object = self.find(at, input.version_id.as_deref(), input.if_match.as_ref())?;
        let (content_type, metadata) = split_metadata(&object.headers);
        let checksum = object.checksum.filter(|_| input.checksum_mode.is_some());
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(object.content.len() as i64),
            content_encoding: object.headers.content_encoding,
            content_type,
            metadata,
            e_tag: tag(object.tag),
            last_modified: Some(object.last_modified.into()),
            version_id: object.version,
            checksum_type: kind_of(&checksum),
            ..Default::default()
        };
        checksum_out!(output, checksum);
        Ok(output)
    }

    async fn delete_object(&self, input: DeleteObjectInput, _rest: Rest) -> S3Result<DeleteObjectOutput> {
        no_conditions(&[
            input.if_match.is_some(),
            input.if_match_last_modified_time.is_some(),
            input.if_match_size.is_some(),
        ])?;
        let at = place!(input, &input.key);
        let deleted = self.model().delete(at, input.version_id.as_deref())?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version,
            ..Default::default()
        })
    }

    async fn list_objects_v2(&self, input: ListObjectsV2Input, _rest: Rest) -> S3Result<ListObjectsV2Output> {
        let invalid = || Refusal::InvalidArgument("The continuation token provided is incorrect");
        let token = input.continuation_token.as_deref().map(|token| {
            let bytes = BASE64_URL_SAFE.decode(token).map_err(|_| invalid())?;
            String::from_utf8(bytes).map_err(|_| invalid())
        });
        let token = token.transpose()?;
        let max = usize::try_from(input.max_keys.unwrap_or(1000))
            .map_err(|_| Refusal::InvalidArgument("max-keys must not be negative"))?;
        let at = place!(input, "");
        let query = ListQuery {
            prefix: input.prefix.as_deref().unwrap_or(""),
            after: token.as_deref().or(input.start_after.as_deref()).unwrap_or(""),
            delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
            max: max.min(1000),
        };
        let listing = self.model().list(at, &query)?;
        let encoding = input.encoding_type;
        let name = |text: String| if encoding.is_some() { url_encoded(&text) } else { text };
        let contents = listing.objects.into_iter().map(|(key, object)| s3s::dto::Object {
            key: Some(name(key)),
            e_tag: tag(object.tag),
            last_modified: Some(object.last_modified.into()),
            size: Some(object.content.len() as i64),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Default::default()
        });
        let contents: Vec<_> = contents.collect();
        let prefixes = listing.prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(name(prefix)),
        });
        let prefixes: Vec<_> = prefixes.collect();
        Ok(ListObjectsV2Output {
            key_count: Some((contents.len() + prefixes.len()) as i32),
            max_keys: Some(query.max as i32),
            is_truncated: Some(listing.next.is_some()),
            next_continuation_token: listing.next.map(|next| BASE64_URL_SAFE.encode(next)),
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            continuation_token: input.continuation_token,
            prefix: Some(name(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(&name),
            start_after: input.start_after.map(&name),
            encoding_type: encoding.clone(),
            name: Some(input.bucket),
            ..Default::default()
        })
    }

    fn find(&self, at: At<'_>, version: Option<&str>, if_match: Option<&ETagCondition>) -> Result<Found, Refusal> {
        let if_match = condition(if_match, None)?;
        self.model().get(at, version, &if_match)
    }
}
