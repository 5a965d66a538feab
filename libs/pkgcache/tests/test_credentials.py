from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgcache.credentials import Credentials, Login, redact, split_userinfo

LOGIN = Login(user="me", password="geheim")


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


def test_of_several_logins_the_nearest_path_is_used() -> None:
    credentials = Credentials()
    for name in ("one", "two"):
        credentials.set(f"https://host/{name}/simple", Login(user=name, password=""))
    found = [credentials.find(f"https://host/{name}/files/x") for name in ("one", "two")]
    assert [one and one.user for one in found] == ["one", "two"]
    credentials.set("https://host/two/simple", LOGIN)
    assert credentials.find("https://host/two/x") == LOGIN


def test_nothing_shows_a_login() -> None:
    credentials = Credentials()
    credentials.add("https://me:geheim@host/")
    assert "geheim" not in repr(credentials) + repr(LOGIN) + str(LOGIN)
    assert "me" not in repr(LOGIN)
    assert repr(credentials) == "Credentials(hosts=['host'])"


@given(st.from_regex(r"[^/?#@\[\]\x00-\x20]{0,9}:geheim", fullmatch=True), st.booleans())
def test_what_is_shown_of_a_url_never_holds_its_login(userinfo: str, query: bool) -> None:
    url = f"https://{userinfo}@host/path" + "?token=geheim#geheim" * query
    assert redact(url) == "https://host/path"


def test_a_login_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(LOGIN)) == LOGIN


@pytest.mark.parametrize("url", ["https://[me:geheim@host", "https://me:geheim@host:port/"])
def test_what_is_no_url_is_not_shown(url: str) -> None:
    assert "geheim" not in redact(url)
