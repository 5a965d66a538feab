"""What resolving again changed: which packages came, went, or are others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv

__all__ = ["PARTS", "Change", "between", "changes"]

PARTS = ("version", "build", "filename", "hash")
"""What tells a package from others of its name, the first that a person would look at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A package that differs between two environments, or that either lacks.

    `then` and `now` have what tells it from others, as `PARTS` names it, and are None where it is
    not there. Sizes are in bytes, and None where that is not known or it is not there.
    """

    kind: str
    name: str
    then: tuple[str, ...] | None
    now: tuple[str, ...] | None
    size_before: int | None = None
    size_after: int | None = None

    @property
    def before(self) -> str | None:
        """As a person reads it: the version, and what more tells the two apart."""
        return _shown(self.then, self.now)

    @property
    def after(self) -> str | None:
        """As `before`."""
        return _shown(self.now, self.then)

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.name} {self.after}"
        if self.after is None:
            return f"- {self.name} {self.before}"
        return f"~ {self.name} {self.before} -> {self.after}"

    def to_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {"kind": self.kind, "name": self.name}
        for side, words in (("before", self.then), ("after", self.now)):
            known = dict(zip(PARTS, words or (), strict=False))
            document[side] = known.get("version")
            document |= {f"{part}_{side}": known.get(part) or None for part in PARTS[1:]}
        return document | {"size_before": self.size_before, "size_after": self.size_after}


def changes(
    before: Sequence[ResolvedEnv], after: Sequence[ResolvedEnv]
) -> dict[str, tuple[Change, ...]]:
    """The changes on each platform, by name."""
    then = {env.platform: env for env in before}
    return {env.platform: between(then[env.platform], env) for env in after if env.platform in then}


def between(before: ResolvedEnv, after: ResolvedEnv) -> tuple[Change, ...]:
    """The changes from one environment to another, by name."""
    return tuple(_between(before, after))


def _between(before: ResolvedEnv, after: ResolvedEnv) -> Iterator[Change]:
    sizes = [{(p.kind, p.name): p.size for p in env.packages} for env in (before, after)]
    old, new = _packages(before), _packages(after)
    for kind, name in sorted({*old, *new}, key=lambda key: (key[1], key[0])):
        then, now = old.get((kind, name)), new.get((kind, name))
        if then != now:
            yield Change(
                kind=kind,
                name=name,
                then=then,
                now=now,
                size_before=sizes[0].get((kind, name)),
                size_after=sizes[1].get((kind, name)),
            )


def _packages(env: ResolvedEnv) -> dict[tuple[str, str], tuple[str, ...]]:
    """By kind and name, what tells a package from others: the version first."""
    packages = {(package.kind, package.name): _words(package) for package in env.packages}
    if env.spec.options.python_provider == "system":
        packages["system", "python"] = (env.python,)
    return packages


def _words(package: Package) -> tuple[str, ...]:
    identity = package.identity
    return tuple(identity[field] or "" for field in PARTS)


def _shown(words: tuple[str, ...] | None, other: tuple[str, ...] | None) -> str | None:
    if words is None:
        return None
    # As many words as tell the two apart: the version, else with the build, and so on.
    differ = (
        at for at, pair in enumerate(zip(words, other or (), strict=False), 1) if len({*pair}) > 1
    )
    return " ".join(filter(None, words[: next(differ, 1)]))
