"""Choosing PyPI packages for a Python of this machine, through uv."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from envid.packages import Package
from resolvers._compile import compile_lock, compile_notes
from resolvers._lock import Notes, best_wheel
from resolvers._question import PUBLIC_INDEX, Question
from resolvers._uv import Uv
from resolvers.errors import NeedsPlatform
from resolvers.pythons import find_python
from resolvers.request import Resolution
from resolvers.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envid.spec import EnvSpec
    from resolvers._lock import File, Locked
    from resolvers.request import ResolveContext

__all__ = ["PypiResolver"]


class PypiResolver:
    """Resolves specs of type `pypi-only` whose Python is one of this machine.

    Every platform is a process of uv, all at once on one cache. Markers and tags of the target
    decide, never those of this machine.
    """

    def resolve(
        self, spec: EnvSpec, platforms: Sequence[str], context: ResolveContext
    ) -> dict[str, Resolution]:
        """Choose exact packages for each platform; raises `ResolveError`."""
        targets = [Target.make(one, spec.for_platform(one).get("sys", ())) for one in platforms]
        python = find_python(spec.python, context)
        questions = [
            Question(spec=spec, target=target, python=python, context=context, wheels={})
            for target in targets
        ]
        with Uv(context) as uv, ThreadPoolExecutor(len(targets) or 1) as pool:
            pending = [pool.submit(_resolve, uv, question) for question in questions]
            try:
                return dict(zip(platforms, [one.result() for one in pending], strict=True))
            except BaseException:
                uv.processes.close()
                raise


def _resolve(uv: Uv, question: Question) -> Resolution:
    locked = compile_lock(uv, question)
    notes = compile_notes(uv, question, locked)
    tags = {tag: rank for rank, tag in enumerate(question.target.tags(question.python.version))}
    wheels = [(one, best_wheel(one.wheels, tags)) for one in locked]
    lacking = tuple(one.name for one, wheel in wheels if not wheel)
    if lacking:
        raise NeedsPlatform(question.target.platform, lacking)
    return Resolution(
        python=question.python.version,
        packages=tuple(
            _package(one, wheel, notes, question) for one, wheel in wheels if wheel is not None
        ),
    )


def _package(one: Locked, wheel: File, notes: Mapping[str, Notes], question: Question) -> Package:
    own = notes.get(one.name)
    return Package.make(
        kind="pypi",
        name=one.name,
        version=one.version or wheel.filename.split("-")[1],
        filename=wheel.filename,
        url=wheel.url,
        sha256=wheel.sha256,
        size=wheel.size,
        depends=[name for name, other in notes.items() if one.name in other.via],
        source=_source(own.index if own else None, question),
    )


def _source(index: str | None, question: Question) -> str | None:
    """The source of the spec that an index URL of uv's annotations stands for."""
    known = [one.url for one in question.spec.sources if one.kind != "channel"]
    if index is None or index.rstrip("/") in known:
        return index and index.rstrip("/")
    return PUBLIC_INDEX if PUBLIC_INDEX in known else None
