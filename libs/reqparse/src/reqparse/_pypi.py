"""Requirements on Python packages: PEP 508, and the URLs and paths that pip takes beside it.

`packaging` judges all but the simplest, and is imported only then: it takes longer than a command
that finds its answer known.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envid.redaction import redact
from envid.requirements import normal_name
from reqparse._flaw import Flaw
from reqparse._reference import check_address, check_editable, check_spaces, split_extras
from reqparse._url import (
    has_scheme,
    is_archive,
    is_remote,
    is_url,
    is_vcs,
    join,
    path_to_url,
    split_fragment,
    split_secret,
)
from reqparse.model import Requirement

if TYPE_CHECKING:
    from packaging.markers import Marker

_NAMED_URL = r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\[\]]*\]\s*)?@"
_PATH_EXTRAS = r"\[([^\[\]]*)\]$"
_GENERATED = r"/(?:archive|tarball|zipball|-/archive)/"
_QUOTED = r"'[^']*'|\"[^\"]*\""
_SIMPLE = r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)( ?[=!<>~][=!<>~ 0-9.,]*)?"
_CLAUSE = r" *(==|!=|<=|>=|~=|<|>) *((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*) *"


def pypi_requirement(text: str, *, base: str, editable: bool = False) -> Requirement:
    """Parse a requirement; relative paths start at `base`, a directory or its URL.

    Raises Flaw. The forms: `name[extra]>=1; marker`, `name @ url ; marker`, and without a name a
    URL, a VCS URL or a path, whose name comes from `#egg=` or from an archive's file name.
    """
    text = text.strip()
    simple = None if editable else re.fullmatch(_SIMPLE, text)
    if simple and not is_archive(text):  # most lines of most files, at a tenth of the cost
        name, specifier = normal_name(simple[1]), _simple_specifier(simple[2] or "")
        if specifier is not None:
            text = name + specifier
            return Requirement(category="pypi", name=name, text=text, specifier=specifier)
    # Before the marker is cut off: in `name @ URL` the URL may hold a `;`, too.
    if not editable and re.match(_NAMED_URL, text):
        return pep508_requirement(text, base)
    body, marker = _split_at_marker(text)
    if editable:
        check_editable(body)
    if editable or _is_reference(body):
        requirement = _from_reference(
            body, None if marker is None else canonical_marker(marker), base
        )
        return replace(requirement, editable=True) if editable else requirement
    return pep508_requirement(text, base)


def _simple_specifier(text: str) -> str | None:
    """Releases that are compared, as `packaging` spells them; None for what is left to it."""
    by_operator: dict[str, str] = {}
    for clause in text.split(",") if text else ():
        parts = re.fullmatch(_CLAUSE, clause)
        # Of two clauses with one operator, one may say what the other says.
        if not parts or parts[1] in by_operator or (parts[1] == "~=" and "." not in parts[2]):
            return None
        by_operator[parts[1]] = parts[2]
    return ",".join(sorted(map("".join, by_operator.items())))


def _is_reference(text: str) -> bool:
    if has_scheme(text) or is_url(text):
        return True
    if "://" in text:  # a URL behind something that is not a name; as a path it would be shown
        return False
    return "/" in text or text.startswith(".") or is_archive(re.sub(_PATH_EXTRAS, "", text))


def _split_at_marker(text: str) -> tuple[str, str | None]:
    """Cut at the `;` of a marker; in a URL a marker starts only at a `;` beside a space."""
    if has_scheme(text):
        body, semicolon, marker = text.partition(" ;")
        if not semicolon:
            body, semicolon, marker = text.partition("; ")
    else:
        body, semicolon, marker = text.partition(";")
    return (body.strip(), marker) if semicolon else (text, None)


def canonical_marker(text: str) -> str:
    """A PEP 508 marker as packaging spells it. Raises Flaw."""
    from packaging.markers import InvalidMarker, Marker

    try:
        return _spelled(Marker(text))
    except (InvalidMarker, RecursionError):
        from envid.malformed import wrong_marker

        raise Flaw(wrong_marker(text)) from None


def _spelled(marker: Marker) -> str:
    """A marker as packaging spells it. Raises Flaw for what only packaging knows."""
    text = str(marker)
    if "===" in re.sub(_QUOTED, "", text):
        raise Flaw(f"`===` in the marker `{text}` is no operator of markers", "write `==`")
    return text


def both_markers(marker: str | None, other: str | None) -> str | None:
    """Two markers joined by `and`. Raises Flaw."""
    if marker is None or other is None:
        return marker or (other and canonical_marker(other))
    return canonical_marker(f"({marker}) and ({other})")


def with_marker(requirement: Requirement, marker: str | None) -> Requirement:
    """A requirement by name with another marker."""
    text = requirement.text.partition(";")[0] + (f"; {marker}" if marker else "")
    return replace(requirement, marker=marker, text=text)


def pep508_requirement(text: str, base: str) -> Requirement:
    """Parse a requirement as PEP 508 alone allows it; relative paths start at `base`."""
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Pep508

    try:
        parsed = Pep508(text)
    # Not every release of `packaging` has an error of its own for a marker nested too deeply.
    except (InvalidRequirement, RecursionError):
        from envid.malformed import wrong_part

        # A space ends the URL there, and the rest of it would be told apart.
        if re.match(_NAMED_URL, text):
            url = re.split(r"\s;|;\s", text.partition("@")[2].strip())[0]
            if has_scheme(url) and ";" not in url and url.count("://") == 1:
                check_spaces(url.strip())
        reason = wrong_part(text)
        raise Flaw(f"`{text}` is not a requirement: {reason}", _hint(text)) from None
    name = normal_name(parsed.name)
    marker = _spelled(parsed.marker) if parsed.marker else None
    extras = _normalise(parsed.extras)
    if parsed.url is not None:
        return _reference(parsed.url, base, name=name, extras=extras, marker=marker)
    specifier = str(parsed.specifier)
    return Requirement(
        category="pypi",
        name=name,
        text=name + _bracket(extras) + specifier + (f"; {marker}" if marker else ""),
        extras=extras,
        specifier=specifier,
        marker=marker,
    )


def _ends_in_marker(target: str) -> bool:
    _, semicolon, marker = target.partition(";")
    if not semicolon:
        return False
    from packaging.markers import InvalidMarker, Marker

    try:
        return bool(Marker(marker))
    except (InvalidMarker, RecursionError):
        return False


def _from_reference(text: str, marker: str | None, base: str) -> Requirement:
    """A URL or path without a name in front of it."""
    extras: tuple[str, ...] = ()
    local = not has_scheme(text) and not is_url(text)
    if local or text.startswith("file:"):
        text, listed = split_extras(text)
        extras = _normalise(listed)
    return _reference(text, base, extras=extras, marker=marker)


def _reference(
    target: str,
    base: str,
    *,
    name: str | None = None,
    extras: tuple[str, ...] = (),
    marker: str | None = None,
) -> Requirement:
    address, fragment = split_fragment(target)
    if has_scheme(address) and not is_url(address):
        scheme = address.partition(":")[0]
        raise Flaw(
            f"`{redact(target)}` has the unknown scheme `{scheme}`",
            "use http, https, ftp, file, or a VCS one such as `git+https`",
        )
    if not address:
        raise Flaw("a URL or path is missing")
    if _ends_in_marker(target):
        raise Flaw(f"`{redact(target)}` is one word: its marker counts as part of it", _SPACE)
    # What stands in the place of a path is checked before it is made one: as a path, anything goes.
    check_address(address, name=name)
    path = None
    if not is_url(address) or address.lower().startswith("file:"):
        address = path = join(base, address)
        if is_remote(address):
            path = None
    parts: dict[str, Any] = {"specifier": ""}
    if not is_vcs(address):
        parts |= from_filename(address)
    if fragment.egg:
        parts |= _from_egg(fragment.egg)
    if name is not None:
        # Which package it is must not hang on which of the two a reader takes.
        if fragment.egg and parts["name"] != name:
            raise Flaw(f"`{name}` and `#egg={fragment.egg}` are two names", "leave out `#egg=`")
        parts["name"] = name
    if not path:
        check_spaces(target)
    extras = tuple(sorted({*extras, *parts.pop("extras", ())}))
    url = path_to_url(path) if path else address
    url, secret = split_secret(url + (f"#{fragment.rest}" if fragment.rest else ""))
    name = parts.setdefault("name", None)
    lead = f"{name}{_bracket(extras)} @ {url}" if name else url + _bracket(extras)
    return Requirement(
        category="pypi",
        text=lead + (f" ; {marker}" if marker else ""),
        extras=extras,
        url=url,
        marker=marker,
        path=path,
        hashes=fragment.hashes,
        secret=secret,
        **parts,
    )


def from_filename(address: str) -> dict[str, str]:
    """Name and `==version` of a wheel or sdist, unless a code host named the archive by a ref."""
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    # The `+` of a local version, as servers and indexes encode it.
    filename = address.rpartition("/")[2].partition("?")[0].replace("%2B", "+")
    try:
        if filename.endswith(".whl"):
            wheel, version, *_ = parse_wheel_filename(filename)
            return {"name": wheel, "specifier": f"=={version}"}
        if is_archive(filename) and not re.search(_GENERATED, address):
            stem = filename
            # PEP 625 has .tar.gz alone, and `packaging` reads that and .zip.
            for suffix in (".tgz", ".tar.bz2", ".tar.xz"):
                stem = stem.removesuffix(suffix)
            sdist, version = parse_sdist_filename(
                filename if stem == filename else f"{stem}.tar.gz"
            )
            if re.fullmatch(_SIMPLE, sdist):
                return {"name": sdist, "specifier": f"=={version}"}
    except InvalidWheelFilename:
        raise Flaw(f"`{filename}` is not the name of a wheel") from None
    except InvalidSdistFilename:
        pass  # any archive may be installed; only a name by PEP 625 tells what it holds
    return {}


def _from_egg(egg: str) -> dict[str, Any]:
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Pep508

    try:
        parsed = Pep508(egg)
    except InvalidRequirement:
        raise Flaw(f"`#egg={egg}` is not a name") from None
    if parsed.specifier or parsed.marker or parsed.url:
        hint = f"write `#egg={parsed.name}`; which version it is, the URL says"
        raise Flaw(f"`#egg={egg}` is more than a name", hint)
    return {"name": normal_name(parsed.name), "extras": _normalise(parsed.extras)}


def _normalise(extras: Any) -> tuple[str, ...]:
    return tuple(sorted({normal_name(e.strip()) for e in extras if e.strip()}))


def _bracket(extras: tuple[str, ...]) -> str:
    return f"[{','.join(extras)}]" if extras else ""


def _hint(text: str) -> str | None:
    text = text[:200]  # the expressions look far ahead
    if "::" in text:
        return "a channel is conda's word; write `--conda-pkg CHANNEL::NAME`"
    for sign, hint in _LOOKS_LIKE.items():
        if re.match(sign, text):
            return hint
    if re.match(r"[\w.-]+\s*=[^=]", text):
        return "PyPI requirements compare with `==`"
    if re.search(r"[<>=!~][^,;]*\s[<>!~=]", text):
        return "separate version clauses with commas"
    if re.match(r"[\w.-]+\s+[\w.-]+", text):
        return "one requirement per line or option"
    return None


_SPACE = "put a space before the `;`"
_LOOKS_LIKE = {
    r"(?:python3? -m )?(?:pip|pip3|conda|mamba|uv|poetry|apt|apt-get) ": "it seems to be a command",
    r"(?:import|from) [\w.]+": "it seems to be Python",
    r"(?:<{7}|={7}|>{7})(?: |$)": "it seems to be left over from a merge",
    r"[\w.-]+\s*=\s*(?:[\"'{]|\d[^=]*=[^=])": "it seems to be TOML, or a conda package",
    r"[\w.-]+\s*:": "it seems to be YAML: write `NAME==VERSION`",
    r"[-*\u2022]\s": "it seems to be the item of a list: leave out the sign in front",
    r"[\"'`]": "leave out the quotes",
    r"[\w.-]+\s*\^": "it seems to be poetry's: write for example `>=1.2,<2`",
    r".*;\s*$": "leave out the semicolon, or write a marker behind it",
    r"[\w.-]+#": "a comment starts with a space and `#`",
    r"[\w.-]+\s*=[<>!~]": "the sign of equality stands behind: `>=`, `<=`, `!=`, `~=`",
    r"[\w.-]+\s*==\s*(?:\*|latest\b|any\b)": "leave out the version for any",
    r"[\w.-]+\s*,": "one requirement per line or option",
}
