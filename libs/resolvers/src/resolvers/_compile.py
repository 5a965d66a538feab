"""One question to `uv pip compile`, and its answer."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resolvers._asking import LOCK, asking
from resolvers._diagnosis import diagnose
from resolvers._index import PUBLIC_INDEX, public_index
from resolvers._lock import read_lock, read_notes
from resolvers._network import portal
from resolvers._python_bounds import excludes
from resolvers._warnings import warnings
from resolvers.errors import IndexUnreachable, NoSolution, PythonRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from subprocess import CompletedProcess

    from resolvers._lock import File, Notes, UvPackage
    from resolvers._question import UvQuestion
    from resolvers._uv import Uv

__all__ = [
    "Locked",
    "compile_alone",
    "compile_exactly",
    "compile_lock",
    "compile_notes",
    "compile_versions",
]

_log = logging.getLogger(__name__)

# A round excludes all of a project that is not for this Python, so that few are enough.
_ROUNDS = 60


class Locked(NamedTuple):
    """The packages of an answer, and what uv warns of them."""

    packages: tuple[UvPackage, ...]
    warnings: tuple[str, ...]


def compile_lock(uv: Uv, question: UvQuestion) -> Locked:
    """The packages that answer a question, each for the very Python that it is about.

    Raises `ResolveError` with uv's reason, `PythonRefused` where what would answer is not for it.
    """
    python = question.python.version
    refused: dict[str, tuple[str, str]] = {}
    for _ in range(_ROUNDS):
        try:
            done = _compile(uv, question, LOCK)
            locked = read_lock(done.stdout)
        except NoSolution as error:
            # uv then names our exclusions, and does not know why they are there.
            if not refused:
                raise
            raise _refused(refused, question, error.reason) from error
        stated = question.bounds.all_of(dict(_free(locked, question)))
        versions = {package.name: str(package.version) for package in locked}
        excluded = {name: bound for name, bound in stated.items() if excludes(bound, python)}
        if not excluded:
            return Locked(locked, warnings(done.stderr, question.origin))
        refused |= {name: (versions[name], bound) for name, bound in excluded.items()}
        pins = [
            pin
            for name in excluded
            for pin in question.bounds.exclusions(name, versions[name], python)
        ]
        question = replace(question, pins=(*question.pins, *pins))
    raise _refused(refused, question, "too many releases are not for it")


def _free(locked: Iterable[UvPackage], question: UvQuestion) -> Iterator[tuple[str, File]]:
    """The packages in whose place another release may come, and the file that each is taken from."""
    for package in locked:
        file = question.wheel(package) or package.sdist
        fixed = package.direct or question.is_there(package.name) or question.held_as(package)
        if file and package.version and not fixed:
            yield package.name, file


def _refused(
    refused: Mapping[str, tuple[str, str]], question: UvQuestion, reason: str
) -> PythonRefused:
    texts = (
        f"`{name}` {version} is for Python {bound}" for name, (version, bound) in refused.items()
    )
    return PythonRefused(
        question.target.platform,
        f"{', '.join(texts)}, and this is {question.python.version}; {reason}",
        question.asked(refused),
        "ask for another Python, or for other versions",
    )


def compile_versions(
    uv: Uv, question: UvQuestion, exact: Iterable[UvPackage]
) -> tuple[UvPackage, ...]:
    """The files of exact versions that uv has just seen."""
    lines = tuple(f"{package.name}=={package.version}" for package in exact)
    exactly = replace(question, lines=lines)
    return read_lock(_recall(uv, exactly, (*LOCK, "--no-deps")).stdout)


def compile_exactly(uv: Uv, question: UvQuestion) -> tuple[UvPackage, ...]:
    """The files of the exact versions that a question names, and of nothing that they need."""
    return read_lock(_compile(uv, question, (*LOCK, "--no-deps")).stdout)


def compile_alone(uv: Uv, question: UvQuestion, name: str) -> tuple[UvPackage, ...]:
    """The newest version of a package that has a wheel; raises `NoSolution` if none has."""
    # Without pins, since it is asked about any version.
    alone = replace(question, lines=(name,), pins=(), only_binary=(name,))
    return read_lock(_compile(uv, alone, (*LOCK, "--no-deps")).stdout)


def compile_notes(
    uv: Uv, question: UvQuestion, locked: Iterable[UvPackage]
) -> tuple[dict[str, Notes], tuple[str, ...]]:
    """Who needs what, and where it was found, of packages that uv has just chosen.

    Also what uv warns of, such as versions that were withdrawn.
    A lock file does not say who needs what, the other format does. What uv needs for it is in its cache.
    """
    pins = (f"{package.name}=={package.version}" for package in locked if package.version)
    pinned = replace(question, pins=(*question.pins, *pins))
    options = ("--annotation-style", "split", "--emit-index-annotation")
    done = _recall(uv, pinned, options)
    return read_notes(done.stdout), warnings(done.stderr, question.origin)


def _recall(uv: Uv, question: UvQuestion, options: tuple[str, ...]) -> CompletedProcess[str]:
    """Ask without network what uv has just seen; it forgets files that no index describes."""
    try:
        return _compile(uv, question, options, offline=True)
    except IndexUnreachable:
        return _compile(uv, question, options)


def _compile(
    uv: Uv, question: UvQuestion, options: tuple[str, ...], *, offline: bool = False
) -> CompletedProcess[str]:
    if not offline:
        sources = [source.url for source in question.spec.sources if source.kind != "channel"]
        _log.info("uv asks %s", ", ".join(sources) or "no index")
    with tempfile.TemporaryDirectory() as work:
        # The other questions name exact versions, and have no choice to make.
        earlier = _earlier_answer(question, Path(work)) if options == LOCK else ()
        expected = question.bounds.expected if options == LOCK and not offline else None
        constraints = Path(work) / "constraints.txt"
        asked = asking(uv, question, (*options, *earlier), constraints, logs=expected is not None)
        done = uv.run(
            asked.name,
            asked.arguments,
            text=asked.text,
            environment=asked.environment,
            offline=offline,
            config=asked.config,
            git=any("git+" in line for line in question.lines),
            on_log=expected.note if expected else None,
        )
    if done.returncode:
        error = diagnose(done.stderr, question)
        # What uv has kept comes from no server that could be asked what is wrong.
        if not offline:
            links = [source.url for source in question.spec.sources if source.kind == "find-links"]
            error = portal(uv.named(error), _indexes(uv, question), links, question.context)
        raise error
    return done


def _indexes(uv: Uv, question: UvQuestion) -> Iterator[str]:
    """The URLs of all indexes of the spec."""
    for source in question.spec.sources:
        if source.kind == "index":
            yield public_index(uv) if source.url == PUBLIC_INDEX else source.url


def _earlier_answer(question: UvQuestion, work: Path) -> tuple[str | Path, ...]:
    """An output file that is there already: uv stays with the versions in it where it can."""
    preferred = question.context.preferred.get(question.target.platform, ())
    rows = [
        f'[[packages]]\nname = "{package.name}"\nversion = "{package.version}"\n'
        for package in preferred
        if package.kind == "pypi"
    ]
    if not rows:
        return ()
    path = work / "pylock.toml"
    path.write_text("\n".join(('lock-version = "1.0"\ncreated-by = "mfenv"\n', *rows)))
    return ("--output-file", path)
