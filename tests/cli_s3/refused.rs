//! What cannot be done with S3, why, and the exit code: 2 where something has to be set right, 1 where it may pass.

use crate::cloud::Cloud;
use crate::sandbox::{Ran, Run as _, lines};
use crate::support::s3::server::SECRET_KEY;
use crate::support::s3::{Effect, Fault};

fn cloud() -> Cloud {
    let cloud = Cloud::new();
    cloud.seed("p/a.json", lines(0..10));
    cloud.write("raw/a.json", lines(0..10));
    cloud
}

#[track_caller]
fn tells(ran: Ran, exit: i32, expected: &[&str]) {
    let ran = ran.exits(exit);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "no {expected:?} in {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
    for never in [SECRET_KEY, "panicked", "ServiceError", "DispatchFailure"] {
        assert!(!ran.stderr.contains(never), "{never:?} in {}", ran.stderr);
    }
}

#[test]
fn a_lake_that_overlaps_the_raw_objects_is_refused_without_a_request() {
    let cloud = cloud();
    for (raw, lake) in [
        ("s3://raw/p", "s3://raw"),
        ("s3://raw/p", "s3://raw/"),
        ("s3://raw/p", "s3://raw/p"),
        ("s3://raw/p/", "s3://raw/p"),
        ("s3://raw", "s3://raw/lake"),
        ("s3://raw/p", "s3://raw/p/lake"),
        ("s3://raw/p/lake/a.json", "s3://raw/p/lake"),
        ("raw s3://raw/p", "s3://raw/p/lake"),
    ] {
        for more in ["", "--dry-run", "--json"] {
            let ran = cloud.run(&format!("backfill {raw} --to {lake} {more}"));
            tells(ran, 2, &["overlap", "keep them apart", lake]);
        }
    }
    assert!(cloud.server.log().is_empty(), "{:?}", cloud.server.log());
    // Names that only begin alike do not overlap.
    cloud.run("backfill s3://raw/p --to s3://lake/p").exits(0);
    cloud.server.model().seed("lake", "raw/a.json", lines(10..20));
    cloud.run("backfill s3://lake/raw --to s3://lake/raw2").exits(0);
}

#[test]
fn places_that_are_none_are_refused_without_a_request() {
    let cloud = cloud();
    for (line, expected) in [
        ("backfill s3:// --to lake", "names no bucket"),
        ("backfill s3://ab --to lake", "at least 3"),
        ("backfill S3://raw/p --to lake", "s3://bucket"),
        ("backfill s3a://raw/p --to lake", "s3://bucket"),
        ("backfill raw --to s3:///x", "names no bucket"),
        ("backfill raw --to s3n://lake/x", "s3://bucket"),
    ] {
        tells(cloud.run(line), 2, &[expected]);
    }
    assert!(cloud.server.log().is_empty());
    assert!(!cloud.path("lake").exists());
}

#[test]
fn what_is_not_there_is_said() {
    let cloud = cloud();
    for (line, expected) in [
        (
            "backfill s3://nowhere/p --to lake",
            &["s3://nowhere/p", "bucket nowhere does not exist", "look at its name"][..],
        ),
        (
            "backfill s3://raw/p --to s3://nowhere/x",
            &["lake s3://nowhere/x", "bucket nowhere does not exist"],
        ),
        (
            "backfill raw --to s3://nowhere/x",
            &["lake s3://nowhere/x", "bucket nowhere does not exist"],
        ),
        (
            "backfill s3://raw/nothing --to lake",
            &["no object s3://raw/nothing, and none below it"],
        ),
        ("backfill s3://raw/p s3://raw/P --to lake", &["no object s3://raw/P"]),
    ] {
        tells(cloud.run(line), 2, expected);
        tells(cloud.run(&format!("{line} --dry-run --json")), 2, expected);
    }
    assert_eq!(cloud.writes(), [""; 0]);
    // A bucket that is there may be empty.
    cloud.server.model().create_bucket("new");
    let ran = cloud.run("backfill s3://new --to lake").exits(0);
    assert_eq!(ran.stdout, "no objects found\n");
}

