#!/usr/bin/env python3
"""moto's server, answering one request at a time, with a log of who asked what.

    emulator.py <port> <log file>

A conditional write is a look and then a write: side by side, two of moto's could both find nothing, which S3's never do.
The log has a line of JSON for each request to S3.
"""

import json
import sys
import threading
import urllib.parse

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


class InTurn:
    def __init__(self, application, log):
        self.application, self.log, self.turn = application, log, threading.Lock()

    def __call__(self, environ, start_response):
        status = []

        def answer(line, headers, *error):
            status.append(int(line.split()[0]))
            return start_response(line, headers, *error)

        with self.turn:
            parts = list(self.application(environ, answer))
            if "/s3/" in environ.get("HTTP_AUTHORIZATION", ""):
                self.log.write(json.dumps(described(environ, status[-1])) + "\n")
                self.log.flush()
        return parts


def described(environ, status):
    path, _, query = environ["REQUEST_URI"].partition("?")
    bucket, _, key = path.lstrip("/").partition("/")
    return {
        "by": environ["HTTP_AUTHORIZATION"].partition("Credential=")[2].partition("/")[0],
        "method": environ["REQUEST_METHOD"],
        "bucket": bucket,
        "key": urllib.parse.unquote(key),
        "query": dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
        "condition": "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ,
        "owner": environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER"),
        "status": status,
    }


if __name__ == "__main__":
    with open(sys.argv[2], "w", encoding="utf-8") as log:
        application = InTurn(DomainDispatcherApplication(create_backend_app), log)
        run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=MotoRequestHandler)
