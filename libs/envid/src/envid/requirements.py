"""Normal spellings of requirements, so that two spellings of one request have one id.

PyPI requirements follow PEP 508 with names as PEP 503 normalises them, and may end in pip's
`--hash=ALGORITHM:HEX` items; a direct reference may stand without a name. Conda requirements are
MatchSpecs. Virtual packages are written `__name=version`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement as PackagingInvalid
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from envid.errors import InvalidRequirement, InvalidSpec

__all__ = ["CATEGORIES", "check_url", "normalize", "normalize_python"]

CATEGORIES = ("conda", "npconda", "pypi", "sys")

_HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")
_HASH_VALUE = re.compile(r"(sha256|sha384|sha512|md5):[0-9a-f]+")
_UNNAMED = re.compile(r"(?:git\+|hg\+|svn\+|bzr\+)?(?:https?|ssh|file|git):[^\s]+")
_CONDA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\*")
_SYS = re.compile(r"(__[a-z0-9_]+)\s*={1,2}\s*([A-Za-z0-9_.+!-]+?)(?:\s*=\s*0)?")
_PAIR = re.compile(r"""\s*([a-z0-9_]+)\s*=\s*('[^']*'|"[^"]*"|[^,'"\s]+)\s*(?:,|$)""")
_BARE_VERSION = re.compile(r"=?\s*(\d+(?:\.\d+)*)(\.\*)?")


def normalize(category: str, text: str) -> str:
    """The normal spelling of a requirement of `category`; raises `InvalidRequirement`."""
    if category not in CATEGORIES:
        known = ", ".join(CATEGORIES)
        raise InvalidSpec("category", f"`{category}` is not known", f"known categories: {known}")
    text = text.strip()
    if category == "pypi":
        return _pypi(text)
    if category == "sys":
        return _sys(text)
    return _conda(category, text)


def normalize_python(text: str) -> str:
    """A Python version or PEP 440 specifier as a sorted specifier set.

    `3.11` means any 3.11 (`==3.11.*`), `3.11.7` exactly that release. Raises `InvalidSpec`.
    """
    bare = _BARE_VERSION.fullmatch(text.strip())
    if bare:
        version, star = bare.groups()
        text = f"=={version}.*" if star or version.count(".") < 2 else f"=={version}"  # noqa: PLR2004
    try:
        found = SpecifierSet(text)
    except InvalidSpecifier:
        raise InvalidSpec(
            "python",
            f"`{text}` is not a version or a version specifier",
            "write it like `3.11`, `3.11.7` or `>=3.10,<3.13`",
        ) from None
    return _specifiers(found)


def check_url(field: str, url: str) -> str:
    """Give `url` back, or raise `InvalidSpec` if it holds a credential or white space."""
    if re.search(r"\s", url):
        raise InvalidSpec(field, "a URL holds no white space")
    parts = urlsplit(url)
    # `git@host` over ssh names an account that everyone shares; over http it is a secret.
    secret = parts.password or (parts.username and not parts.scheme.endswith("ssh"))
    if secret or re.match(r"/t/[^/]+", parts.path):
        host = parts.hostname or parts.scheme
        raise InvalidSpec(
            field,
            f"the URL at `{host}` holds a credential",
            "keep credentials in netrc, a keyring or the settings, and out of what is shared",
        )
    return url


def _specifiers(found: SpecifierSet) -> str:
    return ",".join(sorted(str(one) for one in found))


def _pypi(text: str) -> str:
    plain = text.split(" --hash", 1)[0].rstrip()
    tail = text[len(plain) :]
    hashes = _HASH.findall(tail)
    if _HASH.sub("", tail).strip():
        raise InvalidRequirement("pypi", text, "only `--hash=ALGORITHM:HEX` may follow it")
    for value in hashes:
        if not _HASH_VALUE.fullmatch(value):
            raise InvalidRequirement("pypi", text, f"`{value}` is not `ALGORITHM:HEX`")
    return " ".join([_pep508(plain), *(f"--hash={value}" for value in sorted(set(hashes)))])


def _pep508(text: str) -> str:
    if _UNNAMED.fullmatch(text):
        return check_url("requirement", text)
    try:
        found = Requirement(text)
    except PackagingInvalid as error:
        reason = str(error).split("\n", 1)[0]
        raise InvalidRequirement("pypi", text, reason[:1].lower() + reason[1:]) from None
    extras = sorted({canonicalize_name(extra) for extra in found.extras})
    name = canonicalize_name(found.name) + (f"[{','.join(extras)}]" if extras else "")
    if found.url:
        check_url("requirement", found.url)
        # PEP 508 asks for white space between a URL and the marker's semicolon.
        return f"{name} @ {found.url}" + (f" ; {found.marker}" if found.marker else "")
    return name + _specifiers(found.specifier) + (f"; {found.marker}" if found.marker else "")


def _sys(text: str) -> str:
    found = _SYS.fullmatch(text)
    if not found:
        raise InvalidRequirement(
            "sys", text, "a virtual package has a name and a version", "write `__glibc=2.28`"
        )
    return f"{found[1]}={found[2]}"


def _conda(category: str, text: str) -> str:
    if "://" in text.split("::", 1)[0] and "::" not in text:
        return check_url("requirement", text)
    channel, mark, rest = text.rpartition("::")
    body, bracket, inside = rest.partition("[")
    name = _CONDA_NAME.match(body)
    if not name or (bracket and not inside.rstrip().endswith("]")):
        raise InvalidRequirement(category, text, "it is not a MatchSpec", "write `numpy>=1.26`")
    if mark:
        check_url("channel", channel.strip())
    version = re.sub(r"\s*([<>=!~,|()])\s*", r"\1", body[name.end() :].strip())
    version = " ".join(_sorted_version(part) for part in version.split())
    joint = " " if version and version[0] not in "<>=!~" else ""
    brackets = f"[{_brackets(category, text, inside.rstrip()[:-1])}]" if bracket else ""
    return f"{channel.strip()}{mark}{name[0].lower()}{joint}{version}{brackets}"


def _sorted_version(part: str) -> str:
    # `|` and parentheses give the order a meaning; a plain list of bounds has none.
    return part if re.search(r"[|()]", part) else ",".join(sorted(set(part.split(","))))


def _brackets(category: str, text: str, inside: str) -> str:
    found = _PAIR.findall(inside)
    if _PAIR.sub("", inside):
        raise InvalidRequirement(category, text, f"`[{inside}]` is not `[key='value', ...]`")
    pairs = {key: re.sub(r"\s+", "", value.strip("'\"")) for key, value in found}
    return ",".join(f"{key}='{value}'" for key, value in sorted(pairs.items()))
