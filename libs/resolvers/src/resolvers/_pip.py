"""pip in the place of uv: what it would install, by its own report and configuration.

It is asked with nothing of ours but the request: its configuration files, `PIP_*` variables and
key rings hold, and its own index stands for the public one. What may hold a credential is on its
standard input. pip builds no wheel here; what has none is built as ever.
"""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from envid.platforms import host_platform
from envid.redaction import redact
from pkgcache.lazy import lazy
from resolvers._index import PUBLIC_INDEX, link, with_login
from resolvers._lock import ChosenWheels, File, Notes
from resolvers._markers import Markers
from resolvers._pip_configuration import variables, without_wheels
from resolvers._pip_diagnosis import BY_ITSELF, diagnose, yanked
from resolvers._pip_report import PipReport, plain
from resolvers._programs import find_program, readable
from resolvers._reasons import has_for_older_python
from resolvers.errors import (
    EngineFailed,
    NeedsBuild,
    NoSolution,
    RequirementsUnmet,
    UnsupportedRequest,
)
from resolvers.pythons import minor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from subprocess import CompletedProcess

    from resolvers._lock import UvPackage
    from resolvers._question import UvQuestion
    from resolvers._uv import Uv

__all__ = ["LEAST", "SETTING", "choose"]

LEAST = "23.0"
"""The first pip whose report has all hashes, and that is asked about other platforms in a dry run."""
_WITH_CUTOFF = "26.0"
# Before, a name and a repository of this machine are no requirement to it.
_WITH_LOCAL_GIT = Version("24.1")
SETTING = "`pypi_resolver` to `uv`"
# It fetches whole files; and a server is given up sooner: so many silences, and it is stuck.
_SILENCES = 120
# Each round asks for something that no round before did, and what there is has an end.
_ROUNDS = 20


def choose(uv: Uv, question: UvQuestion) -> ChosenWheels:
    """What pip takes for a question, who needs it and where it is from; raises `ResolveError`."""
    pip = _Pip(uv, question)
    wheels, *then = pip.ways
    chosen = pip.choose(wheels=wheels)
    # Told of the target, it may take another version, which has a wheel that serves.
    if then and any(not package.sdist for package in pip.unserved(chosen)):
        with suppress(NoSolution):
            chosen, wheels = pip.choose(wheels=True), True
    older = tuple(
        package.name
        for package in pip.unserved(chosen)
        if not question.final and has_for_older_python(package, question)
    )
    if older:
        raise NeedsBuild(question.target.platform, older)
    if wheels:
        pip.check_wheels(chosen)
    return chosen


