"""mfenv itself, fetched from the stores of services with the libraries that Metaflow needs."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.emulators import KINDS, Service, running, why_not

from envid.platforms import host_platform
from metaflow_extensions.mfenv.container import add_runtime
from metaflow_extensions.mfenv.fetching import Failed, fetcher
from metaflow_extensions.mfenv.run_records import Runtime, RuntimeObject
from pkgcache.stores.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=KINDS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    if reason := why_not(request.param):
        pytest.skip(reason)
    with running(request.param) as found, pytest.MonkeyPatch.context() as patch:
        for name, text in found.environ.items():
            patch.setenv(name, text)
        yield found


def staged(url: str) -> Runtime:
    """A runtime of one module in a store."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("code.py", "CODE = 1\n" * 100_000)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    key = f"runtime/{digest}/mfenv.zip"
    open_store(url).put(key, content)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    code = RuntimeObject(key=key, sha256=digest, size=len(content))
    return Runtime(code=code, wheels={host_platform(): {python: ()}})


@pytest.mark.slow
def test_the_runtime_comes_from_every_kind_of_store(service: Service, tmp_path: Path) -> None:
    url = service.url("team/one")
    (folder,) = add_runtime(staged(url), tmp_path, fetcher(url))
    assert Path(folder, "code.py").read_text() == "CODE = 1\n" * 100_000


def test_what_is_not_there_is_named(service: Service, tmp_path: Path) -> None:
    url = service.url("team/two")
    runtime = staged(url)
    key = runtime.code.key
    open_store(url).delete(key)
    with pytest.raises(Failed) as caught:
        add_runtime(runtime, tmp_path, fetcher(url))
    message = str(caught.value)
    assert f"`{key}` cannot be fetched from the store: " in message
    assert "\n" not in message
    assert list((tmp_path / "runtime").iterdir()) == []


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    if reason := why_not("s3"):
        pytest.skip(reason)
    with running("s3") as found:
        for name, text in found.environ.items():
            monkeypatch.setenv(name, text)
        yield found


@pytest.mark.slow
def test_a_store_may_be_read_as_a_role(
    s3: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = staged(s3.url("team/three"))
    url = f"{s3.url('team/three')}&role=arn:aws:iam::123456789012:role/reader"
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3.endpoint)
    (folder,) = add_runtime(runtime, tmp_path, fetcher(url))
    assert Path(folder, "code.py").exists()
    # Without the service that gives roles nothing is read: it is not by one's own login.
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Failed, match="the store cannot be reached"):
        fetcher(url)
