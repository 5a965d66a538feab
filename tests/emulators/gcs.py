"""gcp-storage-emulator, with what it lacks and the stores rely on.

Preconditions on generations, pages of listings, the generation and time of what is read, and the
answers for ranges behind the end and for buckets that are not there: as documented in the
reference of the JSON API of Google Cloud Storage.
"""

from __future__ import annotations

import os
import sys
import threading
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from http.server import HTTPServer
from typing import Any

from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.storage import Storage

from . import BUCKET


class OneAtATime(HTTPServer):
    request_queue_size = 256


def refuse(response: Any, status: HTTPStatus, text: str) -> None:
    response.status = status
    response.json({"error": {"code": status.value, "message": text}})


def checked(handler: Any) -> Any:
    """A handler with what the emulator lacks."""

    def run(request: Any, response: Any, storage: Any) -> None:
        bucket = request.params.get("bucket_name")
        body = request.data  # unread bytes would break the connection
        if bucket and bucket not in storage.buckets and handler is not buckets.insert:
            refuse(response, HTTPStatus.NOT_FOUND, "The specified bucket does not exist.")
            return
        there = storage.objects.get(bucket, {}).get(_name(request, body, storage), {})
        wanted = request.query.get("ifGenerationMatch")
        if wanted and wanted[0] != there.get("generation", "0"):
            refuse(response, HTTPStatus.PRECONDITION_FAILED, "conditionNotMet")
            return
        reading = handler is objects.download or "media" in request.query.get("alt", ())
        start = (request.get_header("range") or "bytes=0-").split("=")[1].split("-")[0]
        if reading and there and int(start) >= int(there["size"]) and int(start):
            refuse(response, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "range")
            return
        handler(request, response, storage)
        if reading and there:
            response["x-goog-generation"] = there["generation"]
            response["Last-Modified"] = formatdate(int(there["generation"]) / 1e9, usegmt=True)

    return run


def pages(request: Any, response: Any, storage: Any) -> None:
    """`objects.ls`, in pages."""
    found, _ = storage.get_file_list(request.params["bucket_name"], _only(request, "prefix"))
    start = int(_only(request, "pageToken") or 0)
    end = start + int(_only(request, "maxResults") or 1000)
    answer = {"kind": "storage#objects", "items": found[start:end]}
    response.json(answer | ({"nextPageToken": str(end)} if end < len(found) else {}))


def _only(request: Any, name: str) -> str | None:
    values = request.query.get(name)
    return str(values[0]) if values else None


def _name(request: Any, body: Any, storage: Any) -> str | None:
    if "object_id" in request.params:
        return str(request.params["object_id"])
    if upload := _only(request, "upload_id"):
        return str(storage.get_resumable_file_obj(upload)["name"])
    if isinstance(body, dict):
        body = body.get("meta", body)
        return _only(request, "name") or body.get("name")
    return _only(request, "name")


def main() -> None:
    for _, table in emulator.HANDLERS:
        for method, handler in table.items():
            table[method] = checked(pages if handler is objects.ls else handler)
    storage = Storage(use_memory_fs=True)
    storage._write_config_to_file = lambda: None  # it writes all it has for each object
    buckets.create_bucket(BUCKET, storage)
    server = OneAtATime(("127.0.0.1", 0), partial(emulator.RequestHandler, storage))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
