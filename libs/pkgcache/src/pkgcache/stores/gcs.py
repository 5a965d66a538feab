"""A store in a bucket of Google Cloud Storage: `gs://bucket/prefix`.

Credentials are the application default ones: GOOGLE_APPLICATION_CREDENTIALS, those of `gcloud auth
application-default login`, or the machine's. STORAGE_EMULATOR_HOST is honoured.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from pkgcache.stores._remote import (
    CHUNK,
    CONNECTIONS,
    NONSENSE,
    PAGE,
    Failure,
    RemoteStore,
    RequestRefused,
    answered,
    closed_unless_taken,
    login_refused,
)
from pkgcache.stores._url import missing
from pkgcache.stores.store import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import BinaryIO

    from pkgcache.progress import Task
    from pkgcache.stores._remote import Condition
    from pkgcache.web.patience import Patience

__all__ = ["GcsStore"]

_TOKEN = "put"  # noqa: S105  (the name of a field)
_STEP = 256 << 10
_TYPE = "application/octet-stream"


class GcsStore(RemoteStore):
    """Objects of a bucket, under a prefix; the etag is the generation. Safe for several threads.

    Raises `UnsupportedStore` for a URL that it cannot use, or without google-cloud-storage.
    """

    OPTIONS = frozenset({"endpoint", "project", "anonymous"})
    RIGHTS: Mapping[str, str] = {
        "look up": "storage.objects.get",
        "read": "storage.objects.get",
        "write": "storage.objects.create (and storage.objects.delete, to replace)",
        "list": "storage.objects.list",
        "delete": "storage.objects.delete",
    }

    def __init__(self, url: str, *, patience: Patience | None = None, **sizes: int) -> None:
        super().__init__(url, patience=patience, **sizes)
        self._anonymous = self._at.flag("anonymous")
        try:
            # It warns at each start that it will not be updated for old Pythons.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                import google.cloud.storage  # noqa: F401
        except ImportError:
            raise missing(url, "gcs") from None

    def _connect(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client
        from requests.adapters import HTTPAdapter

        endpoint = self._at.options.get("endpoint")
        client = Client(
            project=None,
            credentials=AnonymousCredentials() if self._anonymous else None,
            client_options={"api_endpoint": endpoint} if endpoint else None,
        )
        # For its traces, the library would ask for the bucket itself, which needs another right.
        client._bucket_metadata_cache = None  # noqa: SLF001
        for scheme in ("http://", "https://"):
            _session(client).mount(scheme, HTTPAdapter(CONNECTIONS, CONNECTIONS))
        return client

    def _asked(self, client: Any) -> str:
        return str(client.api_endpoint)

    def _whose(self, client: Any) -> str:
        from google.auth import compute_engine
        from google.auth.credentials import AnonymousCredentials

        credentials = client._credentials  # noqa: SLF001  (it has no public name)
        if isinstance(credentials, AnonymousCredentials):
            return "nowhere: anonymous"
        if "GOOGLE_APPLICATION_CREDENTIALS" in os.environ:
            return "GOOGLE_APPLICATION_CREDENTIALS"
        if isinstance(credentials, compute_engine.Credentials):
            return "the service account of this machine"
        return "`gcloud auth application-default login`"

    @property
    def _once(self) -> dict[str, Any]:
        """Options of a request that the library is not to send again: the policy is ours."""
        return {"retry": None, "timeout": self._patience.silence}

    @property
    def _bucket(self) -> Any:
        return self._client().bucket(self._at.host, user_project=self._at.options.get("project"))

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        import requests
        import urllib3
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

        ours = (GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse)
        return (*ours, requests.RequestException, urllib3.exceptions.HTTPError)

    def _failure(self, error: Exception) -> Failure:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth import exceptions
        from google.cloud.storage.exceptions import InvalidResponse

        if isinstance(error, RetryError) and isinstance(error.cause, Exception):
            return self._failure(error.cause)
        if isinstance(error, (GoogleAPICallError, InvalidResponse)):
            response = error.response
            status = int(getattr(error, "code", None) or response.status_code)
            if status == 404 and "bucket does not exist" in str(error):  # noqa: PLR2004
                hint = "create it, or correct the URL of the store"
                return Failure(reason=f"the bucket `{self._at.host}` does not exist", hint=hint)
            return answered(status, None, getattr(response, "headers", {}).get("retry-after"))
        if isinstance(error, exceptions.DefaultCredentialsError):
            hint = "run `gcloud auth application-default login`"
            return Failure(reason="there are no usable credentials", hint=hint)
        if isinstance(error, exceptions.GoogleAuthError) and not isinstance(
            error, exceptions.TransportError
        ):
            return login_refused(None)
        is_json = not isinstance(error, ValueError)
        return self._broken(error) if is_json else NONSENSE

    def _head(self, key: str, name: str) -> tuple[ObjectInfo, str | None]:
        blob = self._bucket.get_blob(name, **self._once)
        if blob is None:
            raise RequestRefused(answered(404, None, None))
        info = ObjectInfo(
            key=key,
            size=int(blob.size),
            etag=str(blob.generation),
            modified=blob.updated.timestamp(),
        )
        return info, (blob.metadata or {}).get(_TOKEN)

    def _open(
        self, key: str, name: str, offset: int, etag: str | None
    ) -> tuple[ObjectInfo, Generator[bytes, None, None]]:
        from email.utils import parsedate_to_datetime

        from google.api_core.exceptions import from_http_response

        # The library's own download says neither generation nor size without another request.
        client, project = self._client(), self._at.options.get("project")
        # The generation sees to it that a read that is resumed is of the same object.
        query = {"alt": "media", "ifGenerationMatch": etag, "userProject": project}
        asked = urlencode({key: value for key, value in query.items() if value})
        path = f"b/{quote(self._at.host)}/o/{quote(name, safe='')}?{asked}"
        response = _session(client).get(
            f"{client.api_endpoint}/download/storage/v1/{path}",
            headers={"Range": f"bytes={offset}-"} if offset else {},
            stream=True,
            timeout=self._patience.silence,
        )
        with closed_unless_taken(response):
            # Without a range it is all of the object, which is not what was asked for.
            if response.status_code != (206 if offset else 200):
                raise from_http_response(response)
            headers = response.headers
            if headers.get("Content-Type", "").startswith("text/html"):
                raise RequestRefused(PAGE)
            info = ObjectInfo(
                key=key,
                size=offset + int(headers["Content-Length"]),
                etag=headers["x-goog-generation"],
                modified=parsedate_to_datetime(headers["Last-Modified"]).timestamp(),
            )
            return info, _pieces(response)

    def _put(self, name: str, body: BinaryIO, size: int, condition: Condition) -> str:
        return self._upload(name, body, size, condition, None)

    def _send_parts(
        self, name: str, file: BinaryIO, size: int, condition: Condition, task: Task | None
    ) -> str:
        # The service takes the pieces of an upload in their order alone.
        counted = _Counted(file, task)

        def send() -> str:
            counted.seek(0)
            # Pieces have to be multiples of this size.
            step = max(self._part_size // _STEP, 1) * _STEP
            return self._upload(name, counted, size, condition, step)

        return self._call(f"write {name}", send)

    def _upload(
        self, name: str, body: Any, size: int, condition: Condition, step: int | None
    ) -> str:
        from google.api_core.retry import Retry

        blob = self._bucket.blob(name, chunk_size=step)
        matched: dict[str, Any] = {}
        if condition:
            blob.metadata = {_TOKEN: condition.token}
            matched = {"if_generation_match": _generation(condition)}
        pieces = {
            **self._once,
            # Only the library knows how far an upload got that is sent in pieces.
            "retry": Retry(
                predicate=lambda error: (
                    isinstance(error, self._errors) and self._failure(error).retry_after is not None
                ),
                initial=0.5,
                multiplier=2,
                timeout=self._patience.silence,
            ),
        }
        blob.upload_from_file(
            body, size=size, content_type=_TYPE, **(pieces if step else self._once), **matched
        )
        return str(blob.generation)

    def _page(self, prefix: str, page: Any) -> tuple[Sequence[ObjectInfo], Any]:
        blobs = self._client().list_blobs(
            self._bucket, prefix=prefix, page_size=self._page_size, page_token=page, **self._once
        )
        infos = [
            ObjectInfo(
                key=self._key(blob.name),
                size=int(blob.size),
                etag=str(blob.generation),
                modified=blob.updated.timestamp(),
            )
            for blob in next(blobs.pages)
        ]
        return infos, blobs.next_page_token

    def _delete(self, name: str) -> None:
        self._bucket.delete_blob(name, **self._once)


class _Counted:
    """A file whose reading is told to a task."""

    def __init__(self, file: BinaryIO, task: Task | None) -> None:
        self._file, self._task = file, task

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if self._task:
            self._task.advance(len(data))
        return data

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int) -> None:
        if self._task and self._file.tell():
            # What is sent again is told as a negative number first, as every store does.
            self._task.advance(position - self._file.tell())
        self._file.seek(position)


def _session(client: Any) -> Any:
    return client._http  # noqa: SLF001  (it has no public name, but is documented for pools)


def _generation(condition: Condition) -> int:
    if condition.if_absent:
        return 0
    # What is no generation matches none; 1 is far below those of any time since the epoch.
    etag = condition.if_match or ""
    return int(etag) if etag.isdecimal() and etag != "0" else 1


def _pieces(response: Any) -> Generator[bytes, None, None]:
    with response:
        yield from response.raw.stream(CHUNK, decode_content=False)
