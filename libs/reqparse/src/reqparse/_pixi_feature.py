"""What a feature of pixi's asks for: the tables that may stand in it, and per platform."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reqparse._project import normalise
from reqparse._settings import prereleases, set_choice
from reqparse._url import split_secret
from reqparse.model import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reqparse._node import Node
    from reqparse._project import Project

CONDA = ("dependencies", "host-dependencies", "build-dependencies")
"""Each overrides the ones before it."""

_UNUSED = {"dev": "packages are not built from their sources"}
_OPTIONS = {
    "dependency-overrides": "what packages require is not overridden",
    "no-build-isolation": "what is built is built by itself",
    "skip-wheel-filename-check": "the names of wheels are always checked",
}

Layer = tuple[tuple[str, ...], "Node"]
"""A table, and the platforms that it holds for."""


def take_feature(project: Project, table: Node, layers: list[Layer]) -> None:
    """Take what a feature asks for, and how; not where it is, nor for which machines."""
    take_strategy(project, table)
    for _, layer in layers:
        project.unused(layer, _UNUSED)
        layer.get("tasks").done = True
        project.unused(layer.get("activation"), {"scripts": "no script is run on activation"})
    constrain = partial(project.conda, constraint=True)
    _each(project, layers, CONDA, str.lower, project.conda)
    _each(project, layers, ("constraints",), str.lower, constrain)
    _each(project, layers, ("pypi-dependencies",), normalise, partial(_pypi, project))
    _variables(project, layers)


def take_strategy(project: Project, table: Node) -> None:
    """Take what a workspace or a feature may state of how packages are chosen."""
    known = ("strict", "flexible", "disabled")
    set_choice(project, table.get("channel-priority"), "channel-priority", known)
    if table.opt("solve-strategy") not in (None, "highest"):
        project.unused(table, {"solve-strategy": "the newest versions that fit are taken"})


def _merged(
    layers: list[Layer], kinds: Iterable[str], key: Callable[[str], str]
) -> tuple[list[tuple[str, Node]], dict[str, dict[str, Node]]]:
    """All entries of some tables in reading order, and for each platform those that hold.

    What stands in a later table takes the place of what an earlier says of the same name.
    """
    entries: list[tuple[str, Node]] = []
    holds: dict[str, dict[str, Node]] = {platform: {} for platform in PLATFORMS}
    for platforms, layer in layers:
        for kind in kinds:
            for name, node in layer.get(*kind.split(".")).table.items():
                entries.append((name, node))
                for platform in platforms:
                    holds[platform][key(name)] = node
    return entries, holds


def _each(
    project: Project,
    layers: list[Layer],
    kinds: tuple[str, ...],
    key: Callable[[str], str],
    take: Callable[[str, Node], None],
) -> None:
    """Take each entry for the platforms on which no later entry overrides it."""
    entries, holds = _merged(layers, kinds, key)
    for name, node in entries:
        # By identity: a later table may say the very same, and then the later counts.
        platforms = tuple(p for p in PLATFORMS if holds[p].get(key(name)) is node)
        if not platforms:
            later = dict.fromkeys(held.get(key(name)) for held in holds.values())
            lines = ", ".join(str(other.line) for other in later if other)
            text = f"`{name}` is not used: line {lines} says it anew"
            project.reading.note(project.at(node), text)
            node.done = True
            continue
        with project.reading.scope(
            None if platforms == PLATFORMS else platforms, project.reading.group
        ):
            take(name, node)


def _variables(project: Project, layers: list[Layer]) -> None:
    reading = project.reading
    entries, holds = _merged(layers, ("activation.env",), str)
    for name, node in entries:
        value = node.text
        # Variables have no platforms in the result.
        if all(held.get(name) is node for held in holds.values()):
            reading.places.setdefault("variables", project.at(node))
            reading.facts["variables"] = dict(reading.facts.get("variables", {})) | {name: value}
        else:
            text = f"the variable `{name}` is not used: it is not the same on all platforms"
            reading.note(project.at(node), text)


def _pypi(project: Project, name: str, node: Node) -> None:
    with project.reading.guard(project.at(node)):
        if isinstance(node.value, str):
            version = node.text
            project.take(project.named(name, "" if version == "*" else version), node, name)
            return
        extras = list(node.get("extras").texts())
        marker = node.opt("env-markers")
        requirement = project.direct(name, node, extras=extras, marker=marker)
        if requirement is None:
            version = node.opt("version") or "*"
            version = "" if version == "*" else version
            requirement = project.named(name, version, extras=extras, marker=marker)
        if index := node.opt("index"):
            origin = project.at(node)
            project.reading.add_source(
                "extra-index", index, origin, base=project.base, explicit=True
            )
            requirement = replace(requirement, channel=split_secret(index)[0])
        project.check_read(node, name)
        project.take(
            requirement, node, f"{name} = {requirement.specifier or requirement.url or '*'}"
        )


def take_options(project: Project, table: Node) -> None:
    """Take the `pypi-options` of a workspace or a feature."""
    reading = project.reading
    with reading.guard(project.at(table)):
        if url := table.opt("index-url"):
            reading.add_source("index", url, project.at(table.get("index-url")), base=project.base)
        for node in table.get("extra-index-urls").items:
            _index(project, node)
        for node in table.get("find-links").items:
            place = node.get("path") if "path" in node.table else node.get("url")
            reading.add_source("find-links", place.text, project.at(node), base=project.base)
        for key, fact in (("no-binary", "no_binary"), ("no-build", "only_binary")):
            node = table.get(key)
            if isinstance(node.value, list):
                reading.names[fact].update(dict.fromkeys(map(normalise, node.texts())))
            elif node.flag:
                reading.names[fact][":all:"] = None
        known = ("first-index", "unsafe-first-match", "unsafe-best-match")
        set_choice(project, table.get("index-strategy"), "index-strategy", known)
        prereleases(project, table.get("prerelease-mode"))
        project.unused(table, _OPTIONS)


def _index(project: Project, node: Node) -> None:
    url = node if isinstance(node.value, str) else node.get("url")
    project.reading.add_source("extra-index", url.text, project.at(node), base=project.base)
    if isinstance(node.value, dict):
        project.unused(node, {"exclude-newer": "there is one such moment for all indexes"})
