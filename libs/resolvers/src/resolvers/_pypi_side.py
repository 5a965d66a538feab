"""What PyPI packages would take of conda's, for one platform: the question behind a joint solve."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from pkgcache.threads import Threads
from resolvers._compile import compile_lock
from resolvers._files import Files
from resolvers._project_files import ProjectFiles
from resolvers._python_bounds import PythonBounds
from resolvers._question import UvQuestion
from resolvers._stubs import Stubs
from resolvers._uv import Uv
from resolvers.errors import BuildFailed, NoSolution
from resolvers.pypi import local_wheels
from resolvers.targets import Target, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envid.spec import EnvSpec
    from resolvers._project_files import ListedFile
    from resolvers._stubs import Stub
    from resolvers.pythons import Python
    from resolvers.request import ResolveContext

__all__ = ["PypiSide", "pypi_side"]

_log = logging.getLogger(__name__)


class PypiSide:
    """The PyPI requirements of a spec, for one platform and one Python."""

    def __init__(self, uv: Uv, question: UvQuestion) -> None:
        self._uv, self._question = uv, question
        self._left_out: tuple[str, ...] = ()

    def for_python(self, version: str) -> PypiSide:
        """The same of another release of Python."""
        python = replace(self._question.python, version=version)
        return PypiSide(self._uv, replace(self._question, python=python))

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions that the sources have of a package, newest first."""
        listed = {file.version for file in self._question.projects.of(name)}
        return tuple(map(str, sorted(listed, reverse=True)))

    def leave_out(self, error: BuildFailed) -> bool:
        """From now on take what could not be built for not there, and older sources of it as well.

        False if that changes nothing, or is of no use.
        """
        name = canonicalize_name(error.package)
        if not error.version or self._question.is_direct(name):
            return False
        failed, listed = Version(error.version), self._question.projects.of(name)
        sources = {file.version for file in listed if file.version < failed}
        if not self._question.must_build(name):
            # An older version that has a wheel for here need not be built.
            sources -= {file.version for file in listed if self._is_for_here(file)}
        pins = [f"{name}!={version}" for version in sorted({failed, *sources})]
        before = self._left_out
        self._left_out = tuple(dict.fromkeys((*before, *pins)))
        return self._left_out != before

    def _is_for_here(self, file: ListedFile) -> bool:
        return any(tag in self._question.ranks for tag in wheel_tags(file.filename))

    def choose(
        self,
        held: Mapping[str, Sequence[Stub]],
        loose: Mapping[str, Sequence[Stub]] = MappingProxyType({}),
        offered: Iterable[Stub] = (),
    ) -> dict[str, str] | None:
        """The versions that uv takes, by name; None where it finds none.

        Of each name `held` it must take one of these, the first that goes; so it does of what is
        `loose`, unless none goes. What is `offered` stands beside what the sources have. What
        cannot be built counts as not being there.
        """
        root = self._question.context.cache_dir / "stubs"
        stubs = Stubs.choices(held, loose, offered, root)
        ours = [line.partition("==")[0] for line in stubs.lines]
        # Each round leaves out another version, of which there are only so many.
        while True:
            question = replace(
                self._question,
                lines=(*stubs.lines, *self._question.lines),
                pins=(*self._question.pins, *self._left_out, *stubs.pins),
                stubs=stubs,
                # So that uv takes no source of an index in the place of a stub.
                only_binary=tuple(ours),
            )
            try:
                locked = compile_lock(self._uv, question).packages
            except NoSolution:
                return None
            except BuildFailed as error:
                if not self.leave_out(error):
                    raise
                _log.info("%s %s cannot be built, and is left out", error.package, error.version)
                continue
            return {package.name: package.version for package in locked if package.version}


@contextmanager
def pypi_side(
    spec: EnvSpec, platform: str, python: Python, context: ResolveContext
) -> Iterator[PypiSide]:
    """Ask uv about a spec, as often as need be."""
    target = Target.make(platform, spec.for_platform(platform).get("sys", ()))
    with (
        Uv(context) as uv,
        Files(uv, spec, python, context) as files,
        ProjectFiles(uv, spec, context) as projects,
        Threads(1) as work,
    ):
        question = UvQuestion.make(
            spec,
            target,
            python,
            context,
            wheels=local_wheels(spec, [platform], files, work),
            projects=projects,
            bounds=PythonBounds(projects, context),
        )
        yield PypiSide(uv, question)
