"""What services and networks do wrong, between a store and its service."""

from __future__ import annotations

import io
import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.relay import Relay, cut, forget, lose_answer, refuse, reset

from pkgcache.errors import Conflict, NotInStore, PkgcacheError, StoreError
from pkgcache.stores.azure import AzureStore
from pkgcache.stores.gcs import GcsStore
from pkgcache.stores.opening import open_store
from pkgcache.stores.s3 import S3Store
from pkgcache.web.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.emulators import Service

    from pkgcache.stores._remote import RemoteStore

all_services = pytest.mark.parametrize("service", ["s3", "azure", "gcs"], indirect=True)
s3_alone = pytest.mark.parametrize("service", ["s3"], indirect=True)
DATA = bytes(range(256)) * 4096
PUT = {"s3": "PUT", "azure": "PUT", "gcs": "POST"}
HEAD = {"s3": "HEAD", "azure": "HEAD", "gcs": "GET"}


@pytest.fixture
def url(service: Service, relay: Relay) -> str:
    return service.url(f"faults/{secrets.token_hex(4)}", relay.endpoint)


@pytest.fixture
def store(service: Service, url: str) -> RemoteStore:
    return opened(service, url)


def opened(service: Service, url: str) -> RemoteStore:
    kinds: dict[str, Any] = {"s3": S3Store, "azure": AzureStore, "gcs": GcsStore}
    found: RemoteStore = kinds[service.kind](
        url, part_size=5 << 20, patience=Patience(backoff=0.02)
    )
    return found


def put_large(store: RemoteStore, tmp_path: Path, **conditions: Any) -> bytes:
    data = secrets.token_bytes(12_000_000)
    (tmp_path / "large").write_bytes(data)
    store.put("large", tmp_path / "large", **conditions)
    return data


