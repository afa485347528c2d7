//! Keys: those of events are decoded as any decoder of forms would, and none of ours leaves the lake.

use lakebed::door::{Call, Fates, Wanted};
use lakebed::job::identity::SourceName;
use lakebed::s3::{KeyError, S3Location, decode_key};
use lakebed::store::LakeKey;
use serde_json::json;

/// Any text as the key of an event, as one of the lake, and as a place.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text: &str = &text;
    assert_eq!(decode_key(text), decoded(text), "{text:?}");
    assert_wanted(text);
    assert_own(text);
    if let Ok(place) = text.parse::<S3Location>() {
        assert_eq!(place.to_string().parse().as_ref(), Ok(&place), "{text:?}");
        assert!(!place.bucket().is_empty() && !place.bucket().contains('/'), "{text:?}");
    }
}

/// Byte by byte: `+` is a space, `%XX` a byte, and all else itself.
fn decoded(text: &str) -> Result<String, KeyError> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|c| char::from(*c).to_digit(16));
        (rest, _) = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => (&after[2..], bytes.push((high * 16 + low) as u8)),
            (b'+', ..) => (after, bytes.push(b' ')),
            _ => (after, bytes.push(*first)),
        };
    }
    let key = String::from_utf8(bytes).map_err(|_| KeyError::NotUtf8)?;
    if key.is_empty() { Err(KeyError::Empty) } else { Ok(key) }
}

/// What an event asks for is that object, shown on one line; or its record fails.
fn assert_wanted(text: &str) {
    let record = json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": text}, "object": {"key": text}}});
    let call = Call::read(&json!({"Records": [record]})).expect("it is a notification");
    let wanted: Vec<&Wanted> = call.wanted();
    match decode_key(text) {
        Ok(key) if !text.is_empty() => {
            assert_eq!(wanted.len(), 1, "{text:?}");
            assert_eq!((&*wanted[0].bucket, &*wanted[0].key), (text, &*key));
            let shown = wanted[0].to_string();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
        _ => {
            assert!(wanted.is_empty() && !call.asks()[0].unreadable.is_empty(), "{text:?}");
            assert!(call.answer(&Fates::new(), true).is_err(), "{text:?}");
        }
    }
}

/// A key of the lake climbs nowhere and hides nothing, and what a source is called decides no more than an id.
fn assert_own(text: &str) {
    if let Ok(key) = LakeKey::new(text) {
        let parts: Vec<&str> = key.as_str().split('/').collect();
        assert!(
            parts
                .iter()
                .all(|part| !part.is_empty() && !part.starts_with('.') && part.len() <= 200),
            "{text:?}"
        );
        assert!(
            !text.chars().any(|c| c.is_control() || c == '\\') && text.len() <= 800,
            "{text:?}"
        );
    }
    let id = SourceName::in_bucket(text, text).id().to_string();
    assert!(
        id.len() == 26 && id.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')),
        "{id}"
    );
    assert!(LakeKey::new(format!("_lakebed/claims/{id}.json")).is_ok());
}
