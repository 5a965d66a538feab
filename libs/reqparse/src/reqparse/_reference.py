"""What a direct reference must be: the address of an archive, of a repository, or a path.

Installers find out when they fetch it; whoever reads a file is helped by hearing it at once.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from envid.redaction import redact
from reqparse._flaw import Flaw
from reqparse._url import VCS, has_scheme, is_archive, is_url, is_vcs

__all__ = ["check_address", "check_editable", "check_spaces", "split_extras"]

_SCP = r"(?:[a-z]+\+)?([\w.-]+@[\w.-]+)[:/](.+)"
_HOST_PATH = r"[\w.-]+:[^/\\].*"
_VCS_PATH = rf"(?:{'|'.join(VCS)})\+(.*)"
_SSH_COLON = r"([\w+]*ssh://[^/:]+):"
_HOSTS = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")
_KEYS = ("egg", "subdirectory", "md5", "sha1", "sha256")
_EXTRAS = r"\[([^\[\]]*)\]$"
_EXTRA_LIST = r"\s*(?:[\w.-]+\s*(?:,\s*[\w.-]+\s*)*)?"
_SPECIFIER = r"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?\s*[=<>!~]="


def split_extras(text: str) -> tuple[str, list[str]]:
    """A path and the extras in brackets behind it. Raises Flaw."""
    bracket = re.search(_EXTRAS, text)
    if not bracket:
        return text, []
    if not re.fullmatch(_EXTRA_LIST, bracket[1]):
        raise Flaw(f"`[{bracket[1]}]` of `{redact(text)}` are no extras", "write `[a,b]`")
    return text[: bracket.start()], bracket[1].split(",")


def check_spaces(url: str) -> None:
    """Raise Flaw for a space in a URL, by the part of it where the space is."""
    address, _, fragment = url.partition("#")
    if re.search(r"\s", address):
        raise Flaw(f"`{redact(address)}` has a space, and a URL has none", "write `%20` for it")
    for part in fragment.split("&"):
        if re.search(r"\s", part):
            key, equals, _ = part.partition("=")
            # What has no key may be anything, also what is nobody's business.
            shown = f"`{part}`" if equals and key in _KEYS else "what stands behind `#`"
            hint = "write `%20` for it"
            if key == "subdirectory":
                hint = "give the directory a name without one: installers take it as it stands"
            raise Flaw(f"{shown} has a space, and a URL has none", hint)


def check_address(address: str, *, name: str | None = None) -> None:
    """Raise Flaw for a text that stands for a reference, and can lead nowhere.

    `name` is what stands in front of it, with `@` between.
    """
    if name and re.fullmatch(_HOST_PATH, address) and not is_url(address):
        # `git@host:a/b.git` looks like a package named `git`.
        address = f"{name}@{address}"
    if has_scheme(address) or is_url(address):
        _check_url(address)
    elif (parts := re.fullmatch(_SCP, address)) and ("/" in parts[2] or parts[2].endswith(".git")):
        raise Flaw(
            f"`{redact(address)}` seems to be a repository by ssh",
            f"write `git+ssh://{parts[1]}/{parts[2].rstrip('@')}`",
        )
    elif parts := re.fullmatch(_VCS_PATH, address):
        raise Flaw(
            f"`{redact(address)}` seems to be a repository, and has no URL",
            "write `git+https://`, `git+ssh://` or, for one on this machine, `git+file:///PATH`",
        )
    elif name and not re.search(r"[/\\]|^\.", address) and not is_archive(address):
        raise Flaw(
            f"`@ {address}` is neither a URL nor a path",
            "a version stands behind `==`, a path starts with `./`",
        )


def _check_url(url: str) -> None:
    shown = redact(url)
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "file":
        if not rest.strip("/"):
            raise Flaw(f"`{shown}` names no file", "write `file:///PATH`")
        return
    try:
        parts = urlsplit(url)
        # `urlsplit` looks at a port only when that is asked for.
        host, _ = parts.hostname, parts.port
    except ValueError:
        hint = "a number stands behind the host and its colon"
        if ssh := re.match(_SSH_COLON, shown):
            hint = f"write `{ssh[1]}/{shown[ssh.end() :]}`"
        raise Flaw(f"`{shown}` has no number for its port", hint) from None
    transport = scheme.lower().rpartition("+")[2]
    if not host and transport not in ("file", "lp"):
        raise Flaw(f"`{shown}` has no host", "write for example `https://HOST/PATH`")
    path = parts.path.strip("/")
    if is_vcs(url):
        if path.endswith("@"):
            raise Flaw(f"`{shown}` has no revision behind its `@`", "add one, or leave out the `@`")
    elif path.endswith(".git") or (host in _HOSTS and path.count("/") == 1):
        raise Flaw(f"`{shown}` seems to be a repository", f"write `git+{shown}`")


def check_editable(text: str) -> None:
    """Raise Flaw for what cannot be edited where it lies."""
    what = None
    if re.match(_SPECIFIER, text):
        what = "a requirement by name"
    elif is_url(text) and not is_vcs(text) and not text.lower().startswith("file:"):
        what = "an archive of another machine"
    elif is_archive(split_extras(text)[0]):
        what = "an archive"
    if what:
        raise Flaw(
            f"`-e {redact(text)}` is {what}",
            "leave out `-e`: only a directory or a repository is editable",
        )
