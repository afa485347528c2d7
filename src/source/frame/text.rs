//! The insides of strings: how far they go, and whether they end in what may be the gap between two records.

/// What a string ends in, as far as it has been read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    Other,
    /// `}` and spaces; where the brace ends.
    Closed(u64),
    /// `}`, spaces, `{`, spaces: where a stretch ends and a record starts if this is no string.
    Gap {
        end: u64,
        start: u64,
    },
}

impl Tail {
    /// Reads on in the string at `offset`.
    pub(super) fn then(self, text: &[u8], offset: u64) -> Self {
        let solid = |text: &[u8]| text.iter().rposition(|byte| *byte != b' ');
        let Some(last) = solid(text) else { return self };
        let start = offset + last as u64;
        match (text[last], solid(&text[..last])) {
            (b'}', _) => Self::Closed(start + 1),
            (b'{', Some(brace)) if text[brace] == b'}' => Self::Gap {
                end: offset + brace as u64 + 1,
                start,
            },
            (b'{', None) => match self {
                Self::Closed(end) => Self::Gap { end, start },
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// How many bytes of a string stand before the next quote, backslash or control character.
pub(crate) fn plain_text_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let has_zero = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
    let mut done = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let x = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let quote = has_zero(x ^ (ONES * b'"' as u64));
        let backslash = has_zero(x ^ (ONES * b'\\' as u64));
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGHS;
        let stop = quote | backslash | control;
        if stop != 0 {
            // The lowest flag is exact; borrows only disturb higher ones.
            return done + (stop.trailing_zeros() / 8) as usize;
        }
        done += 8;
    }
    let rest = words.remainder();
    done + rest
        .iter()
        .position(|b| matches!(b, b'"' | b'\\' | 0..0x20))
        .unwrap_or(rest.len())
}
