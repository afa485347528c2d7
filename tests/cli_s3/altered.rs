//! Bytes that are changed on their way: noticed where S3 keeps a checksum of the object, and read again.

use crate::cloud::Cloud;
use crate::sandbox::{events, gzip, lines};
use crate::support::s3::{Effect, Fault};

/// A plain and a compressed object of several ranges each, and a small one. How many records there are.
fn cloud() -> (Cloud, u64) {
    let cloud = Cloud::new();
    let text = |ids| events(ids, 6, 12, "\n");
    cloud.seed("p/plain.json", text(0..50_000));
    // Of stored blocks: a bit that is another is a letter that is another, and only the checksum of its member tells.
    cloud.seed("p/packed.json.gz", gzip(text(50_000..110_000)));
    cloud.seed("p/small.json", lines(110_000..110_100));
    (cloud, 110_100)
}

#[track_caller]
fn is_whole(cloud: &Cloud, records: u64, case: &str) {
    let ran = cloud.run("backfill s3://raw/p --to lake --json").exits(0);
    let [found, done, already, failed, damaged, _] = ran.sources();
    assert_eq!((found, done + already, failed, damaged), (3, 3, 0, 0), "{case}");
    let json = ran.json();
    assert_eq!(json["records"]["quarantined"], 0, "{case}");
    let lake = cloud.lake("lake");
    assert_eq!(lake.prove().ids(), (0..records).collect::<Vec<_>>(), "{case}");
}

#[test]
fn a_bit_that_changed_on_its_way_is_noticed_and_the_object_read_again() {
    for (key, nth, at) in [
        ("plain", 1, 100),
        ("plain", 2, 1_000_000),
        ("plain", 3, 0),
        ("packed", 1, 60_000),
        ("packed", 2, 4_000_000),
        ("packed", 3, 17),
        ("small", 1, 40),
    ] {
        let case = format!("{key}, range {nth}, byte {at}");
        let (cloud, records) = cloud();
        let of_it = move |struck: &str| struck.contains(key);
        cloud
            .server
            .inject(Fault::on("GetObject", Effect::Flip(at)).key(of_it).nth(nth));
        is_whole(&cloud, records, &case);
        let struck = cloud.server.log().iter().filter(|entry| entry.fault.is_some()).count();
        assert_eq!(struck, 1, "{case}");
    }
}

#[test]
fn a_connection_that_always_changes_bits_ends_in_a_failure_and_nothing_is_loaded() {
    let (cloud, records) = cloud();
    let faults = [("plain", 2_000_000), ("packed", 3_000_000)];
    for (key, at) in faults {
        let of_it = move |struck: &str| struck.contains(key);
        cloud.server.inject(Fault::on("GetObject", Effect::Flip(at)).key(of_it));
    }
    let ran = cloud.run("backfill s3://raw/p --to lake --json").exits(1);
    let failed = ran.failed();
    let codes: Vec<_> = failed
        .iter()
        .map(|(name, code)| (name.as_str(), code.as_str()))
        .collect();
    assert_eq!(
        codes,
        [("packed.json.gz", "Source.Changed"), ("plain.json", "Source.Changed")]
    );
    assert!(ran.stdout.contains("other bytes than those of the checksum"), "{ran:?}");
    assert_eq!(cloud.lake("lake").prove().ids(), (110_000..records).collect::<Vec<_>>());
    cloud.server.clear_faults();
    is_whole(&cloud, records, "without faults");
}

#[test]
fn an_object_that_is_damaged_where_it_is_stored_is_told_as_such_once() {
    let cloud = Cloud::new();
    let mut packed = gzip(events(0..60_000, 6, 12, "\n"));
    let middle = packed.len() / 2;
    packed[middle] ^= 1;
    cloud.seed("p/packed.json.gz", packed);
    let ran = cloud.run("backfill s3://raw/p --to lake --json").exits(1);
    assert_eq!(
        ran.failed(),
        [("packed.json.gz".to_owned(), "Codec.Corrupt".to_owned())]
    );
    assert_eq!(
        cloud.run("backfill s3://raw/p --to lake --json").exits(0).sources()[2],
        1
    );
}
