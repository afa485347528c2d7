//! Every request that reached the server, and what it was answered.

use std::collections::BTreeMap;
use std::fmt;

/// A request, as far as its first line and headers tell.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `GetObject`, `ListObjectsV2`, ...
    pub(crate) operation: &'static str,
    pub(crate) bucket: String,
    /// Empty for requests to the bucket.
    pub(crate) key: String,
    pub(crate) query: BTreeMap<String, String>,
    /// All but the signature, by names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// What S3 decided, even if the client was not told; None if nothing was decided (yet).
    pub(crate) status: Option<u16>,
    /// What the fault plan did to it.
    pub(crate) fault: Option<String>,
}

impl Entry {
    pub(crate) fn of<B>(request: &hyper::Request<B>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query: BTreeMap<_, _> = form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let headers = request.headers().iter().filter(|(name, _)| *name != "authorization");
        Self {
            operation: operation(request.method().as_str(), !key.is_empty(), &query),
            bucket: percent_decoded(bucket),
            key: percent_decoded(key),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            query,
            status: None,
            fault: None,
        }
    }

    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// `PutObject lake/key if-none-match=* -> 412`
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.operation, self.bucket, self.key)?;
        for name in ["partNumber", "prefix", "start-after", "versionId"] {
            if let Some(value) = self.query.get(name) {
                write!(f, " {name}={value}")?;
            }
        }
        for name in ["range", "if-match", "if-none-match"] {
            if let Some(value) = self.header(name) {
                write!(f, " {name}={value}")?;
            }
        }
        match self.status {
            Some(status) => write!(f, " -> {status}")?,
            None => write!(f, " -> nothing")?,
        }
        self.fault.iter().try_for_each(|fault| write!(f, " ({fault})"))
    }
}

fn operation(method: &str, object: bool, query: &BTreeMap<String, String>) -> &'static str {
    let has = |name| query.contains_key(name);
    match (method, object) {
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) if has("attributes") => "GetObjectAttributes",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) => "PutObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("HEAD", false) => "HeadBucket",
        _ => "Other",
    }
}

/// Unlike in a query, a `+` in a path is a plus.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let coded = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match coded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
