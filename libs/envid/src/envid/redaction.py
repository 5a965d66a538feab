"""What a person or a log may see of a text: its URLs without what they may keep secret.

A secret stands in the userinfo of a URL (RFC 3986, 3.2.1), in a conda channel's `/t/TOKEN/`, in the
values of a query, in a fragment. Where a password was not percent-encoded, what is hidden is rather
too much than too little.
"""

from __future__ import annotations

import re

__all__ = ["redact"]

_HIDDEN = "***"
# What ends a URL within a sentence; a single quote may be part of a password.
_OUT = r" \t\r\n\f\v`\"<>"
_IN, _HOST = rf"[^{_OUT}]", rf"[^{_OUT}/?#@:\[]"
_LOGIN = (
    r"(?<![\w+.-])(?P<scheme>[A-Za-z][\w+.-]*)://(?:"
    rf"(?P<login>[^{_OUT}/?#]*)@"
    # No port, and an `@` further on: a password with `/`, `?`, `#` or a space as it is.
    rf"|{_HOST}*:(?!\d*(?:[/?#{_OUT}']|$))(?:(?!://)[^\n`\"<>])*@"
    # The same, with quotation marks in it.
    rf"|{_HOST}*:(?!\d+(?:[/?#{_OUT}']|$))(?:(?!://)\S)*@"
    # What may be a port is taken for one in URLs of repositories alone, which end in `@REVISION`.
    rf"|(?<!\+http://)(?<!\+https://)(?<!ssh://){_HOST}*:\d+[/?#]{_IN}*@"
    r")"
)
# Behind a login that was hidden: an `@` in the path may be in the password, but for a revision.
_MORE = rf"(?<![\w+])(https?://){re.escape(_HIDDEN)}@{_IN}*@"
# A proxy may be given without a scheme.
_PROXY = rf"(?<![^{_OUT}='(])[^{_OUT}:/@='(]+:[^{_OUT}/@']+@(?=[\w.-])"
_TOKEN = rf"(://[^{_OUT}/]*/t/|/t/(?=[a-z]{{2}}-[0-9a-f]{{8}}-))[^{_OUT}/]+"
_TAIL = rf"(://[^{_OUT}?#]*)(\?[^{_OUT}#]*)?(#{_IN}*)?"
# Where a URL was taken for a path.
_COLLAPSED = r"\b((?:https?|ssh|git\+[a-z]+):)/(?=[^/\s])"
# Outside of URLs: in a URL that has lost its beginning, in a header, in a connection string.
_LOOSE = (
    r"(?i)((?:(?<=[?&;])(?:[\w.-]*(?:token|password|secret|signature|credential|api[_-]?key)|sig)"
    r"|\b(?:AccountKey|SharedAccessKey|SharedAccessSignature))="
    rf"|\bauthorization: ?\w+ )(?!{re.escape(_HIDDEN)})[^&#;\s`\"'<>)]+"
)
# What was hidden before, of a file whose line is named.
_WAS_HIDDEN = rf"{re.escape(_HIDDEN)}(:\d+)?"
_END = r"[')\],.;:]+$"


def redact(text: str) -> str:
    """`text` with `***` in place of the logins, tokens and query values of the URLs in it.

    Their fragments are left out. The user name of an ssh URL without a password stays, since it
    names an account that everybody shares.
    """
    # In this order: URLs are made whole, then lose their logins, of which each step looks for what the
    # one before has left. Values of queries come behind: a login may hold what a query begins with.
    if ":/" in text:
        text = re.sub(_COLLAPSED, r"\1//", text)
    if "@" in text:
        text = re.sub(
            _PROXY, f"{_HIDDEN}@", re.sub(_MORE, rf"\1{_HIDDEN}@", re.sub(_LOGIN, _no_login, text))
        )
    if "/t/" in text:
        text = re.sub(_TOKEN, rf"\1{_HIDDEN}", text)
    if "://" in text:
        text = re.sub(_TAIL, _no_values, text)
    return re.sub(_LOOSE, rf"\1{_HIDDEN}", text) if "=" in text or ": " in text else text


def _no_login(match: re.Match[str]) -> str:
    scheme, login = match["scheme"], match["login"]
    if login and scheme.endswith(("ssh", "sftp")) and not {":", "@"} & set(login):
        return match[0]
    return f"{scheme}://{_HIDDEN}@"


def _no_values(match: re.Match[str]) -> str:
    start, query, fragment = match[1], match[2] or "", match[3] or ""
    # A full stop or a quotation mark behind a URL belongs to the sentence.
    end = re.search(_END, fragment or query)
    if end and not fragment:
        query = query[: -len(end[0])]
    shown = "&".join(_no_value(*pair.partition("=")) for pair in query[1:].split("&"))
    return start + (f"?{shown}" if query else "") + (end[0] if end else "")


def _no_value(name: str, equals: str, value: str) -> str:
    if not equals:
        name, value = "", name
    # Nothing keeps no secret: what stands behind a lone `?` may be a sentence.
    shown = not value or re.fullmatch(_WAS_HIDDEN, value)
    return name + equals + (value if shown else _HIDDEN)
