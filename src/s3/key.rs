//! Keys as notifications and listings write them: form-encoded, so `red+flower%2F1.json` is `red flower/1.json`.

use percent_encoding::percent_decode;

/// A key that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// S3 keys are UTF-8, so a replacement character would name another object.
    #[error("decodes to bytes that are not UTF-8, and no key of S3 is such")]
    NotUtf8,
    /// No object has the empty key.
    #[error("is empty")]
    Empty,
}

/// The key as S3 knows it. `+` is a space and `%XX` a byte; a `%` that begins no escape stands for itself.
///
/// `&` and `=` are characters like others here: senders differ in what they escape, and a key is no list of pairs.
pub fn decode_key(encoded: &str) -> Result<String, KeyError> {
    let spaced = encoded.replace('+', " ");
    let key = percent_decode(spaced.as_bytes())
        .decode_utf8()
        .map_err(|_| KeyError::NotUtf8)?;
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    Ok(key.into_owned())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_decoded_once_and_kept_as_they_are() {
        let (long, decoded) = ("%C3%A9".repeat(512), "\u{e9}".repeat(512));
        for (encoded, key) in [
            ("a", "a"),
            ("raw/dt%3D2019-10-12/a+b%2Bc.gz", "raw/dt=2019-10-12/a b+c.gz"),
            ("raw%2Fdt%3D2019-10-12%2Fa+b%2Bc.gz", "raw/dt=2019-10-12/a b+c.gz"),
            ("raw/dt=2019-10-12/a%20b%2Bc.gz", "raw/dt=2019-10-12/a b+c.gz"),
            ("a++b", "a  b"),
            ("%2B", "+"),
            ("%252B", "%2B"),
            ("%25", "%"),
            ("%2525", "%25"),
            ("%2b%c3%A9", "+\u{e9}"),
            ("%zz", "%zz"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%+1", "% 1"),
            ("a&b=c;d?e#f", "a&b=c;d?e#f"),
            ("a%26b%3Dc%3Bd", "a&b=c;d"),
            ("&", "&"),
            ("=", "="),
            ("a%0Ab%0D%00", "a\nb\r\0"),
            ("/a", "/a"),
            ("a//b/", "a//b/"),
            ("../../etc/passwd", "../../etc/passwd"),
            ("%2E%2E/a", "../a"),
            (".", "."),
            ("caf%C3%A9", "caf\u{e9}"),
            ("cafe%CC%81", "cafe\u{301}"),
            ("caf\u{e9}", "caf\u{e9}"),
            ("%F0%9F%8C%8A", "\u{1f30a}"),
            ("%EF%BB%BFa", "\u{feff}a"),
            (&long, &decoded),
        ] {
            assert_eq!(decode_key(encoded).as_deref(), Ok(key), "{encoded}");
        }
    }

    #[test]
    fn a_key_that_is_no_text_is_refused() {
        for (encoded, why) in [
            ("%FF", KeyError::NotUtf8),
            ("a/%C3.gz", KeyError::NotUtf8),
            // Half a surrogate pair, and a slash in two bytes.
            ("%ED%A0%80", KeyError::NotUtf8),
            ("%C0%AF", KeyError::NotUtf8),
            ("", KeyError::Empty),
        ] {
            assert_eq!(decode_key(encoded), Err(why), "{encoded}");
        }
    }

    /// All but what S3 leaves bare.
    const PATH: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'*');

    proptest! {
        /// S3 writes `+` for a space and leaves slashes bare; others escape slashes, or write `%20`.
        #[test]
        fn every_key_comes_back_from_each_encoding(key in "\\PC{1,60}|[ +%/&=;0-9a-f\u{e9}\u{301}\0-\u{1f}]{1,60}") {
            let percent = utf8_percent_encode(&key, PATH).to_string();
            let form: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
            for encoded in [percent.replace("%20", "+"), percent, form] {
                prop_assert_eq!(decode_key(&encoded), Ok(key.clone()), "{}", encoded);
            }
        }
    }
}
