//! What is said about an object beside its bytes.

use super::super::snappy::Framing;

/// What is said about an object beside its bytes. It is asked where no codec's first bytes are there and the bytes do not look
/// like JSON: snappy in Hadoop's framing or none has no first bytes of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Its `Content-Encoding`, as it stands there: `hadoop-snappy`, `aws-chunked,gzip`.
    pub content_encoding: Option<String>,
    /// Its key or path; what counts is the last extension.
    pub name: String,
}

impl Hint {
    /// The framing of an object that begins with `head`, if it is to be read as snappy.
    pub(super) fn framing(&self, head: &[u8]) -> Option<Framing> {
        if head.is_empty() || looks_like_json(head) {
            return None;
        }
        let codings = || {
            self.content_encoding
                .as_deref()
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
        };
        let is = |coding: &str, name: &str| coding.eq_ignore_ascii_case(name);
        if codings().any(|coding| is(coding, "hadoop-snappy")) {
            return Some(Framing::Hadoop);
        }
        // snappy-java writes Hadoop's framing as well. The official framing, `x-snappy-framed`, cannot be without its magic.
        let by_header = codings().any(|coding| is(coding, "snappy") || is(coding, "snappy-java"));
        let by_name = self.name.rsplit_once('.').is_some_and(|(_, ext)| is(ext, "snappy"));
        (by_header || by_name).then(|| Framing::guess(head)).flatten()
    }
}

/// Does it begin as JSON does, or with the byte order mark that some put before it?
fn looks_like_json(head: &[u8]) -> bool {
    matches!(
        head,
        [b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'[', ..] | [0xEF, 0xBB, 0xBF, ..]
    )
}
