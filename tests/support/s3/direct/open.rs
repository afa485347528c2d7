//! Uploads that are open.

use lakebed::store::{LakeKey, OpenUpload, StoreError, UploadId, UploadPage, UploadsAfter};

use super::super::super::sim::Request;
use super::super::model::{At, Model};
use super::super::uploads::{self, UploadQuery};
use super::{Direct, failed};

impl Direct {
    pub(super) async fn open_uploads(&self, after: Option<&UploadsAfter>) -> Result<UploadPage, StoreError> {
        let request = Request {
            operation: "ListMultipartUploads",
            bucket: self.bucket.to_owned(),
            key: self.prefix.to_owned(),
            note: String::new(),
        };
        let after = after.map_or_else(Default::default, |after| (after.key.clone(), after.id.clone()));
        let work = move |model: &mut Model, at: At<'_>| {
            let query = UploadQuery {
                prefix: at.key,
                after: (&after.0, &after.1),
                max: 1000,
            };
            model.list_uploads(at, &query)
        };
        let tell = |(open, _): &(Vec<uploads::OpenUpload>, bool)| open.len().to_string();
        let sent = self.send(&request, work, tell).await;
        let (open, more) = sent.map_err(|failure| failed(&request, failure))?;
        let last = open.last().filter(|_| more);
        Ok(UploadPage {
            next: last.map(|last| UploadsAfter {
                key: last.key.clone(),
                id: last.id.clone(),
            }),
            uploads: open
                .iter()
                .map(|open| OpenUpload {
                    key: LakeKey::new(&open.key[self.prefix.len()..]).expect("nobody else writes here"),
                    id: UploadId::new(&open.id),
                    last_modified: open.initiated,
                })
                .collect(),
        })
    }
}
