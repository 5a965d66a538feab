"""Two environments side by side: what was asked for otherwise, and which packages that changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from envid.graph import nearest
from mfenv.changes import between
from mfenv.exploring.graph import Graph
from mfenv.lockfile.differences import differences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from envid.graph import Key
    from envid.resolved import ResolvedEnv
    from envid.spec import EnvSpec
    from mfenv.changes import Change
    from mfenv.exploring.graph import AskedStatement
    from mfenv.lockfile.differences import Difference

__all__ = ["Caused", "Compared", "compare", "compare_asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caused:
    """A change of a package, and the nearest statement that leads to it, if any does.

    That is one which differs, where one of these leads there: `difference` is how. Where none does,
    it is any that leads there: the same was asked for, and something else was found.
    """

    change: Change
    statement: AskedStatement | None
    difference: Difference | None

    def to_dict(self) -> dict[str, Any]:
        cause = self.statement and {
            **self.statement.to_dict(),
            "differs": self.difference is not None,
        }
        return {**self.change.to_dict(), "cause": cause}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two environments of one platform each: what differs of what was asked for, and was found.

    One of them is None, and nothing is said of `changes`, where it is not known what it holds.
    """

    before: ResolvedEnv | None
    after: ResolvedEnv | None
    asked: tuple[Difference, ...]
    changes: tuple[Caused, ...] = ()

    @property
    def differ(self) -> bool:
        return bool(self.asked or self.changes)

    def to_dict(self) -> dict[str, Any]:
        both = self.before and self.after
        return {
            "before": _side(self.before),
            "after": _side(self.after),
            "asked": [difference.to_dict() for difference in self.asked],
            "changes": [caused.to_dict() for caused in self.changes] if both else None,
        }


def compare(before: ResolvedEnv, after: ResolvedEnv, *, with_asked: bool = True) -> Compared:
    """What is otherwise in `after`; of what was asked for only `with_asked`."""
    then, now = (_alone(env.spec, env.platform) for env in (before, after))
    asked = _asked(then, now, after.origins) if with_asked else ()
    causes = _Causes(Graph.of(before), Graph.of(after), asked)
    changes = tuple(map(causes.of, between(before, after)))
    return Compared(before=before, after=after, asked=asked, changes=changes)


def compare_asked(
    env: ResolvedEnv, spec: EnvSpec, places: Mapping[str, Mapping[str, str]], *, after: bool
) -> Compared:
    """What a file asks for otherwise than an environment, `after` it or before.

    A file that says nothing of Python, of the system, of sources and of options asks for no others.
    """
    there, asked = _alone(env.spec, env.platform), _alone(spec, env.platform)
    requirements = {**asked.requirements}
    if not places.get("sys"):
        requirements.pop("sys", None)
        if "sys" in there.requirements:
            requirements["sys"] = there.requirements["sys"]
    asked = replace(
        asked,
        requirements=requirements,
        python=asked.python if places.get("python") else there.python,
        sources=there.sources,
        options=there.options,
        base=there.base,
    )
    if after:
        return Compared(before=env, after=None, asked=_asked(there, asked, places))
    return Compared(before=None, after=env, asked=_asked(asked, there, env.origins))


def _side(env: ResolvedEnv | None) -> dict[str, Any] | None:
    if env is None:
        return None
    size = sum(package.size or 0 for package in env.packages)
    return {**env.env_id._asdict(), "python": env.python, "size": size}


def _asked(
    before: EnvSpec, after: EnvSpec, places: Mapping[str, Mapping[str, str]]
) -> tuple[Difference, ...]:
    return tuple(
        replace(difference, place=places.get(_category(difference), {}).get(difference.after or ""))
        # Without platforms: each side is one, and which is said elsewhere.
        for difference in differences(before, (), after, ())
    )


def _alone(spec: EnvSpec, platform: str) -> EnvSpec:
    """What a spec asks for on one platform, as if there were no other."""
    return replace(spec, requirements=spec.for_platform(platform), platform_requirements={})


def _category(difference: Difference) -> str:
    return "constraints" if difference.what == "constraint" else difference.what


class _Causes:
    """The statements that are nearest to each package: of those that differ, and of all."""

    def __init__(self, then: Graph, now: Graph, asked: Iterable[Difference]) -> None:
        self._differences = {
            (_category(difference), text): difference
            for difference in asked
            for text in (difference.before, difference.after)
            if text is not None
        }
        came = _statements(now) - _statements(then)
        went = _statements(then) - _statements(now)
        # What is there by now explains more than what was; of both, the nearer one counts.
        self._differing = [self._near(now, came), self._near(then, went)]
        self._every = [self._near(now, _statements(now)), self._near(then, _statements(then))]

    def of(self, change: Change) -> Caused:
        key = (change.kind, change.name)
        causes = [near[key] for near in self._differing if key in near]
        if causes:
            statement = min(causes, key=lambda cause: cause[0])[1]
            said = self._differences.get((statement.category, statement.text))
            return Caused(change=change, statement=statement, difference=said)
        others = [near[key] for near in self._every if key in near]
        return Caused(change=change, statement=others[0][1] if others else None, difference=None)

    @staticmethod
    def _near(
        graph: Graph, wanted: Collection[tuple[str, str]]
    ) -> dict[Key, tuple[int, AskedStatement]]:
        by_key: dict[Key, AskedStatement] = {}
        for statement in (*graph.asked, *graph.bound):
            if (statement.category, statement.text) in wanted:
                for key in statement.keys:
                    by_key.setdefault(key, statement)
        return {
            key: (steps, by_key[root])
            for key, (steps, root) in nearest(graph.needs, by_key).items()
        }


def _statements(graph: Graph) -> set[tuple[str, str]]:
    return {(statement.category, statement.text) for statement in (*graph.asked, *graph.bound)}
