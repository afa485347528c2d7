#!/usr/bin/env python3
"""The deployed system, whole, on one machine and without AWS: objects land in a raw bucket, the bucket tells a queue,
the queue's messages go to the function, the function loads the lake, and the lake is read back.

    chain.py --function target/release/lakebed-lambda --cli target/release/lakebed [--work target/ci/chain]

S3 and SQS are moto. The function's own binary asks cargo-lambda for work, as it would ask Lambda. Names, environment,
retries and permissions are those of template.yaml. What Lambda does between queue and function is done in
chain/poller.py, which delivers some messages twice and none in order. The raw objects are those of examples/raw, under
keys with all that URLs and XML stumble over; among the messages are some that nobody can do justice to.

Afterwards: each object claimed once; each row there once, by PyArrow straight from S3 and by readback.py on a copy; the
hopeless messages in the dead-letter queue and no others; no request that the role would not have been allowed; and a
backfill of the same bucket that finds nothing to do.

Needs .ci/requirements.txt and the binaries. Prints a line for each check; exit code 1: one failed.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback

import boto3
import botocore.config

from chain import access, lake, objects, servers
from chain.poller import Poller
from chain.report import Report
from chain.stack import ACCOUNT, REGION, Stack
from readback.expect import read_raw
from readback.schema import read_tables

PROJECT = pathlib.Path(__file__).resolve().parent.parent
INSTANCES = 2  # of the function, at work side by side
CALL_SECONDS = 120  # that an invocation may take
SECRET = "chain/secret+that/no+log/may+show"


class Chain:
    def __init__(self, arguments, report, processes):
        self.report, self.processes = report, processes
        self.function_binary, self.cli = arguments.function.resolve(), arguments.cli.resolve()
        self.work, self.examples = arguments.work, PROJECT / "examples" / "raw"
        self.stack = Stack(PROJECT / "template.yaml", RawPrefix="events/", LakePrefix="lake/")
        self.raw, self.raw_prefix = self.stack.properties("RawBucket")["BucketName"], self.stack.parameters["RawPrefix"]
        self.lake, self.lake_prefix = (
            self.stack.properties("LakeBucket")["BucketName"],
            self.stack.parameters["LakePrefix"],
        )
        self.elsewhere = "elsewhere/copied-from-here"
        names = {
            path.relative_to(self.examples).as_posix(): path for path in self.examples.rglob("*") if path.is_file()
        }
        self.objects = {key: names[name] for name, key in objects.keys(names, self.raw_prefix).items()}
        self.tables = read_tables(PROJECT / "schemas")

    def run(self):
        self.start_aws()
        self.put_objects()
        self.send_more()
        self.start_function()
        self.poll()
        self.check_queues()
        self.check_lake()
        self.check_rows()
        self.check_requests()
        self.check_backfill()
        self.check_processes()

    # ---------------------------------------------------------------------------------------------------- what is there

    def start_aws(self):
        self.port = servers.start_aws(self.processes)
        self.s3, self.sqs = self.client("s3"), self.client("sqs")
        for bucket in (self.raw, self.lake):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        dead, queue = self.stack.properties("DeadLetterQueue"), self.stack.properties("Queue")
        self.dead_url = self.create_queue(dead)
        self.queue_url = self.create_queue(queue, RedrivePolicy=json.dumps(queue["RedrivePolicy"]))
        (told,) = self.stack.properties("RawBucket")["NotificationConfiguration"]["QueueConfigurations"]
        rules = [{"Name": rule["Name"], "Value": rule["Value"]} for rule in told["Filter"]["S3Key"]["Rules"]]
        notification = {"QueueArn": told["Queue"], "Events": [told["Event"]], "Filter": {"Key": {"FilterRules": rules}}}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.raw, NotificationConfiguration={"QueueConfigurations": [notification]}
        )

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id="SETUP",
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def create_queue(self, properties, **attributes):
        kept = {
            name: str(properties[name])
            for name in ("VisibilityTimeout", "MessageRetentionPeriod")
            if name in properties
        }
        return self.sqs.create_queue(QueueName=properties["QueueName"], Attributes={**kept, **attributes})["QueueUrl"]

    def put_objects(self):
        ways = objects.put_all(self.s3, self.raw, self.objects, self.elsewhere)
        self.report.note(f"{len(self.objects)} raw objects: " + ", ".join(f"{n} {way}" for way, n in ways.items()))
        told = self.waiting(self.queue_url)
        # moto tells twice of an object that was uploaded in parts.
        self.report.equal(
            "the bucket told of each object, and that it will", len(self.objects) + ways["in parts"] + 1, told
        )
        self.before = lake.listing(self.s3, self.raw)

    def send_more(self):
        """Beside the notifications of the bucket: some more about the same objects, as S3 itself writes them, and the
        hopeless ones."""
        known = [(self.raw, key, self.before[key][1], self.before[key][0].strip('"')) for key in self.objects]
        bodies = [objects.notification(REGION, one) for one in known[::2]]
        bodies += [objects.notification(REGION, *known[1:4]), objects.test_event(self.raw)]
        self.hopeless = objects.hopeless(REGION, self.raw, self.raw_prefix, self.elsewhere)
        for body in [*bodies, *self.hopeless.values()]:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def waiting(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def credentials(self, key):
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    # ----------------------------------------------------------------------------------------------------- what happens

    def start_function(self):
        self.runtime_api = servers.start_runtime_api(self.processes, PROJECT)
        self.function = self.stack.one("AWS::Lambda::Function")
        environment = {
            **self.credentials("FUNCTION"),
            **self.stack.environment,
            "LAKEBED_SCHEMAS": str(PROJECT / "schemas"),  # the layer is not mounted here
        }
        for number in range(1, INSTANCES + 1):
            servers.start_function(
                self.processes, f"function-{number}", self.function_binary, self.runtime_api, self.function, environment
            )

    def invoke(self, body):
        """Before the first instance has asked for work, cargo-lambda knows no function of this name."""
        give_up = time.monotonic() + servers.START_SECONDS
        while True:
            name = self.function["FunctionName"]
            status, answer = servers.call(self.processes, self.runtime_api, name, body, CALL_SECONDS)
            if status != 404 or time.monotonic() > give_up:
                return status, answer
            time.sleep(0.1)

    def poll(self):
        arn = self.stack.attribute("Queue", "Arn")
        self.poller = Poller(self.sqs, self.queue_url, arn, REGION, self.invoke, at_once=INSTANCES)
        started = time.monotonic()
        rounds = self.poller.run()
        self.report.note(
            f"{self.poller.deliveries} deliveries ({self.poller.again} of them of the same message again) in "
            f"{self.poller.calls} calls, {rounds} rounds, {time.monotonic() - started:.1f} s"
        )

    # -------------------------------------------------------------------------------------------------- what came of it

    def check_queues(self):
        self.report.check("every call was answered for each of its messages", self.poller.broken)
        self.report.equal("the queue is empty", 0, self.waiting(self.queue_url))
        dead = []
        while messages := self.sqs.receive_message(QueueUrl=self.dead_url, MaxNumberOfMessages=10).get("Messages"):
            dead += [message["Body"] for message in messages]
        wanted, found = collections.Counter(self.hopeless.values()), collections.Counter(dead)
        names = {body: name for name, body in self.hopeless.items()}
        self.report.check(
            "the dead-letter queue holds the hopeless messages and no others",
            [f"not there: {names[body]}" for body in wanted - found]
            + [f"there too: {body[:300]}" for body in found - wanted],
        )
        tries = self.stack.properties("Queue")["RedrivePolicy"]["maxReceiveCount"]
        self.report.equal(
            "each of these was tried as often as the template says",
            {name: tries for name in self.hopeless},
            {name: self.poller.receives[body] for name, body in self.hopeless.items()},
        )
        others = sum(count for body, count in self.poller.failures.items() if body not in names)
        self.report.note(f"deliveries of good messages that had to be repeated: {others}")

    def check_lake(self):
        self.loaded = lake.listing(self.s3, self.lake)
        names = [table.name for table in self.tables.values()]
        self.report.check("all keys are those of a lake", lake.strange_keys(self.loaded, self.lake_prefix, names))
        book = f"{self.lake_prefix}_lakebed/"
        claims = lake.documents(self.s3, self.lake, f"{book}claims/")
        outcomes = lake.documents(self.s3, self.lake, f"{book}jobs/")
        self.report.equal("one claim for each raw object", len(self.objects), len(claims))
        done = {job for job, outcome in outcomes.items() if outcome["state"] == "done"}
        self.report.check("each by a job that is done", [job for c in claims.values() if (job := c["job"]) not in done])
        owners = collections.Counter(key for job in done for key in source_keys(outcomes[job], self.raw))
        wrong = sorted(key for key in owners.keys() | self.objects.keys() if owners[key] != (key in self.objects))
        self.report.check(
            "each raw object was loaded by one job, nothing else by any",
            [f"{key!r}: by {owners[key]}" for key in wrong],
        )
        intents = [key.rpartition("/")[2] for key in self.loaded if key.startswith(f"{book}open/")]
        self.report.check(
            "intents are left by dead jobs only",
            [job for job in intents if outcomes.get(job, {}).get("state") != "dead"],
        )
        files = [key for key in self.loaded if key.endswith((".parquet", ".ndjson.gz"))]
        job = re.compile(rf"({lake.ID})-\d+\.")
        self.report.check("files are left by done jobs only", [key for key in files if job.search(key)[1] not in done])
        uploads = self.s3.list_multipart_uploads(Bucket=self.lake).get("Uploads", [])
        self.report.check("no upload is left open", [upload["Key"] for upload in uploads])
        self.report.note(
            f"{len(done)} jobs done, {len(outcomes) - len(done)} dead; {len(self.loaded)} objects in the lake"
        )

    def check_rows(self):
        raw, copy = self.work / "raw", self.work / "lake"
        lake.copy_to_disk(self.s3, self.raw, raw, self.objects)
        lake.copy_to_disk(self.s3, self.lake, copy)
        expected = read_raw(raw, self.tables)
        place = f"{self.lake}/{self.lake_prefix}"
        differences, rows, hours = lake.row_differences(self.port, REGION, place, expected)
        self.report.check(
            f"PyArrow reads {rows} rows of {hours} partitions from S3, those that must be there", differences
        )
        command = [sys.executable, PROJECT / ".ci" / "readback.py", raw, PROJECT / "schemas", copy / self.lake_prefix]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        *_, sums = (done.stdout or done.stderr).strip().splitlines() or ["nothing"]
        self.report.check(
            f"readback.py of a copy: {sums}",
            [] if done.returncode == 0 else f"{done.stdout[-3000:]}{done.stderr[-3000:]}",
        )

    def check_requests(self):
        requests = self.requests("FUNCTION")
        kinds = collections.Counter(f"{r['method']} {'raw' if r['bucket'] == self.raw else 'lake'}" for r in requests)
        self.report.note("requests of the function: " + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))
        self.report.check(
            "the role allows every request of the function", access.refused(requests, self.stack.statements)
        )
        self.report.check("it wrote no object without a condition", access.unconditional(requests))
        owners = {request["owner"] for request in requests}
        self.report.equal("and named the owner of the bucket each time", {ACCOUNT}, owners)
        after = {key: facts[:2] for key, facts in lake.listing(self.s3, self.raw).items()}
        self.report.equal("the raw objects are as they were", {k: v[:2] for k, v in self.before.items()}, after)

    def requests(self, by):
        lines = (self.work / "requests").read_text(encoding="utf-8").splitlines()
        return [request for request in map(json.loads, lines) if request["by"] == by]

    def check_backfill(self):
        """Listing and notifications name versions alike, so what one has loaded the other finds loaded."""
        command = [
            self.cli,
            "backfill",
            f"s3://{self.raw}/{self.raw_prefix}",
            "--to",
            f"s3://{self.lake}/{self.lake_prefix}",
        ]
        done = subprocess.run(
            [*command, "--schemas", PROJECT / "schemas"],
            env={"PATH": os.environ["PATH"], "HOME": str(self.work), **self.credentials("BACKFILL")},
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = f"{len(self.objects)} objects already loaded, 0 new (--reload loads them again)"
        good = done.returncode == 0 and said in done.stdout + done.stderr
        found = f"exit code {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        self.report.check(f"a backfill says: {said}", [] if good else found)
        self.report.check("and leaves the lake as it is", differences(self.loaded, lake.listing(self.s3, self.lake)))

    def check_processes(self):
        self.report.check("no process has ended", self.processes.ended())
        logs = {f"function-{n}": self.processes.log(f"function-{n}") for n in range(1, INSTANCES + 1)}
        texts = {name: path.read_text("utf-8", "replace") for name, path in logs.items()}
        self.report.check("no instance panicked", [name for name, text in texts.items() if "panicked at" in text])
        self.report.check("no log shows the secret key", [name for name, text in texts.items() if SECRET in text])


def source_keys(outcome, bucket):
    """Keys of an outcome's sources; those of another bucket by their whole name."""
    for source in outcome["sources"]:
        yield source["key"] if source.get("bucket") == bucket else f"{source.get('bucket')}: {source['key']}"


def differences(before, after):
    gone = [f"gone: {key}" for key in before.keys() - after.keys()]
    new = [f"new: {key}" for key in after.keys() - before.keys()]
    return sorted(gone + new + [f"changed: {key}" for key in before.keys() & after.keys() if before[key] != after[key]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--function", type=pathlib.Path, required=True, help="the function's binary")
    parser.add_argument("--cli", type=pathlib.Path, required=True, help="the command line's binary")
    parser.add_argument(
        "--work", type=pathlib.Path, default=PROJECT / "target" / "ci" / "chain", help="is emptied first"
    )
    arguments = parser.parse_args()
    arguments.work = arguments.work.absolute()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the children end too
    report = Report()
    with servers.Processes(arguments.work) as processes:
        try:
            Chain(arguments, report, processes).run()
        except servers.Failed as failed:
            report.check("the chain runs to its end", str(failed))
        except Exception:  # whatever broke: say where, end the children, and fail
            report.note(f"logs: {', '.join(str(processes.log(name)) for name in processes.running)}")
            report.check("the chain runs to its end", traceback.format_exc())
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
