"""Normal spellings of requirements, so that two spellings of one request have one id.

PyPI requirements follow PEP 508 with names as PEP 503 normalises them, and may end in pip's
`--hash=ALGORITHM:HEX` items; a direct reference may stand without a name. Conda requirements are
MatchSpecs. Virtual packages are written `__name=version`, with `=build` where the build matters.
Normal spellings are normal: normalising them again changes nothing.
"""

from __future__ import annotations

import re

from envid._matchspec import matchspec_name, normal_matchspec
from envid._pypi import normal_name, normal_requirement, normal_specifiers
from envid._text import is_safe, shown
from envid._urls import check_url
from envid.errors import InvalidRequirement, InvalidSpec

__all__ = ["CATEGORIES", "check_url", "name_of", "normal_name", "normalize", "normalize_python"]

CATEGORIES = ("conda", "npconda", "pypi", "sys")

_SYS = r"(__[a-z0-9_]+) ?={1,2} ?([a-z0-9_.+!-]+)(?: ?= ?([a-z0-9_.+-]+))?"
_NAMED = r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?(?=$|[ \[<>=!~;@])"
# conda writes `=3.11` for it.
_SERIES = r"=?([0-9]+(?:\.[0-9]+)?)(?:\.\*)?"
_RELEASE = r"=?([0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)"


def normalize(category: str, text: str) -> str:
    """The normal spelling of a requirement of `category`.

    Raises `InvalidRequirement` for a text that is none, or that holds a credential, and
    `InvalidSpec` for an unknown category.
    """
    if category not in CATEGORIES:
        known = ", ".join(CATEGORIES)
        raise InvalidSpec("category", f"`{shown(category)}` is not known", f"known: {known}")
    text = text.strip()
    if not text:
        raise InvalidRequirement(category, text, "it is empty")
    if category == "pypi":
        normal = normal_requirement(text)
    elif category == "sys":
        normal = _virtual_package(text)
    else:
        normal = normal_matchspec(category, text)
    if not is_safe(normal):
        raise InvalidRequirement(category, text, "it holds a control character")
    return normal


def name_of(category: str, text: str) -> str:
    """The name of what a requirement in its normal spelling is about.

    Of a conda requirement it may be a pattern, such as `lib*`; of a reference without a name it is
    empty.
    """
    if category in ("conda", "npconda"):
        return matchspec_name(text)
    name = re.match(_NAMED, text)
    return name[0] if name else ""


def normalize_python(text: str) -> str:
    """A Python version or PEP 440 specifier as a sorted specifier set.

    `3.11` means any 3.11 (`==3.11.*`), `3.11.7` exactly that release, and the empty text any
    Python. Raises `InvalidSpec`.
    """
    text = text.strip()
    if series := re.fullmatch(_SERIES, text):
        text = f"=={series[1]}.*"
    elif release := re.fullmatch(_RELEASE, text):
        text = f"=={release[1]}"
    try:
        return normal_specifiers(text)
    except ValueError:
        raise InvalidSpec(
            "python",
            f"`{shown(text)}` is not a version or a version specifier",
            "write it like `3.11`, `3.11.7` or `>=3.10,<3.13`",
        ) from None


def _virtual_package(text: str) -> str:
    parts = re.fullmatch(_SYS, " ".join(text.lower().split()))
    if not parts:
        raise InvalidRequirement(
            "sys", text, "a virtual package has a name and a version", "write `__glibc=2.28`"
        )
    name, version, build = parts.groups()
    # A virtual package without a build has the build 0.
    return f"{name}={version}" + (f"={build}" if build and build != "0" else "")
