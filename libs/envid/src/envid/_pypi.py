"""The normal spelling of PEP 508 requirements, as pip extends them, and of PEP 440 specifiers.

`packaging` judges what is well-formed. It is imported only for what the plain form does not
cover, since a request that is already known must cost next to nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envid._text import is_safe, shown
from envid._urls import check_url, has_scheme
from envid.errors import InvalidRequirement, InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf" ?{_NAME} ?(?:, ?{_NAME} ?)*"
# Numbers as `Version` writes them, too: `1.01` is `1.1` to PEP 440, and is left to it.
_N = r"(?:0|[1-9][0-9]{0,17})"
# Small on purpose: to compile an expression for a whole requirement takes longer than to use it.
_PLAIN = rf"({_NAME})(?: ?\[({_EXTRAS})\])?(| ?[=!<>~].*)"
_PLAIN_CLAUSE = (
    rf" ?([=!<>~]=|[<>]) ?{_N}(\.{_N})*((?:(?:a|b|rc){_N})?(?:\.post{_N})?(?:\.dev{_N})?)(\.\*)? ?"
)
_EXTRA_LIST = rf"(?:{_EXTRAS})?"

_URL = r"(?i)(?:(?:git|hg|svn|bzr)\+[a-z-]+|https?|ftp|file|ssh|git):"
_HASH_OPTION = r"\s--hash[=\s]"
# Those that pip takes in `--hash`; md5 and sha1 are not among them.
_HASH_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_MARKER_WORD = r"""'[^']*'|"[^"]*"|[()]|[<>=!~]+|[A-Za-z_.]+"""
# What PEP 345 and setuptools called them, which `packaging` reads as well.
_MARKER_NAMES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}


