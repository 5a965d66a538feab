"""Objects of the store, fetched with the library that Metaflow itself needs for the datastore.

Logins and the options of URLs are those of pkgcache's stores, which do the rest once they are here;
so are the limits on silence and on speed, and the number of tries.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AT_ONCE", "Failed", "fetcher"]

AT_ONCE = 8
"""How many objects are fetched at a time."""

# Bytes: of what Azure is asked for at a time, and of what is written of S3's answer at a time.
_PIECE, _SMALL = 1 << 20, 1 << 12
_Options = Dict[str, str]  # not `dict`: it is evaluated here, by Python 3.8 as well


class _Limits:
    """`mfenv`'s settings of the same names, which this cannot read yet: from the environment."""

    def __init__(self) -> None:
        self.silence = self._read("NETWORK_SILENCE", 30)
        self.speed = self._read("NETWORK_SPEED", 1000)
        self.tries = self._read("NETWORK_TRIES", 3)

    def _read(self, name: str, default: int) -> int:
        text = os.environ.get(f"MFENV_{name}", str(default))
        if not text.isdigit() or int(text) < 1:
            raise Failed(f"MFENV_{name}: `{text}` is not a number from 1; such as `{default}`")
        return int(text)


class Failed(Exception):
    """What cannot be done, and what to do about it."""

    hint = None


def fetcher(url: str) -> Callable[[str, Path], None]:
    """What puts the object with a key of the store at `url` into a file; several threads may.

    It tries again where that may help. Both raise `Failed`.
    """
    limits = _Limits()
    parts = urlsplit(url)
    open_service = _SERVICES.get(parts.scheme)
    if open_service is None:
        raise Failed(f"the store `{parts.scheme}://` cannot be read from here; set MFENV_STORE")
    try:
        get = open_service(
            parts.netloc, unquote(parts.path).strip("/"), dict(parse_qsl(parts.query)), limits
        )
    except ImportError as error:
        raise Failed(
            f"this image lacks the library of its datastore ({error}); let Metaflow install it, or"
            " choose an image that has it"
        ) from None
    except Exception as error:  # noqa: BLE001 - each library has errors of its own
        raise Failed(f"the store cannot be reached: {_line(error)}; check its login") from None

    def fetch(key: str, path: Path) -> None:
        for number in range(1, limits.tries + 1):
            try:
                _watched(get, key, path, limits)
            except Exception as error:  # noqa: BLE001 - each library has errors of its own
                if number == limits.tries:
                    raise Failed(
                        f"`{key}` cannot be fetched from the store: {_line(error)}; check that this"
                        " task may read it, and start the run again"
                    ) from None
                # By chance, so that the tasks of a wide step do not all come again at the same
                # moment.
                time.sleep(random.uniform(0, 0.5 * 2 ** (number - 1)))  # noqa: S311
            else:
                return

    return fetch


def _watched(get: Callable[[str, Path], None], key: str, path: Path, limits: _Limits) -> None:
    """Get an object, if enough of it comes in any time as long as a server may be silent."""
    failure: list[BaseException] = []
    # What is given up may go on for a while, and must not write where the next try does.
    own = path.with_name(f"{path.name}.{time.monotonic_ns()}")

    def run() -> None:
        try:
            get(key, own)
        except BaseException as error:  # noqa: BLE001 - told by who waits
            failure.append(error)

    # A thread, since none of the libraries can be told of a least speed; as a daemon, it does not
    # keep a task that gave up from ending.
    thread, size = threading.Thread(target=run, daemon=True), 0
    thread.start()
    while True:
        # Its own limit on silence comes first, and knows more.
        thread.join(limits.silence + 1)
        if not thread.is_alive():
            break
        before, size = size, own.stat().st_size if own.exists() else 0
        if size - before < limits.speed * limits.silence:
            raise Failed(f"the store sent less than {limits.speed} bytes per second")
    if failure:
        raise failure[0]
    with own.open("rb") as file:
        if file.read(1) == b"<":  # all that is fetched here are archives
            raise Failed("a web page came in its place, as from a proxy or a login page")
    own.replace(path)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _directory(_: str, root: str, __: _Options, ___: _Limits) -> Callable[[str, Path], None]:
    def get(key: str, path: Path) -> None:
        shutil.copyfile(Path("/", root, key), path)

    return get


def _s3(bucket: str, root: str, options: _Options, limits: _Limits) -> Callable[[str, Path], None]:
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
            connect_timeout=limits.silence,
            read_timeout=limits.silence,
            retries={"total_max_attempts": 1},  # `fetcher` tries again, and knows how often
            s3={"addressing_style": options.get("addressing", "auto")},
        ),
    )

    def get(key: str, path: Path) -> None:
        answer = client.get_object(Bucket=bucket, Key=_name(root, key))
        with path.open("wb", buffering=0) as file:
            # Small and unbuffered, so that the size of the file tells `_watched` what has come.
            for piece in answer["Body"].iter_chunks(_SMALL):
                file.write(piece)

    return get


def _azure(
    account: str, place: str, options: _Options, limits: _Limits
) -> Callable[[str, Path], None]:
    from azure.storage.blob import ContainerClient

    container, _, root = place.partition("/")
    endpoint = options.get("endpoint") or f"https://{account}.blob.core.windows.net"
    once: dict[str, Any] = {
        "connection_timeout": limits.silence,
        "read_timeout": limits.silence,
        # Only whole pieces can be seen to come.
        "retry_total": 0,
        "max_single_get_size": _PIECE,
        "max_chunk_get_size": _PIECE,
    }
    # It may be the login of another account, for the datastore or for the task itself.
    text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    if text and f"AccountName={account}" in text.split(";"):
        client = ContainerClient.from_connection_string(text, container, **once)
    else:
        login = _azure_login(account, options)
        client = ContainerClient(endpoint, container, credential=login, **once)

    def get(key: str, path: Path) -> None:
        with path.open("wb", buffering=0) as file:
            client.download_blob(_name(root, key)).readinto(file)

    return get


def _azure_login(account: str, options: _Options) -> Any:
    if options.get("anonymous") == "true":
        return None
    # A key of another account would be sent, and refused, before anything else is tried.
    of_another = os.environ.get("AZURE_STORAGE_ACCOUNT", account) != account
    environ = {} if of_another else os.environ
    if environ.get("AZURE_STORAGE_KEY"):
        return {"account_name": account, "account_key": environ["AZURE_STORAGE_KEY"]}
    if environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return environ["AZURE_STORAGE_SAS_TOKEN"]
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _google(
    bucket: str, root: str, options: _Options, limits: _Limits
) -> Callable[[str, Path], None]:
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
        blobs.blob(_name(root, key)).download_to_filename(
            str(path), timeout=limits.silence, retry=None
        )

    return get


def _name(root: str, key: str) -> str:
    return f"{root}/{key}".lstrip("/")


_SERVICES = {"file": _directory, "s3": _s3, "az": _azure, "gs": _google}
