"""The Pythons of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfenv.diagnosing.findings import ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject

__all__ = ["check_pythons"]


def check_pythons(subject: Subject) -> Iterator[Finding]:
    """Name them; where environments are made with one, start the one that would be taken."""
    from resolvers.pythons import find_python, named_pythons

    settings, context = subject.settings, subject.context
    here = ", ".join(named_pythons(context)) or "none that says its version in its name"
    if settings.python_provider != "system":
        yield ok(f"{here}; environments have conda's")
        return
    wanted = settings.python or ">=3"
    python = find_python(wanted if wanted[0] in "<>=!~" else f"=={wanted}.*", context)
    yield ok(f"{here}; environments have {python.version}, `{python.path}`")