def normal_name(name: str) -> str:
    """`name` as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normal_requirement(text: str) -> str:
    """The normal spelling of a requirement; raises `InvalidRequirement`."""
    body, *hashes = re.split(_HASH_OPTION, text)
    body = body.rstrip()
    # Most requirements are plain, and read without importing `packaging`.
    normal = _plain(body) or (_unnamed(body) if re.match(_URL, body) else _pep508(body))
    return " ".join([normal, *sorted({f"--hash={_digest(text, digits)}" for digits in hashes})])


def normal_specifiers(text: str) -> str:
    """The normal spelling of a PEP 440 specifier set; raises `ValueError`."""
    plain = _plain_clauses(text)
    if plain or not text:
        return plain
    from packaging.specifiers import SpecifierSet

    normal = _joined(_clause(clause.operator, clause.version) for clause in SpecifierSet(text))
    if not is_safe(normal):  # `===` takes any text
        raise ValueError("it holds a control character")
    return normal


def _plain(text: str) -> str:
    """The normal spelling if nothing but a name, extras and plain clauses stand there, else none."""
    plain = re.fullmatch(_PLAIN, text)
    if not plain:
        return ""
    name, extras, rest = plain.groups()
    clauses = _plain_clauses(rest)
    if rest and not clauses:
        return ""
    return _named(name, (extras or "").split(",")) + clauses


def _plain_clauses(text: str) -> str:
    clauses = text.split(",") if text else []
    for clause in clauses:
        parts = re.fullmatch(_PLAIN_CLAUSE, clause)
        if not parts:
            return ""
        operator, more, suffix, star = parts.groups()
        # What PEP 440 forbids is left to the error of the whole expression.
        if (operator == "~=" and not more) or (star and (suffix or operator not in ("==", "!="))):
            return ""
    return _joined(clauses)


def _joined(clauses: Iterable[str]) -> str:
    return ",".join(sorted({clause.replace(" ", "") for clause in clauses}))


def _clause(operator: str, version: str) -> str:
    if operator == "===":
        return operator + version
    from packaging.version import Version

    # `Version` knows no star, and writes `1.0RC1` as `1.0rc1`.
    release = version.removesuffix(".*")
    return f"{operator}{Version(release)}{version[len(release) :]}"


def _named(name: str, extras: Iterable[str]) -> str:
    asked = ",".join(sorted({normal_name(extra.strip()) for extra in extras} - {""}))
    return normal_name(name) + (f"[{asked}]" if asked else "")


def _digest(text: str, given: str) -> str:
    algorithm, _, digits = given.strip().lower().partition(":")
    wanted = _HASH_DIGITS.get(algorithm)
    if not wanted or not re.fullmatch(rf"[0-9a-f]{{{wanted}}}", digits):
        known = ", ".join(_HASH_DIGITS)
        raise InvalidRequirement(
            "pypi",
            text,
            f"`{shown(given.strip())}` is not a digest",
            f"only `--hash=ALGORITHM:HEX` may follow it, with one of {known}",
        )
    return f"{algorithm}:{digits}"


def _pep508(text: str) -> str:
    from packaging.requirements import Requirement

    try:
        requirement = Requirement(text)
        clauses = normal_specifiers(str(requirement.specifier))
    except (ValueError, RecursionError):
        from envid.malformed import wrong_part

        raise _refused(text, wrong_part(text)) from None
    named = _named(requirement.name, requirement.extras)
    if not requirement.url:
        # Out of the text, not by `requirement.marker`: how that is written is up to `packaging`.
        return f"{named}{clauses}{_marker(';', text.partition(';')[2])}"
    _check_url(text, requirement.url)
    if not has_scheme(requirement.url):
        raise InvalidRequirement(
            "pypi",
            text,
            f"`{shown(requirement.url)}` is not a URL",
            "write a path as `file:///...`",
        )
    after = text.partition("@")[2].lstrip().removeprefix(requirement.url)
    # PEP 508 asks for white space between a URL and the marker's semicolon.
    return f"{named} @ {requirement.url}{_marker(' ;', after.partition(';')[2])}"


def _unnamed(text: str) -> str:
    """A URL without a name; as in pip and uv, extras may stand at its end and a marker after it."""
    url, *rest = re.split(r"\s;|;\s", text, maxsplit=1)
    url, extras = _split_extras(url.rstrip())
    _check_url(text, url)
    if not has_scheme(url):
        raise InvalidRequirement("pypi", text, "the URL leads nowhere")
    if not rest:
        return url + extras
    from packaging.markers import Marker

    try:
        Marker(rest[0])
    except (ValueError, RecursionError):
        from envid.malformed import wrong_marker

        raise _refused(text, wrong_marker(rest[0])) from None
    return url + extras + _marker(" ;", rest[0])


def _split_extras(url: str) -> tuple[str, str]:
    # What a bracket at the end holds is no list of names where it is that of an IPv6 host.
    head, bracket, inside = url.removesuffix("]").rpartition("[")
    if not (url.endswith("]") and bracket and re.fullmatch(_EXTRA_LIST, inside)):
        return url, ""
    return head.rstrip(), _named("", inside.split(","))


def _check_url(text: str, url: str) -> None:
    try:
        check_url("requirement", url)
    except InvalidSpec as error:
        raise InvalidRequirement("pypi", text, error.reason, error.hint) from None


def _refused(text: str, reason: str) -> InvalidRequirement:
    return InvalidRequirement("pypi", text, reason)


def _marker(mark: str, text: str) -> str:
    """A marker that `packaging` takes for well-formed, with single spaces between its words."""
    tokens = [_MARKER_NAMES.get(token, token) for token in re.findall(_MARKER_WORD, text)]
    marker = mark if tokens else ""
    for at, word in enumerate(tokens):
        tight = word == ")" or (at and tokens[at - 1] == "(")
        marker += ("" if tight else " ") + _marker_token(tokens, at)
    return marker


def _marker_token(tokens: list[str], at: int) -> str:
    token = tokens[at]
    if token[0] not in "'\"":
        return token
    before, after = tokens[max(0, at - 2) : at], tokens[at + 1 : at + 3]
    # Only a comparison binds: in `os_name == "A" and extra == "b"`, `A` is no extra.
    of_extra = any(
        pair[name] == "extra" and pair[1 - name][0] in "=!<>~"
        for pair, name in ((before, 0), (after, 1))
        if len(pair) == 2  # noqa: PLR2004
    )
    value = normal_name(token[1:-1]) if of_extra else token[1:-1]
    return f"'{value}'" if '"' in value else f'"{value}"'
