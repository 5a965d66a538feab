"""The resolvers that are chosen, and what else there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.diagnosing.findings import failure, ok
from mfenv.wording import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject

__all__ = ["check_engines"]

_OURS = {"conda_resolver": "rattler", "pypi_resolver": "uv", "mixed_resolver": "joint"}


def check_engines(subject: Subject) -> Iterator[Finding]:
    """Name them; those of the machine are started, to say their version, where they are chosen."""
    from resolvers.engines import find_engine, there
    from resolvers.errors import ResolveError

    settings = subject.settings
    for name, usual in _OURS.items():
        chosen = getattr(settings, name)
        if chosen == usual:
            continue
        origin = settings.origins.get(name, name)
        try:
            yield ok(f"{find_engine(chosen, subject.context)} (`{name}`: {origin})")
        except ResolveError as error:
            message, hint = words(error)
            yield failure(f"{origin}: {message}", hint)
    kept = [usual for name, usual in _OURS.items() if getattr(settings, name) == usual]
    if kept:
        yield ok(
            f"{', '.join(kept)}, which come with mfenv; on PATH: {', '.join(there()) or 'none'}"
        )
