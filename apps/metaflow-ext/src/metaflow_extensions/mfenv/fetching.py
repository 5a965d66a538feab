"""Objects of the store, fetched with the library that Metaflow itself needs for the datastore.

Logins and the options of URLs are those of pkgcache's stores, which do the rest once they are here.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AT_ONCE", "Failed", "fetcher"]

AT_ONCE = 8
"""How many objects are fetched at a time."""

_PAUSES = (0.5, 1.0, 2.0)
_Options = Dict[str, str]


class Failed(Exception):
    """What cannot be done, and what to do about it."""

    hint = None


def fetcher(url: str) -> Callable[[str, Path], None]:
    """What puts the object with a key of the store at `url` into a file; several threads may.

    It tries again where that may help. Both raise `Failed`.
    """
    parts = urlsplit(url)
    open_service = _SERVICES.get(parts.scheme)
    if open_service is None:
        raise Failed(f"the store `{parts.scheme}://` cannot be read from here; set MFENV_STORE")
    try:
        get = open_service(
            parts.netloc, unquote(parts.path).strip("/"), dict(parse_qsl(parts.query))
        )
    except ImportError as error:
        raise Failed(
            f"this image lacks the library of its datastore ({error}); let Metaflow install it, or"
            " choose an image that has it"
        ) from None
    except Exception as error:  # noqa: BLE001 - each library has errors of its own
        raise Failed(f"the store cannot be reached: {_line(error)}; check its login") from None

    def fetch(key: str, path: Path) -> None:
        for pause in (*_PAUSES, None):
            try:
                get(key, path)
            except Exception as error:  # noqa: BLE001 - each library has errors of its own
                if pause is None:
                    raise Failed(
                        f"`{key}` cannot be fetched from the store: {_line(error)}; check that this"
                        " task may read it, and start the run again"
                    ) from None
                time.sleep(pause)
            else:
                return

    return fetch


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _directory(_: str, root: str, __: _Options) -> Callable[[str, Path], None]:
    def get(key: str, path: Path) -> None:
        shutil.copyfile(Path("/", root, key), path)

    return get


def _s3(bucket: str, root: str, options: _Options) -> Callable[[str, Path], None]:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(
        profile_name=options.get("profile"), region_name=options.get("region")
    )
    if role := options.get("role"):
        # The login of an hour at least; what is fetched here takes seconds.
        answer = session.client("sts").assume_role(RoleArn=role, RoleSessionName="mfenv")
        login = answer["Credentials"]
        session = boto3.session.Session(
            login["AccessKeyId"],
            login["SecretAccessKey"],
            login["SessionToken"],
            region_name=session.region_name,
        )
    client = session.client(
        "s3",
        endpoint_url=options.get("endpoint"),
        config=Config(
            max_pool_connections=AT_ONCE,
            s3={"addressing_style": options.get("addressing", "auto")},
        ),
    )

    def get(key: str, path: Path) -> None:
        answer = client.get_object(Bucket=bucket, Key=_name(root, key))
        with path.open("wb") as file:
            shutil.copyfileobj(answer["Body"], file)

    return get


def _azure(account: str, place: str, options: _Options) -> Callable[[str, Path], None]:
    from azure.storage.blob import ContainerClient

    container, _, root = place.partition("/")
    endpoint = options.get("endpoint") or f"https://{account}.blob.core.windows.net"
    text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    if text and f"AccountName={account}" in text.split(";"):
        client = ContainerClient.from_connection_string(text, container)
    else:
        client = ContainerClient(endpoint, container, credential=_azure_login(account, options))

    def get(key: str, path: Path) -> None:
        with path.open("wb") as file:
            client.download_blob(_name(root, key)).readinto(file)

    return get


def _azure_login(account: str, options: _Options) -> Any:
    if options.get("anonymous") == "true":
        return None
    of_another = os.environ.get("AZURE_STORAGE_ACCOUNT", account) != account
    environ = {} if of_another else os.environ
    if environ.get("AZURE_STORAGE_KEY"):
        return {"account_name": account, "account_key": environ["AZURE_STORAGE_KEY"]}
    if environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return environ["AZURE_STORAGE_SAS_TOKEN"]
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _google(bucket: str, root: str, options: _Options) -> Callable[[str, Path], None]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    anonymous, endpoint = options.get("anonymous") == "true", options.get("endpoint")
    client = Client(
        project=None,  # else it looks for credentials, also where none are needed
        credentials=AnonymousCredentials() if anonymous else None,
        client_options={"api_endpoint": endpoint} if endpoint else None,
    )
    blobs = client.bucket(bucket, user_project=options.get("project"))

    def get(key: str, path: Path) -> None:
        blobs.blob(_name(root, key)).download_to_filename(str(path))

    return get


def _name(root: str, key: str) -> str:
    return f"{root}/{key}".lstrip("/")


_SERVICES = {"file": _directory, "s3": _s3, "az": _azure, "gs": _google}
