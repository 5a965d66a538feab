from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from pkgcache.web.credentials import (
    BESIDE,
    Credentials,
    split_userinfo,
    without_secrets,
)
from pkgcache.web.login import Login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGIN = Login(user="me", password="geheim")


@pytest.fixture(autouse=True)
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where netrc is looked for; there is none yet."""
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.mark.parametrize(
    ("url", "clean", "login"),
    [
        ("https://host/x", "https://host/x", None),
        ("https://me:geheim@host/x", "https://host/x", LOGIN),
        (
            "https://token@host:8443/x?a=b",
            "https://host:8443/x?a=b",
            Login(user="token", password=""),
        ),
        ("https://a%40b:p%3Aq@host/", "https://host/", Login(user="a@b", password="p:q")),
        ("https://a@b:c@host/", "https://host/", Login(user="a@b", password="c")),
        ("file:///a@b", "file:///a@b", None),
    ],
)
def test_the_login_is_split_from_a_url(url: str, clean: str, login: Login | None) -> None:
    assert split_userinfo(url) == (clean, login)


def test_a_login_is_for_its_scheme_host_and_port_only() -> None:
    credentials = Credentials()
    assert credentials.add("https://me:geheim@host/simple/") == "https://host/simple/"
    assert credentials.find("https://host/packages/x.whl") == LOGIN
    assert credentials.find("https://HOST:443/simple/") == LOGIN
    for other in ("http://host/", "https://host:8443/", "https://host.evil/", "https://evil/"):
        assert credentials.find(other) is None


def test_another_program_is_asked_last_and_once(netrc: Path) -> None:
    netrc.write_text("machine named.test login me password geheim\n")
    asked = []

    def beside() -> list[str]:
        asked.append(1)
        return ["https://x:y@given.test/", "https://ada:s3cret@host.test/simple", "no URL"]

    credentials = Credentials(beside)
    credentials.add("https://me:geheim@given.test/simple")
    for host in ("given", "named"):
        assert credentials.find(f"https://{host}.test/x") == LOGIN
    assert credentials.find("file:///x") is None
    assert not asked
    assert credentials.find("https://other.test/") is None
    found = credentials.find("https://host.test/files/x.whl")
    assert found == Login(user="ada", password="s3cret")
    assert (found.source, len(asked)) == (BESIDE, 1)
    # What is ours stays.
    assert credentials.find("https://given.test/x") == LOGIN


def test_of_several_logins_the_nearest_path_is_used() -> None:
    credentials = Credentials()
    for name in ("one", "two"):
        credentials.set(f"https://host/{name}/simple", Login(user=name, password=""))
    found = [credentials.find(f"https://host/{name}/files/x") for name in ("one", "two")]
    assert [one and one.user for one in found] == ["one", "two"]
    credentials.set("https://host/two/simple", LOGIN)
    assert credentials.find("https://host/two/x") == LOGIN


def test_netrc_has_the_logins_that_are_not_stated(netrc: Path) -> None:
    netrc.write_text("machine host login me password geheim\nmachine other login you password x\n")
    credentials = Credentials()
    for url in ("https://host/x", "http://host:8080/", "https://HOST/"):
        assert credentials.find(url) == LOGIN
    for url in ("https://host.evil/", "https://evil/host", "file:///host", "s3://host/x"):
        assert credentials.find(url) is None
    assert getattr(credentials.find("https://host/"), "source", "") == "netrc"
    credentials.add("https://me:stated@host/")
    assert credentials.find("https://host/") == Login(user="me", password="stated")
    assert getattr(credentials.find("https://host/"), "source", "") == "its URL"


def test_netrc_has_the_password_of_a_user_that_is_stated(netrc: Path) -> None:
    netrc.write_text("machine host login me password geheim\n")
    for user, found in (("me", LOGIN), ("you", Login(user="you", password=""))):
        credentials = Credentials()
        credentials.add(f"https://{user}@host/")
        assert credentials.find("https://host/x") == found


def test_netrc_is_at_home_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("default login me password geheim\n")
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Credentials().find("https://host/") == LOGIN


@pytest.mark.parametrize("text", [b"machine", b"\xff\xfe\x00", b"machine host password"])
def test_a_broken_netrc_holds_nothing(netrc: Path, text: bytes) -> None:
    netrc.write_bytes(text)
    assert Credentials().find("https://host/") is None


@pytest.fixture
def keyring() -> Iterator[dict[tuple[str, str], str]]:
    """A keyring of our own, in memory; what it holds by service and user."""
    library = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    held: dict[tuple[str, str], str] = {}

    class InMemory(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return held.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            held[service, username] = password

    before = library.get_keyring()
    library.set_keyring(InMemory())  # type: ignore[no-untyped-call]  # its __init__ is not typed
    yield held
    library.set_keyring(before)


@pytest.mark.parametrize("service", ["https://host:8443", "host:8443"])
def test_a_keyring_has_the_password_of_a_user_that_is_stated(
    keyring: dict[tuple[str, str], str], service: str
) -> None:
    keyring[service, "me"] = "geheim"
    credentials = Credentials()
    credentials.add("https://me@host:8443/simple")
    assert credentials.find("https://host:8443/simple/x") == LOGIN
    keyring.clear()
    assert credentials.find("https://host:8443/simple/x") == LOGIN  # it is asked once
    assert Credentials().find("https://host:8443/simple/x") is None


def test_a_token_that_no_keyring_knows_is_a_login(keyring: dict[tuple[str, str], str]) -> None:
    credentials = Credentials()
    credentials.add("https://token@host/")
    assert credentials.find("https://host/") == Login(user="token", password="")


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://host/t/geheim/main", "https://host/main"),
        ("https://host/t/geheim/a/b", "https://host/a/b"),
        ("https://host/t/geheim", "https://host"),
        (
            "https://host/repo/t/ab-12345678-9abc-geheim/main",
            "https://host/repo/main",
        ),
    ],
)
def test_the_token_of_a_channel_is_split_off_and_put_back(url: str, clean: str) -> None:
    credentials = Credentials()
    assert credentials.add(url) == clean
    assert credentials.with_token(clean) == url
    assert credentials.with_token(f"{clean}/noarch/x.conda") == f"{url}/noarch/x.conda"
    for other in (f"{clean}2/x", "https://other/main", "http://host/main", "https://host:1/main"):
        if clean != "https://host":
            assert credentials.with_token(other) == other
    assert "geheim" not in repr(credentials)


def test_a_login_and_a_token_may_be_in_one_url() -> None:
    credentials = Credentials()
    clean = credentials.add("https://me:geheim@host/t/token/main")
    assert (clean, credentials.find(clean)) == ("https://host/main", LOGIN)
    assert credentials.with_token(clean) == "https://host/t/token/main"


@pytest.mark.parametrize(
    "url", ["file:///t/x/main", "https://host/pool/t/thing", "https://host/t/"]
)
def test_a_folder_of_that_letter_is_no_token(url: str) -> None:
    credentials = Credentials()
    assert credentials.with_token(credentials.add(url)) == credentials.add(url) == url


def test_nothing_shows_a_login() -> None:
    credentials = Credentials()
    credentials.add("https://me:geheim@host/")
    assert "geheim" not in repr(credentials) + repr(LOGIN) + str(LOGIN)
    assert "me" not in repr(LOGIN)
    assert repr(credentials) == "Credentials(hosts=['host'])"


def test_a_login_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(LOGIN)) == LOGIN


def test_what_is_no_url_is_left_as_it_is() -> None:
    credentials = Credentials()
    assert credentials.add("https://me:geheim@[host/") == "https://me:geheim@[host/"
    assert repr(credentials) == "Credentials(hosts=[])"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "x") for name in ("MFENV_INDEX_URL", "METAFLOW_SERVICE_HEADERS", "AWS_PROFILE")),
        *((name, "x") for name in ("AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS")),
        *(
            (name, "x")
            for name in ("PGPASSWORD", "GITHUB_TOKEN", "HF_API_KEY", "DOCKER_AUTH_CONFIG")
        ),
        *((name, "x") for name in ("UV_INDEX_N0_PASSWORD", "GIT_CONFIG_VALUE_0", "SSH_AUTH_SOCK")),
        *((name, "x") for name in ("CI_JOB_JWT", "GH_PAT", "MYSQL_PWD", "SSH_KEY", "GCP_CREDS")),
        ("PIP_INDEX_URL", "https://ann:geheim@127.0.0.1/simple"),
        ("PIP_FIND_LINKS", "https://ann:ge/heim@127.0.0.1/simple"),
        ("WHEELS", "https://127.0.0.1/wheels?sig=geheim"),
        ("CHANNELS", "defaults https://127.0.0.1/t/geheim/main"),
        ("DATABASE_URL", "postgres://ann@127.0.0.1/x"),
    ],
)
def test_what_holds_a_credential_is_not_passed_on(name: str, value: str) -> None:
    assert without_secrets({name: value, "PATH": "/bin"}) == {"PATH": "/bin"}


def test_what_a_build_needs_is_passed_on() -> None:
    environ = {
        **dict.fromkeys(("CC", "CFLAGS", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "HOME"), "x"),
        **dict.fromkeys(("PKG_CONFIG_PATH", "MAKEFLAGS", "SSL_CERT_FILE", "NETRC", "TMPDIR"), "x"),
        **dict.fromkeys(("CARGO_HOME", "CUDA_HOME", "JAVA_HOME", "KEYBOARD", "AUTHOR"), "x"),
        "https_proxy": "http://ann:geheim@127.0.0.1:3128",
        **dict.fromkeys(("PWD", "OLDPWD", "PATH", "XAUTHORITY"), "x"),
        "UV_DEFAULT_INDEX": "https://127.0.0.1/simple",
        "CARGO_REGISTRY": "ssh://git@127.0.0.1/index",
    }
    assert without_secrets(environ) == environ
