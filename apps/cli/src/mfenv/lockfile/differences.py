"""Where what is asked for by now is not what a lock file was made for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from envid.requirements import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envid.spec import EnvSpec

__all__ = ["Difference", "differences"]

_HASH = " --hash="


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is asked for by now, or was, or is asked for otherwise.

    `what` is a category of requirements, or a part of the request such as `python`; `place` says
    where it is asked for, as far as that is known.
    """

    what: str
    before: str | None
    after: str | None
    platform: str | None = None
    place: str | None = None

    def __str__(self) -> str:
        place = f" ({self.place})" if self.place else ""
        on = f" on {self.platform}" if self.platform else ""
        if self.before is None:
            return f"+ {self.what} {_read(self.after)}{on}{place}"
        if self.after is None:
            return f"- {self.what} {_read(self.before)}{on}"
        before, after = _read(self.before), _read(self.after)
        alike = before == after and self.before != self.after
        other = ", which are others" if alike else ""
        return f"~ {self.what} {before} -> {after}{other}{on}{place}"

    def to_dict(self) -> dict[str, str | None]:
        return {
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "platform": self.platform,
            "place": self.place,
        }


def differences(
    locked: EnvSpec,
    platforms: Sequence[str],
    asked: EnvSpec,
    wanted: Sequence[str],
    origins: Mapping[str, str] | None = None,
) -> tuple[Difference, ...]:
    """What differs between a lock for `platforms` and what is asked for those `wanted`.

    `origins` say of requirements and sources where they are asked for. Empty if the ids are the
    same and the platforms are.
    """
    then, now = locked.to_dict(), asked.to_dict()
    parts: list[Iterable[Difference]] = [
        _of_sets("platform", platforms, wanted),
        _of_values("python", then["python"], now["python"]),
        _of_requirements(then["requirements"], now["requirements"], None),
        _of_sets("constraint", then["constraints"], now["constraints"]),
        _of_sources(_sources(locked), _sources(asked)),
        _of_values("base", then["base"], now["base"]),
    ]
    for platform in sorted({*then["platform_requirements"], *now["platform_requirements"]}):
        before, after = (data["platform_requirements"].get(platform, {}) for data in (then, now))
        parts.append(_of_requirements(before, after, platform))
    for name, value in then["options"].items():
        parts.append(_of_values(name, value, now["options"][name]))
    return tuple(_placed(change, origins or {}) for change in chain(*parts))


def _read(text: str | None) -> str:
    """A requirement as a person reads it, for whom its hashes are a number."""
    body, *hashes = (text or "").split(_HASH)
    if not hashes:
        return body
    return f"{body} with {len(hashes)} hash{'es' if len(hashes) > 1 else ''}"


def _of_values(what: str, then: Any, now: Any) -> Iterator[Difference]:
    if then != now:
        yield Difference(what=what, before=_shown(then), after=_shown(now))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value) if value else "any"


def _of_sets(
    what: str, then: Iterable[str], now: Iterable[str], platform: str | None = None
) -> Iterator[Difference]:
    """What came and went; what is of the same name and differs has changed."""
    # Backwards, so that of several by one name the first is the one that has changed.
    gone = {_name(what, text): text for text in sorted({*then} - {*now}, reverse=True)}
    left = sorted({*then} - {*now})
    for text in sorted({*now} - {*then}):
        before = gone.pop(_name(what, text), None)
        if before is not None:
            left.remove(before)
        yield Difference(what=what, before=before, after=text, platform=platform)
    for text in left:
        yield Difference(what=what, before=text, after=None, platform=platform)


def _of_requirements(
    then: Mapping[str, list[str]], now: Mapping[str, list[str]], platform: str | None
) -> Iterator[Difference]:
    for category in sorted({*then, *now}):
        yield from _of_sets(category, then.get(category, ()), now.get(category, ()), platform)


def _sources(spec: EnvSpec) -> list[tuple[str, str]]:
    return [(source.kind, source.url) for source in spec.sources]


def _of_sources(then: list[tuple[str, str]], now: list[tuple[str, str]]) -> Iterator[Difference]:
    if {*then} == {*now} and then != now:
        order = (", ".join(url for _, url in sources) for sources in (then, now))
        before, after = order
        yield Difference(what="order of sources", before=before, after=after)
    for kind, url in sorted({*now} - {*then}):
        yield Difference(what=kind, before=None, after=url)
    for kind, url in sorted({*then} - {*now}):
        yield Difference(what=kind, before=url, after=None)


def _name(what: str, text: str) -> str:
    # A directory has no name here, and its content is in the fragment.
    return name_of("pypi" if what == "constraint" else what, text) or text.partition("#")[0]


def _placed(change: Difference, origins: Mapping[str, str]) -> Difference:
    place = origins.get(change.after or "")
    return replace(change, place=place) if place else change
