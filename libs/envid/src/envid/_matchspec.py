"""The normal spelling of conda MatchSpecs.

`channel[/subdir]::name[ version[ build]][key='value', ...]`, with `=` allowed between the fields,
or the URL of one package. White space, the case of names, quotes, and the order of bounds and of
keys are spelling. What only a solver can know to be equal, such as `=1.2` and `1.2.*`, is not.
"""

from __future__ import annotations

import re

from envid._text import shown
from envid._urls import check_url
from envid.errors import InvalidRequirement, InvalidSpec

_PACKAGE_URL = r"[^\s#]+(?:\.conda|\.tar\.bz2)(?:#[0-9a-f]{32}|#[0-9a-f]{64})?"
_NAME_END = r"[\s=<>!~]"
_NAME = r"[A-Za-z0-9_*][A-Za-z0-9_.*-]*"
_VALUE = r"[A-Za-z0-9_.*+!-]+"
_BOUND = rf"(?:[=!~<>]=|[=<>])?{_VALUE}"
_VERSION = rf"\(*{_BOUND}\)*(?:[,|]\(*{_BOUND}\)*)*"
# Behind an operator, a comma or an opening bracket comes a version, and a build behind a version.
_BUILD = r"(.*[^=!~<>,|( ])([ =])([A-Za-z0-9_.*+-]+)"
_PAIR = r"""\s*([a-z0-9_]+)\s*=\s*('[^']*'|"[^"]*"|\[[^\[\]]*\]|[^,'"\s\[\]]+)\s*,"""


def normal_matchspec(category: str, text: str) -> str:
    """The normal spelling of a MatchSpec; raises `InvalidRequirement`."""
    if "://" in text and re.fullmatch(_PACKAGE_URL, text):
        return _url(category, text, text)
    head, inside = _parts(text)
    # The last of them: the host of a channel may be an IPv6 address with one in it.
    channel, mark, spec = head.rpartition("::")
    name, version = _name(category, text, spec)
    if mark:
        channel = _url(category, text, channel.strip().rstrip("/"))
    return f"{channel}{mark}{name}{_version(category, text, version)}" + _keys(
        category, text, inside
    )


def matchspec_name(text: str) -> str:
    """The name in a MatchSpec in its normal spelling, which may be a pattern."""
    if "://" in text and re.fullmatch(_PACKAGE_URL, text):
        file = re.sub(r"(?:\.conda|\.tar\.bz2)(?:#.*)?$", "", text).rpartition("/")[2]
        return file.rsplit("-", 2)[0]
    spec = _parts(text)[0].rpartition("::")[2]
    end = re.search(_NAME_END, spec)
    return spec[: end.start()] if end else spec


def _parts(text: str) -> tuple[str, str]:
    """What stands in front of the keys in brackets, and these."""
    start = text.find("[")
    if start > 0 and text[:start].endswith("://"):  # the host is an IPv6 address
        start = text.find("[", text.find("]", start))
    return (text, "") if start < 0 else (text[:start], text[start:].rstrip())


def _refused(category: str, text: str, reason: str) -> InvalidRequirement:
    return InvalidRequirement(category, text, reason, "write it like `numpy>=1.26,<3`")


def _url(category: str, text: str, url: str) -> str:
    try:
        return check_url("channel", url)
    except InvalidSpec as error:
        raise InvalidRequirement(category, text, error.reason, error.hint) from None


def _name(category: str, text: str, spec: str) -> tuple[str, str]:
    spec = spec.strip()
    end = re.search(_NAME_END, spec)
    name = spec[: end.start()] if end else spec
    if not re.fullmatch(_NAME, name):
        raise _refused(
            category, text, f"`{shown(name)}` is not a name" if name else "it has no name"
        )
    return name.lower(), spec[len(name) :]


def _version(category: str, text: str, given: str) -> str:
    """The version and the build, with what separates them from the name in front."""
    squeezed = _squeezed(given)
    if not squeezed:
        return ""
    with_build = re.fullmatch(_BUILD, squeezed)
    version, separator, build = with_build.groups() if with_build else (squeezed, "", "")
    if not re.fullmatch(_VERSION, version) or version.count("(") != version.count(")"):
        raise _refused(category, text, f"`{shown(squeezed)}` is not a version")
    # Without an operator, the version would be part of the name.
    joint = "" if version[0] in "=!~<>" else " "
    return f"{joint}{_sorted_bounds(version)}{separator}{build}"


def _squeezed(version: str) -> str:
    """A version without the white space beside its operators; what is inside a number stays."""
    return re.sub(r" ?([=!~<>,|()]) ?", r"\1", " ".join(version.split()))


def _sorted_bounds(version: str) -> str:
    # `|` and parentheses give the order a meaning; a plain list of bounds has none.
    return version if re.search(r"[|()]", version) else ",".join(sorted(set(version.split(","))))


def _keys(category: str, text: str, inside: str) -> str:
    if not inside:
        return ""
    pairs: dict[str, str] = {}
    rest, at = f"{inside[1:-1]},", 0
    while at < len(rest):
        # The comma at the end, put there above, lets every pair be read alike.
        pair = re.compile(_PAIR).match(rest, at)
        if not pair or pair[1] in pairs or inside[-1] != "]":
            raise _refused(category, text, f"`{shown(inside)}` is not `[key='value', ...]`")
        pairs[pair[1]] = _value(category, text, pair[1], pair[2])
        at = pair.end()
    return f"[{','.join(f'{key}={value}' for key, value in sorted(pairs.items()))}]"


def _value(category: str, text: str, key: str, written: str) -> str:
    if written[0] == "[":
        words = {word.strip() for word in written[1:-1].split(",")}
        return f"[{','.join(sorted(words))}]"
    value = written[1:-1] if written[0] in "'\"" else written
    if "://" in value:
        _url(category, text, value)
    if key == "version":
        value = _sorted_bounds(_squeezed(value))
        if " " in value:
            raise _refused(category, text, f"`{shown(value)}` is not a version")
    # A value that holds one kind of quotes was written in the other, and holds none of that.
    return f'"{value}"' if "'" in value else f"'{value}'"
