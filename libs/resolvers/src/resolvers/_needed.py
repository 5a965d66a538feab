"""Who needs what of an answer of uv's, by what its wheels say of themselves.

uv says it as well, if it is asked once more. The wheels were read to see what they are for, so that
for most answers nothing is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from resolvers._lock import Notes
from resolvers._markers import Markers
from resolvers._question import plain_requirement
from resolvers.metadata import read_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement

    from resolvers._lock import UvPackage
    from resolvers._question import UvQuestion
    from resolvers.metadata import Metadata

__all__ = ["own_notes"]


def own_notes(question: UvQuestion, locked: Iterable[UvPackage]) -> dict[str, Notes] | None:
    """Who needs what, and where it was found; None where that is not certain.

    It is not for what conda brings, for what is taken from a URL, a path or a source, where there
    are several sources, where a wheel says what cannot be read, and where uv's answer is another
    than the wheels ask for.
    """
    sources = [source for source in question.spec.sources if source.kind != "channel"]
    if question.stubs or [source.kind for source in sources] != ["index"]:
        return None
    metadata = {}
    for package in locked:
        wheel = None if package.direct else question.wheel(package)
        read = wheel and question.bounds.metadata(wheel)
        if not read:
            return None
        metadata[package.name] = read
    needed = _needed(question, metadata)
    if needed is None or needed.keys() != metadata.keys():
        return None
    return {
        name: Notes(via=tuple(sorted(via - {name})), index=sources[0].url)
        for name, via in needed.items()
    }


def _needed(question: UvQuestion, metadata: Mapping[str, Metadata]) -> dict[str, set[str]] | None:
    """By whom each package is needed that something asks for; None where that cannot be read."""
    markers = Markers(question.target.platform, question.python.version)
    needed: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    todo: list[tuple[str, str]] = []

    def visit(requirement: Requirement) -> str:
        name = canonicalize_name(requirement.name)
        for extra in ("", *map(canonicalize_name, requirement.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo.append((name, extra))
        needed.setdefault(name, set())
        return name

    for text in question.spec.for_platform(question.target.platform).get("pypi", ()):
        asked = read_requirement(plain_requirement(text))
        if asked is None or asked.url:
            return None
        if markers.hold(asked):
            visit(asked)
    while todo:
        name, extra = todo.pop()
        if name not in metadata:
            return None
        for _, requirement in metadata[name].requirements(extra):
            if requirement is None:
                return None
            counts = markers.belongs(requirement, extra) if extra else markers.hold(requirement)
            if counts:
                needed[visit(requirement)].add(name)
    return needed
