"""A store in a container of Azure Blob Storage: `az://account/container/prefix`.

Credentials come from the first of: AZURE_STORAGE_CONNECTION_STRING if it is for the account,
AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, and what azure-identity's `DefaultAzureCredential`
finds (environment, workload or managed identity, `az login`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from typing import TYPE_CHECKING, Any

from pkgcache.errors import UnsupportedStore
from pkgcache.stores._parts import PartedStore
from pkgcache.stores._remote import (
    CONNECTIONS,
    PAGE,
    Failure,
    RequestRefused,
    answered,
    login_refused,
    quiet,
)
from pkgcache.stores._url import missing
from pkgcache.stores.store import ObjectInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import BinaryIO

    from pkgcache.progress import Task
    from pkgcache.stores._remote import Condition
    from pkgcache.web.patience import Patience

__all__ = ["AzureStore"]

_TOKEN = "put"  # noqa: S105  (the name of a field)
_PIECE = 8 << 20
# Of all parts, which other writers threw away; what the network does is counted within each.
_TRIES = 5
# What is smaller than a part goes by a single request, whatever the library takes for large.
_LARGEST_PUT = 5000 << 20
_LOGIN = {"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"}
# The last is what is left of an upload when another to the same name is committed.
_LOST = {"BlobAlreadyExists", "ConditionNotMet", "InvalidBlockList"}


class AzureStore(PartedStore):
    """Blobs of a container, under a prefix. Safe to call from several threads.

    Raises `UnsupportedStore` for a URL that it cannot use, or without azure-storage-blob.
    """

    OPTIONS = frozenset({"endpoint", "anonymous"})
    RIGHTS: Mapping[str, str] = {
        "look up": "Storage Blob Data Reader, or `r` of a SAS,",
        "read": "Storage Blob Data Reader, or `r` of a SAS,",
        "write": "Storage Blob Data Contributor, or `cw` of a SAS,",
        "list": "Storage Blob Data Reader, or `l` of a SAS,",
        "delete": "Storage Blob Data Contributor, or `d` of a SAS,",
    }

    def __init__(self, url: str, *, patience: Patience | None = None, **sizes: int) -> None:
        super().__init__(url, patience=patience, **sizes)
        self._container, _, path = self._at.path.partition("/")
        self._prefix = f"{path}/" if path else ""
        self._anonymous = self._at.flag("anonymous")
        if not self._container:
            raise UnsupportedStore(
                self._at.clean, "it names no container", "write `az://ACCOUNT/CONTAINER/PREFIX`"
            )
        try:
            import azure.storage.blob  # noqa: F401
        except ImportError:
            raise missing(url, "azure") from None

    def _connect(self) -> Any:
        import requests
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import ContainerClient, ExponentialRetry
        from requests.adapters import HTTPAdapter

        quiet("msal", "urllib3")
        endpoint, credential, _ = self._found()
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(CONNECTIONS, CONNECTIONS))
        return ContainerClient(
            endpoint,
            self._container,
            credential=credential,
            transport=RequestsTransport(
                session=session,
                connection_timeout=self._patience.silence,
                read_timeout=self._patience.silence,
            ),
            retry_policy=ExponentialRetry(
                retry_total=0
            ),  # the policy of all stores is in `_remote`
            max_single_get_size=_PIECE,
            max_chunk_get_size=_PIECE,
            max_single_put_size=_LARGEST_PUT,
        )

    def _asked(self, client: Any) -> str:
        return str(client.url).partition("?")[0]

    def _whose(self, client: Any) -> str:  # noqa: ARG002  (it does not tell)
        return self._found()[2]

    def _found(self) -> tuple[str, Any, str]:
        """The endpoint, the credential of the account, and where that comes from."""
        account = self._at.host
        text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
        fields = dict(field.partition("=")[::2] for field in text.split(";") if field)
        # A machine may be set up for another account than that of this store.
        if fields.get("AccountName", account) != account:
            fields = {}
        suffix = fields.get("EndpointSuffix", "core.windows.net")
        endpoint = self._at.options.get("endpoint") or fields.get("BlobEndpoint")
        endpoint = endpoint or f"https://{account}.blob.{suffix}"
        if self._anonymous:
            return endpoint, None, "nowhere: `anonymous=true`"
        environ = os.environ if os.environ.get("AZURE_STORAGE_ACCOUNT", account) == account else {}
        whole = "AZURE_STORAGE_CONNECTION_STRING"
        if key := fields.get("AccountKey") or environ.get("AZURE_STORAGE_KEY"):
            place = whole if fields.get("AccountKey") else "AZURE_STORAGE_KEY"
            return endpoint, {"account_name": account, "account_key": key}, place
        if sas := fields.get("SharedAccessSignature") or environ.get("AZURE_STORAGE_SAS_TOKEN"):
            from azure.core.credentials import AzureSasCredential

            place = whole if fields.get("SharedAccessSignature") else "AZURE_STORAGE_SAS_TOKEN"
            return endpoint, AzureSasCredential(sas), place
        from azure.identity import DefaultAzureCredential

        # It warns, in many lines, of what its error says as well.
        logging.getLogger("azure.identity").addHandler(logging.NullHandler())
        return endpoint, DefaultAzureCredential(), "azure-identity (a variable, a role, `az login`)"

    def _blob(self, name: str) -> Any:
        return self._client().get_blob_client(name)

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        import requests
        import urllib3
        from azure.core.exceptions import AzureError

        return AzureError, requests.RequestException, urllib3.exceptions.HTTPError

    def _failure(self, error: Exception) -> Failure:
        from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

        response = getattr(error, "response", None)
        if isinstance(error, ClientAuthenticationError) and response is None:
            hint = "run `az login`, or set AZURE_STORAGE_CONNECTION_STRING"
            return Failure(reason="there are no usable credentials", hint=hint)
        if not isinstance(error, HttpResponseError) or response is None:
            return self._broken(getattr(error, "inner_exception", None) or error)
        code = response.headers.get("x-ms-error-code")
        if code in _LOGIN:
            return login_refused(code)
        if code == "ContainerNotFound":
            hint = "create it, or correct the URL of the store"
            return Failure(reason=f"the container `{self._container}` does not exist", hint=hint)
        status = 412 if code in _LOST else response.status_code
        return answered(status, code, response.headers.get("retry-after"))

    def _head(self, key: str, name: str) -> tuple[ObjectInfo, str | None]:
        properties = self._blob(name).get_blob_properties()
        _check_type(properties)
        return _info(key, properties, properties.size), (properties.metadata or {}).get(_TOKEN)

    def _open(
        self, key: str, name: str, offset: int, etag: str | None
    ) -> tuple[ObjectInfo, Generator[bytes, None, None]]:
        download = self._blob(name).download_blob(offset=offset or None, **_if_match(etag))
        _check_type(download.properties)
        return _info(key, download.properties, offset + download.size), _pieces(download)

    def _put(self, name: str, body: BinaryIO, size: int, condition: Condition) -> str:
        answer = self._blob(name).upload_blob(
            body, length=size, overwrite=True, **_conditions(condition)
        )
        return _etag(answer["etag"])

    def _begin(self, name: str, condition: Condition) -> str:  # noqa: ARG002  (needs no request)
        return ""

    def _part(self, name: str, upload: str, number: int, data: bytes) -> str:  # noqa: ARG002
        # Uncommitted blocks belong to all who write the blob. Named by their content, those of
        # another writer can take the place of ours, but never be mixed up with them.
        block = f"{number:06}-{hashlib.sha256(data).hexdigest()[:48]}"
        self._blob(name).stage_block(block, data, length=len(data))
        return block

    def _finish(
        self,
        name: str,
        upload: str,  # noqa: ARG002
        parts: Sequence[str],
        condition: Condition,
    ) -> str:
        from azure.storage.blob import BlobBlock

        answer = self._blob(name).commit_block_list(
            [BlobBlock(block) for block in parts], **_conditions(condition)
        )
        return _etag(answer["etag"])

    def _send_parts(
        self, name: str, file: BinaryIO, size: int, condition: Condition, task: Task | None
    ) -> str:
        for _ in range(_TRIES):
            try:
                return super()._send_parts(name, file, size, condition, task)
            except RequestRefused as refused:
                # A commit throws away the blocks of other writers, who have to send them again.
                # With a condition, another writer means that this one has lost.
                if condition or refused.failure.kind != "conflict":
                    raise
                if task:
                    task.advance(-size)
        raise RequestRefused(Failure(reason="others write it all the time", retry_after=0))

    def _page(self, prefix: str, page: Any) -> tuple[Sequence[ObjectInfo], Any]:
        pages = (
            self._client()
            .list_blobs(name_starts_with=prefix, results_per_page=self._page_size)
            .by_page(page)
        )
        infos = [_info(self._key(blob.name), blob, blob.size) for blob in next(pages, ())]
        return infos, pages.continuation_token or None

    def _delete(self, name: str) -> None:
        # A blob with snapshots, which somebody else made, cannot be deleted alone.
        self._blob(name).delete_blob(delete_snapshots="include")


def _check_type(properties: Any) -> None:
    # What nobody gave a type, as we do not, has that of bytes.
    if str(properties.content_settings.content_type).startswith("text/html"):
        raise RequestRefused(PAGE)


def _pieces(download: Any) -> Generator[bytes, None, None]:
    yield from download.chunks()


def _if_match(etag: str | None) -> dict[str, Any]:
    from azure.core import MatchConditions

    if etag is None:
        return {}
    return {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}


def _conditions(condition: Condition) -> dict[str, Any]:
    from azure.core import MatchConditions

    marked = {"metadata": {_TOKEN: condition.token}} if condition else {}
    if condition.if_absent:
        return {"match_condition": MatchConditions.IfMissing, **marked}
    return {**_if_match(condition.if_match), **marked}


def _etag(text: str) -> str:
    return text.strip('"')


def _info(key: str, properties: Any, size: int) -> ObjectInfo:
    modified = properties.last_modified.timestamp()
    return ObjectInfo(key=key, size=size, etag=_etag(properties.etag), modified=modified)
