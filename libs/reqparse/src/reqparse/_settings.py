"""Statements of how packages are to be chosen, which several tools write alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqparse._flaw import Flaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqparse._node import Node
    from reqparse._project import Project
    from reqparse.stated import SettingName

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9:]{5}))?"
)
_DURATION = re.compile(r"(?:[0-9]+\s*[A-Za-z]+\s*)+(?:ago)?|P[0-9A-Z.]+")
_PRERELEASES = ("disallow", "allow", "if-necessary", "explicit", "if-necessary-or-explicit")


def set_choice(project: Project, node: Node, name: SettingName, known: Sequence[str]) -> None:
    """Take a setting whose value is among some words. Raises Flaw for another."""
    if node.value is None:
        return
    if node.text not in known:
        raise Flaw(f"`{node.text}` is no {name}", f"known: {', '.join(known)}", node.line)
    project.reading.set(name, node.text, project.at(node))


def exclude_newer(project: Project, node: Node) -> None:
    """Take the moment from which on nothing is seen. Raises Flaw for what is none."""
    if node.value is None:
        return
    text = node.text.strip()
    if _MOMENT.fullmatch(text):
        project.reading.set("exclude-newer", text, project.at(node))
    elif _DURATION.fullmatch(text):
        note = f"`exclude-newer = {text}` is not used: it moves with the clock; state a date"
        project.reading.note(project.at(node), note)
    else:
        hint = "write it like `2026-01-31` or `2026-01-31T12:00:00Z`"
        raise Flaw(f"`{text}` is neither a date nor a moment with a time zone", hint, node.line)


def prereleases(project: Project, node: Node) -> None:
    """Take whether pre-releases are accepted, in uv's words. Raises Flaw for others."""
    if node.value is None:
        return
    if node.text not in _PRERELEASES:
        known = f"known: {', '.join(_PRERELEASES)}"
        raise Flaw(f"`{node.text}` does not say which pre-releases to accept", known, node.line)
    if node.text == "allow":
        project.reading.facts["prereleases"] = True
    elif node.text != "if-necessary-or-explicit":
        text = f"`{node.text}` pre-releases is not used: they are accepted where nothing else is,"
        project.reading.note(project.at(node), f"{text} or where a requirement names one")
