"""Which permission each request to S3 takes, and whether the function's role gives it."""

import collections

from .stack import matches


def action(request):
    """The action that S3 asks of the caller's policies, as far as lakebed's kind of requests goes."""
    method, query = request["method"], request["query"]
    if not request["key"]:
        if method in ("GET", "HEAD"):
            return "s3:ListBucketMultipartUploads" if "uploads" in query else "s3:ListBucket"
        return f"unknown: {method} of a bucket"
    if "uploadId" in query:
        return {
            "PUT": "s3:PutObject",
            "POST": "s3:PutObject",
            "DELETE": "s3:AbortMultipartUpload",
            "GET": "s3:ListMultipartUploadParts",
        }[method]
    if "attributes" in query:
        return "s3:GetObjectAttributes"
    if method in ("GET", "HEAD"):
        return "s3:GetObjectVersion" if "versionId" in query else "s3:GetObject"
    return {"PUT": "s3:PutObject", "POST": "s3:PutObject", "DELETE": "s3:DeleteObject"}[method]


def refused(requests, statements):
    """Those that the role does not allow, as lines for a person."""
    lines = collections.Counter()
    for request in requests:
        wanted = action(request)
        arn = f"arn:aws:s3:::{request['bucket']}" + (f"/{request['key']}" if request["key"] else "")
        if not any(allows(statement, wanted, arn, request) for statement in statements):
            lines[f"{wanted} on {arn}"] += 1
    return [f"{line} ({count} times)" for line, count in sorted(lines.items())]


def allows(statement, wanted, arn, request):
    if wanted not in statement["Action"] or not any(matches(pattern, arn) for pattern in statement["Resource"]):
        return False
    for operator, keys in statement.get("Condition", {}).items():
        if operator != "StringLikeIfExists" or set(keys) != {"s3:prefix"}:
            raise NotImplementedError(f"the condition {operator} {keys}")
        prefix = request["query"].get("prefix")
        if prefix is not None and not matches(keys["s3:prefix"], prefix):
            return False
    return True


def unconditional(requests):
    """Writes that could replace something unseen. Parts are no objects yet."""
    return [
        f"{request['method']} {request['key']}"
        for request in requests
        if action(request) == "s3:PutObject"
        and "partNumber" not in request["query"]
        and "uploads" not in request["query"]
        and not request["condition"]
    ]
