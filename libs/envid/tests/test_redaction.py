"""What may be shown of a text that holds URLs: one table for everything that shows any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envid.redaction import redact

SHOWN = [
    ("https://ada:geheim@h/x", "https://***@h/x"),
    ("https://geheim@h/x", "https://***@h/x"),
    ("HTTPS://ada:geheim@h:8443/x", "HTTPS://***@h:8443/x"),
    ("foo @ git+https://ada:geheim@h/r.git@v1#egg=foo", "foo @ git+https://***@h/r.git@v1"),
    ("-r https://h/x.txt?sig=geheim", "-r https://h/x.txt?sig=***"),
    ("https://h/x?a=geheim&b=geheim&geheim", "https://h/x?a=***&b=***&***"),
    ("https://h/x?sig=geheim#geheim", "https://h/x?sig=***"),
    ("https://h/x#geheim", "https://h/x"),
    ("https://h?geheim", "https://h?***"),
    ("https://h/x?&a=&b=geheim", "https://h/x?&a=&b=***"),
    ("https://h/t/geheim/main/noarch", "https://h/t/***/main/noarch"),
    ("https://h/repo/t/ab-12345678-9abc-geheim/main", "https://h/repo/t/***/main"),
    ("https://ada:geheim@h/t/geheim", "https://***@h/t/***"),
    ("ada:geheim@proxy:3128", "***@proxy:3128"),
    ("HTTP_PROXY=ada:geheim@proxy:3128", "HTTP_PROXY=***@proxy:3128"),
    # passwords that are not encoded as they must be
    ("https://ada:ge/heim@h/simple", "https://***@h/simple"),
    ("https://ada:geheim?geheim@h/simple", "https://***@h/simple"),
    ("https://ada:geheim#geheim@h/simple", "https://***@h/simple"),
    ("https://ada:geheim geheim@h/simple", "https://***@h/simple"),
    ("https://ada:geheim@geheim@h/simple", "https://***@h/simple"),
    ("https://ada:geheim@x/geheim@h/simple", "https://***@h/simple"),
    ("https://ada:12/geheim@h/simple", "https://***@h/simple"),
    ("https://ada:ge'heim@h/simple", "https://***@h/simple"),
    ('https://ada:ge"heim@h/simple', "https://***@h/simple"),
    ("https://ada:`geheim`@h/simple", "https://***@h/simple"),
    ("https://ada:<geheim>@h/simple", "https://***@h/simple"),
    ("https://[ada:geheim@h/x", "https://***@h/x"),
    ("https://ada:geheim@h:port/", "https://***@h:port/"),
    ("http://ada:geheim@[::1]:8080/x?sig=geheim", "http://***@[::1]:8080/x?sig=***"),
    ("git+ssh://git:geheim@h:22/r", "git+ssh://***@h:22/r"),
    ("az://a/c?sas=sv%3D1%26sig%3Dgeheim", "az://a/c?sas=***"),
    # what has lost its beginning, and what is no URL
    ("https:/ada:geheim@h/x?sig=geheim", "https://***@h/x?sig=***"),
    ("with url: /x?sig=geheim (Caused", "with url: /x?sig=*** (Caused"),
    ("/b/o?X-Amz-Credential=geheim&X-Amz-Signature=geheim", None),
    ("https://h/x;sig=geheim", "https://h/x;sig=***"),
    ("/repo/t/ab-12345678-9abc-geheim/main", "/repo/t/***/main"),
    ("AccountName=a;AccountKey=geheim==;EndpointSuffix=x", None),
    ("Authorization: Basic geheim", "Authorization: Basic ***"),
    ("https://h/x.txt?sig=***:2: wrong", "https://h/x.txt?sig=***:2: wrong"),
    # several, and what stands around them
    ("`https://h/x?a=geheim#f`.", "`https://h/x?a=***`."),
    ("['https://h/x?a=geheim', 'https://b/']", "['https://h/x?a=***', 'https://b/']"),
    ("(see https://h/x?a=geheim).", "(see https://h/x?a=***)."),
    ("https://a:geheim@h/ https://b:geheim@i/", "https://***@h/ https://***@i/"),
    ('{"url": "https://a:geheim@h/", "n": 1}', '{"url": "https://***@h/", "n": 1}'),
    ("https://h/x?a=geheim\nhttps://ada:geheim@h/", "https://h/x?a=***\nhttps://***@h/"),
]
PLAIN = [
    "",
    "no URL: a@b, git@host:a/b.git, x:y",
    "https://h:8443/a/b.whl",
    "git+https://h:8443/o/r@v1",
    "git+ssh://git@h/o/r@v1",
    "https://h/files/t/thing",
    "http://[::1]:80/x",
    "https://h/@scope/name",
    "is it https://h/x?",
    "https://h/x?&a=",
    "numpy>=1; python_version < '3'",
    "conda-forge::numpy=1.26",
    "my-token=1.2 my-token==1.2 a&b=1",
    "c:/x, file:/x/y and a:/",
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_no_secret_of_a_url_is_shown(text: str, shown: str | None) -> None:
    shown = shown or redact(text)
    assert redact(text) == shown
    assert "***" in shown or "#" in text
    assert redact(shown) == shown
    assert "geheim" not in redact(f"before {text} after\n{text}")


@pytest.mark.parametrize("text", PLAIN)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(
    st.from_regex(r"[^/?#@\[\]\x00-\x20`\"<>]{0,9}:geheim", fullmatch=True),
    st.sampled_from(["", "?token=geheim", "?token=geheim#geheim", "#geheim", "?geheim=1&geheim"]),
    st.sampled_from(["https", "http", "git+https", "git+ssh", "s3", "ftp"]),
)
def test_whatever_a_login_looks_like(userinfo: str, rest: str, scheme: str) -> None:
    shown = redact(f"{scheme}://{userinfo}@host/path{rest}")
    assert shown.startswith(f"{scheme}://***@host/path")
    assert "geheim" not in shown.replace("geheim=***", "")


def test_long_texts_take_no_longer_than_their_length() -> None:
    for text in ("https://" * 20_000, "https://a:b" * 20_000, "a:b@" * 20_000, "://@" * 20_000):
        redact(text)
