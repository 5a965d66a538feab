"""uv at work before anything else is ready: its first answer takes longer than all that is ours.

What is needed to start it is little, and is all that is imported here. It waits for what it is asked,
and so asks no server before it is its turn. Whoever resolves finds the question asked, if it is the
one that it would ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from resolvers._asking import LOCK, asking
from resolvers._question import UvQuestion, local_source
from resolvers._uv import Uv
from resolvers.errors import ResolveError
from resolvers.pythons import Pythons
from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envid.spec import EnvSpec
    from resolvers._project_files import ProjectFiles
    from resolvers._python_bounds import PythonBounds
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext

__all__ = ["Ahead"]


class Ahead:
    """The first questions about a spec whose Python is one of this machine; a context manager.

    uv is started for them, and asked by `ask`. `context` must be the one that it is resolved with.
    Where more has to be known before uv can be asked, nothing is started.
    """

    def __init__(self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext) -> None:
        self._uv, self._about = Uv(context), (spec, tuple(platforms))
        self._pythons: dict[str, Python] = {}
        self._taken = False
        if not _is_plain(spec, platforms, context):
            return
        try:
            python = Pythons(spec.python, context).likely
            if python:
                self._begin(spec, platforms, python, context)
        # Whoever asks it in earnest meets with the same, and says it.
        except (ResolveError, OSError, RuntimeError):
            self._uv.close()
            self._pythons = {}

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._uv.close()

    def is_about(self, spec: EnvSpec, platforms: Sequence[str]) -> bool:
        """Whether it is for a spec on these platforms."""
        return self._about == (spec, tuple(platforms))

    def ask(self) -> None:
        """Ask what was begun."""
        self._uv.ask()

    def take(self, pythons: Mapping[str, Python]) -> Uv | None:
        """The uv that was asked about these platforms and their Pythons; once, and None if not."""
        fits, self._taken = not self._taken and self._pythons == pythons, True
        if fits and pythons:
            return self._uv
        self._uv.close()
        return None

    def _begin(
        self, spec: EnvSpec, platforms: Iterable[str], python: Python, context: ResolveContext
    ) -> None:
        for platform in platforms:
            target = Target.make(platform, spec.for_platform(platform).get("sys", ()))
            question = UvQuestion.make(
                spec,
                target,
                python,
                context,
                wheels={},
                # What is looked up about an answer: there is none yet.
                projects=cast("ProjectFiles", None),
                bounds=cast("PythonBounds", None),
            )
            asked = asking(self._uv, question, LOCK, None, logs=context.reads_ahead)
            self._uv.begin(
                asked.name,
                asked.arguments,
                text=asked.text,
                environment=asked.environment,
                config=asked.config,
                logs=context.reads_ahead,
            )
            self._pythons[platform] = python


def _is_plain(spec: EnvSpec, platforms: Iterable[str], context: ResolveContext) -> bool:
    """Whether all of the first question is in the spec."""
    texts = [text for platform in platforms for text in spec.for_platform(platform).get("pypi", ())]
    return bool(
        texts
        and spec.options.python_provider == "system"
        and context.pypi_engine == "uv"
        and not context.offline
        and not spec.constraints
        and not any(context.held.values())
        and not any(context.preferred.values())
        and not any("git+" in text or local_source(text) for text in texts)
        # It has a name of uv's own only if that is the last, else it is asked for it.
        and not any(source.url == "pypi" for source in spec.sources[:-1])
    )
