//! The operations of multipart uploads.

use s3s::S3Result;
use s3s::dto::*;

use super::super::content::{self, Algorithm};
use super::super::refusal::Refusal;
use super::super::uploads::{Completion, PartClaim, UploadQuery};
use super::convert::{
    checksum_in, checksum_out, condition, kind_of, no_conditions, object_headers, payload, place, tag, url_encoded,
};
use super::{Face, Rest};

impl Face {
    pub(super) async fn create_multipart_upload(
        &self,
        input: CreateMultipartUploadInput,
        _rest: Rest,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let unknown = Refusal::InvalidRequest("The checksum algorithm or type is unknown.");
        let algorithm = input.checksum_algorithm.clone();
        let algorithm = algorithm.map(|named| Algorithm::named(named.as_str()).ok_or(unknown.clone()));
        let kinds = [content::ChecksumType::Composite, content::ChecksumType::FullObject];
        let kind = input.checksum_type.clone().map(|named| {
            let kind = kinds.into_iter().find(|kind| kind.name() == named.as_str());
            kind.ok_or(unknown.clone())
        });
        let headers = object_headers(input.content_encoding, input.content_type, input.metadata);
        let at = place!(input, &input.key);
        let upload = self
            .model()
            .create_upload(at, headers, algorithm.transpose()?, kind.transpose()?)?;
        Ok(CreateMultipartUploadOutput {
            upload_id: Some(upload),
            bucket: Some(input.bucket),
            key: Some(input.key),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..Default::default()
        })
    }

    pub(super) async fn upload_part(&self, mut input: UploadPartInput, rest: Rest) -> S3Result<UploadPartOutput> {
        let checksum = checksum_in!(input)?;
        let payload = payload(
            input.body,
            input.content_length,
            checksum,
            input.content_md5,
            rest.trailers,
        )
        .await?;
        let at = place!(input, &input.key);
        let number = u32::try_from(input.part_number).unwrap_or(0);
        let checksum = payload.checksum.clone();
        let stored = self.model().put_part(at, &input.upload_id, number, payload)?;
        let mut output = UploadPartOutput {
            e_tag: tag(stored),
            ..Default::default()
        };
        checksum_out!(output, checksum);
        Ok(output)
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        mut input: CompleteMultipartUploadInput,
        _rest: Rest,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let checksum = checksum_in!(input)?;
        let mut parts = Vec::new();
        for mut part in input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default()
        {
            let number = part.part_number.and_then(|number| u32::try_from(number).ok());
            let (Some(number), Some(tag)) = (number, part.e_tag.take()) else {
                return Err(Refusal::MalformedXml.into());
            };
            parts.push(PartClaim {
                number,
                tag: tag.into_value(),
                checksum: checksum_in!(part)?,
            });
        }
        let size = input.mpu_object_size.map(u64::try_from).transpose();
        let completion = Completion {
            parts,
            condition: condition(input.if_match.as_ref(), input.if_none_match.as_ref())?,
            checksum,
            size: size.map_err(|_| Refusal::InvalidArgument("A size is not negative."))?,
        };
        let at = place!(input, &input.key);
        let stored = self.model().complete_upload(at, &input.upload_id, &completion)?;
        let mut output = CompleteMultipartUploadOutput {
            e_tag: tag(stored.tag),
            version_id: stored.version,
            checksum_type: kind_of(&stored.checksum),
            bucket: Some(input.bucket),
            key: Some(input.key),
            ..Default::default()
        };
        checksum_out!(output, stored.checksum);
        Ok(output)
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        input: AbortMultipartUploadInput,
        _rest: Rest,
    ) -> S3Result<AbortMultipartUploadOutput> {
        no_conditions(&[input.if_match_initiated_time.is_some()])?;
        let at = place!(input, &input.key);
        self.model().abort_upload(at, &input.upload_id)?;
        Ok(AbortMultipartUploadOutput::default())
    }

    pub(super) async fn list_multipart_uploads(
        &self,
        input: ListMultipartUploadsInput,
        _rest: Rest,
    ) -> S3Result<ListMultipartUploadsOutput> {
        if input.delimiter.is_some() {
            return Err(Refusal::NotImplemented("Uploads are listed without a delimiter.").into());
        }
        let encoding = input.encoding_type;
        let name = |text: String| if encoding.is_some() { url_encoded(&text) } else { text };
        let at = place!(input, "");
        let max = usize::try_from(input.max_uploads.unwrap_or(1000))
            .map_err(|_| Refusal::InvalidArgument("max-uploads must not be negative"))?;
        let query = UploadQuery {
            prefix: input.prefix.as_deref().unwrap_or(""),
            after: (
                input.key_marker.as_deref().unwrap_or(""),
                input.upload_id_marker.as_deref().unwrap_or(""),
            ),
            max: max.min(1000),
        };
        let (found, more) = self.model().list_uploads(at, &query)?;
        let last = found.last().filter(|_| more).cloned();
        let uploads = found.into_iter().map(|upload| MultipartUpload {
            key: Some(name(upload.key)),
            upload_id: Some(upload.id),
            initiated: Some(upload.initiated.into()),
            ..Default::default()
        });
        Ok(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(more),
            max_uploads: Some(query.max as i32),
            next_key_marker: last.as_ref().map(|last| name(last.key.clone())),
            next_upload_id_marker: last.map(|last| last.id),
            key_marker: input.key_marker.map(&name),
            upload_id_marker: input.upload_id_marker,
            prefix: input.prefix.map(&name),
            bucket: Some(input.bucket),
            encoding_type: encoding.clone(),
            ..Default::default()
        })
    }
}
