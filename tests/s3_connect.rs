//! S3 is reached as the environment says: the names and files that all tools of AWS share.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::process::Command;

use lakebed::s3::{Action, S3};
use support::s3::{Effect, Fault, Model, Server};

/// Set where this test binary is run by itself: an environment belongs to a whole process.
const CHILD: &str = "S3_CONNECT_CHILD";

/// Its value where only what Lambda sets is read.
const IN_LAMBDA: &str = "in Lambda";

/// What the child does: one request by the environment it is given. Prints how that ended.
#[tokio::test]
async fn child() {
    let s3 = match std::env::var(CHILD).as_deref() {
        Ok(IN_LAMBDA) => S3::in_lambda(None).await,
        Ok(_) => S3::connect(None).await,
        Err(_) => return,
    };
    let region = s3.client().config().region().map(ToString::to_string);
    let ended = match s3.client().list_objects_v2().bucket("lake").send().await {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let refusal = s3.refusal(Action::ListBucket, "lake", "", error);
            format!("{refusal}: {}", refusal.source)
        }
    };
    eprintln!("region {}, {ended}", region.unwrap_or_default());
}

/// Runs the child with nothing of AWS in its environment but this.
fn child_with(environment: &[(&str, &str)]) -> String {
    child_as("anywhere", environment)
}

fn child_as(place: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env_clear();
    command.env(CHILD, place).env("HOME", "/nonexistent");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.envs(environment.iter().copied()).output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

fn server() -> Server {
    let mut model = Model::default();
    model.create_bucket("lake");
    Server::start(model)
}

#[test]
fn the_environment_says_where_and_who() {
    let server = server();
    let environment = server.environment();
    let mut names: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert!(child_with(&names).contains("region us-east-1, ok"));
    names[0].0 = "AWS_ENDPOINT_URL_S3";
    names[1].1 = "eu-west-1";
    let told = child_with(&names);
    assert!(told.contains("region eu-west-1, ok"), "{told}");
    // The bucket is in the path: there is no name for each bucket here.
    assert!(server.log().iter().all(|entry| entry.bucket == "lake"));
}

#[test]
fn so_does_a_profile() {
    let server = server();
    let environment = server.environment();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let text = format!(
        "[profile lake]\naws_access_key_id = {}\naws_secret_access_key = {}\nservices = here\nmax_attempts = 2\n\
         [services here]\ns3 =\n  endpoint_url = {}\n",
        environment[2].1, environment[3].1, environment[0].1,
    );
    std::fs::write(&config, text).unwrap();
    let profile = [("AWS_CONFIG_FILE", config.to_str().unwrap()), ("AWS_PROFILE", "lake")];
    // Nothing names a region.
    let told = child_with(&profile);
    assert!(told.contains("region us-east-1, ok"), "{told}");
    server.inject(Fault::on_any(Effect::INTERNAL_ERROR));
    server.clear_log();
    child_with(&profile);
    assert_eq!(server.log().len(), 2, "as often as the profile says");
}

#[test]
fn a_request_is_tried_five_times() {
    let server = server();
    server.inject(Fault::on_any(Effect::INTERNAL_ERROR).first(4));
    let environment = server.environment();
    let names: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert!(child_with(&names).contains("ok"));
    assert_eq!(server.log().len(), 5);
}

#[test]
fn in_lambda_variables_say_it_all() {
    let server = server();
    server.inject(Fault::on_any(Effect::INTERNAL_ERROR));
    let environment = server.environment();
    let names: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut wrong = names.clone();
    wrong[0].1 = "http://127.0.0.1:1";
    let of_s3 = [&wrong[..], &[("AWS_ENDPOINT_URL_S3", names[0].1)]].concat();
    for (more, attempts) in [
        (&names[..], 5),
        (&of_s3[..], 5),
        (&[("AWS_MAX_ATTEMPTS", "2")][..], 2),
        (&[("AWS_REGION", "eu-west-1")][..], 5),
    ] {
        server.clear_log();
        let told = child_as(IN_LAMBDA, &[&names[..], more].concat());
        assert_eq!(server.log().len(), attempts, "{more:?}: {told}");
        assert!(server.log().iter().all(|entry| entry.bucket == "lake"));
        let region = more.iter().rev().find(|(name, _)| *name == "AWS_REGION");
        let region = region.map_or("us-east-1", |(_, value)| value);
        assert!(told.contains(&format!("region {region}")), "{told}");
    }
    // Profiles are not looked at, and no metadata service is asked.
    let told = child_as(IN_LAMBDA, &[("AWS_PROFILE", "lake"), ("AWS_ENDPOINT_URL", names[0].1)]);
    assert!(told.contains("no AWS credentials were found"), "{told}");
    let ignored = [
        &names[..],
        &[
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ],
    ]
    .concat();
    server.clear_log();
    child_as(IN_LAMBDA, &ignored);
    assert_eq!(server.log().len(), 0);
}

#[test]
fn what_cannot_be_reached_is_named() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "y"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    for (endpoint, keys, words) in [
        (
            "http://127.0.0.1:1",
            &keys[..],
            "cannot reach the S3 endpoint http://127.0.0.1:1",
        ),
        ("http://127.0.0.1:1", &keys[..], "Connection refused"),
        (
            "localhost:9000",
            &keys[..],
            "begin AWS_ENDPOINT_URL_S3 with http:// or https://",
        ),
        (
            "http://127.0.0.1:1",
            &[][..],
            "no AWS credentials were found: set AWS_PROFILE",
        ),
    ] {
        let told = child_with(&[keys, &[("AWS_ENDPOINT_URL_S3", endpoint)]].concat());
        assert!(told.contains(words), "{endpoint}: {told}");
    }
}
