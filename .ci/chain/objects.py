"""The raw objects under keys that a careless decoder gets wrong, and the notifications about them."""

import json
import unicodedata
import urllib.parse

# Below the raw prefix. Objects that share a folder may share a job.
FOLDERS = [
    "2019/10/12/03/",  # as Firehose has it
    "dt=2019-10-12/hour=03/",
    "with space/two  spaces /",
    "plus+plus/1+1=2/",
    "percent %/100%/",
    "literal %2B, %20 and %25/",
    "encoded%2Fslash/",
    "ampersand & question?mark=1#hash/",
    unicodedata.normalize("NFC", "café Zürich/"),
    unicodedata.normalize("NFD", "café Zürich/"),
    "emoji 😀/",
    "日本語 العربية/",
    "double//slash//",
    "quotes ' \" ; , : @ $ ! * ( ) [ ] { } | ~ ^ `/",
    "<tag> &amp; back\\slash/",
]
NO_REJECTS_IN = "double//slash//"  # a copy on disk has one slash, and its rejects could not be told by key


def keys(names, prefix):
    """name of an example -> its key. The last ones share folders with the first."""
    return {name: prefix + FOLDERS[i % len(FOLDERS)] + name.rpartition("/")[2] for i, name in enumerate(sorted(names))}


def put_all(s3, bucket, examples, elsewhere):
    """Every way an object comes about: put, put with a header, in parts, copied. Returns how many of each."""
    ways = {"put": 0, "put with Content-Encoding": 0, "in parts": 0, "copied": 0}
    for number, (key, path) in enumerate(examples.items()):
        data = path.read_bytes()
        if number == 3:
            way = "in parts"
            upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
            of = {"Bucket": bucket, "Key": key, "UploadId": upload}
            tag = s3.upload_part(**of, PartNumber=1, Body=data)["ETag"]
            s3.complete_multipart_upload(**of, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
        elif number == 4:
            way = "copied"
            s3.put_object(Bucket=bucket, Key=elsewhere, Body=data)
            s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": elsewhere})
        elif path.suffix == ".gz" and number % 2:
            way = "put with Content-Encoding"
            s3.put_object(Bucket=bucket, Key=key, Body=data, ContentEncoding="gzip")
        else:
            way = "put"
            s3.put_object(Bucket=bucket, Key=key, Body=data)
        ways[way] += 1
    return ways


def notification(region, *objects):
    """The body S3 itself sends about (bucket, key, size, tag): key encoded as a form is, but with plain slashes."""
    return json.dumps({"Records": [record(region, *found) for found in objects]})


def record(region, bucket, key, size, tag):
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": "2019-10-12T03:04:05.678Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "192.0.2.1"},
        "responseElements": {
            "x-amz-request-id": "C3D13FE58DE4C810",
            "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "objects",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": {
                "key": urllib.parse.quote_plus(key, safe="/"),
                "size": size,
                "eTag": tag,
                "sequencer": "0055AED6DCD90281E5",
            },
        },
    }


def test_event(bucket):
    """What S3 sends when a notification is configured."""
    return json.dumps(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": "2019-10-12T03:04:05.678Z",
            "Bucket": bucket,
            "RequestId": "5582815E1AEA5ADF",
            "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
        }
    )


def hopeless(region, bucket, prefix, elsewhere):
    """what -> body of messages that no attempt can do justice to."""
    return {
        "no JSON": '{"Records": [',
        "no event": json.dumps({"hello": "world"}),
        "an object that is not there": notification(region, (bucket, f"{prefix}2019/10/12/03/gone", 10, "d41d8cd9")),
        "an object outside of the prefix": notification(region, (bucket, elsewhere, 10, "d41d8cd9")),
        "an object of another bucket": notification(region, ("somebody-elses", f"{prefix}x", 10, "d41d8cd9")),
    }
