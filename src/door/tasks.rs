//! Tasks of S3 Batch Operations, which walk a manifest and call the function with one object or more.
//!
//! ```text
//! { invocationSchemaVersion: "1.0", invocationId, job: { id }, tasks: [{ taskId, s3Key, s3BucketArn }] }
//! { invocationSchemaVersion: "2.0", ... job: { id, userArguments: { dry_run: "true" } }, tasks: [{ taskId, s3Key, s3Bucket }] }
//!   ──> { invocationSchemaVersion, treatMissingKeysAs, invocationId, results: [{ taskId, resultCode, resultString }] }
//! ```
//!
//! Each task has a result of its own, whatever happened: a task that has none is a failure of the job. What may pass is
//! tried again by S3; result strings stand in its report. The version that a manifest names is not looked at: what is loaded
//! is the object as it is now.

use aws_lambda_events::event::s3::batch_job::{S3BatchJobResponse, S3BatchJobResult};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::{AnswerError, Fates, Troubles, of_task};
use super::seen::{Printable, kind, quoted};
use super::unreadable::{RecordFault, Unreadable};
use super::{Ask, Call, Caller, Door, Wanted, Wish, notification};

pub(super) const DOOR: Door = Door {
    name: "tasks",
    shape: "tasks of S3 Batch Operations (\"invocationSchemaVersion\" with \"tasks\")",
    read,
    answer,
};

/// What S3 keeps of a result string.
const RESULT_BYTES_MAX: usize = 1000;
const VERSIONS: [&str; 2] = ["1.0", "2.0"];

fn read(payload: &Value) -> Option<Call> {
    let text = |name| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    payload.get("invocationSchemaVersion")?;
    let tasks = payload.get("tasks")?.as_array()?;
    let version = text("invocationSchemaVersion");
    let wish = match version.as_deref() {
        Some(version) if VERSIONS.contains(&version) => {
            let arguments = payload.get("job").and_then(|job| job.get("userArguments"));
            Wish::of_arguments(arguments).map_err(|why| Unreadable::Arguments { why: why.to_string() })
        }
        other => Err(Unreadable::Arguments {
            why: format!(
                "invocationSchemaVersion is {}, and this release reads 1.0 and 2.0: use a newer release of lakebed",
                other.map_or("no text".to_owned(), quoted)
            ),
        }),
    };
    let (wish, refused) = match wish {
        Ok(wish) => (wish, None),
        Err(why) => (Wish::default(), Some(why)),
    };
    let ask = |(task, number): (&Value, usize)| {
        let mut ask = Ask {
            id: task.get("taskId").and_then(Value::as_str).map(str::to_owned),
            ..Ask::default()
        };
        match (read_task(task), &refused) {
            (_, Some(why)) => ask.unreadable.push(why.clone()),
            (Ok((wanted, other)), None) => ask.want_or(wanted, other),
            (Err(fault), None) => ask.unreadable.push(Unreadable::Record { number, fault }),
        }
        ask
    };
    let asks = tasks.iter().zip(1..).map(ask).collect();
    let caller = Caller::Tasks {
        version,
        invocation: text("invocationId"),
    };
    Some(Call {
        wish,
        caller,
        ..Call::of(&DOOR, asks)
    })
}

/// The object, and what it is called if the key is form-encoded: a `+` is one here, as far as is known.
fn read_task(task: &Value) -> Result<(Wanted, Option<Wanted>), RecordFault> {
    if !task.is_object() {
        return Err(RecordFault::NotAnObject { found: kind(task) });
    }
    let bucket = match task.get("s3Bucket") {
        Some(Value::String(bucket)) => bucket,
        _ => notification::text(task, "s3BucketArn", &["s3BucketArn"])?
            .rsplit(':')
            .next()
            .unwrap_or_default(),
    };
    let encoded = notification::text(task, "s3Key", &["s3Key"])?;
    let key = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| RecordFault::Key(crate::s3::KeyError::NotUtf8))?;
    let wanted = Wanted::checked(bucket, &key)?;
    let other = encoded.contains('+').then(|| wanted.form_decoded(encoded)).flatten();
    Ok((wanted, other))
}

