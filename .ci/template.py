#!/usr/bin/env python3
"""Judges template.yaml by what CloudFormation would make of it: the things that linters let pass and that lose events,
loop, or give the function more than it needs.

    template.py [project folder]

Needs .ci/requirements.txt. Prints a line for each check; exit code 1: one failed.
"""

import pathlib
import re
import sys
import tomllib

import yaml

from chain.report import Report
from chain.stack import ACCOUNT, Stack, as_list, matches

# What an installation may be called, and where it may be, at the longest.
LONGEST = {"Name": "a" * 20, "RawPrefix": "events/", "LakePrefix": "lake/"}
LONGEST_REGION = "ap-southeast-1"
BUCKET_NAME_MAX = 63

# All that the function needs, by the policy that gives it. Whoever adds to this says there what for.
NEEDED = {
    "logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
    "queue": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "raw": {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"},
    "lake": {
        *("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListBucket"),
        "s3:ListBucketMultipartUploads",  # sweep
    },
}
NEVER_DELETED = ("_lakebed/lake.json", "_lakebed/claims/x.json", "_lakebed/jobs/x.json", "_lakebed/tables/t.json")
DELETED = ("_lakebed/open/x", "_lakebed/quarantine/date=2019-10-12/x-0000.ndjson.gz", "t/day=2019-10-12/x-0000.parquet")
PARTITIONS = {"year/month/day/hour": ["year", "month", "day", "hour"]}
RANGES = {"month": ("1,12", "2"), "day": ("1,31", "2"), "hour": ("0,23", "2")}


def check_queue(report, stack):
    function, mapping = stack.one("AWS::Lambda::Function"), stack.one("AWS::Lambda::EventSourceMapping")
    queue, dead = stack.properties("Queue"), stack.properties("DeadLetterQueue")
    report.check(
        "the visibility timeout is six times the function's timeout or more",
        [] if queue["VisibilityTimeout"] >= 6 * function["Timeout"] else f"{queue['VisibilityTimeout']} s",
    )
    redrive = queue["RedrivePolicy"]
    report.check(
        "a message is tried five times or more",
        [] if redrive["maxReceiveCount"] >= 5 else f"{redrive['maxReceiveCount']} times",
    )
    report.equal(
        "then it goes to the dead-letter queue",
        stack.attribute("DeadLetterQueue", "Arn"),
        redrive["deadLetterTargetArn"],
    )
    report.equal("which keeps it 14 days", 14 * 24 * 3600, dead["MessageRetentionPeriod"])
    report.check(
        "longer than the first queue does",
        [] if dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"] else "no longer",
    )
    report.equal(
        "the function reports single messages, and knows that it may",
        (["ReportBatchItemFailures"], "1"),
        (mapping.get("FunctionResponseTypes"), stack.environment.get("LAKEBED_PARTIAL_BATCH")),
    )
    report.equal("it is called for the queue", stack.attribute("Queue", "Arn"), mapping["EventSourceArn"])
    report.check(
        "not for more than ten messages without a window",
        [] if mapping["BatchSize"] <= 10 or mapping["MaximumBatchingWindowInSeconds"] > 0 else "no window",
    )
    report.check(
        "nor more often at once than is set", [] if "MaximumConcurrency" in mapping["ScalingConfig"] else "no limit"
    )


def check_notification(report, stack):
    bucket = stack.properties("RawBucket")
    (told,) = bucket["NotificationConfiguration"]["QueueConfigurations"]
    prefix = stack.parameters["RawPrefix"]
    rules = told.get("Filter", {}).get("S3Key", {}).get("Rules", [])
    report.equal("the raw bucket tells of every object that is created", "s3:ObjectCreated:*", told["Event"])
    report.equal("to the queue", stack.attribute("Queue", "Arn"), told["Queue"])
    report.equal("below the prefix", [{"Name": "prefix", "Value": prefix}] if prefix else [], rules)
    (allowed,) = stack.properties("QueuePolicy")["PolicyDocument"]["Statement"]
    report.equal(
        "nobody else may send to it",
        (
            {"Service": "s3.amazonaws.com"},
            "sqs:SendMessage",
            {
                "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket['BucketName']}"},
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
            },
        ),
        (allowed["Principal"], allowed["Action"], allowed["Condition"]),
    )
    report.equal("its policy is there before the bucket", "QueuePolicy", stack.resources["RawBucket"].get("DependsOn"))


def check_role(report, stack):
    role = stack.one("AWS::IAM::Role")
    report.check("the role has policies of its own only", as_list(role.get("ManagedPolicyArns", [])))
    found = {}
    for statement in stack.statements:
        found.setdefault(statement["Policy"], set()).update(statement["Action"])
    report.equal("the role may do what the function needs and no more", NEEDED, found)
    statements = [(name_of(statement), statement) for statement in stack.statements]
    report.check("its statements all allow", [name for name, s in statements if s["Effect"] != "Allow"])
    wide = [f"{name}: {action}" for name, s in statements for action in s["Action"] if "*" in action]
    report.check("actions are named, one by one", wide)
    others = [f"{name}: {resource}" for name, s in statements for resource in strangers(stack, s)]
    report.check("resources are those of the stack, below the prefixes", others)


