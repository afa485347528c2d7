//! A store that stops its process at a chosen request, repeats requests, and keeps a log.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use lakebed::store::{
    Body, Checksum, Compared, Complete, LakeKey, ObjectMeta, Page, Part, Pending, Put, Replace, Store, StoreError, Tag,
    UploadId, UploadPage, UploadsAfter,
};

/// What happens to the request at which the process is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kill {
    /// It never took effect.
    Before,
    /// It took effect, and nobody heard the answer.
    After,
    /// It takes effect later, when [`Faulty::land`] says so.
    Late,
}

type Limbo = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct State {
    requests: u64,
    killed: bool,
    log: Vec<String>,
    limbo: Option<Limbo>,
    interruption: Option<(u64, Limbo)>,
}

pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    kill: Option<(u64, Kill)>,
    /// Every write is sent twice and the second answer is told: that of a client which repeats what got no answer.
    repeats: bool,
    state: Mutex<State>,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Faulty {
    pub(crate) fn logging(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            kill: None,
            repeats: false,
            state: Mutex::default(),
        })
    }

    pub(crate) fn repeating(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            kill: None,
            repeats: true,
            state: Mutex::default(),
        })
    }

    /// Stops at request `n`, counted from 1; nothing works after it.
    pub(crate) fn killed_at(inner: Arc<dyn Store>, n: u64, kill: Kill) -> Arc<Self> {
        Arc::new(Self {
            inner,
            kill: Some((n, kill)),
            repeats: false,
            state: Mutex::default(),
        })
    }

    /// Something else happens just before request `n`.
    pub(crate) fn interrupted_at(
        inner: Arc<dyn Store>,
        n: u64,
        by: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Self> {
        let state = State {
            interruption: Some((n, Box::pin(by))),
            ..State::default()
        };
        Arc::new(Self {
            inner,
            kill: None,
            repeats: false,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.state.lock().unwrap().killed
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = ["get", "get_range", "head", "compare", "list", "list_uploads", "now"];
        self.log()
            .into_iter()
            .filter(|line| !reads.contains(&line.split(' ').next().unwrap()))
            .collect()
    }

    pub(crate) async fn land(&self) {
        let limbo = self.state.lock().unwrap().limbo.take();
        if let Some(limbo) = limbo {
            limbo.await;
        }
    }

    /// One request; `send` may be called twice.
    fn request<'a, T: Send + 'static>(
        &'a self,
        name: &'static str,
        key: &LakeKey,
        write: bool,
        send: impl Fn(Arc<dyn Store>, LakeKey) -> Pending<'static, T> + Send + 'static,
    ) -> Pending<'a, T> {
        let key = key.clone();
        Box::pin(async move {
            let dead = || StoreError::new(name, &key, false, "the process was killed");
            let kill = {
                let mut state = self.state.lock().unwrap();
                if state.killed {
                    return Err(dead());
                }
                state.requests += 1;
                state.log.push(format!("{name} {key}"));
                let kill = self.kill.filter(|(n, _)| *n == state.requests).map(|(_, kill)| kill);
                state.killed = kill.is_some();
                kill
            };
            let interruption = {
                let mut state = self.state.lock().unwrap();
                let now = state.requests;
                state.interruption.take_if(|(n, _)| *n == now)
            };
            if let Some((_, interruption)) = interruption {
                interruption.await;
            }
            match kill {
                None => {}
                Some(Kill::Before) => return Err(dead()),
                Some(Kill::After) => {
                    send(Arc::clone(&self.inner), key.clone()).await?;
                    return Err(dead());
                }
                Some(Kill::Late) => {
                    let late = send(Arc::clone(&self.inner), key.clone());
                    self.state.lock().unwrap().limbo = Some(Box::pin(async move {
                        let _ = late.await;
                    }));
                    return Err(dead());
                }
            }
            if self.repeats && write {
                send(Arc::clone(&self.inner), key.clone()).await?;
            }
            send(Arc::clone(&self.inner), key.clone()).await
        })
    }
}

impl Store for Faulty {
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>> {
        self.request("get", key, false, |to, key| Box::pin(async move { to.get(&key).await }))
    }

    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>> {
        self.request("get_range", key, false, move |to, key| {
            let range = range.clone();
            Box::pin(async move { to.get_range(&key, range).await })
        })
    }

    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>> {
        self.request("head", key, false, |to, key| {
            Box::pin(async move { to.head(&key).await })
        })
    }

    fn compare<'a>(
        &'a self,
        key: &'a LakeKey,
        size: u64,
        checksum: &'a Checksum,
        parts: &'a [Part],
    ) -> Pending<'a, Compared> {
        let (checksum, parts) = (*checksum, parts.to_vec());
        self.request("compare", key, false, move |to, key| {
            let parts = parts.clone();
            Box::pin(async move { to.compare(&key, size, &checksum, &parts).await })
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, body: Body) -> Pending<'a, Put> {
        self.request("put_if_absent", key, true, move |to, key| {
            let body = body.clone();
            Box::pin(async move { to.put_if_absent(&key, body).await })
        })
    }

    fn put_if_match<'a>(&'a self, key: &'a LakeKey, bytes: Bytes, tag: &'a Tag) -> Pending<'a, Replace> {
        let tag = tag.clone();
        self.request("put_if_match", key, true, move |to, key| {
            let (bytes, tag) = (bytes.clone(), tag.clone());
            Box::pin(async move { to.put_if_match(&key, bytes, &tag).await })
        })
    }

    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()> {
        self.request("delete", key, true, |to, key| {
            Box::pin(async move { to.delete(&key).await })
        })
    }

    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page> {
        let after = start_after.cloned();
        self.request("list", folder, false, move |to, key| {
            let after = after.clone();
            Box::pin(async move { to.list(&key, after.as_ref()).await })
        })
    }

    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId> {
        self.request("start_upload", key, false, |to, key| {
            Box::pin(async move { to.start_upload(&key).await })
        })
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        number: u32,
        offset: u64,
        body: Body,
    ) -> Pending<'a, Part> {
        let upload = upload.clone();
        self.request("upload_part", key, true, move |to, key| {
            let (upload, body) = (upload.clone(), body.clone());
            Box::pin(async move { to.upload_part(&key, &upload, number, offset, body).await })
        })
    }

    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        parts: &'a [Part],
    ) -> Pending<'a, Complete> {
        let (upload, parts) = (upload.clone(), parts.to_vec());
        self.request("complete_upload_if_absent", key, true, move |to, key| {
            let (upload, parts) = (upload.clone(), parts.clone());
            Box::pin(async move { to.complete_upload_if_absent(&key, &upload, &parts).await })
        })
    }

    fn abort_upload<'a>(&'a self, key: &'a LakeKey, upload: &'a UploadId) -> Pending<'a, ()> {
        let upload = upload.clone();
        self.request("abort_upload", key, true, move |to, key| {
            let upload = upload.clone();
            Box::pin(async move { to.abort_upload(&key, &upload).await })
        })
    }

    fn list_uploads<'a>(&'a self, after: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage> {
        let after = after.cloned();
        self.request("list_uploads", &super::key("all"), false, move |to, _| {
            let after = after.clone();
            Box::pin(async move { to.list_uploads(after.as_ref()).await })
        })
    }

    fn now(&self) -> Pending<'_, SystemTime> {
        self.request("now", &super::key("all"), false, |to, _| {
            Box::pin(async move { to.now().await })
        })
    }
}
