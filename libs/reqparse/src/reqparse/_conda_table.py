"""A conda dependency as a table says it, in the words of pixi and of conda-lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqparse._conda import conda_requirement
from reqparse._flaw import Flaw

if TYPE_CHECKING:
    from reqparse._node import Node
    from reqparse.model import Requirement

_KEYS = {
    **{
        name: name for name in ("version", "build", "channel", "subdir", "md5", "sha256", "license")
    },
    "build-number": "build_number",
    "build_number": "build_number",
    "file-name": "fn",
    "license-family": "license_family",
}
_NAME = re.compile(r"(?:[^\s\[\]=<>!~]+::)?[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SOURCES = ("git", "path", "url")
_ARCHIVES = (".conda", ".tar.bz2")


def conda_dependency(name: str, node: Node, base: str) -> Requirement | None:
    """The requirement of a dependency's name and its version or table.

    None of a package that is to be built from its source. Raises Flaw.
    """
    _check_name(name)
    if isinstance(node.value, (str, type(None))):
        version = node.text if isinstance(node.value, str) else ""
        return conda_requirement(name + _brackets({"version": version}), base=base)
    if source := next((key for key in _SOURCES if key in node.table), None):
        archive = source != "git" and node.get(source).text.endswith(_ARCHIVES)
        return _archive(name, node, source, base) if archive else None
    inside = {word: node.get(key).text for key, word in _KEYS.items() if key in node.table}
    for key in ("extras", "flags"):
        if key in node.table:
            inside[key] = f"[{','.join(node.get(key).texts())}]"
    if "track-features" in node.table:
        inside["track_features"] = " ".join(node.get("track-features").texts())
    if "when" in node.table:
        inside["when"] = _condition(node.get("when"))
    return conda_requirement(name + _brackets(inside), base=base)


def _check_name(name: str) -> None:
    """Raise Flaw for a name with more in it: a version stands in a place of its own."""
    if not _NAME.fullmatch(name):
        raise Flaw(f"`{name}` is not a conda package name", "its version stands behind the `=`")


def _archive(name: str, node: Node, source: str, base: str) -> Requirement:
    """The package of a file. Raises Flaw where the file is named otherwise."""
    address = node.get(source).text
    if source == "path":
        # Without a slash, it would be the name of a package.
        address = f"./{address}" if "/" not in address else address
    # Two hashes say the same of a file; sha256 says it better.
    hashes = [f"{key}={text}" for key in ("md5", "sha256") if (text := node.opt(key))]
    requirement = conda_requirement("#".join([address, *hashes[-1:]]), base=base)
    if requirement.name != name.lower():
        raise Flaw(f"`{address}` is named like a package `{requirement.name}`, not `{name}`")
    return requirement


def _brackets(inside: dict[str, str]) -> str:
    pairs = [f"{key}={_quoted(v)}" for key, v in inside.items() if v not in ("", "*")]
    return f"[{','.join(pairs)}]" if pairs else ""


def _quoted(value: str) -> str:
    if value.startswith("["):
        return value
    if '"' in value and "'" in value:
        raise Flaw(f"both kinds of quotes in `{value}`", "leave one out")
    return f"'{value}'" if '"' in value else f'"{value}"'


def _condition(node: Node) -> str:
    """A condition as a text, or as the tables that pixi writes for it. Raises Flaw."""
    if isinstance(node.value, str):
        return node.text
    for key, word in (("all", " and "), ("any", " or ")):
        if key in node.table:
            return f"({word.join(map(_condition, node.get(key).items))})"
    version, build = node.opt("version") or "*", node.opt("build")
    name = node.get("package").text
    _check_name(name)
    parts = [name, "" if version == "*" and not build else version, build or ""]
    return " ".join(filter(None, parts))
