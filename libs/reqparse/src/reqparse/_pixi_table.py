"""`[tool.pixi]` and pixi.toml: which features make the environment, on which platforms.

Follows pixi's manifest reference: an environment is its features, in order, and the default one
at the end; the environment `default` is meant where no other is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envid.platforms import LINUX_PLATFORMS, MACOS_PLATFORMS, PLATFORMS
from reqparse._conda import sys_requirement
from reqparse._flaw import Flaw
from reqparse._node import Node
from reqparse._pixi_feature import CONDA, Layer, take_feature, take_options, take_strategy
from reqparse._project import normalise
from reqparse._settings import exclude_newer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._project import Project

_FAMILIES = {
    "unix": PLATFORMS,
    "linux": LINUX_PLATFORMS,
    "osx": MACOS_PLATFORMS,
    "macos": MACOS_PLATFORMS,
    "win": (),
}
_SUBDIR = re.compile(r"(?:linux|osx|win|emscripten|wasi|zos|freebsd)-[a-z0-9]+|noarch")
_SYSTEM: dict[str, tuple[str, tuple[str, ...]]] = {
    "linux": ("__linux", LINUX_PLATFORMS),
    "libc": ("__glibc", LINUX_PLATFORMS),
    "glibc": ("__glibc", LINUX_PLATFORMS),
    "macos": ("__osx", MACOS_PLATFORMS),
    "osx": ("__osx", MACOS_PLATFORMS),
    "cuda": ("__cuda", PLATFORMS),
    "archspec": ("__archspec", PLATFORMS),
}
_NOT_HERE = {
    "unix": "every platform that is known here is one",
    "windows": "no platform that is known here is one",
}
_METADATA = (
    *("name", "version", "description", "authors", "license", "license-file", "readme"),
    *("homepage", "repository", "documentation", "requires-pixi", "preview", "audit"),
)
_UNUSED = {
    "build-variants": "packages are not built",
    "build-variants-files": "packages are not built",
    "conda-pypi-map": "which PyPI packages conda's provide is found out otherwise",
    "dependencies": "only packages that are built inherit from the workspace",
    "s3-options": "channels are read as they are written",
    "target": "packages are not built",
}
_TOP = {
    "exclude-newer": "there is one such moment for all packages",
    "package": "it says how the project itself is packaged",
    "pypi-exclude-newer": "there is one such moment for all packages",
    "tool": "it is for other tools",
}
_ENVIRONMENT = {"solve-group": "each environment is resolved by itself"}
_DEFAULT = (
    *CONDA,
    *("constraints", "pypi-dependencies", "activation", "target", "system-requirements"),
    *("pypi-options", "tasks", "dev"),
)
"""The tables of the default feature, which stand at the top."""
_COMPOSES = {"features", "solve-group", "no-default-feature"}


def read(project: Project, table: Node) -> None:
    """Take the environments that are asked for, or else `default`; the others are offered."""
    if table.value is None:
        return
    with project.reading.guard(project.at(table)):
        _Manifest(project, table).read()


@dataclass(frozen=True)
class _Part:
    """A feature that is part of an environment, and the group that it belongs to."""

    table: Node
    group: str | None


class _Manifest:
    def __init__(self, project: Project, table: Node) -> None:
        self._project, self._reading, self._table = project, project.reading, table
        named = [table.get(key) for key in ("workspace", "project")]
        self._workspace = next((node for node in named if node.value is not None), Node(None, 1))
        self._features = {normalise(k): v for k, v in table.get("feature").table.items()}
        self._environments = {normalise(k): v for k, v in table.get("environments").table.items()}
        self._platforms = _Platforms(project, self._workspace)
        self._read: list[Node] = []
        """The environments and features that are part of what is asked for."""
        self._system: dict[str, dict[str, tuple[str, Node]]] = {p: {} for p in PLATFORMS}

    def read(self) -> None:
        workspace, reading, project = self._workspace, self._reading, self._project
        if name := workspace.opt("name"):
            reading.facts.setdefault("name", name)
        for key in _METADATA:
            workspace.get(key).done = True
        self._table.get("$schema").done = True
        project.unused(workspace, _UNUSED)
        project.unused(self._table, _TOP)
        with reading.guard(project.at(workspace)):
            exclude_newer(project, workspace.get("exclude-newer"))
        # Environments may share a feature, the same node: it counts once, where it came first.
        once: dict[int, _Part] = {}
        for part in self._parts():
            once.setdefault(id(part.table), part)
        parts = list(once.values())
        self._channels(parts)
        take_options(project, workspace.get("pypi-options"))
        with reading.guard(project.at(workspace)):
            if any(part.table is self._table for part in parts):
                take_strategy(project, workspace)
            else:
                self._leave_default()
            self._platforms.choose([p.table for p in parts if p.table is not self._table])
        for part in parts:
            take_options(project, part.table.get("pypi-options"))
        for part in sorted(parts, key=lambda part: part.table is not self._table):
            with reading.guard(project.at(part.table)), reading.scope(group=part.group):
                take_feature(project, part.table, list(self._layers(part.table)))
                self._system_requirements(part.table.get("system-requirements"))
        for platform, virtual in self._platforms.virtual.items():
            for key, node in virtual.items():
                with reading.guard(project.at(node)):
                    self._virtual(key, node, (platform,))
        self._take_system()
        self._offer()

    def _leave_default(self) -> None:
        """Leave out the default feature, which an environment may not want."""
        for key in ("channel-priority", "solve-strategy"):
            self._workspace.get(key).done = True
        stated = [node for key in _DEFAULT if (node := self._table.get(key)).value]
        for node in stated:
            node.done = True
        if stated:
            text = "the default feature is not asked for, which `no-default-feature` leaves out"
            self._reading.note(self._project.at(min(stated, key=lambda node: node.line)), text)

    # Which features there are

    def _parts(self) -> Iterator[_Part]:
        """The features of what is asked for, in pixi's order: the default one comes last."""
        asked = list(dict.fromkeys(normalise(name) for name in self._reading.groups))
        # A name may be both; the environment has features of any name, and decides.
        chosen = [name for name in asked if name in self._environments]
        alone = [name for name in asked if name in self._features and name not in chosen]
        # A feature asked for by its own name has no environment that could leave the default one
        # out.
        with_default = bool(alone)
        for name in chosen or ([] if alone else ["default"]):
            group = None if name == "default" else name
            node = self._environments.get(name) or Node([], 1)
            self._read.append(node)
            if isinstance(node.value, list):
                listed, with_default = node, True
            else:
                listed = node.get("features")
                with_default = not node.get("no-default-feature").flag or with_default
                self._project.unused(node, _ENVIRONMENT)
                # An environment may have tables of its own, as a feature without a name.
                if node.table.keys() - _COMPOSES:
                    yield _Part(node, group)
            yield from self._named(listed, group)
        for name in alone:
            self._read.append(self._features[name])
            yield _Part(self._features[name], name)
        if with_default:
            yield _Part(self._table, None)

    def _named(self, listed: Node, group: str | None) -> Iterator[_Part]:
        """The features of a list; a project's groups and extras are features as well."""
        for node in listed.items:
            name = normalise(node.text)
            if name in self._features:
                self._read.append(self._features[name])
                yield _Part(self._features[name], group)
            elif not self._project.take_offers(name, group) and name != "default":
                self._reading.problem(self._project.at(node), f"no feature `{name}`")

    def _offer(self) -> None:
        """Say which environments and features there are beside those that were read."""
        asked = set(map(normalise, self._reading.groups))
        for name, node in (*self._features.items(), *self._environments.items()):
            if name in asked or not any(node is other for other in self._read):
                self._project.offer("group", name, node, lambda: None)

    # Where packages come from, and for what

    def _channels(self, parts: list[_Part]) -> None:
        ranked: list[tuple[int, Node]] = []
        for part in parts:
            # Those of the workspace are the default feature's.
            own = part.table.get("channels") if part.table is not self._table else Node(None, 1)
            for node in (own if own.value is not None else self._workspace.get("channels")).items:
                with self._reading.guard(self._project.at(node)):
                    priority = 0
                    if isinstance(node.value, dict):
                        priority = _whole(node.get("priority"))
                        reason = {"exclude-newer": "there is one such moment for all channels"}
                        self._project.unused(node, reason)
                    ranked.append((-priority, node))
        shared = self._workspace.get("channels")
        shared.done = not shared.taken  # where each feature has its own
        # The highest priority first; among equals, as they stand.
        for _, node in sorted(ranked, key=lambda entry: entry[0]):
            with self._reading.guard(self._project.at(node)):
                channel = node.get("channel") if isinstance(node.value, dict) else node
                self._reading.add_source("channel", channel.text, self._project.at(node))

    def _layers(self, feature: Node) -> Iterator[Layer]:
        yield PLATFORMS, feature
        for selector, node in feature.get("target").table.items():
            platforms = self._platforms.matching(selector)
            if platforms is None:
                self._reading.problem(self._project.at(node), f"unknown target `{selector}`")
            elif not platforms:
                text = f"`target.{selector}` is not used: no platform that is known here is one"
                self._reading.note(self._project.at(node), text)
                node.done = True
            else:
                yield platforms, node

    # What the machines have

    def _system_requirements(self, table: Node) -> None:
        for key, node in table.table.items():
            with self._reading.guard(self._project.at(node)):
                self._virtual(key, node, PLATFORMS)

    def _virtual(self, key: str, node: Node, platforms: tuple[str, ...]) -> None:
        """Take a virtual package; of several versions, the highest holds."""
        if key in _NOT_HERE:
            note = f"`{key}` is not used: {_NOT_HERE[key]}"
            self._reading.note(self._project.at(node), note)
            node.done = True
            return
        if key not in _SYSTEM and not key.startswith("__"):
            raise Flaw(f"unknown system requirement `{key}`", f"known: {', '.join(_SYSTEM)}")
        name, own = _SYSTEM.get(key, (key, PLATFORMS))
        versions = {name: node}
        if isinstance(node.value, dict):
            versions = _versions(name, node)
        for virtual, version in versions.items():
            # Here conda has the architecture in the build, behind a version that is always 1.
            text = f"1={version.text}" if virtual == "__archspec" else version.text
            # For its errors alone, while the line is known: what is made of it is made at the end,
            # by platform.
            sys_requirement(f"{virtual}={text}")
            for platform in set(platforms).intersection(own):
                held = self._system[platform].get(virtual)
                # Features may each state what they need, and a machine has to have all of it.
                if held is None or _is_higher(text, held[0], version):
                    self._system[platform][virtual] = (text, version)

    def _take_system(self) -> None:
        stated: dict[tuple[str, str], tuple[Node, list[str]]] = {}
        for platform, held in self._system.items():
            for name, (version, node) in held.items():
                stated.setdefault((name, version), (node, []))[1].append(platform)
        for (name, version), (node, platforms) in stated.items():
            everywhere = tuple(platforms) == PLATFORMS
            with self._reading.scope(None if everywhere else tuple(platforms)):
                requirement = sys_requirement(f"{name}={version}")
                self._project.take(requirement, node, f"{name} = {version}")


