"""`[tool.uv]`: indexes, sources, constraints and the settings that decide what is found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reqparse._flaw import Flaw
from reqparse._node import Node
from reqparse._project import normalise, take_list
from reqparse._pypi import both_markers, pep508_requirement, with_marker
from reqparse._settings import exclude_newer, prereleases, set_choice
from reqparse._url import split_secret
from reqparse._workspace import Workspace
from reqparse.model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqparse._project import Project
    from reqparse.model import Requirement
    from reqparse.stated import SourceKind

_SOURCES: dict[str, SourceKind] = {
    "index-url": "index",
    "extra-index-url": "extra-index",
    "find-links": "find-links",
}
_STRATEGIES = ("first-index", "unsafe-first-match", "unsafe-best-match")
_ALONE = "the project is read by itself"
_BUILDS = "what is built is built by itself, as it says"
_UNUSED = {
    "allow-insecure-host": "certificates are always checked",
    "build-constraint-dependencies": _BUILDS,
    "config-settings": _BUILDS,
    "config-settings-package": _BUILDS,
    "conflicts": "groups and extras are read where they are asked for",
    "default-groups": "groups are read where they are asked for",
    "dependency-groups": "the Python of the whole is asked for",
    "dependency-metadata": "packages are taken at their own word",
    "environments": "the platforms that are asked for are resolved",
    "exclude-dependencies": "all that packages require is taken",
    "exclude-newer-package": "there is one such moment for all packages",
    "extra-build-dependencies": _BUILDS,
    "extra-build-variables": _BUILDS,
    "fork-strategy": "each platform is resolved by itself",
    "keyring-provider": "logins are looked for otherwise",
    "minimum-libc-version": "`__glibc` among the virtual packages says it",
    "no-build-isolation": _BUILDS,
    "no-build-isolation-package": _BUILDS,
    "no-sources-package": "sources are those of the whole",
    "override-dependencies": "what packages require is not overridden",
    "prerelease-package": "pre-releases are accepted of all packages or of none",
    "require-build-hashes": _BUILDS,
    "required-environments": "the platforms that are asked for are resolved",
    "resolution": "the newest versions that fit are taken",
    "torch-backend": "packages come from the indexes that are named",
    "upgrade": "what to update is said with the request",
    "upgrade-package": "what to update is said with the request",
    "verify-hashes": "hashes are always checked",
}
_OF_UV = (
    *("add-bounds", "audit", "build-backend", "cache-dir", "cache-keys", "check-url"),
    *("compile-bytecode", "concurrent-builds", "concurrent-downloads", "concurrent-installs"),
    *("graalpy-install-mirror", "http-proxy", "https-proxy", "link-mode", "managed", "native-tls"),
    *("no-cache", "no-proxy", "offline", "package", "preview", "preview-features", "publish-url"),
    *("pyodide-install-mirror", "pypy-install-mirror", "python-downloads"),
    *("python-downloads-json-url", "python-install-mirror", "python-preference", "reinstall"),
    *("reinstall-package", "required-version", "system-certs", "trusted-publishing"),
)
"""Settings of how uv itself works."""
_INDEX = {
    "authenticate": "logins are sent where an index asks for them",
    "cache-control": "what an index sends is cached as it says",
    "exclude-newer": "there is one such moment for all indexes",
    "ignore-error-codes": "an index that fails is a failure",
    "publish-url": "nothing is published there",
}


def read(project: Project, table: Node) -> None:
    """Take what the table says of sources; its groups are offered."""
    reading = project.reading
    names: list[str | None] = []
    with reading.guard(project.at(table)):
        # Before the sources, which are bound to indexes by name.
        names = [_index(project, node) for node in table.get("index").items]
        for key, what in _SOURCES.items():
            node = table.get(key)
            for item in [node] if isinstance(node.value, str) else node.items:
                reading.add_source(what, item.text, project.at(item), base=project.base)
        _settings(project, table)
        for node in table.get("constraint-dependencies").items:
            with reading.guard(project.at(node)):
                requirement = pep508_requirement(node.text, base=project.base)
                requirement = replace(requirement, origin=project.at(node), original=node.text)
                reading.add(requirement, constraint=True)
        development = table.get("dev-dependencies")
        if development.value is not None:
            project.offer("group", "dev", development, partial(take_list, project, development))
        sources = {normalise(k): v for k, v in table.get("sources").table.items()}
        if table.get("no-sources").flag:
            # The file itself says that they do not count; to note each would only repeat it.
            for node in sources.values():
                node.done = True
            project.unused(table, {"workspace": _ALONE})
        else:
            places = _Places(project, sources, names, Workspace(project, table))
            # From here on: whatever table a requirement of PyPI's stands in, these are its sources.
            project.place = places
            # Only when groups and extras are read, too, is it known which sources nobody asked for.
            project.at_end.append(places.close)
            project.at_end.append(partial(_close_workspace, project, table, places))


def _close_workspace(project: Project, table: Node, places: _Places) -> None:
    """Note a workspace of which no member was taken."""
    if places.members:
        table.get("workspace").done = True
    project.unused(table, {"workspace": _ALONE})


def _index(project: Project, node: Node) -> str | None:
    """Take an index; its name."""
    name = None
    with project.reading.guard(project.at(node)):
        default, explicit = node.get("default").flag, node.get("explicit").flag
        # uv's default index stands in PyPI's place, behind all the others.
        kind: SourceKind = "index" if default else "extra-index"
        name = node.opt("name")
        if node.opt("format") == "flat":
            kind = "find-links"
        project.reading.add_source(
            kind,
            node.get("url").text,
            project.at(node),
            base=project.base,
            name=name,
            explicit=explicit,
        )
        project.unused(node, _INDEX)
    return name


def _settings(project: Project, table: Node) -> None:
    reading = project.reading
    if table.get("no-index").flag:
        reading.facts["no_index"] = True
    for key, name in (("no-binary", "no_binary"), ("no-build", "only_binary")):
        packages = [normalise(p) for p in table.get(f"{key}-package").texts()]
        # Said of all, it leaves nothing to the packages that are named beside it.
        if table.get(key).flag:
            packages = [":all:"]
        reading.names[name].update(dict.fromkeys(packages))
    prereleases(project, table.get("prerelease"))
    exclude_newer(project, table.get("exclude-newer"))
    set_choice(project, table.get("index-strategy"), "index-strategy", _STRATEGIES)
    # It asks for what is done anyway; any other value is noted as unused.
    if table.opt("resolution") == "highest":
        table.get("resolution").done = True
    project.unused(table, _UNUSED)
    _of_uv(project, table, "tool.uv", _OF_UV)
    # All of it: `uv pip` alone reads that table, whoever locks or syncs the project does not.
    pip = table.get("pip")
    _of_uv(project, pip, "tool.uv.pip", tuple(pip.table))


def _of_uv(project: Project, table: Node, name: str, keys: tuple[str, ...]) -> None:
    """Note in a single line what uv alone has a use for."""
    if stated := [key for key in keys if key in table.table]:
        listed = ", ".join(f"`{key}`" for key in stated)
        node = table.get(stated[0])
        project.reading.note(
            project.at(node), f"{listed} of `[{name}]` is not used: it is for uv alone"
        )
        for key in stated:
            table.get(key).done = True


class _Places:
    """Where `[tool.uv.sources]` says that a package comes from."""

    def __init__(
        self,
        project: Project,
        sources: dict[str, Node],
        indexes: list[str | None],
        workspace: Workspace,
    ) -> None:
        self._project, self._sources, self._indexes = project, sources, indexes
        self._workspace = workspace
        self._inherited = workspace.inherited()
        self._chosen: list[Node] = []
        self.members: set[str] = set()
        """The members of the workspace that were taken."""

    def __call__(self, requirement: Requirement) -> Iterator[Requirement]:
        node = self._source(requirement.name or "")
        # What has a URL says itself where it comes from.
        if node is None or requirement.url or requirement.category != "pypi":
            yield requirement
            return
        chosen = [entry for entry in node.each if self._is_meant(entry)]
        self._chosen += chosen
        # A requirement for each: their markers hold them apart, as in the list itself.
        for entry in chosen:
            with self._project.reading.guard(self._at(entry)):
                if entry.get("workspace").flag:
                    yield from self._from_workspace(requirement, entry)
                else:
                    yield self._placed(requirement, entry)
        if not chosen:
            yield requirement
        elif all(entry.get("marker").value is not None for entry in chosen):
            where = f"where no source's marker holds, `{requirement.name}` comes from an index"
            self._project.reading.note(self._at(node), f"{where}; not used")

    def _source(self, name: str) -> Node | None:
        """What is said of a package here, or else in the root of the workspace."""
        if name in self._sources:
            return self._sources[name]
        node = self._inherited.get(name)
        if node is None or any(entry.get("workspace").flag for entry in node.each):
            return node
        text = f"the source of `{name}` in the root of the workspace is not used: name it here, too"
        self._project.reading.note(self._at(node), text)
        return None

    def _at(self, node: Node) -> Origin:
        """The place of a source; one of the root's has no line here."""
        # By identity: only so is it known of which of the two files a line is.
        inherited = [entry for held in self._inherited.values() for entry in (held, *held.each)]
        if any(node is other for other in inherited):
            return Origin(file=self._project.file)
        return self._project.at(node)

    def _is_meant(self, entry: Node) -> bool:
        """Whether a source holds for the group or extra that is being read."""
        only = entry.opt("extra") or entry.opt("group")
        return only is None or normalise(only) == self._project.reading.group

    def close(self) -> None:
        """Note the sources that nothing was placed by."""
        for name, node in self._sources.items():
            if not node.taken:
                self._leave(name, node, "nothing asks for it by its name")
                continue
            for entry in node.each:
                if not any(entry is chosen for chosen in self._chosen):
                    what = "extra" if entry.opt("extra") else "group"
                    label = f"the {what} `{entry.opt(what)}`"
                    self._leave(name, entry, f"it is for {label}, which does not ask for it here")

    def _leave(self, name: str, node: Node, why: str) -> None:
        text = f"the source of `{name}` is not used: {why}"
        self._project.reading.note(self._project.at(node), text)
        node.done = True

    def _placed(self, requirement: Requirement, entry: Node) -> Requirement:
        marker = both_markers(requirement.marker, entry.opt("marker"))
        name = requirement.name or ""
        self._project.unused(entry, {"package": "what is named is installed"})
        made = self._project.direct(name, entry, extras=requirement.extras, marker=marker)
        index = entry.opt("index")
        self._project.check_read(entry, name)
        if index is not None and index not in self._indexes:
            known = (
                ", ".join(f"`{index_name}`" for index_name in self._indexes if index_name) or "none"
            )
            raise Flaw(
                f"no index `{index}`, from which `{name}` is to come",
                f"name one in `[[tool.uv.index]]`; there is: {known}",
            )
        if made is not None:
            return made
        return replace(with_marker(requirement, marker), channel=index and split_secret(index)[0])

    def _from_workspace(self, requirement: Requirement, entry: Node) -> Iterator[Requirement]:
        """A member from its directory, and the members that it asks for.

        Never by its name alone, which may be that of somebody else's package in an index.
        """
        marker = both_markers(requirement.marker, entry.opt("marker"))
        name, extras = requirement.name or "", requirement.extras
        place = self._workspace.directory(name)
        # As a source of the file itself with a path would be, so that it is read by the same rules.
        shown = Node(
            {"path": Node(place, entry.line), "editable": entry.get("editable")}, entry.line
        )
        self._project.check_read(entry, name)
        yield self._member(name, extras, marker, shown)
        for other, wanted, held in self._workspace.needed(name, extras, marker):
            place = self._workspace.directory(other)
            yield self._member(
                other, wanted, held, Node({"path": Node(place, entry.line)}, entry.line)
            )

    def _member(
        self, name: str, extras: tuple[str, ...], marker: str | None, table: Node
    ) -> Requirement:
        made = self._project.direct(name, table, extras=extras, marker=marker)
        if made is None:
            # `direct` gives None for a table that names no place, and this one was made with a
            # `path`.
            raise TypeError(name)
        if name not in self.members:
            text = f"`{name}` is a member of the workspace: built from its directory as it is now"
            self._project.reading.note(self._project.at(table), text)
        self.members.add(name)
        return made