fn answer(call: &Call, fates: &Fates, _partial_batch: bool) -> Result<Value, AnswerError> {
    let Caller::Tasks { version, invocation } = &call.caller else {
        unreachable!("this door alone reads such a call")
    };
    let result = |ask: &Ask| {
        let (code, said) = of_task(ask, fates);
        let mut result = S3BatchJobResult::default();
        result.task_id = Some(ask.id.clone()?);
        result.result_code = Some(code.to_owned());
        result.result_string = Some(cut(&Printable(&said).to_string()).to_owned());
        Some(result)
    };
    let results: Option<Vec<_>> = call.asks.iter().map(result).collect();
    let mut response = S3BatchJobResponse::default();
    response.invocation_schema_version = version.clone();
    response.treat_missing_keys_as = Some("PermanentFailure".to_owned());
    response.invocation_id = invocation.clone();
    response.results = results.ok_or_else(|| AnswerError::Batch {
        failed: call.asks.iter().filter(|ask| !ask.succeeded(fates)).count(),
        messages: call.asks.len(),
        why: "one of them has no taskId to name it by",
        troubles: Troubles::of(call, fates),
    })?;
    Ok(serde_json::to_value(response).expect("texts are JSON"))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(RESULT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answer::{Failure, Fate};
    use super::*;
    use crate::report::RecordCounts;

    fn call(version: &str, arguments: &Value, tasks: &Value) -> Call {
        let payload = json!({"invocationSchemaVersion": version, "invocationId": "i", "job": {"id": "j",
            "userArguments": arguments}, "tasks": tasks});
        Call::read(&payload).unwrap()
    }

    #[test]
    fn both_versions_name_the_same_object() {
        for (version, task, key, other) in [
            (
                "1.0",
                json!({"s3Key": "a%20b", "s3BucketArn": "arn:aws:s3:::raw"}),
                "a b",
                None,
            ),
            (
                "2.0",
                json!({"s3Key": "a%20b", "s3Bucket": "raw", "s3VersionId": null}),
                "a b",
                None,
            ),
            (
                "2.0",
                json!({"s3Key": "a+b%2B", "s3Bucket": "raw"}),
                "a+b+",
                Some("a b+"),
            ),
            (
                "2.0",
                json!({"s3Key": "dt%3D1/a", "s3Bucket": "raw", "s3VersionId": "v"}),
                "dt=1/a",
                None,
            ),
            (
                "1.0",
                json!({"s3Key": "%zz%", "s3BucketArn": "arn:aws-cn:s3:::raw"}),
                "%zz%",
                None,
            ),
        ] {
            let call = call(version, &json!(null), &json!([task]));
            let wanted = Wanted::new("raw", key);
            assert_eq!(call.wanted(), [&wanted], "{task}");
            assert_eq!(
                call.otherwise(&wanted),
                other.map(|key| Wanted::new("raw", key)).as_ref(),
                "{task}"
            );
        }
    }

    #[test]
    fn each_task_has_its_result() {
        let task = |id: &str, key: &str| json!({"taskId": id, "s3Key": key, "s3Bucket": "raw"});
        let tasks = json!([
            task("t1", "a"),
            task("t2", "b"),
            task("t3", "c"),
            task("t4", "d"),
            task("t5", "%FF"),
            task("t6", "e"),
            task("t7", "f")
        ]);
        let call = call("2.0", &json!({}), &tasks);
        let counts = RecordCounts {
            read: 3,
            rows: 2,
            quarantined: 1,
            ..RecordCounts::default()
        };
        let failed = |transient| Fate::Failed(Failure::new("Code", "why\n".repeat(1000), transient));
        let of = |key: &str| match key {
            "a" => Some(Fate::Loaded(Some(counts))),
            "b" => Some(Fate::Already),
            "c" => Some(failed(true)),
            "d" => Some(failed(false)),
            "e" => Some(Fate::Skipped {
                why: "it is ours".to_owned(),
            }),
            _ => None,
        };
        let fates = call
            .wanted()
            .into_iter()
            .filter_map(|wanted| Some((wanted.clone(), of(&wanted.key)?)));
        let answer = call.answer(&fates.collect(), false).unwrap();
        assert_eq!(answer["invocationSchemaVersion"], "2.0");
        assert_eq!(answer["invocationId"], "i");
        assert_eq!(answer["treatMissingKeysAs"], "PermanentFailure");
        let results = answer["results"].as_array().unwrap();
        for (result, (id, code, said)) in results.iter().zip([
            ("t1", "Succeeded", "records=3 rows=2 quarantined=1"),
            ("t2", "Succeeded", "loaded before"),
            ("t3", "TemporaryFailure", "Code: why\\nwhy"),
            ("t4", "PermanentFailure", "Code: why\\nwhy"),
            (
                "t5",
                "PermanentFailure",
                "record 5: s3.object.key decodes to bytes that are not UTF-8",
            ),
            ("t6", "Succeeded", "skipped: it is ours"),
            ("t7", "TemporaryFailure", "Source.Unfinished"),
        ]) {
            assert_eq!((&result["taskId"], &result["resultCode"]), (&json!(id), &json!(code)));
            let string = result["resultString"].as_str().unwrap();
            assert!(string.starts_with(said) && string.len() <= 1000, "{string}");
        }
        assert_eq!(results.len(), 7);
    }

    #[test]
    fn what_cannot_be_followed_fails_every_task_for_good() {
        for (version, arguments, why) in [
            (
                "3.0",
                json!({}),
                "invocationSchemaVersion is \"3.0\", and this release reads 1.0 and 2.0",
            ),
            (
                "2.0",
                json!({"dryrun": "true"}),
                "userArguments has an unknown key \"dryrun\"",
            ),
            (
                "2.0",
                json!({"dry_run": "yes"}),
                "userArguments.dry_run is a string; write true or false",
            ),
            ("2.0", json!(3), "userArguments is a number, not an object"),
        ] {
            let call = call(
                version,
                &arguments,
                &json!([{"taskId": "t", "s3Key": "a", "s3Bucket": "raw"}]),
            );
            assert!(call.wanted().is_empty());
            let answer = call.answer(&Fates::new(), false).unwrap();
            let result = &answer["results"][0];
            assert_eq!(result["resultCode"], "PermanentFailure");
            assert!(result["resultString"].as_str().unwrap().contains(why), "{answer}");
        }
        let nameless = call("2.0", &json!({}), &json!([{"s3Key": "a", "s3Bucket": "raw"}]));
        let error = nameless.answer(&Fates::new(), false).unwrap_err().to_string();
        assert!(error.contains("no taskId"), "{error}");
    }
}
