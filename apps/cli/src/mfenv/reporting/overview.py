"""What there is to see of environments: packages, who needs them, licences, and what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mfenv.errors import Ambiguous
from mfenv.exploring.comparing import compare
from mfenv.exploring.graph import Graph
from mfenv.exploring.sides import Side, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envid.graph import Key
    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.auditing import AuditedEnv
    from mfenv.exploring.comparing import Compared

__all__ = ["Overview", "SeenDifference", "SeenEnvironment", "key_text", "overview"]


@dataclass(frozen=True, kw_only=True)
class SeenEnvironment:
    """One platform of an environment, the name by which it was asked for, and its aliases."""

    name: str
    graph: Graph
    aliases: tuple[str, ...] = ()

    @property
    def env(self) -> ResolvedEnv:
        return self.graph.env

    @property
    def size(self) -> int:
        """Bytes of the archives, as far as these are known."""
        return sum(package.size or 0 for package in self.env.packages)

    @property
    def unsized(self) -> int:
        """How many packages have a size that is not known."""
        return sum(package.size is None for package in self.env.packages)


@dataclass(frozen=True, kw_only=True)
class SeenDifference:
    """What differs between two of the environments, by the names that these have."""

    before: str
    after: str
    compared: Compared

    def to_dict(self) -> dict[str, Any]:
        # What an environment is, stands with the environments.
        changed = self.compared.to_dict()
        return {
            "before": {"name": self.before, **changed["before"]},
            "after": {"name": self.after, **changed["after"]},
            "asked": changed["asked"],
            "changes": changed["changes"],
        }


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The data of a page. `audited` is None where sources were not asked for advisories.

    `licences` has what packages state, as `mfenv.licences` does: packages that are not in it are
    those of which nobody here knows. `notes` say, a line each, what is not compared.
    `title` is what the page is called, where that is not by the names of environments.
    """

    environments: tuple[SeenEnvironment, ...]
    licences: Mapping[Package, str] = field(default_factory=dict)
    differences: tuple[SeenDifference, ...] = ()
    audited: tuple[AuditedEnv, ...] | None = None
    notes: tuple[str, ...] = ()
    title: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """By which the environments were asked for."""
        return tuple(dict.fromkeys(seen.name for seen in self.environments))

    @property
    def heading(self) -> str:
        return self.title or ", ".join(self.names)

    def to_dict(self) -> dict[str, Any]:
        audited = self.audited
        return {
            "environments": [self._environment(seen) for seen in self.environments],
            "differences": [difference.to_dict() for difference in self.differences],
            "audited": None if audited is None else [checked.to_dict() for checked in audited],
            "notes": list(self.notes),
        }

    def _environment(self, seen: SeenEnvironment) -> dict[str, Any]:
        env, graph = seen.env, seen.graph
        return {
            "name": seen.name,
            **env.env_id._asdict(),
            "env_type": env.env_type,
            "python": env.python,
            "size": seen.size,
            "unsized": seen.unsized,
            "resolved_at": env.resolved_at,
            "resolved_by": env.resolved_by,
            "aliases": list(seen.aliases),
            "sources": [{"kind": source.kind, "url": source.url} for source in env.spec.sources],
            "asked": [
                {**statement.to_dict(), "packages": list(map(key_text, statement.keys))}
                for statement in graph.asked
            ],
            "bound": [statement.to_dict() for statement in graph.bound],
            "others": list(map(key_text, graph.others)),
            "notes": list(env.notes),
            "packages": [
                {
                    **graph.to_dict(key),
                    "size": package.size,
                    "source": package.source,
                    "licence": self.licences.get(package),
                    "needs": list(map(key_text, graph.needs[key])),
                }
                for key, package in graph.packages.items()
            ],
        }


def key_text(key: Key) -> str:
    """A package as commands take it where its name alone could mean two: `conda:numpy`."""
    return f"{key[0]}:{key[1]}"


def overview(
    envs: Mapping[str, Sequence[ResolvedEnv]],
    aliases: Callable[[ResolvedEnv], tuple[str, ...]],
    licences: Mapping[Package, str],
    *,
    audited: Sequence[AuditedEnv] | None = None,
) -> Overview:
    """What there is to see of environments, by the names that they were asked for by.

    `aliases` gives those of an environment. Each is compared with the one before it; one that is alone, on each of its platforms with the
    first of these.
    """
    notes: list[str] = []
    differences = [
        SeenDifference(before=before, after=after, compared=compare(then, now))
        for before, after in pairwise(envs)
        for then, now in _pairs(before, after, envs, notes)
    ]
    if len(envs) == 1:
        ((name, (first, *others)),) = envs.items()
        differences = [
            SeenDifference(before=name, after=name, compared=compare(first, other))
            for other in others
        ]
    return Overview(
        environments=tuple(
            SeenEnvironment(name=name, graph=Graph.of(env), aliases=aliases(env))
            for name, of_name in envs.items()
            for env in of_name
        ),
        licences=licences,
        differences=tuple(differences),
        audited=None if audited is None else tuple(audited),
        notes=tuple(notes),
    )


def _pairs(
    before: str, after: str, envs: Mapping[str, Sequence[ResolvedEnv]], notes: list[str]
) -> list[tuple[ResolvedEnv, ResolvedEnv]]:
    sides = (Side(name=name, envs=tuple(envs[name])) for name in (before, after))
    try:
        paired, more = pairs(*sides)
    except Ambiguous:
        notes.append(f"`{before}` and `{after}` have no platform in common, and are not compared")
        return []
    notes.extend(more)
    return paired