@all_services
class TestRetries:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_what_may_pass_is_tried_again(
        self, service: Service, store: RemoteStore, relay: Relay, status: int
    ) -> None:
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            relay.plan(method, refuse(status))
        store.put("a/b", b"x")
        assert store.exists(["a/b"]) == {"a/b"}
        assert [one.key for one in store.list("a")] == ["a/b"]
        assert store.read("a/b") == b"x"
        store.delete("a/b")
        assert not any(one.times for one in relay.planned if one.method == PUT[service.kind])
        assert len(relay.asked("DELETE")) == 2

    def test_what_does_not_pass_is_given_up(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        relay.plan("GET", refuse(503), times=100)
        with pytest.raises(StoreError, match="the service answered 503") as caught:
            store.read("a")
        assert caught.value.retryable
        assert len(relay.asked("GET")) == 3

    def test_retry_after_is_heeded(self, store: RemoteStore, relay: Relay) -> None:
        relay.plan("DELETE", refuse(503, headers={"Retry-After": "1"}))
        start = time.monotonic()
        store.delete("a")
        assert time.monotonic() - start >= 1

    def test_broken_connections_are_made_again(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            relay.plan(method, reset(), times=2)
        store.put("a", DATA)
        assert store.read("a") == DATA
        store.delete("a")

    def test_an_unreachable_service_is_one_clear_error(self, service: Service) -> None:
        store = opened(service, service.url("x", "http://127.0.0.1:9"))
        with pytest.raises(
            StoreError, match=r"cannot read `a` in .*: connection refused"
        ) as caught:
            store.read("a")
        assert caught.value.retryable


@all_services
class TestReading:
    def test_goes_on_where_it_broke_off(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        store.put("a", DATA)
        relay.plan("GET", cut(300_000))
        relay.plan("GET", cut(300_000))
        assert store.read("a") == DATA
        if service.kind != "azure":  # its library asks for the same again
            starts = [one.headers.get("range", "") for one in relay.asked("GET")]
            assert starts[0] == ""
            assert starts[1] > "bytes=0-"

    @pytest.mark.slow
    def test_never_mixes_two_objects(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        direct = open_store(store.url.replace(relay.endpoint, service.endpoint))
        data = DATA * 12
        store.put("a", data)
        if service.kind == "azure":  # its library reads in pieces of 8 MiB
            relay.plan("GET", forget())
        relay.plan("GET", cut(300_000, lambda: direct.put("a", data[::-1])))
        buffer = io.BytesIO()
        with pytest.raises(StoreError, match="it was replaced while it was read") as caught:
            store.get("a", buffer)
        assert caught.value.retryable
        assert data.startswith(buffer.getvalue())
        assert store.read("a") == data[::-1]

    def test_a_failing_sink_is_the_callers_error(self, store: RemoteStore) -> None:
        class Full:
            def write(self, data: bytes) -> None:
                raise OSError(28, "no space left on device")

        store.put("a", DATA)
        with pytest.raises(OSError, match="no space left") as caught:
            store.get("a", Full())
        assert not isinstance(caught.value, PkgcacheError)


@all_services
class TestWriting:
    def test_a_lost_answer_is_no_lost_race(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        store.put("warm-up", b"", if_absent=True)
        relay.plan(PUT[service.kind], lose_answer())
        first = store.put("a", b"one", if_absent=True)
        relay.plan(PUT[service.kind], lose_answer())
        second = store.put("a", b"two", if_match=first.etag)
        found = store.head("a")
        assert found is not None
        assert (found.etag, store.read("a")) == (second.etag, b"two")

    def test_a_race_that_is_lost_stays_lost_after_a_retry(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        store.put("a", b"theirs", if_absent=True)
        relay.plan(PUT[service.kind], refuse(503))
        with pytest.raises(Conflict):
            store.put("a", b"ours", if_absent=True)
        assert store.read("a") == b"theirs"

    def test_only_the_part_that_failed_is_sent_again(
        self, service: Service, store: RemoteStore, relay: Relay, tmp_path: Path
    ) -> None:
        part = {"s3": "partNumber=2", "azure": "comp=block", "gcs": "upload_id"}[service.kind]
        relay.plan("PUT", refuse(503), part=part)
        data = put_large(store, tmp_path)
        assert store.read("large") == data
        sent = sum(len(one.body) for one in relay.asked("PUT"))
        assert sent <= len(data) + (5 << 20) + 10_000

    @pytest.mark.slow
    def test_a_lost_answer_for_a_large_file_is_no_lost_race(
        self, service: Service, store: RemoteStore, relay: Relay, tmp_path: Path
    ) -> None:
        store.put("warm-up", b"", if_absent=True)
        last = {"s3": ("POST", "uploadId="), "azure": ("PUT", "comp=blocklist")}
        if service.kind in last:
            method, part = last[service.kind]
            relay.plan(method, lose_answer(), part=part)
        data = put_large(store, tmp_path, if_absent=True)
        assert store.read("large") == data

    def test_a_large_file_that_cannot_be_sent_leaves_nothing(
        self, service: Service, store: RemoteStore, relay: Relay, tmp_path: Path
    ) -> None:
        relay.plan("PUT", refuse(400), times=100)
        with pytest.raises(StoreError, match="the service answered 400"):
            put_large(store, tmp_path)
        assert store.head("large") is None
        if service.kind == "s3":
            assert len(relay.asked("DELETE", "uploadId=")) == 1

    def test_a_file_that_is_not_there_is_one_clear_error(
        self, store: RemoteStore, tmp_path: Path
    ) -> None:
        with pytest.raises(StoreError, match=r"cannot write `a` in .*: no such file or directory"):
            store.put("a", tmp_path / "missing")


DENIED = {
    "s3": refuse(403, b"<Error><Code>AccessDenied</Code></Error>"),
    "azure": refuse(403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"}),
    "gcs": refuse(403),
}
LOGIN = {
    "s3": refuse(403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>"),
    "azure": refuse(403, headers={"x-ms-error-code": "AuthenticationFailed"}),
    "gcs": refuse(401),
}


@all_services
class TestRefusals:
    def test_a_missing_right_is_named(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        for method in ("GET", "PUT", "POST", "DELETE"):
            relay.plan(method, DENIED[service.kind], times=9)
        rights = {
            "s3": ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"],
            "azure": ["Reader", "Contributor", "Reader", "Contributor"],
            "gcs": [f"storage.objects.{one}" for one in ("get", "create", "list", "delete")],
        }[service.kind]
        operations: tuple[Callable[[], object], ...] = (
            lambda: store.read("a"),
            lambda: store.put("a", b"x"),
            lambda: list(store.list("a")),
            lambda: store.delete("a"),
        )
        for operation, right in zip(operations, rights, strict=True):
            with pytest.raises(StoreError, match="access is denied") as caught:
                operation()
            assert right in (caught.value.hint or "")
            assert store.url.split("?")[0] in (caught.value.hint or "")
            assert not caught.value.retryable
        methods = [one.method for one in relay.seen]
        assert methods == ["GET", PUT[service.kind], "GET", "DELETE"]

    def test_a_refused_login_says_what_to_check(
        self, service: Service, store: RemoteStore, relay: Relay
    ) -> None:
        relay.plan("GET", LOGIN[service.kind], times=9)
        # Nobody is logged in at the emulator for GCS.
        said = "no usable credentials" if service.kind == "gcs" else "the login was refused"
        with pytest.raises(StoreError, match=said) as caught:
            store.read("a")
        assert re.search("the clock of this machine|gcloud auth", caught.value.hint or "")
        assert len(relay.seen) == 1

    def test_a_bucket_that_is_not_there_is_named(self, service: Service, url: str) -> None:
        store = open_store(url.replace("team-bucket", "other-bucket"))
        for operation in (lambda: store.read("a"), lambda: list(store.list(""))):
            with pytest.raises(StoreError, match="`other-bucket` does not exist"):
                operation()
        with pytest.raises(StoreError, match="`other-bucket` does not exist"):
            store.put("a", b"x")

    def test_nothing_secret_is_said(
        self,
        service: Service,
        store: RemoteStore,
        relay: Relay,
        caplog: pytest.LogCaptureFixture,
        tmp_path: Path,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        put_large(store, tmp_path, if_absent=True)
        list(store.list(""))
        relay.plan("GET", LOGIN[service.kind])
        with pytest.raises(StoreError) as caught:
            store.read("large")
        with pytest.raises(NotInStore) as absent:
            store.read("absent")
        said = f"{caplog.text}{store!r}{store.url}"
        for error in (caught.value, absent.value):
            said += f"{error!s}{error!r}{error.__dict__}{error.__cause__!r}{error.hint}"
        for name, value in service.environ.items():
            if any(word in name for word in ("SECRET", "TOKEN", "STORAGE_KEY")):
                assert value not in said


@s3_alone
class TestConditionalPuts:
    def test_a_service_that_ignores_conditions_is_found_out(
        self, store: RemoteStore, relay: Relay
    ) -> None:
        relay.plan("PUT", forget("if-none-match", "if-match"), times=99)
        etag = store.put("a", b"one").etag
        with pytest.raises(StoreError, match="does not know conditional puts"):
            store.put("a", b"two", if_absent=True)
        with pytest.raises(StoreError, match="does not know conditional puts"):
            store.put("a", b"two", if_match="0")
        found = store.head("a")
        assert found is not None
        assert found.etag == etag

    def test_a_service_that_refuses_conditions_is_named(
        self, store: RemoteStore, relay: Relay
    ) -> None:
        relay.plan("PUT", refuse(501, b"<Error><Code>NotImplemented</Code></Error>"), times=9)
        with pytest.raises(StoreError, match="does not know conditional puts"):
            store.put("a", b"x", if_absent=True)

    @pytest.mark.slow
    def test_finding_out_costs_one_request_in_the_life_of_a_store(
        self, service: Service, url: str, relay: Relay
    ) -> None:
        opened(service, url).put("a", b"x", if_absent=True)
        store = opened(service, url)
        relay.seen.clear()
        for number in range(3):
            store.put(f"b/{number}", b"x", if_absent=True)
        assert len(relay.seen) == 4
        assert [one.key for one in store.list("")] == ["a", "b/0", "b/1", "b/2"]

    @pytest.mark.slow
    def test_conditions_are_on_the_request_that_makes_the_object(
        self, store: RemoteStore, relay: Relay, tmp_path: Path
    ) -> None:
        put_large(store, tmp_path, if_absent=True)
        (request,) = relay.asked("POST", "uploadId=")
        assert request.headers["if-none-match"] == "*"
