//! The server: connections, the fault plan, the log; what a request means is left to `face.rs`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse, S3Error, StdError};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::face::{Face, IgnoreRange};
use super::faults::{self, Broken, Effect, Fault, Flipped, Padded, Trickling};
use super::log::Entry;
use super::model::Model;

/// The one key pair whose signatures are accepted: the example of the AWS documentation.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// S3 at a port of this machine, on threads of its own. Dropping it closes every connection.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    s3: S3Service,
    model: Arc<Mutex<Model>>,
    faults: Mutex<Vec<Fault>>,
    log: Mutex<Vec<Entry>>,
    /// Requests that are neither answered nor given up.
    under_way: AtomicUsize,
    /// Requests that were led astray.
    astray: AtomicUsize,
}

impl Server {
    pub(crate) fn start(model: Model) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let model = Arc::new(Mutex::new(model));
        let mut s3 = S3ServiceBuilder::new(Face::new(Arc::clone(&model)));
        s3.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        // Clients sign by the clock of the model once they have heard it, and s3s has the real one.
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::MAX;
        s3.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        let shared = Arc::new(Shared {
            s3: s3.build(),
            model,
            faults: Mutex::default(),
            log: Mutex::default(),
            under_way: AtomicUsize::new(0),
            astray: AtomicUsize::new(0),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is stored, to be looked at or changed behind the clients' backs. Requests wait meanwhile.
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.shared.model.lock().unwrap()
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push(fault);
    }

    pub(crate) fn clear_faults(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// The requests so far, in the order in which they came.
    pub(crate) fn log(&self) -> Vec<Entry> {
        self.shared.log.lock().unwrap().clone()
    }

    pub(crate) fn clear_log(&self) {
        self.shared.log.lock().unwrap().clear();
    }

    /// How many requests of an operation there were.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        let log = self.shared.log.lock().unwrap();
        log.iter().filter(|entry| entry.operation == operation).count()
    }

    /// How many requests never got here, by a fault.
    pub(crate) fn astray(&self) -> usize {
        self.shared.astray.load(Ordering::SeqCst)
    }

    /// Waits until no request is under way. Those of a killed process are given up when its connections are found broken.
    pub(crate) fn settle(&self) {
        while self.shared.under_way.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// What a client needs to talk to this server; retries and time limits are the SDK's own.
    pub(crate) fn config(&self) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(self.endpoint())
            .force_path_style(true)
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .interceptor(OnTheWay(Arc::clone(&self.shared)))
    }

    /// A client that sends every request once.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.config().retry_config(RetryConfig::disabled()).build())
    }

    /// The same with requests signed as they are for TLS, which the client believes to have: a streamed body is then
    /// guarded by the checksum in its trailer alone. Over plain HTTP, every chunk is signed.
    pub(crate) fn config_as_for_tls(&self) -> aws_sdk_s3::config::Builder {
        let endpoint = format!("https://{}", self.address);
        self.config().endpoint_url(endpoint).interceptor(WithoutTls)
    }

    /// The same for another process.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not the plain way, which must not be gone within a runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Leads requests astray that a fault strikes on the client's side.
struct OnTheWay(Arc<Shared>);

impl std::fmt::Debug for OnTheWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnTheWay")
    }
}

impl Intercept for OnTheWay {
    fn name(&self) -> &'static str {
        "OnTheWay"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let mut here = hyper::Request::builder().method(request.method()).uri(request.uri());
        for (name, value) in request.headers() {
            here = here.header(name, value);
        }
        let here = here.body(())?;
        let path = here.uri().path_and_query().map_or("/", |path| path.as_str());
        let away = match faults::struck(&mut self.0.faults.lock().unwrap(), &Entry::of(&here), true) {
            // Nobody listens at this port.
            Some(Effect::Unreachable) => format!("http://127.0.0.1:1{path}"),
            // A label of a name has at most 63 letters, so no name server need be asked.
            Some(Effect::Nameless) => format!("http://{}.invalid{path}", "x".repeat(64)),
            _ => return Ok(()),
        };
        self.0.astray.fetch_add(1, Ordering::SeqCst);
        request.set_uri(away)?;
        Ok(())
    }
}

