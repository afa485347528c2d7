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
#[inline]
pub(crate) fn plain_text_len(bytes: &[u8]) -> usize {
    let mut done = 0;
    while let Some(lanes) = bytes[done..].first_chunk() {
        let stops = stops(lanes);
        if stops != 0 {
            return done + stops.trailing_zeros() as usize;
        }
        done += LANES;
    }
    done + rest_len(&bytes[done..])
}

#[cold]
fn rest_len(rest: &[u8]) -> usize {
    let stop = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    rest.iter().position(stop).unwrap_or(rest.len())
}

/// Bytes that are looked at together.
const LANES: usize = 16;

/// A bit for each byte that is a quote, a backslash or a control character.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stops(bytes: &[u8; LANES]) -> u32 {
    #[expect(unsafe_code, reason = "half the time of words of eight bytes; see benches/README.md")]
    // SAFETY: SSE2 is part of x86-64: there is no such machine without it.
    unsafe {
        stops_in_lanes(bytes)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn stops_in_lanes(bytes: &[u8; LANES]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let whole = u128::from_le_bytes(*bytes);
    let lanes = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
    let quote = _mm_cmpeq_epi8(lanes, _mm_set1_epi8(b'"' as i8));
    let backslash = _mm_cmpeq_epi8(lanes, _mm_set1_epi8(b'\\' as i8));
    let control = _mm_cmpeq_epi8(_mm_min_epu8(lanes, _mm_set1_epi8(0x1F)), lanes);
    _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
}

/// The same in words of eight bytes, of which one bit a byte is put together.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn stops(bytes: &[u8; LANES]) -> u32 {
    stops_portably(bytes)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn stops_portably(bytes: &[u8; LANES]) -> u32 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().enumerate().fold(0, |all, (place, word)| {
        const LOWS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
        const ONES: u64 = 0x0101_0101_0101_0101;
        let x = u64::from_le_bytes(*word);
        // The highest bit of each byte that is zero, exactly: nothing is carried from byte to byte.
        let zeros = |x: u64| !(((x & LOWS) + LOWS) | x | LOWS);
        let below_32 = zeros(x & (ONES * 0xE0));
        let found = zeros(x ^ (ONES * u64::from(b'"'))) | zeros(x ^ (ONES * u64::from(b'\\'))) | below_32;
        let bits = (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        all | (bits as u32) << (8 * place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_stops_in_every_place_or_does_not_as_one_by_one() {
        let is_stop = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        for other in [b'a', 0xFF, 0x80, b'!', b'#', b'[', b']', 0x20, 0x7F] {
            for byte in 0..=u8::MAX {
                for place in 0..LANES {
                    let mut bytes = [other; LANES];
                    bytes[place] = byte;
                    let expected = u32::from(is_stop(byte)) << place;
                    assert_eq!(stops(&bytes), expected, "{byte} at {place} among {other}");
                    assert_eq!(stops_portably(&bytes), expected, "{byte} at {place} among {other}");
                }
            }
        }
        let all = [0, b'"', b'\\', 0x1F, 0, b'"', b'"', 1, 0, 0, 0, 0, 0, 0, 0, b'\n'];
        assert_eq!((stops(&all), stops_portably(&all)), (0xFFFF, 0xFFFF));
    }

    #[test]
    fn the_length_is_that_of_looking_byte_by_byte() {
        for len in 0..70 {
            for stop in 0..=len {
                let mut text = vec![b'x'; len];
                if let Some(byte) = text.get_mut(stop) {
                    *byte = b'"';
                }
                assert_eq!(plain_text_len(&text), stop);
            }
        }
    }
}
