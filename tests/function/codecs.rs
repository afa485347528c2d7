//! Every way in which objects are packed, as its bytes tell; and packed objects that are damaged.

use std::io::Write as _;

use serde_json::json;

use crate::events::{message_each, notification};
use crate::world::{World, gzip, handle, ids, lines};

fn zstd(data: &str) -> Vec<u8> {
    zstd::encode_all(data.as_bytes(), 3).unwrap()
}

fn snappy(data: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(data).unwrap()
}

fn framed(data: &str) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(data.as_bytes()).unwrap();
    encoder.into_inner().unwrap()
}

/// As snappy-java writes it: a head, then chunks with their lengths.
fn xerial(data: &str) -> Vec<u8> {
    let mut bytes = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for chunk in data.as_bytes().chunks(1000) {
        let packed = snappy(chunk);
        bytes.extend((packed.len() as u32).to_be_bytes());
        bytes.extend(packed);
    }
    bytes
}

/// As Hadoop writes it: blocks with their unpacked lengths, each of chunks with their lengths.
fn hadoop(data: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in data.as_bytes().chunks(3000) {
        bytes.extend((block.len() as u32).to_be_bytes());
        for chunk in block.chunks(1100) {
            let packed = snappy(chunk);
            bytes.extend((packed.len() as u32).to_be_bytes());
            bytes.extend(packed);
        }
    }
    bytes
}

#[tokio::test]
async fn every_codec_is_read_whatever_the_name_says() {
    let text = lines(0..200);
    let (one, two) = text.split_at(text[..text.len() / 2].rfind('\n').unwrap() + 1);
    for (name, key, bytes, encoding) in [
        ("plain", "in/a", text.clone().into_bytes(), None),
        (
            "plain that says gzip",
            "in/a.gz",
            text.clone().into_bytes(),
            Some("gzip"),
        ),
        ("gzip", "in/a.gz", gzip(&text), None),
        ("gzip with a header", "in/a", gzip(&text), Some("gzip")),
        ("gzip with both", "in/a.json.gz", gzip(&text), Some("gzip")),
        ("gzip without a word", "in/a.json", gzip(&text), None),
        ("gzip of two members", "in/a.gz", [gzip(one), gzip(two)].concat(), None),
        ("gzip in gzip", "in/a.gz", gzip(gzip(&text)), Some("gzip")),
        ("zstd", "in/a.zst", zstd(&text), None),
        (
            "zstd of two frames",
            "in/a",
            [zstd(one), zstd(two)].concat(),
            Some("zstd"),
        ),
        ("framed snappy", "in/a.sz", framed(&text), None),
        ("framed snappy without a word", "in/a", framed(&text), None),
        ("xerial snappy", "in/a", xerial(&text), None),
        ("hadoop snappy by name", "in/a.snappy", hadoop(&text), None),
        ("hadoop snappy by header", "in/a", hadoop(&text), Some("hadoop-snappy")),
        ("raw snappy by name", "in/a.snappy", snappy(text.as_bytes()), None),
        ("raw snappy by header", "in/a", snappy(text.as_bytes()), Some("snappy")),
    ] {
        let world = World::new();
        let stored = bytes.len() as u64;
        match encoding {
            Some(encoding) => world.put_encoded(key, bytes, encoding),
            None => world.put(key, bytes),
        }
        let handled = handle(&world.function(), &notification(&[key])).await;
        assert_eq!(handled.answer.unwrap()["loaded"], 1, "{name}");
        assert_eq!(
            (handled.metrics.objects_damaged, handled.metrics.records),
            (0, 200),
            "{name}"
        );
        assert_eq!(handled.metrics.bytes_read, stored, "{name}");
        let lake = world.lake();
        assert_eq!((lake.ids(), lake.quarantine().len()), (ids(0..200), 0), "{name}");
    }
}

/// No retry helps: what was readable is loaded, the rest is told, and the caller is answered.
#[tokio::test]
async fn damaged_objects_are_answered_and_counted() {
    let text = lines(0..2000);
    let packed = gzip(&text);
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle..middle + 16].fill(0xFF);
    let mut wrong_sum = packed.clone();
    let end = wrong_sum.len() - 8;
    wrong_sum[end] ^= 1;
    for (name, bytes, code, all_rows) in [
        ("cut", packed[..packed.len() / 2].to_vec(), "Codec.Truncated", false),
        ("flipped", flipped, "Codec.Corrupt", false),
        ("wrong checksum", wrong_sum, "Codec.Corrupt", true),
        ("cut zstd", zstd(&text)[..1000].to_vec(), "Codec.Truncated", false),
        ("cut xerial", xerial(&text)[..1000].to_vec(), "Codec.Truncated", false),
    ] {
        let world = World::new();
        world.put("in/damaged", bytes);
        world.put("in/whole", lines(5000..5010));
        let function = world.function();
        let handled = handle(&function, &message_each(&["in/damaged", "in/whole"])).await;
        assert_eq!(handled.answer.unwrap(), json!({"batchItemFailures": []}), "{name}");
        assert_eq!(
            (handled.metrics.objects_damaged, handled.metrics.objects_failed),
            (1, 0),
            "{name}"
        );
        let lake = world.lake();
        assert!(lake.codes().contains_key(code), "{name}: {:?}", lake.codes());
        let (before, whole): (Vec<_>, Vec<_>) = lake.ids().into_iter().partition(|id| *id < 5000);
        assert_eq!(whole, ids(5000..5010), "{name}");
        assert_eq!(before, ids(0..before.len() as u64), "{name}");
        assert!(before.len() == 2000 || !all_rows, "{name}: {}", before.len());
        // It is loaded, as far as that goes.
        assert_eq!(
            handle(&function, &notification(&["in/damaged"]))
                .await
                .metrics
                .objects_already,
            1,
            "{name}"
        );
    }
}
