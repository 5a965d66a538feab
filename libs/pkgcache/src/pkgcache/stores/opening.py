"""From the URL of a store to the store: the only place that knows which kinds there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pkgcache.errors import UnsupportedStore

if TYPE_CHECKING:
    from pkgcache.stores.store import Store
    from pkgcache.web.patience import Patience

__all__ = ["open_store"]


def open_store(url: str, patience: Patience | None = None) -> Store:
    """The store at `url`. Nothing is read or written, no connection is made.

    `patience` says how long a service is waited for, and how often it is asked again.

    `file:///path` is a directory, made by the first put; `s3://bucket/prefix`,
    `az://account/container/prefix` and `gs://bucket/prefix` are what a service keeps, with
    options in the query. Raises `UnsupportedStore` for anything else, and for a service whose
    library is not installed.
    """
    parts = urlsplit(url)
    # Imported by need: the library of a service is large, and may not be there.
    match parts.scheme:
        case "file" if parts.netloc in ("", "localhost") and parts.path.strip("/"):
            from pkgcache.stores.directory import DirectoryStore

            return DirectoryStore(Path(unquote(parts.path)))
        case "s3":
            from pkgcache.stores.s3 import S3Store

            return S3Store(url, patience=patience)
        case "az":
            from pkgcache.stores.azure import AzureStore

            return AzureStore(url, patience=patience)
        case "gs":
            from pkgcache.stores.gcs import GcsStore

            return GcsStore(url, patience=patience)
    # What is no store may be a URL with a password in it.
    clean = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    raise UnsupportedStore(
        clean if parts.scheme else url,
        "supported are `file://`, `s3://`, `az://`, `gs://`",
        "write a directory as `file:///path/to/store`",
    )
