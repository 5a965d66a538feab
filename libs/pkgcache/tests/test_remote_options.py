"""How stores of services are named, who uses them, and what they send."""

from __future__ import annotations

import logging
import secrets
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from tests.emulators.relay import Relay, refuse

from pkgcache.errors import NotInStore, StoreError, UnsupportedStore
from pkgcache.stores.opening import open_store

from .children import SPAWN, race

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.emulators import Service

all_services = pytest.mark.parametrize("service", ["s3", "azure", "gcs"], indirect=True)
s3_alone = pytest.mark.parametrize("service", ["s3"], indirect=True)
azure_alone = pytest.mark.parametrize("service", ["azure"], indirect=True)
gcs_alone = pytest.mark.parametrize("service", ["gcs"], indirect=True)


@pytest.fixture
def url(service: Service, relay: Relay) -> str:
    return service.url(f"options/{secrets.token_hex(4)}", relay.endpoint)


@all_services
class TestUrls:
    def test_a_store_has_the_url_that_opens_it_again(self, url: str) -> None:
        store = open_store(url)
        store.put("a", b"x")
        again = open_store(store.url)
        assert again.read("a") == b"x"
        assert again.url == store.url
        assert url.split("?", maxsplit=1)[0] in repr(store)

    def test_prefixes_are_stores_of_their_own(self, url: str) -> None:
        inner, outer = open_store(url), open_store(url.replace("?", "x?"))
        inner.put("a", b"x")
        assert list(outer.list("")) == []
        assert [one.key for one in inner.list("")] == ["a"]

    def test_opening_sends_nothing(self, url: str, relay: Relay) -> None:
        open_store(url)
        assert relay.seen == []

    def test_options_that_are_unknown_are_refused(self, url: str) -> None:
        with pytest.raises(UnsupportedStore, match="it has no option `sig`") as caught:
            open_store(f"{url}&sig=geheim")
        assert "options are " in (caught.value.hint or "")
        assert "geheim" not in f"{caught.value!s}{caught.value!r}"

    def test_a_login_in_the_url_is_refused(self, url: str) -> None:
        for wrong in (
            url.replace("://", "://me:geheim@", 1),
            url.replace("//127", "//me:geheim@127"),
        ):
            with pytest.raises(UnsupportedStore) as caught:
                open_store(wrong)
            assert "credentials come from the service" in (caught.value.hint or "")
            assert "geheim" not in f"{caught.value!s}{caught.value!r}"

    def test_a_library_that_is_not_installed_is_named(
        self, service: Service, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needs = {"s3": "boto3", "azure": "azure.storage.blob", "gcs": "google.cloud.storage"}
        monkeypatch.setitem(sys.modules, needs[service.kind], None)
        with pytest.raises(UnsupportedStore, match="is not installed") as caught:
            open_store(url)
        assert caught.value.hint == f"pip install 'pkgcache[{service.kind}]'"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3:///prefix", "it is not of the form"),
        ("s3://bucket/a//b", "is not a key"),
        ("s3://bucket/a#b", "it is not of the form"),
        ("s3://bucket?addressing=diagonal", "`addressing` is `path` or `virtual`"),
        ("s3://bucket?region=a&region=b", "an option is there twice"),
        ("s3://bucket?endpoint=localhost:9000", "its endpoint is not a URL"),
        ("s3://bucket?endpoint=https://x/?token=geheim", "its endpoint holds more"),
        ("az://account", "it names no container"),
        ("az://account/c?anonymous=yes", "`anonymous` is `true` or `false`"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, said: str) -> None:
    pytest.importorskip("boto3")
    pytest.importorskip("azure.storage.blob")
    with pytest.raises(UnsupportedStore, match=said) as caught:
        open_store(url)
    assert "geheim" not in f"{caught.value!s}{caught.value!r}"


@pytest.mark.slow
@all_services
def test_operations_cost_one_request_each(url: str, relay: Relay) -> None:
    store = open_store(url)
    store.put("warm-up", b"", if_absent=True)

    def requests(operation: Callable[[], object]) -> int:
        relay.seen.clear()
        operation()
        return len(relay.seen)

    operations: list[Callable[[], object]] = [
        lambda: store.put("a", b"x"),
        lambda: store.put("b", b"x", if_absent=True),
        lambda: store.head("a"),
        lambda: store.read("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
        lambda: store.delete("a"),
        lambda: store.head("a"),
    ]
    assert [requests(one) for one in operations] == [1] * len(operations)
    assert requests(lambda: store.exists([f"k/{number}" for number in range(40)])) == 40


@pytest.mark.slow
@all_services
def test_of_several_processes_one_wins(service: Service, url: str) -> None:
    environ = dict(service.environ)
    children = [SPAWN.Process(target=race, args=(url, n, environ)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert sorted(child.exitcode or 0 for child in children) == [0, 1, 1]


@all_services
def test_a_store_says_whom_it_asks_and_who_asks(service: Service) -> None:
    store = open_store(service.url("whom"))
    assert store.endpoint.startswith(service.endpoint)
    expected = {
        "s3": "AWS_ACCESS_KEY_ID",
        "azure": "AZURE_STORAGE_KEY",
        "gcs": "nowhere: anonymous",
    }
    assert store.login() == expected[service.kind]


@s3_alone
class TestS3:
    """What moto does not act on is looked up in what was sent."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("options", "headers"),
        [
            ("sse=AES256", {"x-amz-server-side-encryption": "AES256"}),
            (
                "sse=aws:kms&sse-kms-key-id=alias/team",
                {
                    "x-amz-server-side-encryption": "aws:kms",
                    "x-amz-server-side-encryption-aws-kms-key-id": "alias/team",
                },
            ),
        ],
    )
    def test_encryption_is_asked_for(
        self, url: str, relay: Relay, tmp_path: Path, options: str, headers: dict[str, str]
    ) -> None:
        store = open_store(f"{url}&{options}")
        store.put("small", b"x")
        (tmp_path / "large").write_bytes(bytes(9_000_000))
        store.put("large", tmp_path / "large")
        (small,) = relay.asked("PUT", "/small")
        (large,) = relay.asked("POST", "?uploads")
        for request in (small, large):
            assert headers.items() <= request.headers.items()

    @pytest.mark.parametrize(
        ("addressing", "asked"),
        [
            ("path", "http://s3.test/team-bucket/prefix/a"),
            ("virtual", "http://team-bucket.s3.test/prefix/a"),
        ],
    )
    def test_addressing(
        self,
        service: Service,
        relay: Relay,
        monkeypatch: pytest.MonkeyPatch,
        addressing: str,
        asked: str,
    ) -> None:
        monkeypatch.setenv("http_proxy", relay.endpoint)  # which needs no names to resolve
        relay.plan("HEAD", refuse(404))
        url = service.url("prefix", "http://s3.test")
        assert open_store(f"{url}&addressing={addressing}").head("a") is None
        assert [one.path for one in relay.seen] == [asked]

    def test_an_endpoint_may_come_from_the_environment(
        self, service: Service, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint)
        store = open_store(f"s3://team-bucket/{secrets.token_hex(4)}")
        store.put("a", b"x", if_absent=True)
        assert store.read("a") == b"x"
        assert len(relay.asked("PUT", "/.conditions")) in (1, 2)  # it might ignore conditions

    def test_the_region_is_signed_for(self, url: str, relay: Relay) -> None:
        open_store(f"{url}&region=eu-west-3").head("a")
        assert "/eu-west-3/s3/" in relay.seen[-1].headers["authorization"]

    def test_a_profile_is_used(
        self, url: str, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = "[profile team]\naws_access_key_id=AKIDTEAM\naws_secret_access_key=geheim\n"
        (tmp_path / "config").write_text(config)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        open_store(f"{url}&profile=team").head("a")
        assert "Credential=AKIDTEAM/" in relay.seen[-1].headers["authorization"]
        with pytest.raises(StoreError, match="the profile does not exist"):
            open_store(f"{url}&profile=other").head("a")

    @pytest.mark.slow
    def test_a_role_is_assumed_once(
        self,
        url: str,
        service: Service,
        relay: Relay,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", relay.endpoint)
        caplog.set_level(logging.DEBUG)
        store = open_store(f"{url}&role=arn:aws:iam::123456789012:role/team")
        store.head("a")
        store.head("b")
        (assumed,) = relay.asked("POST")
        assert b"Action=AssumeRole" in assumed.body
        heads = relay.asked("HEAD")
        assert len(heads) == 2
        for request in heads:
            assert "AKIDEXAMPLE" not in request.headers["authorization"]
            assert request.headers["x-amz-security-token"] not in caplog.text

    def test_no_credentials_at_all(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        for options in ("", "&role=arn:aws:iam::123456789012:role/team"):
            with pytest.raises(StoreError, match="there are no credentials") as caught:
                open_store(url + options).read("a")
            assert "AWS_PROFILE" in (caught.value.hint or "")


@azure_alone
class TestAzure:
    def sas(self, service: Service) -> str:
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        return str(
            generate_container_sas(
                service.environ["AZURE_STORAGE_ACCOUNT"],
                "team-bucket",
                account_key=service.environ["AZURE_STORAGE_KEY"],
                permission=ContainerSasPermissions(read=True),
                expiry=datetime.now(timezone.utc) + timedelta(hours=1),
            )
        )

    def test_a_shared_signature_does_what_it_allows_and_is_not_said(
        self,
        service: Service,
        url: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        open_store(url).put("a", b"x")
        sas = self.sas(service)
        monkeypatch.delenv("AZURE_STORAGE_KEY")
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", sas)
        caplog.set_level(logging.DEBUG)
        store = open_store(url)
        assert store.read("a") == b"x"
        with pytest.raises(StoreError, match=r"access is denied|login was refused") as caught:
            store.put("b", b"x")
        signature = sas.partition("sig=")[2].partition("&")[0]
        assert signature
        assert signature not in f"{caplog.text}{caught.value!r}{store!r}{store.url}"

    def test_a_connection_string_of_the_account_comes_first(
        self, service: Service, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, key = (
            service.environ["AZURE_STORAGE_ACCOUNT"],
            service.environ["AZURE_STORAGE_KEY"],
        )
        monkeypatch.setenv("AZURE_STORAGE_KEY", "d3Jvbmc=")
        with pytest.raises(StoreError, match="access is denied"):  # so says Azurite
            open_store(url).read("a")
        text = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key}"
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING",
            f"{text};BlobEndpoint={service.endpoint}/{account}",
        )
        with pytest.raises(NotInStore):
            open_store(url.partition("?")[0]).read("a")


@gcs_alone
class TestGcs:
    def test_the_emulators_variable_is_honoured(
        self, service: Service, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", service.endpoint)
        store = open_store(url.partition("?")[0])
        store.put("a", b"x")
        assert store.read("a") == b"x"

    def test_the_project_that_pays_is_named(self, url: str, relay: Relay) -> None:
        store = open_store(f"{url}&project=team")
        store.put("a", b"x")
        store.read("a")
        list(store.list(""))
        assert all("userProject=team" in one.path for one in relay.seen)

    def test_no_credentials_at_all(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
        store = open_store(url.replace("anonymous=true&", ""))
        with pytest.raises(StoreError, match="there are no usable credentials") as caught:
            store.read("a")
        assert "gcloud auth" in (caught.value.hint or "")