/// Sends in the clear what was made for TLS.
#[derive(Debug)]
struct WithoutTls;

impl Intercept for WithoutTls {
    fn name(&self) -> &'static str {
        "WithoutTls"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri().replacen("https:", "http:", 1);
        context.request_mut().set_uri(uri)?;
        Ok(())
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    // The answers are small; they are not to wait for each other's acknowledgement.
    stream.set_nodelay(true).unwrap();
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    // A connection ends with an error when a fault closes it or a client goes away.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Counts a request as long as it is there, also where its connection breaks and nobody waits for it any more.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An error of this function closes the connection without an answer.
async fn answer(shared: Arc<Shared>, mut request: hyper::Request<Incoming>) -> Result<HttpResponse, StdError> {
    let _under_way = UnderWay::new(&shared);
    join_codings(&mut request)?;
    let mut request = request.map(Heard::new);
    let body = request.body().clone();
    let mut entry = Entry::of(&request);
    let effect = faults::struck(&mut shared.faults.lock().unwrap(), &entry, false);
    entry.fault = effect.as_ref().map(|effect| format!("{effect:?}"));
    let number = {
        let mut log = shared.log.lock().unwrap();
        log.push(entry);
        log.len() - 1
    };
    let mut response = match effect {
        Some(Effect::Close) => return Err("closed by a fault".into()),
        Some(Effect::Hang) => {
            // Whoever does not read does not notice either that the client is gone.
            drain(body).await?;
            return std::future::pending().await;
        }
        Some(Effect::CutRequest(bytes)) => {
            read(body, bytes).await?;
            return Err("closed by a fault".into());
        }
        Some(Effect::CutRequestHalf) => {
            let half = body.size_hint().exact().unwrap_or(0) / 2;
            read(body, half).await?;
            return Err("closed by a fault".into());
        }
        Some(Effect::StallRequest(bytes)) => {
            read(body, bytes).await?;
            return std::future::pending().await;
        }
        Some(Effect::Answer(status, code)) => refusal(status, code),
        Some(Effect::Busy(seconds)) => {
            let mut busy = refusal(503, "SlowDown");
            busy.headers_mut().insert("retry-after", seconds.into());
            busy
        }
        Some(Effect::Body(text)) => HttpResponse::new(Body::from(text.to_owned())),
        _ => {
            if effect == Some(Effect::IgnoreRange) {
                request.extensions_mut().insert(IgnoreRange);
            }
            if let Some(Effect::TrickleRequest(millis)) = effect {
                request.body_mut().pause = Some(Duration::from_millis(millis));
            }
            shared.s3.call(request.map(Body::http_body)).await?
        }
    };
    // S3 hears a request out whatever it thinks of it; a client that still speaks might not hear the answer.
    drain(body).await?;
    // The log may have been cleared in between.
    if let Some(entry) = shared.log.lock().unwrap().get_mut(number) {
        entry.status = Some(response.status().as_u16());
    }
    let headers = response.headers_mut();
    headers.insert("x-amz-request-id", format!("{number:016X}").parse()?);
    headers.insert("date", http_date(&shared)?.parse()?);
    match effect {
        Some(Effect::CloseAfter) => return Err("closed by a fault".into()),
        Some(Effect::HangAfter) => std::future::pending::<()>().await,
        Some(Effect::BodyAfter(text)) => {
            headers.remove("content-length");
            response = response.map(|_| Body::from(text.to_owned()));
        }
        Some(Effect::Header(name, value)) => {
            headers.insert(name, value.parse()?);
        }
        Some(Effect::Cut(after)) => {
            response = response.map(|body| Body::http_body_unsync(Broken::cut(body, after)));
        }
        Some(Effect::CutBack(bytes)) => {
            let left = length(&response).saturating_sub(bytes);
            response = response.map(|body| Body::http_body_unsync(Broken::cut(body, left)));
        }
        Some(Effect::CutHalf) => {
            let left = length(&response) / 2;
            response = response.map(|body| Body::http_body_unsync(Broken::cut(body, left)));
        }
        Some(Effect::Stall(after)) => {
            response = response.map(|body| Body::http_body_unsync(Broken::stalled(body, after)));
        }
        Some(Effect::Trickle(millis)) => {
            let period = Duration::from_millis(millis);
            response = response.map(|body| Body::http_body_unsync(Trickling::new(body, period)));
        }
        Some(Effect::Flip(left)) => {
            response = response.map(|inner| Body::http_body_unsync(Flipped { inner, left }));
        }
        Some(Effect::Shorter(bytes)) => {
            let left = length(&response).saturating_sub(bytes);
            response.headers_mut().insert("content-length", left.into());
            response = response.map(|body| Body::http_body_unsync(Broken::short(body, left)));
        }
        Some(Effect::Longer(bytes)) => {
            let more = Bytes::from(vec![b'x'; usize::try_from(bytes)?]);
            let all = length(&response) + bytes;
            response.headers_mut().insert("content-length", all.into());
            response = response.map(|inner| Body::http_body_unsync(Padded { inner, more }));
        }
        _ => {}
    }
    Ok(response)
}

/// The SDK sends `aws-chunked` in a header of its own beside the object's `Content-Encoding`; s3s takes one header.
fn join_codings<B>(request: &mut hyper::Request<B>) -> Result<(), StdError> {
    let codings = request.headers().get_all("content-encoding");
    let codings: Vec<_> = codings.into_iter().map(|value| value.as_bytes()).collect();
    if codings.len() > 1 {
        // A signature is of the joined form anyway.
        let joined = hyper::header::HeaderValue::from_bytes(&codings.join(&b','))?;
        request.headers_mut().insert("content-encoding", joined);
    }
    Ok(())
}

fn refusal(status: u16, code: &str) -> HttpResponse {
    let mut error = S3Error::with_message(code.parse().unwrap(), "As planned by the test.");
    error.set_status_code(hyper::StatusCode::from_u16(status).unwrap());
    error.to_http_response().unwrap()
}

/// The length of an answer's body.
fn length(response: &HttpResponse) -> u64 {
    let told = response.headers().get("content-length");
    let told = told.and_then(|length| length.to_str().ok()?.parse().ok());
    told.or_else(|| response.body().size_hint().exact()).unwrap_or(0)
}

/// A request's body that can be read to its end after s3s has lost interest in it.
#[derive(Clone)]
struct Heard {
    body: Arc<Mutex<Incoming>>,
    /// Before each piece, where it is read slowly.
    pause: Option<Duration>,
    pausing: Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>,
}

impl Heard {
    fn new(body: Incoming) -> Self {
        Self {
            body: Arc::new(Mutex::new(body)),
            pause: None,
            pausing: Arc::default(),
        }
    }
}

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(pause) = self.pause {
            let mut pausing = self.pausing.lock().unwrap();
            let sleep = pausing.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            std::task::ready!(sleep.as_mut().poll(context));
            *pausing = None;
        }
        Pin::new(&mut *self.body.lock().unwrap()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().unwrap().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().unwrap().size_hint()
    }
}

async fn drain(body: Heard) -> Result<(), StdError> {
    read(body, u64::MAX).await
}

/// Reads at least so many bytes, if there are as many.
async fn read(mut body: Heard, bytes: u64) -> Result<(), StdError> {
    let mut got = 0;
    while got < bytes
        && let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        got += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(())
}

/// S3 tells the time in every answer, by the clock that objects are dated by.
fn http_date(shared: &Shared) -> Result<String, StdError> {
    let mut text = Vec::new();
    let now = shared.model.lock().unwrap().now();
    Timestamp::from(now).format(TimestampFormat::HttpDate, &mut text)?;
    Ok(String::from_utf8(text)?)
}
