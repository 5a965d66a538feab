"""`[tool.pixi]` and pixi.toml: the parts that say what an environment needs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reqparse._conda import sys_requirement
from reqparse._flaw import Flaw
from reqparse._project import normalise
from reqparse._pypi import pep508_requirement
from reqparse._selectors import select
from reqparse.model import PLATFORMS

if TYPE_CHECKING:
    from reqparse._node import Node
    from reqparse._project import Project

_LINUX, _OSX = PLATFORMS[:2], PLATFORMS[2:]
_SYSTEM = {
    "linux": ("__linux", _LINUX),
    "libc": ("__glibc", _LINUX),
    "macos": ("__osx", _OSX),
    "cuda": ("__cuda", None),
    "archspec": ("__archspec", None),
}


def read(project: Project, table: Node) -> None:
    """Take the default feature; other features and the environments are offered as groups."""
    with project.job.guard(project.at(table)):
        workspace = table.get("workspace")
        workspace = table.get("project") if workspace.value is None else workspace
        if name := workspace.opt("name"):
            project.job.facts.setdefault("name", name)
        _feature(project, workspace, shared=True)
        _feature(project, table)
        features = {normalise(k): v for k, v in table.get("feature").table.items()}
        for name, node in features.items():
            project.offer("group", name, node, partial(_feature, project, node, shared=True))
        for name, node in table.get("environments").table.items():
            listed = node if isinstance(node.value, list) else node.get("features")
            wanted = [normalise(f) for f in listed.texts()]
            if normalise(name) not in features and name != "default":
                take = partial(_environment, project, node, wanted, features)
                project.offer("group", normalise(name), node, take)


def _environment(
    project: Project, node: Node, wanted: list[str], features: dict[str, Node]
) -> None:
    for name in wanted:
        if name in features:
            _feature(project, features[name], shared=True)
        else:
            project.job.problem(project.at(node), f"no feature `{name}`")


def _feature(project: Project, table: Node, *, shared: bool = False) -> None:
    """Take one table of dependencies; a `shared` one has channels and platforms too."""
    job = project.job
    with job.guard(project.at(table)):
        if shared:
            for node in table.get("channels").items:
                channel = node if isinstance(node.value, str) else node.get("channel")
                job.add_source("channel", channel.text, project.at(node))
            if platforms := tuple(dict.fromkeys(table.get("platforms").texts())):
                job.facts["platforms"] = platforms
        _options(project, table.get("pypi-options"))
        _dependencies(project, table)
        _system(project, table.get("system-requirements"))
        for selector, node in table.get("target").table.items():
            chosen = select(selector)
            if chosen is None:
                job.problem(project.at(node), f"unknown target `{selector}`")
            with job.scope(chosen, job.group):
                _dependencies(project, node)


def _dependencies(project: Project, table: Node) -> None:
    for kind in ("dependencies", "host-dependencies", "build-dependencies"):
        for name, node in table.get(kind).table.items():
            project.conda(name, node)
    for name, node in table.get("pypi-dependencies").table.items():
        _pypi(project, name, node)
    variables = table.get("activation", "env").table
    if variables:
        found = {name: str(node.value) for name, node in variables.items()}
        project.job.facts["variables"] = project.job.facts.get("variables", {}) | found


def _pypi(project: Project, name: str, node: Node) -> None:
    with project.job.guard(project.at(node)):
        if isinstance(node.value, str):
            version, extras, index = node.value, [], None
            found = None
        else:
            version, index = node.opt("version") or "*", node.opt("index")
            extras = list(node.get("extras").texts())
            marker = node.opt("env-markers")
            found = project.direct(name, node, extras=extras, marker=marker)
        if found is None:
            listed = f"[{','.join(extras)}]" if extras else ""
            version = "" if version == "*" else version
            found = pep508_requirement(name + listed + version, base=project.base)
        project.take(found, node, f"{name} = {version}")
        if index:
            project.job.add_source("extra-index", index, project.at(node), base=project.base)


def _options(project: Project, table: Node) -> None:
    job = project.job
    if url := table.opt("index-url"):
        job.add_source("index", url, project.at(table), base=project.base)
    for node in table.get("extra-index-urls").items:
        job.add_source("extra-index", node.text, project.at(node), base=project.base)
    for node in table.get("find-links").items:
        place = node.get("path") if "path" in node.table else node.get("url")
        job.add_source("find-links", place.text, project.at(node), base=project.base)
    for key, fact in (("no-binary", "no_binary"), ("no-build", "only_binary")):
        node = table.get(key)
        if node.value is True:
            job.names[fact][":all:"] = None
        elif isinstance(node.value, list):
            job.names[fact].update(dict.fromkeys(map(normalise, node.texts())))


def _system(project: Project, table: Node) -> None:
    for key, node in table.table.items():
        with project.job.guard(project.at(node)):
            if key not in _SYSTEM:
                raise Flaw(f"unknown system requirement `{key}`", f"known: {', '.join(_SYSTEM)}")
            name, platforms = _SYSTEM[key]
            version = node.text if isinstance(node.value, str) else node.get("version").text
            text = f"{name}=1={version}" if key == "archspec" else f"{name}={version}"
            with project.job.scope(platforms, project.job.group):
                project.take(sys_requirement(text), node, f"{key} = {version}")
