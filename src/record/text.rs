//! The contents of JSON strings.

/// A surrogate escape stands alone: the string is no Unicode text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoneSurrogate;

/// Adds the text that `raw`, the checked inside of a JSON string, stands for.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), LoneSurrogate> {
    unescape_with(raw, out, |_, _| Err(LoneSurrogate))
}

/// The same, with half a surrogate pair as the three bytes that UTF-8 would have for it if it might.
pub(super) fn unescape_halves(raw: &[u8], out: &mut Vec<u8>) {
    let half = |code: u32, out: &mut Vec<u8>| {
        let bits = |shift: u32| 0x80 | (code >> shift & 0x3F) as u8;
        out.extend_from_slice(&[0xED, bits(6), bits(0)]);
        Ok::<(), LoneSurrogate>(())
    };
    unescape_with(raw, out, half).expect("halves are text here");
}

#[inline]
fn unescape_with(
    raw: &[u8],
    out: &mut Vec<u8>,
    half: impl Fn(u32, &mut Vec<u8>) -> Result<(), LoneSurrogate>,
) -> Result<(), LoneSurrogate> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escaped = rest[at + 1];
        rest = &rest[at + 2..];
        match escaped {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut code = hex(rest);
                rest = &rest[4..];
                if (0xD800..0xDC00).contains(&code) && rest.starts_with(b"\\u") {
                    let low = hex(&rest[2..]);
                    if (0xDC00..0xE000).contains(&low) {
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        rest = &rest[6..];
                    }
                }
                match char::from_u32(code) {
                    Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => half(code, out)?,
                }
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn hex(text: &[u8]) -> u32 {
    text[..4].iter().fold(0, |code, digit| {
        code << 4 | char::from(*digit).to_digit(16).expect("checked when framed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_text_or_are_lone_surrogates() {
        for (raw, text) in [
            (r"plain", Some("plain")),
            (r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r"\u0041\u00e9\u4eac", Some("Aé京")),
            (r"\ud83d\ude00!", Some("😀!")),
            (r"\uD83D\uDE00", Some("😀")),
            (r"\ud83d", None),
            (r"\ud83d\u0041", None),
            (r"\ude00", None),
            (r"\u0000", Some("\0")),
        ] {
            let mut out = Vec::new();
            let result = unescape(raw.as_bytes(), &mut out);
            assert_eq!(
                result.ok().map(|()| String::from_utf8(out).unwrap()).as_deref(),
                text,
                "{raw}"
            );
        }
    }
}
