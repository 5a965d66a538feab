"""moto's server, one request at a time: it checks conditions and writes in two steps.

What it lacks: `If-Match` when an upload in parts is completed.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

from . import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACCOUNT = "123456789012"


class OneAtATime:
    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            if not self._matches(environ):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                body = b"<Error><Code>PreconditionFailed</Code></Error>"
                headers = [("Content-Length", str(len(body))), ("Content-Type", "text/xml")]
                start_response("412 Precondition Failed", headers)
                return [body]
            return list(self._moto(environ, start_response))

    @staticmethod
    def _matches(environ: dict[str, Any]) -> bool:
        asked = environ.get("HTTP_IF_MATCH")
        completing = "uploadId" in parse_qs(environ.get("QUERY_STRING", ""))
        if environ["REQUEST_METHOD"] != "POST" or not asked or not completing:
            return True
        _, bucket, name = environ["PATH_INFO"].split("/", 2)
        found = s3_backends[_ACCOUNT]["aws"].get_object(bucket, name)
        return found is not None and found.etag.strip('"') == asked.strip('"')


def main() -> None:
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, OneAtATime(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    ).create_bucket(Bucket=BUCKET)
    print(endpoint, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
