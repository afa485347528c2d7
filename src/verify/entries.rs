//! Proves a quarantine file: it inflates to its end, and is as many lines as entries, each a JSON object.

use std::io::{self, BufRead, BufReader, Read, Seek};

use flate2::bufread::MultiGzDecoder;
use serde::de::IgnoredAny;

use super::content::Content;
use super::data::Fault;
use super::report::Code;

/// Longer than any line: an entry has at most a MiB of its record, in base64, and some names.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// Blocks while it reads. One line is in memory at a time.
pub(super) fn prove(content: Content, expected: u64) -> Result<(), Fault> {
    let entries = match content {
        Content::Memory(bytes) => count(bytes.as_ref()),
        Content::Spooled(mut file) => file.rewind().map_err(broken).and_then(|()| count(BufReader::new(file))),
    }?;
    if entries == expected {
        return Ok(());
    }
    let message = format!("it holds {entries} entries, and its outcome says {expected}");
    Err((Code::FileRows, message))
}

fn broken(error: io::Error) -> Fault {
    (Code::FileFormat, format!("it does not inflate as gzip: {error}"))
}

fn count(packed: impl BufRead) -> Result<u64, Fault> {
    let mut lines = BufReader::new(MultiGzDecoder::new(packed));
    let mut line = Vec::new();
    for entry in 1.. {
        line.clear();
        let read = (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(broken)? == 0 {
            return Ok(entry - 1);
        }
        let is_object = line.first() == Some(&b'{')
            && line.last() == Some(&b'\n')
            && serde_json::from_slice::<IgnoredAny>(&line).is_ok();
        if !is_object {
            return Err((Code::FileFormat, format!("line {entry} of it is no JSON object")));
        }
    }
    unreachable!("a file ends before numbers do")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_quarantine_file_is_as_many_objects_as_entries() {
        let two = gzip("{\"a\":1}\n{}\n");
        for (packed, entries, expected) in [
            (two.clone(), 2, ""),
            (gzip(""), 0, ""),
            ([gzip("{}\n"), gzip("{}\n")].concat(), 2, ""),
            (two.clone(), 3, "it holds 2 entries, and its outcome says 3"),
            (gzip("{}\n{}"), 2, "line 2 of it is no JSON object"),
            (gzip("{}\n[]\n"), 2, "line 2 of it is no JSON object"),
            (gzip("{}\n\n"), 1, "line 2 of it is no JSON object"),
            (gzip("{\"a\":}\n"), 1, "line 1 of it is no JSON object"),
            (gzip("{}{}\n"), 1, "line 1 of it is no JSON object"),
            (two[..two.len() - 1].to_vec(), 2, "does not inflate"),
            (b"{}\n".to_vec(), 1, "does not inflate"),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&packed).unwrap();
            for content in [Content::Memory(packed.clone().into()), Content::Spooled(file)] {
                let fault = prove(content, entries)
                    .err()
                    .map_or(String::new(), |(_, message)| message);
                assert!(
                    fault.contains(expected) && fault.is_empty() == expected.is_empty(),
                    "{fault} {expected}"
                );
            }
        }
    }
}
