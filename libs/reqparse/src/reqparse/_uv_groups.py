"""What a uv.lock says of dependency groups: which there are, are default ones, and for which Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from reqparse._flaw import Flaw
from reqparse._project import specifier_set
from reqparse.locked import LockedGroups
from reqparse.stated import PythonRequirement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqparse._locked import Place
    from reqparse._node import Node


def of_project(place: Place, node: Node) -> LockedGroups:
    """The groups of a project, by its `[[package]]`; those that ask for nothing have no edges."""
    tables = (node.get("dev-dependencies"), node.get("metadata", "requires-dev"))
    names = dict.fromkeys(name for table in tables for name in table.table)
    return _groups(place, node, names, names)


def of_workspace(place: Place, manifest: Node, members: Iterable[LockedGroups]) -> LockedGroups:
    """The groups of a script, or of a workspace whose root is no project.

    What that says of default groups counts for those of its members, too.
    """
    own = dict.fromkeys(manifest.get("dependency-groups").table)
    every = own | dict.fromkeys(name for groups in members for name in groups.names)
    return _groups(place, manifest, own, every)


def _groups(place: Place, node: Node, own: Iterable[str], offered: Iterable[str]) -> LockedGroups:
    stated = node.get("default-groups")
    if stated.value is None:
        default = tuple(name for name in offered if name == "dev")  # uv's, if nothing is said
    elif stated.value == "all":
        stated.taken = True
        default = tuple(offered)
    else:
        default = tuple(map(canonicalize_name, stated.texts()))
    if unknown := [name for name in default if name not in {*offered}]:
        text = f"the default group `{unknown[0]}` is none of the project's"
        raise Flaw(text, "lock again with uv", stated.line)
    pythons: dict[str, PythonRequirement] = {
        canonicalize_name(name): PythonRequirement(
            specifier=specifier_set(python.text), origin=place.at(python)
        )
        for name, python in node.get("group-requires-python").table.items()
    }
    return LockedGroups(names=tuple(own), default=default, pythons=pythons)