class _Pip:
    """pip, and what it is asked for one platform."""

    def __init__(self, uv: Uv, question: UvQuestion) -> None:
        self._uv, self._question = uv, question
        self._program = find_program("pip", LEAST, SETTING, uv.processes)
        self._check()
        self._markers = Markers(question.target.platform, question.python.version)
        self._lines = tuple(self._held(question.lines))
        # Where its own configuration has found what no source of the request has, by name.
        self._elsewhere: dict[str, str] = {}

    @property
    def ways(self) -> tuple[bool, ...]:
        """Whether to ask for wheels alone: only so, or at last.

        Told of a platform, or of a Python that it does not run under, pip takes nothing else. Here
        it may also take sources, but then knows nothing of the floor.
        """
        if self._is_elsewhere:
            return (True,)
        return (False,) if self._question.spec.options.no_binary else (False, True)

    @property
    def _is_elsewhere(self) -> bool:
        question = self._question
        return question.target.platform != host_platform() or not question.python.is_near

    def choose(self, *, wheels: bool) -> ChosenWheels:
        """The answer with wheels alone, or with sources as well."""
        preferred = self._question.context.preferred.get(self._question.target.platform, ())
        kept = [
            f"{package.name}=={package.version}" for package in preferred if package.kind == "pypi"
        ]
        if kept:
            # Versions stay where they were if all of them can: pip has constraints, and no wishes.
            with suppress(NoSolution):
                return self._choose(kept, wheels=wheels)
        return self._choose((), wheels=wheels)

    def _choose(self, kept: Sequence[str], *, wheels: bool) -> ChosenWheels:
        added: list[str] = []
        for _ in range(_ROUNDS):
            report = self._ask((*self._lines, *added), kept, wheels=wheels)
            walk = report.walk(self._lines, added, self._markers)
            lacking = tuple(dict.fromkeys(walk.lacking))
            if not set(lacking) - set(added):
                break
            added += [text for text in lacking if text not in added]
        if lacking:
            raise RequirementsUnmet(
                self._question.target.platform,
                tuple(f"`{text}` is needed there, and pip finds none" for text in lacking),
            )
        locked = tuple(
            self._whole(package) for name, package in report.packages.items() if name in walk.needed
        )
        notes = {
            package.name: Notes(
                via=tuple(sorted(walk.via[package.name])), index=self._place(package)
            )
            for package in locked
        }
        withdrawn = sorted(report.yanked & walk.needed)
        warnings = [self._withdrawn(report.packages[name]) for name in withdrawn]
        warnings += [
            self._elsewhere[package.name] for package in locked if package.name in self._elsewhere
        ]
        return ChosenWheels(locked, notes, tuple(warnings))

    def check_wheels(self, chosen: ChosenWheels) -> None:
        """Raise `UnsupportedRequest` for wheels that pip, told to take these alone, may not take."""
        barred = [
            package.name
            for package in chosen.locked
            if package.wheels and not package.direct and self._is_barred(package.name)
        ]
        if barred:
            question = self._question
            raise UnsupportedRequest(
                f"pip is configured with `no-binary` for {', '.join(f'`{name}`' for name in barred)},"
                f" and for {question.target.platform} and Python {question.python.version} it looks"
                " at wheels alone",
                f"set {SETTING}",
            )

    def _is_barred(self, name: str) -> bool:
        """Whether pip's own configuration forbids the wheels of a package."""
        return not self._question.is_there(name) and bool({name, ":all:"} & self._no_binary)

    @lazy
    def _no_binary(self) -> frozenset[str]:
        return without_wheels(self._program.path, self._uv.processes)

    def unserved(self, chosen: ChosenWheels) -> list[UvPackage]:
        """The packages that have no wheel for the target, and are not to be built anyway."""
        question = self._question
        return [
            package
            for package in chosen.locked
            if not package.direct
            and not question.is_there(package.name)
            and not question.must_build(package.name)
            and question.wheel(package) is None
            and not self._is_barred(package.name)
        ]

    def _check(self) -> None:
        question, options = self._question, self._question.spec.options
        if self._is_elsewhere and options.no_binary:
            raise UnsupportedRequest(
                f"`no_binary` is asked for, and for {question.target.platform} and Python"
                f" {question.python.version} pip looks at wheels alone",
                f"set {SETTING}",
            )
        if options.exclude_newer and self._program.version < Version(_WITH_CUTOFF):
            raise UnsupportedRequest(
                f"a cut-off date is asked for, and pip {self._program.version} knows of none",
                f"install pip {_WITH_CUTOFF}, or set {SETTING}",
            )
        places = [source.url for source in question.spec.sources if source.kind != "channel"]
        away = [place for place in places if place == PUBLIC_INDEX or place.startswith("http")]
        if question.context.offline and away:
            raise UnsupportedRequest("pip cannot do without the network", f"set {SETTING}")

    def _held(self, lines: Sequence[str]) -> Iterator[str]:
        """The requirements whose markers hold for the target, without these."""
        for line in lines:
            try:
                requirement = Requirement(line)
            except InvalidRequirement:  # a bare URL
                yield line
                continue
            if self._markers.hold(requirement):
                yield plain(requirement)

    def _ask(self, lines: Sequence[str], kept: Sequence[str], *, wheels: bool) -> PipReport:
        question = self._question
        with tempfile.TemporaryDirectory() as work:
            report, constraints = Path(work) / "report.json", Path(work) / "constraints.txt"
            constraints.write_text("\n".join((*self._constraints(), *kept)))
            text = "\n".join((*self._sources(), *map(self._written, lines), ""))
            limit = question.context.patience.silence * _SILENCES
            done = self._run(
                limit,
                f"pip install --dry-run {question.target.platform}",
                (
                    *(self._program.path, "--python", question.python.path, "install"),
                    *("--dry-run", "--ignore-installed", "--no-input", "--progress-bar", "off"),
                    *("--disable-pip-version-check", "--report", report),
                    *self._options(wheels=wheels),
                    # Before 23.1 pip wants a place for what is for another platform, also if nothing is
                    # put there.
                    *(("--target", Path(work) / "target") if wheels else ()),
                    *("--constraint", constraints, "--requirement", "/dev/stdin"),
                ),
                # Not in a file: lines that say where to look may hold logins.
                text=text,
                # Where mfenv runs: by that, paths in its configuration are meant.
                environment={**variables(), **self._uv.network},
            )
            if done.returncode:
                raise self._uv.named(diagnose(done, question, lines))
            try:
                data = json.loads(report.read_bytes())
                return PipReport.read(data, frozenset(map(canonicalize_name, yanked(done.stderr))))
            except (AttributeError, OSError, ValueError, KeyError, TypeError) as error:
                reason, log = "its report cannot be read", redact(f"{done.stdout}\n{done.stderr}")
                raise EngineFailed("pip", reason, log, BY_ITSELF) from error

    def _run(self, limit: float, *asked: Any, **more: Any) -> CompletedProcess[str]:
        try:
            return readable(self._uv.processes.run(*asked, limit=limit, **more))
        except TimeoutError:
            reason = f"it has not answered within {limit:.0f} s"
            raise EngineFailed("pip", reason, hint=BY_ITSELF) from None

    def _written(self, line: str) -> str:
        """A requirement as this pip reads it."""
        if self._program.version >= _WITH_LOCAL_GIT or " git+file:" not in line:
            return line
        requirement = Requirement(line)
        url = str(requirement.url)
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        return f"{url}{'&' if '#' in url else '#'}egg={requirement.name}{extras}"

    def _constraints(self) -> Iterator[str]:
        for text in self._question.pins:
            # A constraint is about versions; pip refuses one with extras.
            yield re.sub(r"^([\w.-]+)\s*\[[^]]*\]", r"\1", text)

    def _sources(self) -> Iterator[str]:
        """Where to look, as lines of a requirements.txt."""
        question = self._question
        credentials = question.context.credentials
        indexes = [source.url for source in question.spec.sources if source.kind == "index"]
        if not indexes:
            yield "--no-index"
        # The public index is whatever pip has in its place, and what it has of others stays.
        own = PUBLIC_INDEX in indexes
        option = "--extra-index-url" if own else "--index-url"
        for url in indexes:
            if url != PUBLIC_INDEX:
                yield f"{option} {with_login(url, credentials)}"
                option = "--extra-index-url"
        for source in question.spec.sources:
            if source.kind == "find-links":
                yield f"--find-links {link(source.url, credentials)}"
        if question.stubs:
            yield f"--find-links {question.stubs.folder.as_uri()}"

    def _options(self, *, wheels: bool) -> Iterator[str]:
        question, options = self._question, self._question.spec.options
        if options.prereleases:
            yield "--pre"
        if options.exclude_newer:
            yield from ("--uploaded-prior-to", options.exclude_newer)
        if not wheels:
            for name in options.no_binary:
                yield from ("--no-binary", name)
            # Conda's own are wheels here, whatever is said of others.
            stubs = question.stubs.by_name if question.stubs else ()
            for name in (*options.only_binary, *question.only_binary, *stubs):
                yield from ("--only-binary", name)
            return
        version = question.python.version
        # It takes numbers alone.
        number = minor(version) if Version(version).is_prerelease else version
        yield from ("--only-binary", ":all:", "--implementation", "cp")
        yield from ("--python-version", number)
        tags = list(question.ranks)
        for platform in dict.fromkeys(tag.platform for tag in tags if tag.platform != "any"):
            yield from ("--platform", platform)
        # Its ABI alone says that a Python is free-threaded: `cp313-cp313t`.
        own = f"cp{question.python.series.replace('.', '')}"
        for abi in dict.fromkeys(tag.abi for tag in tags if tag.interpreter == own.rstrip("t")):
            yield from ("--abi", abi)

    def _whole(self, package: UvPackage) -> UvPackage:
        """The package with all files of its version, where another one of them may be wanted."""
        question = self._question
        wanted = package.name in question.hashes or not question.wheel(package)
        if package.direct or package.version is None or not wanted:
            return package
        if package.sdist and not package.wheels and self._is_barred(package.name):
            return package
        version, there = Version(package.version), {file.filename for file in package.files}
        files = [
            File(filename=listed.filename, url=listed.url, size=None, hashes=listed.digests)
            for listed in question.projects.of(package.name)
            if listed.version == version and listed.filename not in there and listed.url
        ]
        sdists = [file for file in files if not file.is_wheel]
        return replace(
            package,
            wheels=(*package.wheels, *(file for file in files if file.is_wheel)),
            sdist=package.sdist or next(iter(sdists), None),
        )

    def _place(self, package: UvPackage) -> str | None:
        """The source of the spec that a package is from; raises `NoSolution` for a wrong one."""
        question = self._question
        sources = [source.url for source in question.spec.sources if source.kind != "channel"]
        if package.direct or question.is_there(package.name) or not sources:
            return None
        names = {file.filename for file in package.files}
        if len(sources) == 1 and (
            # It stands for whatever pip has in its place.
            sources[0] == PUBLIC_INDEX
            or all(_host(file.url) == _host(sources[0]) for file in package.files)
            or any(file.filename in names for file in question.projects.of(package.name))
        ):
            return sources[0]
        # By our reading of the sources, of which the first that has a name decides unless it is said
        # otherwise, and pip knows of no order.
        listed = question.projects.of(package.name)
        place = next((file.place for file in listed if file.filename in names), None)
        if place is None and (len(sources) == 1 or not listed):
            where = ", ".join(file.url for file in package.files)
            self._elsewhere[package.name] = (
                f"`{package.name}=={package.version}` is from {redact(where)}, where pip's own"
                " configuration looks, and no source of the request does"
            )
        elif place is None:
            raise NoSolution(
                question.target.platform,
                f"pip takes `{min(names)}`, and the first source that has"
                f" `{package.name}`, which decides, is {listed[0].place}",
                question.asked({package.name}),
                f"set `index_strategy` to `unsafe-best-match`, or {SETTING}",
            )
        return place

    def _withdrawn(self, package: UvPackage) -> str:
        text = f"`{package.name}=={package.version}` was withdrawn (yanked)"
        where = self._question.origin(package.name)
        return f"{text} ({where})" if where else text


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc or parts.scheme
