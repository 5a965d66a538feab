"""The parts of a requirement, of which an edit drops none that is not typed again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reqparse import Requirement

__all__ = ["check_whole"]

# What stands in the brackets of a MatchSpec, as reqparse writes it.
_KEY = re.compile(r"[\[,]([a-z_]+)=")


def check_whole(there: Requirement, wanted: Requirement, place: str) -> None:
    """Raise `InvalidRequest` where a change would drop what is not typed again."""
    if there.marker != wanted.marker:
        raise InvalidRequest(
            f"{place}: `{there.original}` has another marker",
            "remove it first, or type the marker again",
        )
    if there.config_settings or there.global_options or there.editable:
        raise InvalidRequest(f"{place}: `{there.original}` has options", "edit it by hand")
    if there.hashes and not wanted.hashes:
        raise InvalidRequest(
            f"{place}: `{there.original}` has a hash", "remove it first, or edit it by hand"
        )
    lost = {kind: part for kind, part in _parts(there).items() if kind not in _parts(wanted)}
    if wanted.url:  # which says of a conda package where it is, and which one
        lost = {kind: part for kind, part in lost.items() if kind == "extras"}
    if lost:
        it = "it" if len(lost) == 1 and "extras" not in lost else "them"
        raise InvalidRequest(
            f"{place}: `{there.original}` has {' and '.join(lost)}",
            f"remove it first, or type {it} again: `{_again(there, lost)}`",
        )


def _parts(requirement: Requirement) -> dict[str, str]:
    """What a requirement has beside its name, version and marker, by the kind of it."""
    keys: dict[str, str] = {}
    if requirement.category != "pypi" and not requirement.url:
        keys = {f"`{key}`": key for key in _KEY.findall(requirement.text) if key != "extras"}
    # The URL of a conda package has its build in it.
    build = "" if requirement.url or requirement.build == "*" else requirement.build
    parts = {
        "extras": ",".join(requirement.extras),
        "a channel": requirement.channel,
        "a build": build,
        "a URL": requirement.url,
    }
    return {kind: part for kind, part in parts.items() if part} | keys


def _again(there: Requirement, lost: Mapping[str, str]) -> str:
    """A requirement with the parts that would be lost, in place of which others can be typed."""
    if "a URL" in lost or any(kind.startswith("`") for kind in lost):
        return there.original
    channel = f"{lost['a channel']}::" if "a channel" in lost else ""
    extras = lost.get("extras", "")
    if there.category != "pypi":
        extras = f"extras=[{extras}]" if extras else ""
    build = f"=*={lost['a build']}" if "a build" in lost else ""
    return f"{channel}{there.name}{build}{f'[{extras}]' if extras else ''}"
