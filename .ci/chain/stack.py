"""template.yaml as CloudFormation would carry it out: transformed by SAM's own translator, every reference resolved.

Knows the intrinsic functions and attributes that this template uses; anything else is an error, never a guess.
"""

import logging
import os
import re

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ACCOUNT = "123456789012"  # moto's
REGION = "eu-central-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "lakebed",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()
logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it misses a place to send its metrics to
VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


class NoManagedPolicies:
    """The template names no policy of AWS; asking for one is an error."""

    def load(self):
        return {}


class Stack:
    def __init__(self, path, **parameters):
        self.template = yaml_parse(path.read_text(encoding="utf-8"))
        declared = self.template["Parameters"]
        unknown = parameters.keys() - declared.keys()
        if unknown:
            raise KeyError(f"no parameters: {', '.join(sorted(unknown))}")
        for name, value in parameters.items():
            if not re.fullmatch(declared[name].get("AllowedPattern", ".*"), str(value)):
                raise ValueError(f"{name} does not take {value!r}")
        self.parameters = {name: parameters.get(name, given["Default"]) for name, given in declared.items()}
        self.raw = translated(path)
        self.conditions = {name: self.resolve(test) for name, test in self.raw.get("Conditions", {}).items()}
        self.resources = {name: self.resolve(resource) for name, resource in self.raw["Resources"].items()}
        self.outputs = {name: self.resolve(output) for name, output in self.raw["Outputs"].items()}

    def of_type(self, kind):
        """name -> properties"""
        return {n: r.get("Properties", {}) for n, r in self.resources.items() if r["Type"] == kind}

    def one(self, kind):
        """The properties of the only resource of this type."""
        found = self.of_type(kind)
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources are {kind}: {', '.join(found)}")
        return next(iter(found.values()))

    def properties(self, name):
        return self.resources[name]["Properties"]

    @property
    def environment(self):
        return self.one("AWS::Lambda::Function")["Environment"]["Variables"]

    @property
    def statements(self):
        """What the function may do: the statements of its role's own policies, with lists for single values."""
        found = []
        for policy in self.one("AWS::IAM::Role").get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                lists = {key: as_list(statement[key]) for key in ("Action", "Resource")}
                found.append({**statement, **lists, "Policy": policy["PolicyName"]})
        return found

    def resolve(self, node):
        if isinstance(node, list):
            return [item for item in map(self.resolve, node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, value = next(iter(node.items()))
            if name == "Ref":
                return self.ref(value)
            if name == "Condition" and isinstance(value, str):
                return self.conditions[value]
            if name.startswith("Fn::"):
                return self.function(name[4:], value)
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not NO_VALUE}

    def function(self, name, value):
        if name == "GetAtt":
            return self.attribute(*(value.split(".", 1) if isinstance(value, str) else value))
        if name == "Sub":
            return VARIABLE.sub(self.substitute, value)
        if name == "If":
            condition, yes, no = value
            return self.resolve(yes if self.conditions[condition] else no)
        if name == "Equals":
            return self.resolve(value[0]) == self.resolve(value[1])
        if name == "Not":
            return not self.resolve(value[0])
        raise NotImplementedError(f"Fn::{name}")

    def substitute(self, match):
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        return str(self.attribute(*name.split(".", 1)) if "." in name else self.ref(name))

    def ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.raw["Resources"][name]
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind == "AWS::S3::Bucket":
            return self.resolve(properties["BucketName"])
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.resolve(properties['QueueName'])}"
        if kind == "AWS::Lambda::Function":
            return self.resolve(properties["FunctionName"])
        if kind == "AWS::Lambda::LayerVersion":
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{self.resolve(properties['LayerName'])}:1"
        if kind == "AWS::Logs::LogGroup":
            return self.resolve(properties["LogGroupName"])
        if kind == "AWS::Glue::Database":
            return self.resolve(properties["DatabaseInput"]["Name"])
        raise NotImplementedError(f"!Ref to {name}, {kind}")

    def attribute(self, name, attribute):
        resource = self.raw["Resources"][name]
        kind, properties = resource["Type"], resource.get("Properties", {})
        if attribute == "Arn" and kind == "AWS::SQS::Queue":
            return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.resolve(properties['QueueName'])}"
        if attribute == "Arn" and kind == "AWS::IAM::Role":
            return f"arn:aws:iam::{ACCOUNT}:role/{name}"
        if attribute == "Arn" and kind == "AWS::Logs::LogGroup":
            return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self.resolve(properties['LogGroupName'])}:*"
        raise NotImplementedError(f"!GetAtt {name}.{attribute}, {kind}")


def translated(path):
    """Plain CloudFormation. What is built and uploaded before a deployment gets a made-up place."""
    template = yaml_parse(path.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        for uri in ("CodeUri", "ContentUri"):
            if uri in resource.get("Properties", {}):
                resource["Properties"][uri] = "s3://artifacts/built"
    os.environ["AWS_DEFAULT_REGION"] = REGION  # the translator asks boto3 where it is
    defaults = {name: given["Default"] for name, given in template["Parameters"].items()}
    return transform(template, defaults, NoManagedPolicies())


def as_list(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, text):
    """Whether an IAM pattern covers a text: `*` any characters, slashes too, `?` one."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
