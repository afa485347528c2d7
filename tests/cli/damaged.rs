//! Sources that are broken, or are something else: what can be read is loaded, the rest is one entry, and the run says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sandbox::{Dice, Sandbox, gzip, lines, record};

/// Loads one damaged object beside a good one (ids 0 to 10), twice.
#[track_caller]
fn check(name: &str, bytes: &[u8], code: &str) -> (Sandbox, Vec<u64>) {
    let sandbox = Sandbox::new();
    sandbox.write("raw/good.json", lines(0..10));
    sandbox.write(&format!("raw/{name}"), bytes);
    let ran = sandbox.load("").exits(1);
    assert_eq!(ran.sources(), [2, 2, 0, 0, 1, 0], "{name}");
    assert_eq!(ran.failed(), [(name.to_owned(), code.to_owned())]);
    assert_eq!(ran.json()["failed"][0]["transient"], false);
    let lake = sandbox.lake("lake");
    let ids = lake.prove().ids();
    assert_eq!(ids[..10], (0..10).collect::<Vec<_>>());
    assert_eq!(
        lake.codes().into_iter().collect::<Vec<_>>(),
        [(code.to_owned(), 1)],
        "{name}"
    );
    assert_eq!(
        lake.quarantine()[0]["errorMessage"]
            .as_str()
            .unwrap()
            .matches("k1")
            .count(),
        0
    );

    // Nothing about it will change: a second run has nothing to do, and nothing to complain of.
    let before = lake.snapshot();
    assert_eq!(sandbox.load("").exits(0).sources(), [2, 0, 2, 0, 0, 0], "{name}");
    assert!(lake.snapshot() == before, "something was written");
    let rest = ids[10..].to_vec();
    (sandbox, rest)
}

#[test]
fn records_before_the_end_of_a_cut_stream_are_rows() {
    let text = lines(100..20_100);
    for (name, whole) in [
        ("cut.json.gz", gzip(&text)),
        ("cut.zst", zstd::encode_all(text.as_bytes(), 3).unwrap()),
        (
            "cut_in_the_second_member",
            [gzip(lines(100..5000)), gzip(lines(5000..20_100))].concat(),
        ),
    ] {
        let cut = &whole[..whole.len() * 2 / 3];
        let (sandbox, ids) = check(name, cut, "Codec.Truncated");
        assert!(ids.len() > 5000, "{name}: {}", ids.len());
        assert_eq!(ids, (100..100 + ids.len() as u64).collect::<Vec<_>>(), "{name}");
        let entry = &sandbox.lake("lake").quarantine()[0];
        assert_eq!(
            (&entry["offsetIn"], &entry["offset"]),
            (&"stored".into(), &cut.len().into()),
            "{name}"
        );
        // What was decompressed of the record that broke off is kept.
        let next = record(100 + ids.len() as u64);
        let kept = STANDARD.decode(entry["rawData"].as_str().unwrap()).unwrap();
        let all: String = (100..100 + ids.len() as u64).map(record).collect();
        assert!(
            text.starts_with(&(all + &String::from_utf8(kept.clone()).unwrap())),
            "{name}"
        );
        assert!(kept.len() < next.len(), "{name}");
    }
}

#[test]
fn records_before_a_broken_place_are_rows() {
    let mut checksum = gzip(lines(100..5_100));
    let end = checksum.len();
    checksum[end - 8] ^= 1;
    let (_, ids) = check("checksum.gz", &checksum, "Codec.Corrupt");
    assert_eq!(ids, (100..5_100).collect::<Vec<_>>());

    // One flipped bit may decode to other text before it is noticed; what is lost is bounded, what is there is whole.
    let mut garbage = gzip(lines(100..20_100));
    let middle = garbage.len() / 2;
    garbage[middle..middle + 64].fill(0xff);
    let sandbox = Sandbox::new();
    sandbox.write("raw/garbage.gz", garbage);
    let ran = sandbox.load("").exits(1);
    assert_eq!(ran.sources(), [1, 1, 0, 0, 1, 0]);
    assert_eq!(ran.failed(), [("garbage.gz".into(), "Codec.Corrupt".into())]);
    assert!(sandbox.lake("lake").prove().ids().len() > 5000);

    let behind = [gzip(lines(100..200)), b"{\"id\":1}".to_vec()].concat();
    let (_, ids) = check("text_behind.gz", &behind, "Codec.Corrupt");
    assert_eq!(ids, (100..200).collect::<Vec<_>>());
}