def name_of(statement):
    return f"{statement['Policy']} {statement.get('Sid', '')}".strip()


def strangers(stack, statement):
    """Resources that are not the ones its policy speaks of."""
    raw, lake = (stack.properties(name)["BucketName"] for name in ("RawBucket", "LakeBucket"))
    own = {
        "logs": [stack.attribute("FunctionLogs", "Arn")],
        "queue": [stack.attribute("Queue", "Arn")],
        "raw": [f"arn:aws:s3:::{raw}", f"arn:aws:s3:::{raw}/{stack.parameters['RawPrefix']}"],
        "lake": [f"arn:aws:s3:::{lake}", f"arn:aws:s3:::{lake}/{stack.parameters['LakePrefix']}"],
    }[statement["Policy"]]
    return [
        resource
        for resource in statement["Resource"]
        if resource not in own and not ("/" in resource and resource.startswith(own[-1]))
    ]


def check_lake_access(report, stack):
    """Sharp edges of S3: what may be deleted, and 403 where 404 is meant."""
    bucket, prefix = stack.properties("LakeBucket")["BucketName"], stack.parameters["LakePrefix"]
    patterns = [r for s in stack.statements if "s3:DeleteObject" in s["Action"] for r in s["Resource"]]

    def deletable(key):
        return any(matches(pattern, f"arn:aws:s3:::{bucket}/{prefix}{key}") for pattern in patterns)

    report.check("the function can delete no claim and no outcome", [key for key in NEVER_DELETED if deletable(key)])
    report.check("but what a dead job left", [key for key in DELETED if not deletable(key)])
    listings = [s for s in stack.statements if "s3:ListBucket" in s["Action"]]
    report.equal("it may list both buckets, so a missing object is a 404", 2, len(listings))
    report.check(
        "also where a request names no prefix",
        [f"{name_of(s)}: {how}" for s in listings for how in s.get("Condition", {}) if not how.endswith("IfExists")],
    )


def check_places(report, stack):
    raw, lake = stack.environment["LAKEBED_RAW"], stack.environment["LAKEBED_LAKE"]
    wanted = {
        "LAKEBED_RAW": f"s3://{stack.properties('RawBucket')['BucketName']}/{stack.parameters['RawPrefix']}",
        "LAKEBED_LAKE": f"s3://{stack.properties('LakeBucket')['BucketName']}/{stack.parameters['LakePrefix']}",
        "LAKEBED_EXPECTED_OWNER": ACCOUNT,
        "LAKEBED_SCHEMAS": "/opt/schemas",
    }
    report.equal("the function knows its places", wanted, {name: stack.environment.get(name) for name in wanted})
    report.check(
        "lake and raw objects do not overlap",
        [f"{raw} and {lake}"] if folder(raw).startswith(folder(lake)) or folder(lake).startswith(folder(raw)) else [],
    )
    for name, output in (("RawLocation", raw), ("LakeLocation", lake)):
        report.equal(f"output {name}", output, stack.outputs[name]["Value"])


def folder(url):
    return url.rstrip("/") + "/"