def _versions(name: str, node: Node) -> dict[str, Node]:
    """The virtual packages of `libc = {family, version}` or `cuda = {driver, arch}`."""
    if name == "__cuda":
        driver = {"__cuda": node.get("driver")}
        return driver | ({"__cuda_arch": node.get("arch")} if "arch" in node.table else {})
    family = node.opt("family") or "glibc"
    if family != "glibc":
        raise Flaw(f"the C library `{family}`", "only `glibc` is known here", node.line)
    return {name: node.get("version")}


def _is_higher(version: str, other: str, node: Node) -> bool:
    if version == other:
        return False
    try:
        return Version(version) > Version(other)
    except InvalidVersion:
        raise Flaw(f"both `{other}` and `{version}`", "keep one of them", node.line) from None


def _whole(node: Node) -> int:
    text = "0" if node.value is None else node.text
    if not re.fullmatch(r"-?[0-9]{1,10}", text):
        raise node.wrong("a whole number")
    return int(text)


class _Platforms:
    """The platforms of a workspace, which may have names and virtual packages of their own."""

    def __init__(self, project: Project, workspace: Node) -> None:
        self._project = project
        self._entries: list[tuple[str, str, Node]] = []
        """Name, conda's subdir, and where it stands."""
        for node in workspace.get("platforms").items:
            with project.reading.guard(project.at(node)):
                self._entries.append(self._entry(node))
        self._names = {platform: platform for platform in PLATFORMS}
        self.virtual: dict[str, dict[str, Node]] = {}
        """The virtual packages of each platform that was chosen."""

    @staticmethod
    def _entry(node: Node) -> tuple[str, str, Node]:
        name = subdir = node.text if isinstance(node.value, str) else ""
        if not name:
            subdir = node.opt("platform") or node.get("name").text
            name = node.opt("name") or subdir
        if not _SUBDIR.fullmatch(subdir):
            raise Flaw(f"`{subdir}` is not a platform", "give it one with `platform`", node.line)
        return name, subdir, node

    def choose(self, features: list[Node]) -> None:
        """Choose an entry for each platform that all features have. Raises Flaw for none."""
        narrow = [node for node in features if node.get("platforms").value is not None]
        wanted = [list(node.get("platforms").texts()) for node in narrow]
        exact = {name for names in wanted for name in names}
        pinned = {subdir for name, subdir, _ in self._entries if name in exact}
        chosen: dict[str, str] = {}
        for name, subdir, node in self._entries:
            fits = all(name in names or subdir in names for names in wanted)
            # An entry that is asked for by its name comes before others of the same subdir.
            if not fits or (subdir in pinned and name not in exact):
                node.done = True
            elif subdir in chosen:
                text = f"the platform `{name}` is not used: `{chosen[subdir]}` comes before it"
                self._project.reading.note(self._project.at(node), text)
                node.done = True
            else:
                chosen[subdir] = name
                self._take(name, subdir, node)
        if wanted and not chosen:
            raise Flaw("the features have no platform in common", "leave one of them out")
        if chosen:
            self._project.reading.facts["platforms"] = tuple(chosen)

    def _take(self, name: str, subdir: str, node: Node) -> None:
        if subdir in PLATFORMS:
            self._names[subdir] = name
            if isinstance(node.value, dict):
                own = {k: v for k, v in node.table.items() if k not in ("name", "platform")}
                self.virtual[subdir] = own
        else:
            node.done = True

    def matching(self, selector: str) -> tuple[str, ...] | None:
        """The platforms that a target means; None for a word that means nothing."""
        if selector in _FAMILIES:
            return _FAMILIES[selector]
        if "*" in selector:
            return tuple(p for p, name in self._names.items() if fnmatchcase(name, selector))
        known = _SUBDIR.fullmatch(selector) or selector in [name for name, _, _ in self._entries]
        platforms = tuple(p for p, name in self._names.items() if selector in (p, name))
        return platforms if known else None