#[test]
fn an_object_that_holds_no_records_is_one_entry() {
    let records: Vec<String> = (100..200).map(|id| record(id).trim().to_owned()).collect();
    let utf16 = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let text = lines(100..200);
        let text = text.encode_utf16().flat_map(bytes);
        mark.iter().copied().chain(text).collect::<Vec<u8>>()
    };
    let mut dice = Dice(7);
    let random: Vec<u8> = (0..2 << 20).map(|_| dice.next() as u8).collect();
    let parquet = {
        let sandbox = Sandbox::new();
        sandbox.write("raw/a.json", lines(0..20_000));
        sandbox.load("").exits(0);
        sandbox.lake("lake").data().into_values().next().unwrap().to_vec()
    };
    let csv: String = (0..1000)
        .map(|id| format!("{id},2024-05-01T00:00:00Z,\"k\"\n"))
        .collect();
    for (name, bytes) in [
        ("table.csv", format!("id,at,kind\n{csv}").into_bytes()),
        ("array.json", format!("[{}]", records.join(",")).into_bytes()),
        (
            "array_of_many.json",
            format!("[{}]", vec![records.join(","); 200].join(",")).into_bytes(),
        ),
        ("utf16le.json", utf16(&[0xff, 0xfe], u16::to_le_bytes)),
        ("utf16be.json", utf16(&[0xfe, 0xff], u16::to_be_bytes)),
        ("part.parquet", parquet),
        ("encrypted", random.clone()),
        ("encrypted.gz", gzip(&random)),
        ("zeros", vec![0; 4096]),
        ("text.log", b"WARN something\nINFO something else\n".repeat(100)),
        ("empty_array.json", b"[]".to_vec()),
    ] {
        let (sandbox, ids) = check(name, &bytes, "Object.NotJson");
        assert!(ids.is_empty(), "{name}");
        let entry = &sandbox.lake("lake").quarantine()[0];
        let plain = if name.ends_with(".gz") { &random } else { &bytes };
        assert_eq!(
            (&entry["offset"], &entry["length"]),
            (&0.into(), &plain.len().into()),
            "{name}"
        );
        let kept = STANDARD.decode(entry["rawData"].as_str().unwrap()).unwrap();
        assert!(
            plain.starts_with(&kept) && kept.len() == plain.len().min(1 << 20),
            "{name}"
        );
        assert_eq!(entry["rawDataTruncated"] == true, kept.len() < plain.len(), "{name}");
    }
}

#[test]
fn records_of_an_array_with_a_line_each_are_rows() {
    let records: Vec<String> = (0..100).map(|id| record(id).trim().to_owned()).collect();
    let sandbox = Sandbox::new();
    sandbox.write("raw/array.json", format!("[\n{}\n]\n", records.join(",\n")));
    let ran = sandbox.load("").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), (0..100).collect::<Vec<_>>());
    // The brackets and the commas.
    assert_eq!(ran.json()["records"]["quarantined"], 101, "{ran:?}");
}

#[test]
fn the_summary_for_people_names_what_is_damaged() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/good.json", lines(0..10));
    sandbox.write("raw/table.csv", "id,at\n1,2\n");
    let mut cut = gzip(lines(10..20));
    cut.truncate(cut.len() - 4);
    sandbox.write("raw/cut.gz", cut);
    let ran = sandbox.run("backfill raw --to lake").exits(1);
    for expected in [
        "3 objects loaded",
        "2 damaged",
        "table.csv: no JSON record begins in its first MiB; nothing of it was loaded (Object.NotJson)",
        "cut.gz: the compressed stream is broken; 10 records before the damage are rows (Codec.Truncated)",
    ] {
        assert!(ran.stdout.contains(expected), "no {expected:?} in {}", ran.stdout);
    }
}

#[test]
fn a_file_cut_at_each_of_its_bytes_is_loaded_as_far_as_it_goes_and_told() {
    let sandbox = Sandbox::new();
    let text = lines(0..130);
    let whole = gzip(&text);
    assert!(whole.len() > 4096, "{}", whole.len());
    for cut in 0..=whole.len() {
        sandbox.write(&format!("raw/{cut:05}.gz"), &whole[..cut]);
    }
    let ran = sandbox.load("").exits(1);
    let count = whole.len() as u64 + 1;
    // Nothing at all is no damage, nor is the whole.
    assert_eq!(ran.sources(), [count, count, 0, 0, count - 2, 0]);
    let lake = sandbox.lake("lake");
    let codes = lake.prove().codes();
    // Two bytes are too few to tell what it is.
    assert_eq!(
        (codes["Codec.Truncated"] as u64, codes["Object.NotJson"]),
        (count - 4, 2)
    );
    for entry in lake.quarantine() {
        let name = entry["source"]["key"].as_str().unwrap().rsplit('/').next().unwrap();
        let cut: u64 = name.trim_end_matches(".gz").parse().unwrap();
        assert!(
            cut < 3 || entry["offset"] == cut && entry["offsetIn"] == "stored",
            "{entry}"
        );
    }
    // A longer part has no fewer rows, and the first record is there as often as any.
    let outcomes = lake.outcomes();
    let sources = outcomes.iter().flat_map(|outcome| {
        let names = outcome["sources"].as_array().unwrap().iter();
        names.zip(outcome["counts"]["sources"].as_array().unwrap())
    });
    let mut rows: Vec<_> = sources
        .map(|(source, counts)| {
            (
                source["key"].as_str().unwrap(),
                counts["records"]["rows"].as_u64().unwrap(),
            )
        })
        .collect();
    rows.sort_unstable();
    assert!(
        rows.is_sorted_by_key(|(_, rows)| *rows) && rows.last().unwrap().1 == 130,
        "{rows:?}"
    );
    let ids = lake.ids();
    let of = |id: u64| ids.iter().filter(|found| **found == id).count() as u64;
    for id in 0..130 {
        assert_eq!(
            of(id),
            rows.iter().filter(|(_, rows)| *rows > id).count() as u64,
            "{id}"
        );
    }
}