def check_bucket(report, stack, name):
    bucket, resource = stack.properties(name), stack.resources[name]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    report.equal(f"{name}: encrypted", "AES256", encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"])
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    report.equal(f"{name}: not public", dict.fromkeys(closed, True), bucket["PublicAccessBlockConfiguration"])
    policies = [p for p in stack.of_type("AWS::S3::BucketPolicy").values() if p["Bucket"] == bucket["BucketName"]]
    refusals = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    arn = f"arn:aws:s3:::{bucket['BucketName']}"
    wanted = ("Deny", "*", "s3:*", [arn, f"{arn}/*"], {"Bool": {"aws:SecureTransport": "false"}})
    found = [(s["Effect"], s["Principal"], s["Action"], s["Resource"], s["Condition"]) for s in refusals]
    report.equal(f"{name}: TLS only", [wanted], found)
    rules = bucket["LifecycleConfiguration"]["Rules"]
    report.equal(
        f"{name}: unfinished uploads go after seven days, nothing else ever",
        [{"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}],
        [{key: value for key, value in rule.items() if key != "Id"} for rule in rules],
    )
    report.equal(
        f"{name}: stays when the stack goes",
        ("RetainExceptOnCreate", "Retain"),
        (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]),
    )


def check_table(report, stack, table, schemas):
    name = table["TableInput"]["Name"]
    path = schemas / f"{name}.yaml"
    if not path.is_file():
        report.check(f"{name}: has a schema", f"there is no {path}")
        return
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    given, storage = table["TableInput"], table["TableInput"]["StorageDescriptor"]
    columns = [(column["Name"], column["Type"]) for column in storage["Columns"]]
    report.equal(f"{name}: columns are those of {path.name}", declared_columns(schema), columns)
    report.equal(f"{name}: description", schema.get("description"), given.get("Description"))
    keys = PARTITIONS[schema.get("layout", "year/month/day/hour")]
    report.equal(
        f"{name}: partitions", [(key, "int") for key in keys], [(k["Name"], k["Type"]) for k in given["PartitionKeys"]]
    )
    place = f"{stack.environment['LAKEBED_LAKE']}{name}/"
    report.equal(f"{name}: lies in the lake", place, storage["Location"])
    years = schema.get("projection", {"from": "2015-01-01", "to": "2040-12-31"})
    ranges = {"year": (f"{str(years['from'])[:4]},{str(years['to'])[:4]}", "4"), **RANGES}
    wanted = {"projection.enabled": "true"}
    for key in keys:
        wanted[f"projection.{key}.type"] = "integer"
        wanted[f"projection.{key}.range"], wanted[f"projection.{key}.digits"] = ranges[key]
    wanted["storage.location.template"] = place + "/".join(f"{key}=${{{key}}}" for key in keys) + "/"
    found = {key: value for key, value in given["Parameters"].items() if key.startswith(("projection.", "storage."))}
    report.equal(f"{name}: projection", wanted, found)
    formats = [storage["InputFormat"], storage["OutputFormat"], storage["SerdeInfo"]["SerializationLibrary"]]
    report.check(f"{name}: Parquet", [text for text in formats if ".parquet." not in text])


def declared_columns(schema):
    """As Athena names them: it knows timestamps of one precision."""
    columns = []
    for name, column in schema["columns"].items():
        kind = column if isinstance(column, str) else column["type"]
        columns.append((name, kind.replace("timestamp(6)", "timestamp")))
    unknown = schema.get("unknown_fields")
    if isinstance(unknown, dict):
        columns.append((unknown["keep_in"], "string"))
    return columns


def check_build(report, project, stack):
    """What is built is what is deployed."""
    function, layer = (stack.template["Resources"][name] for name in ("Function", "Schemas"))
    cargo = tomllib.loads((project / "Cargo.toml").read_text(encoding="utf-8"))
    binary = function["Metadata"]["BuildProperties"]["Binary"]
    (declared,) = [entry for entry in cargo["bin"] if entry["name"] == binary] or [{}]
    build = cargo.get("package", {}).get("metadata", {}).get("lambda", {}).get("build", {})
    report.check("the binary is one of Cargo.toml", [] if declared else f"there is no {binary}")
    report.equal(
        "it is built with the features it needs and no others",
        (True, declared.get("required-features")),
        (build.get("no_default_features"), build.get("features")),
    )
    packed = project / layer["Properties"]["ContentUri"]
    found = {path.name: path.resolve() for path in packed.iterdir()}
    report.equal("the layer holds the project's schemas alone", {"schemas": (project / "schemas").resolve()}, found)


def check_words(report, stack):
    """What a person sees in the console."""
    interface = stack.template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    report.equal("each parameter is in a group, once", sorted(stack.template["Parameters"]), sorted(grouped))
    report.equal("and has a label", sorted(grouped), sorted(interface["ParameterLabels"]))
    for name, parameter in stack.template["Parameters"].items():
        missing = {"Description", "Default", "ConstraintDescription"} - parameter.keys()
        limits = {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys()
        report.check(f"parameter {name}", sorted(missing) or ([] if limits else "takes anything"))
    report.check(
        "outputs are described", [name for name, output in stack.outputs.items() if not output.get("Description")]
    )


def check_names(report, stack):
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        length = len(bucket["BucketName"]) - len("eu-central-1") + len(LONGEST_REGION)
        report.check(
            f"{name}: its name fits, however long", [] if length <= BUCKET_NAME_MAX else f"{length} characters"
        )
        good = re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", bucket["BucketName"])
        report.check(f"{name}: its name is one for a bucket", [] if good else bucket["BucketName"])


def run(project):
    report = Report()
    for given in ({}, LONGEST):
        report.title(f"with {given}" if given else "as it is by default")
        stack = Stack(project / "template.yaml", **given)
        check_queue(report, stack)
        check_notification(report, stack)
        check_role(report, stack)
        check_lake_access(report, stack)
        check_places(report, stack)
        for name in stack.of_type("AWS::S3::Bucket"):
            check_bucket(report, stack, name)
        for table in stack.of_type("AWS::Glue::Table").values():
            check_table(report, stack, table, project / "schemas")
        check_names(report, stack)
    report.title("before it is deployed")
    check_build(report, project, stack)
    check_words(report, stack)
    return report


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent
    sys.exit(run(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here).finish())
