//! Packed streams: pieces are no larger than asked, and neither bytes nor the end depend on how the stored bytes arrive.

use std::io::{Cursor, Read};

use lakebed::source::inflate::{Damage, Hint, Inflate, InflateError};

use super::chosen;

/// Read of a stream that may be endless.
const STREAM_BYTES_MAX: usize = 4 << 20;
const PIECE_BYTES: usize = 64 << 10;

/// Hands over a few bytes at a time.
struct Few(Cursor<Vec<u8>>, usize);

impl Read for Few {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let few = out.len().min(self.1);
        self.0.read(&mut out[..few])
    }
}

/// The first byte chooses what is said beside the bytes; the rest is the stored object.
pub(crate) fn check(bytes: &[u8]) {
    let (choice, stored) = chosen(bytes);
    let encodings = [
        None,
        Some("hadoop-snappy"),
        Some("snappy"),
        Some("gzip"),
        Some("aws-chunked,zstd"),
    ];
    let hint = Hint {
        content_encoding: encodings[choice % 5].map(str::to_owned),
        name: ["a", "a.snappy", "a.gz"][choice / 5 % 3].to_owned(),
    };
    let at_once = read(Cursor::new(stored.to_vec()), &hint, stored.len());
    let by_few = read(Few(Cursor::new(stored.to_vec()), 1 + choice / 15), &hint, stored.len());
    assert!(
        at_once.0 == by_few.0,
        "{} and {} bytes",
        at_once.0.len(),
        by_few.0.len()
    );
    assert_eq!(at_once.1, by_few.1);
}

fn read(stored: impl Read + Send + 'static, hint: &Hint, stored_bytes: usize) -> (Vec<u8>, Option<Damage>) {
    let mut out = Vec::new();
    let ended = Inflate::with_hint(stored, hint).and_then(|mut stream| {
        while out.len() < STREAM_BYTES_MAX {
            let before = out.len();
            let read = stream.read(&mut out, PIECE_BYTES)?;
            assert!(read <= PIECE_BYTES && out.len() == before + read);
            assert!(stream.stored_bytes() <= stored_bytes as u64);
            if read == 0 {
                break;
            }
        }
        Ok(())
    });
    match ended {
        Ok(()) => (out, None),
        Err(InflateError::Damaged(damage)) => {
            assert!(damage.offset <= stored_bytes as u64, "{damage:?} of {stored_bytes}");
            (out, Some(damage))
        }
        Err(InflateError::Source(error)) => panic!("memory can be read: {error}"),
    }
}
