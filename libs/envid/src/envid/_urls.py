"""URLs that may be written into what is shared."""

from __future__ import annotations

import re

from envid._text import has_secret_parameter, is_safe
from envid.errors import InvalidSpec

# Nearly every URL, and every name in place of one, is of this form, which has no place for a
# credential outside `/t/`.
_PLAIN = re.compile(
    r"(?:https?|file)://[A-Za-z0-9.-]*(?::[0-9]+)?(?:/[A-Za-z0-9._~!$'()*+,;=:%/-]*)?"
    r"|[A-Za-z0-9._-]+"
)
# A token of a conda channel, wherever it stands; `/t/` alone is also the letter of a file pool.
_IN_CHANNEL = r"^/?t/[^/]+/|/t/[a-z]{2}-[0-9a-f]{8}-"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]"


def has_scheme(url: str) -> bool:
    """Whether `url` says by which scheme it is read, as RFC 3986 asks of an absolute one."""
    return re.match(_SCHEME, url) is not None


def check_url(field: str, url: str) -> str:
    """Give `url` back, or raise `InvalidSpec` where it is broken or holds a credential.

    A credential is a password, a user name (except over ssh, where it names an account that
    everyone shares), a conda channel's token, or a query parameter such as `token`.
    """
    if "/t/" not in url and _PLAIN.fullmatch(url):
        return url
    if not url:
        raise InvalidSpec(field, "the URL is empty")
    if not is_safe(url) or len(url.split()) != 1:
        raise InvalidSpec(field, "the URL holds white space or a control character")
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host = f" at `{parts.hostname}`" if parts.hostname else ""
    # `from None`, since `urlsplit` quotes the host in its error, and the login in front of it.
    except ValueError:
        raise InvalidSpec(field, "it is not a URL") from None
    secret = parts.password or (parts.username and not parts.scheme.endswith("ssh"))
    if secret or re.search(_IN_CHANNEL, f"{parts.path}/") or has_secret_parameter(url):
        raise InvalidSpec(
            field,
            f"the URL{host} holds a credential",
            "keep credentials in netrc, a keyring or the settings, and out of what is shared",
        )
    return url
