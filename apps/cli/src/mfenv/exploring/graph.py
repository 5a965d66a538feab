"""An environment as a graph: packages, what each needs, and the statements that ask for them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from envid.graph import needs_of, reached, top_level
from envid.requirements import name_of, normal_name
from mfenv.errors import NotInEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envid.graph import Key
    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = ["AskedStatement", "Graph", "called", "package_document"]

_DIGEST = re.compile(r"#sha256=([0-9a-f]{64})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStatement:
    """Something that was asked for: its category, `constraints` and `python` among them, and text.

    `place` says where, if that is known. `keys` are the packages that it names; none for what is of
    another platform, of the system, or bound without being there.
    """

    category: str
    text: str
    place: str | None
    keys: tuple[Key, ...]

    @property
    def said(self) -> str:
        """The statement as a person reads it: `pypi rich>=13 (requirements.txt:3)`."""
        what = {"constraints": "constraint pypi"}.get(self.category, self.category)
        text = f"{what} {self.text}".strip()
        return f"{text} ({self.place})" if self.place else text

    def to_dict(self) -> dict[str, str | None]:
        return {"category": self.category, "text": self.text, "place": self.place}


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The packages of an environment by kind and name, what each needs, and what was asked for.

    `bound` are the constraints. `others` are packages that nothing which was asked for leads to, as
    far as needs are recorded: enough of them to lead to all such.
    """

    env: ResolvedEnv
    packages: Mapping[Key, Package]
    needs: Mapping[Key, tuple[Key, ...]]
    asked: tuple[AskedStatement, ...]
    bound: tuple[AskedStatement, ...]
    others: tuple[Key, ...] = field(default=())

    @classmethod
    def of(cls, env: ResolvedEnv) -> Graph:
        """The graph of an environment."""
        packages = {(package.kind, package.name): package for package in env.packages}
        needs = needs_of(env.packages)
        asked: list[AskedStatement] = []
        bound: list[AskedStatement] = []
        for category, texts in env.spec.statements(env.platform).items():
            if category == "sys":
                continue
            for text in texts:
                statement = AskedStatement(
                    category=category,
                    text=text,
                    place=env.origins.get(category, {}).get(text),
                    keys=tuple(_named(category, text, packages)),
                )
                (bound if category == "constraints" else asked).append(statement)
        there = reached(needs, [key for statement in asked for key in statement.keys])
        if ("conda", "python") in packages.keys() - there and not env.spec.python:
            # It is there though nothing is said of it.
            asked.append(
                AskedStatement(category="python", text="", place=None, keys=(("conda", "python"),))
            )
            there |= reached(needs, asked[-1].keys)
        beyond = {key: needed for key, needed in needs.items() if key not in there}
        return cls(
            env=env,
            packages=packages,
            needs=needs,
            asked=tuple(asked),
            bound=tuple(bound),
            others=tuple(top_level(beyond)),
        )

    def called(self, name: str) -> tuple[Key, ...]:
        """The packages of that name, spelled as one likes, or of `conda:NAME` or `pypi:NAME`."""
        kind, colon, rest = name.partition(":")
        wanted = normal_name(rest if colon else name)
        return tuple(
            key
            for key in self.packages
            if normal_name(key[1]) == wanted and (not colon or key[0] == kind)
        )

    def shown(self, key: Key) -> str:
        """A package with its version, as a person reads it."""
        return f"{key[1]} {self.packages[key].version}"

    def to_dict(self, key: Key) -> dict[str, str | None]:
        """A package, as the commands' JSON names it."""
        return package_document(self.packages[key])


def package_document(package: Package) -> dict[str, str | None]:
    """A package, as the commands' JSON names it."""
    return {
        "kind": package.kind,
        "name": package.name,
        "version": package.version,
        "build": package.build,
    }


def called(name: str, graphs: Sequence[Graph]) -> list[tuple[Graph, tuple[Key, ...]]]:
    """The graphs that have packages of a name, and these. Raises `NotInEnvironment` for none."""
    found = [(graph, keys) for graph in graphs if (keys := graph.called(name))]
    if not found:
        kind, _, plain = name.rpartition(":")
        if normal_name(plain) == "python" and kind in ("", "conda"):
            raise NotInEnvironment(*_python_of_the_machine(graphs))
        names = sorted({key[1] for graph in graphs for key in graph.packages})
        near = get_close_matches(normal_name(name.rpartition(":")[2]), names, n=1)
        raise NotInEnvironment(
            f"`{name}` is not in this environment",
            f"did you mean `{near[0]}`?" if near else "`mfenv show ENV` lists what is",
        )
    return found


def _python_of_the_machine(graphs: Sequence[Graph]) -> tuple[str, str]:
    """What is said of a Python that is no package."""
    versions = ", ".join(dict.fromkeys(graph.env.python for graph in graphs))
    asked = dict.fromkeys(
        statement.said
        for graph in graphs
        for statement in graph.asked
        if statement.category == "python"
    )
    because = f", asked for by `{'`, `'.join(asked)}`" if asked else ""
    return (
        f"Python {versions} is no package of this environment: it comes from the machine{because}",
        "`mfenv show ENV` lists the packages; with the setting `python_provider = conda` Python is one",
    )


def _named(category: str, text: str, packages: Mapping[Key, Package]) -> Iterator[Key]:
    """The packages that a statement names."""
    if category == "python":
        yield from (key for key in packages if key == ("conda", "python"))
        return
    name = name_of(category, text)
    if category in ("conda", "npconda"):
        yield from (key for key in packages if key[0] == "conda" and fnmatchcase(key[1], name))
    elif name:
        by_name = {normal_name(key[1]): key for key in packages if key[0] == "conda"}
        # Over those of conda: of two by one name, what was asked of PyPI is there from PyPI.
        by_name |= {key[1]: key for key in packages if key[0] == "pypi"}
        if key := by_name.get(name) or _of_another_name(name, packages):
            yield key
    else:
        yield from _at(text, packages)


def _of_another_name(name: str, packages: Mapping[Key, Package]) -> Key | None:
    """The conda package that is known to Python by this name, such as `pytorch` by `torch`."""
    conda = [key for key in packages if key[0] == "conda"]
    if not conda:
        return None
    from resolvers.names import PypiNames

    names = PypiNames()
    return next((key for key in conda if name in names.guess(packages[key], None).plain), None)


def _at(text: str, packages: Mapping[Key, Package]) -> Iterator[Key]:
    """The package of a reference without a name: by its content, or by its URL."""
    digest = _DIGEST.search(text)
    url = re.split(r"[#@ ]", text.removeprefix("git+").partition("://")[2])[0]
    for key, package in packages.items():
        origin = package.built_from
        if digest:
            digests = (package.hashes.sha256, origin.sha256 if origin else None)
            if digest[1] in digests:
                yield key
        elif url and url in (_place(package.url), origin and _place(origin.url)):
            yield key


def _place(url: str) -> str:
    return re.split(r"[#@]", url.partition("://")[2])[0]