#[test]
fn without_credentials_or_with_wrong_ones_it_says_what_to_set() {
    let cloud = cloud();
    let endpoint = cloud.server.endpoint();
    for line in ["backfill s3://raw/p --to lake", "backfill raw --to s3://lake/x"] {
        let mut command = cloud.without_credentials(line);
        tells(
            command.env("AWS_ENDPOINT_URL", &endpoint).run(),
            2,
            &["no AWS credentials were found", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"],
        );
        // The clocks differ here, so the client would take it for that and try again.
        let mut wrong = cloud.command(line);
        wrong
            .env("AWS_SECRET_ACCESS_KEY", "not-the-one")
            .env("AWS_MAX_ATTEMPTS", "1");
        tells(wrong.run(), 2, &["S3 does not know these AWS credentials"]);
        let unknown = cloud
            .command(line)
            .env("AWS_PROFILE", "nobody")
            .env_remove("AWS_ACCESS_KEY_ID")
            .run();
        tells(unknown, 2, &["AWS"]);
    }
    assert_eq!(cloud.writes(), [""; 0]);
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    let cloud = cloud();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("http://127.0.0.1:{port}");
    for line in ["backfill s3://raw/p --to lake", "backfill raw --to s3://lake/x"] {
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let mut command = cloud.command(line);
            command.env(variable, &endpoint).env("AWS_MAX_ATTEMPTS", "1");
            tells(
                command.run(),
                1,
                &["cannot reach the S3 endpoint", &endpoint, "AWS_ENDPOINT_URL_S3"],
            );
        }
        let mut command = cloud.command(line);
        command.env("AWS_ENDPOINT_URL", "127.0.0.1:9");
        tells(command.run(), 2, &["127.0.0.1:9", "http://"]);
    }
}

#[test]
fn refusals_of_s3_say_what_to_change() {
    for (effect, exit, expected) in [
        (Effect::ACCESS_DENIED, 2, "access denied: allow s3:"),
        (Effect::Answer(403, "ExpiredToken"), 1, "have expired"),
        (Effect::Answer(301, "PermanentRedirect"), 2, "another region"),
        (Effect::SLOW_DOWN, 1, "fewer requests"),
        (Effect::INTERNAL_ERROR, 1, "S3 endpoint"),
        (Effect::Close, 1, "S3 endpoint"),
    ] {
        for (line, operation) in [
            ("backfill s3://raw/p --to lake", "ListObjectsV2"),
            ("backfill raw --to s3://lake/x", "GetObject"),
        ] {
            let cloud = cloud();
            cloud.server.inject(Fault::on(operation, effect.clone()));
            let ran = cloud.command(line).env("AWS_MAX_ATTEMPTS", "1").run();
            tells(ran, exit, &[expected]);
        }
    }
}

#[test]
fn a_bucket_of_another_owner_is_refused() {
    let cloud = cloud();
    for line in ["backfill s3://raw/p --to lake", "backfill raw --to s3://lake/x"] {
        let ran = cloud.command(line).env("LAKEBED_EXPECTED_OWNER", "999999999999").run();
        tells(ran, 2, &["account 999999999999", "LAKEBED_EXPECTED_OWNER"]);
        cloud
            .command(line)
            .env("LAKEBED_EXPECTED_OWNER", crate::support::s3::OWNER)
            .run()
            .exits(0);
    }
    let ran = cloud
        .command("backfill s3://raw/p --to lake")
        .env("LAKEBED_EXPECTED_OWNER", "me")
        .run();
    tells(ran, 2, &["LAKEBED_EXPECTED_OWNER", "12 digits"]);
}

#[test]
fn a_prefix_that_is_no_lake_or_a_newer_one_is_left_alone() {
    let cloud = cloud();
    cloud
        .server
        .model()
        .seed("lake", "foreign/event/part-0.parquet", "not ours");
    tells(
        cloud.run("backfill raw --to s3://lake/foreign"),
        2,
        &["s3://lake/foreign", "not written by lakebed"],
    );
    cloud.server.model().seed(
        "lake",
        "newer/_lakebed/lake.json",
        "{\"version\":2,\"format\":\"lakebed\"}",
    );
    tells(
        cloud.run("backfill raw --to s3://lake/newer"),
        2,
        &["use a newer release"],
    );
    assert_eq!(cloud.writes(), [""; 0]);
}
