"""What there is that is newer than what an environment has, and what holds it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mfenv.exploring.graph import Graph, package_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from mfenv.answering import Answers
    from mfenv.exploring.graph import AskedStatement
    from mfenv.request import Request
    from mfenv.site import Site
    from resolvers.newer import Holder, Newer

__all__ = ["HoldReason", "Outdated", "OutdatedPackage", "again", "outdated"]

_SAID = {
    "base": "the environment {} that this is derived from",
    "needs": "it needs {}",
    "platform": "nothing for {}",
    "python": "it needs {}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReason:
    """What holds a package back; see `resolvers.newer.Holder`.

    A `statement` is one that was asked for, a `package` one of those that would be taken.
    """

    by: str
    text: str
    statement: AskedStatement | None = None
    package: Package | None = None

    @property
    def said(self) -> str:
        """As a person reads it."""
        if self.statement:
            return self.statement.said
        named = f"{self.package.name} {self.package.version}" if self.package else self.by
        if self.by in _SAID:
            there = f", and {named} is there" if self.package else ""
            return _SAID[self.by].format(self.text) + there
        return f"{named} ({self.text})" if self.text else named

    def to_dict(self) -> dict[str, Any]:
        return {
            "by": self.by,
            "text": self.text,
            "statement": self.statement.to_dict() if self.statement else None,
            "package": package_document(self.package) if self.package else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OutdatedPackage:
    """A package, the version that `fits`, and the `newest` one.

    `fits` is what would be taken if all was resolved now, None where that goes without the package.
    Where it is older than the newest, `held_by` says why.
    """

    package: Package
    fits: str | None
    newest: str
    held_by: tuple[HoldReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """The packages of an environment that something newer is of, and its Python if it was resolved now.

    `unlisted` are those that come from where they were asked for, by a URL or a path: of these no
    source says what is newer.
    """

    env: ResolvedEnv
    python: str
    rows: tuple[OutdatedPackage, ...]
    unlisted: tuple[Package, ...]


def outdated(site: Site, answers: Answers, envs: Sequence[ResolvedEnv]) -> tuple[Outdated, ...]:
    """Resolve environments again, with nothing kept or recorded, and compare with what sources have.

    Raises `InvalidRequest` where no source may be asked, and the errors of resolving.
    """
    from mfenv.resolving import channel_alias, context_of, pypi_table
    from resolvers.names import PypiNames
    from resolvers.newer import find_newer

    site.check_may_ask("what is newer")
    request = again(envs)
    now = answers.resolve(
        request, aliases=(), update=(), force=True, dry_run=True, default=False
    ).envs
    by_platform = {env.platform: env for env in now}
    taken = [by_platform[env.platform] for env in envs]
    newer = find_newer(
        site.worker,
        envs,
        taken,
        context_of(site, answers.prepared(request)),
        alias=channel_alias(site),
        names=PypiNames(pypi_table(site)),
    )
    return tuple(
        Outdated(
            env=env,
            python=then.python,
            rows=tuple(_rows(env, then, known)),
            unlisted=tuple(_unlisted(env, then)),
        )
        for env, then, known in zip(envs, taken, newer, strict=True)
    )


def again(envs: Sequence[ResolvedEnv]) -> Request:
    """The request that environments were found for, for their platforms."""
    from mfenv.request import Request

    first, platforms = envs[0], tuple(env.platform for env in envs)
    return Request(same_as=str(first.env_id.ref), platforms=platforms)


def _rows(
    env: ResolvedEnv, then: ResolvedEnv, newer: dict[tuple[str, str], Newer]
) -> Iterator[OutdatedPackage]:
    graph = Graph.of(then)
    for package in sorted(env.packages, key=lambda package: (package.kind, package.name)):
        key = (package.kind, package.name)
        taken, known = graph.packages.get(key), newer.get(key)
        fits = taken.version if taken else None
        if known is None and (fits is None or fits == package.version):
            continue
        yield OutdatedPackage(
            package=package,
            fits=fits,
            newest=known.version if known else fits or package.version,
            held_by=tuple(_held(known, graph)) if known and taken else (),
        )


def _held(newer: Newer, graph: Graph) -> list[HoldReason]:
    reasons = [_named(holder, graph) for holder in newer.held_by]
    return reasons or [HoldReason(by="unknown", text="")]


def _named(holder: Holder, graph: Graph) -> HoldReason:
    statements = (
        statement
        for statement in (*graph.asked, *graph.bound)
        if holder.text in (statement.text, f"{statement.category} {statement.text}")
    )
    return HoldReason(
        by=holder.by,
        text=holder.text,
        statement=next(statements, None) if holder.by == "statement" else None,
        package=graph.packages.get(holder.key) if holder.key else None,
    )


def _unlisted(env: ResolvedEnv, then: ResolvedEnv) -> Iterator[Package]:
    """What comes from where it was asked for, so that no source lists others of it."""
    now = {package.name: package for package in then.packages if package.kind == "pypi"}
    for package in env.packages:
        if package.kind == "pypi" and now.get(package.name, package).source is None:
            yield package
