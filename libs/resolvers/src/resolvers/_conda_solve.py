"""A spec as py-rattler is asked for it, and its answer, for all platforms at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from envid.errors import InvalidDescription
from envid.packages import Hashes, Package
from envid.redaction import redact
from pkgcache.errors import WorkerCrashed, WorkerFailed
from pkgcache.lacking import lacking
from resolvers._conda_asked import check_asked
from resolvers._conda_question import CondaQuestion
from resolvers.errors import EngineFailed, IndexUnreachable, MachineLacks, UnsupportedRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envid.spec import EnvSpec
    from pkgcache.worker import Worker
    from resolvers._conda_question import Move
    from resolvers.errors import ResolveError
    from resolvers.request import ResolveContext

__all__ = [
    "Alternative",
    "CondaNewest",
    "Solved",
    "ask_channels",
    "call_engine",
    "conda_alternatives",
    "conda_listed",
    "conda_newer",
    "solve_conda",
]

_log = logging.getLogger(__name__)

_HANDLER = "resolvers._conda_engine:solve"
_ALTERNATIVES = "resolvers._conda_alternatives:alternatives"
_LISTED = "resolvers._conda_alternatives:listed"
_NEWEST = "resolvers._conda_alternatives:newest"
_SCHEMES = ("https", "http", "file")
_FORMATS = (".conda", ".tar.bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What was chosen for one platform; `pypi_names` are those that channels say themselves.

    `site_packages` is where its Python has them, below the prefix; `noarch_python` are the names of
    packages whose files are put there.
    """

    python: str
    site_packages: str
    packages: tuple[Package, ...]
    noarch_python: frozenset[str]
    pypi_names: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


class Alternative(NamedTuple):
    """A build that could be chosen; `fits` if it is for the Python that was.

    `pypi_names` are those that its channel gives it, if it gives any.
    """

    package: Package
    pypi_names: tuple[str, ...] | None
    fits: bool


class CondaNewest(NamedTuple):
    """The newest version of a package, and what of an answer excludes it.

    `holders` are requirements, each with the package that states it, empty for the spec, where it
    has the spec's own words. `needs` are the newest one's own that are not met, each with the name
    that it is about.
    """

    version: str
    holders: tuple[tuple[str, str], ...]
    needs: tuple[tuple[str, str], ...]


def solve_conda(
    worker: Worker,
    spec: EnvSpec,
    platforms: Sequence[str],
    context: ResolveContext,
    *,
    alias: str,
    package_format: str = _FORMATS[0],
    moves: Iterable[Move] = (),
) -> dict[str, Solved]:
    """Solve the conda side of a spec for every platform in one call; raises `ResolveError`.

    With `moves`, what is chosen differs in these from what would be chosen.
    """
    if package_format not in _FORMATS:
        raise UnsupportedRequest(f"`{package_format}` is not a format: {' or '.join(_FORMATS)}")
    questions = [
        CondaQuestion.make(
            spec, platform, context, alias=alias, format_=package_format, moves=tuple(moves)
        )
        for platform in platforms
    ]
    for url in _channels(questions):
        if not _is_readable(url):
            raise UnsupportedRequest(
                f"`{redact(url)}` is not the URL of a conda channel",
                f"channels are read by {', '.join(_SCHEMES)}, such as `https://host/channel`",
            )
    label = f"solving conda packages for {', '.join(platforms)}"
    task = context.progress.start(label, None, "packages")
    try:
        answers = _answers(worker, questions, context)
    finally:
        task.done()
    place = str(context.cache_dir / "conda")
    solutions = {}
    for question, answer in zip(questions, answers, strict=True):
        if "error" in answer:
            # A solver's reasons are full of names of packages, which may be words for anything.
            if answer["error"] != "unsolvable" and (lack := lacking(answer["text"])):
                raise MachineLacks("py-rattler", lack, place, answer["text"])
            raise _failure(answer, question, context)
        solved = _solved(answer["packages"], question)
        extras = {record["name"]: record["extras"] for record in answer["packages"]}
        notes = check_asked(question.specs.values(), solved.packages, extras, context.origins)
        solutions[question.platform] = replace(solved, notes=notes)
    return solutions


def _answers(
    worker: Worker, questions: Sequence[CondaQuestion], context: ResolveContext
) -> list[dict[str, Any]]:
    """What the engine of the context answers."""
    # Only looked for, never imported: it may crash the process that it is loaded into.
    if find_spec("rattler") is None:
        hint = "install the package `py-rattler`"
        raise EngineFailed("py-rattler", "it is not installed", hint=hint)
    name = "py-rattler" if context.conda_engine == "rattler" else context.conda_engine
    urls = ", ".join(map(redact, _channels(questions)))
    _log.info(
        "%s asks %s for %s", name, urls, ", ".join(question.platform for question in questions)
    )
    if context.conda_engine != "rattler":
        # Of other engines, only the one that was chosen is ever loaded.
        from resolvers import _conda_tools

        return _conda_tools.answers(questions, context, partial(ask_channels, worker))
    context.on_process("py-rattler solve")
    # All platforms in one call: they share the repodata of `noarch`.
    answers: list[dict[str, Any]] = call_engine(
        worker,
        _HANDLER,
        questions,
        context,
        questions=[question.to_dict() for question in questions],
    )
    return answers


def conda_alternatives(
    worker: Worker,
    spec: EnvSpec,
    platform: str,
    context: ResolveContext,
    solved: Solved,
    *,
    alias: str,
) -> list[Alternative]:
    """A build of every version that channels have of what was chosen, or could be; newest first.

    Raises `ResolveError`.
    """
    question = CondaQuestion.make(spec, platform, context, alias=alias, format_=_FORMATS[0])
    records = ask_channels(
        worker,
        _ALTERNATIVES,
        question,
        context,
        chosen=[[package.name, package.version, package.build] for package in solved.packages],
    )
    return [
        Alternative(
            package=_package(record, question),
            pypi_names=None if record["purls"] is None else _pypi_names(record["purls"]),
            fits=record["fits"],
        )
        for record in records
    ]


def conda_newer(
    worker: Worker,
    spec: EnvSpec,
    platform: str,
    context: ResolveContext,
    *,
    chosen: Iterable[Package],
    versions: Mapping[str, str],
    alias: str,
) -> dict[str, CondaNewest]:
    """What channels have that is newer than these versions, by name; raises `ResolveError`.

    What excludes it is looked for in the spec and in what was `chosen` for it.
    """
    question = CondaQuestion.make(spec, platform, context, alias=alias, format_=_FORMATS[0])
    answer = ask_channels(
        worker,
        _NEWEST,
        question,
        context,
        chosen=[[package.name, package.version, package.build] for package in chosen],
        names=dict(versions),
    )
    return {
        name: CondaNewest(
            version=newer["version"],
            holders=tuple(
                (by, text if by else question.specs.get(text, text))
                for by, text in newer["holders"]
            ),
            needs=tuple((other, text) for other, text in newer["needs"]),
        )
        for name, newer in answer.items()
    }


def conda_listed(
    worker: Worker,
    spec: EnvSpec,
    platform: str,
    context: ResolveContext,
    packages: Iterable[Package],
    *,
    alias: str,
) -> dict[tuple[str | None, str | None, str], Hashes]:
    """What channels have by now of conda packages: hashes by source, subdir and file name.

    Raises `ResolveError`.
    """
    question = CondaQuestion.make(spec, platform, context, alias=alias, format_=_FORMATS[0])
    answer = ask_channels(
        worker,
        _LISTED,
        question,
        context,
        files=[[package.name, package.subdir, package.filename] for package in packages],
    )
    return {
        (
            question.channels.get(file["channel"], file["channel"]),
            file["subdir"],
            file["filename"],
        ): Hashes(sha256=file["sha256"], md5=file["md5"])
        for file in answer
    }


def ask_channels(
    worker: Worker, handler: str, question: CondaQuestion, context: ResolveContext, **more: Any
) -> Any:
    """Ask py-rattler what the channels of a question have; raises `ResolveError`."""
    answer = call_engine(worker, handler, [question], context, question=question.to_dict(), **more)
    if "error" in answer:
        raise _failure(answer, question, context)
    return answer["found"]


def _failure(
    answer: Mapping[str, Any], question: CondaQuestion, context: ResolveContext
) -> ResolveError:
    from resolvers._conda_diagnosis import asked_urls, diagnose
    from resolvers._network import named

    failure = diagnose(answer, question, context)
    asked = asked_urls(answer, question)
    return named(failure, context, answer.get("faults", {}), *asked) if asked else failure


def call_engine(
    worker: Worker,
    handler: str,
    about: Sequence[CondaQuestion],
    context: ResolveContext,
    **more: Any,
) -> Any:
    """Call py-rattler about some questions; raises `EngineFailed` and `MachineLacks`."""
    place = str(context.cache_dir / "conda")
    try:
        return worker.call(
            handler,
            cache_dir=place,
            offline=context.offline,
            logins=_logins(about, context),
            tokens=_tokens(about, context),
            limits={
                limit: getattr(context.patience, limit) for limit in ("silence", "speed", "tries")
            },
            # The worker has the numbers of the patience alone, and tells of its waits by events.
            on_event=lambda event: context.progress.note(event["wait"]),
            **more,
        )
    except (WorkerCrashed, WorkerFailed) as error:
        if lack := lacking(error):
            raise MachineLacks("py-rattler", lack, place, error.log) from error
        raise EngineFailed("py-rattler", str(error), error.log) from error


def _is_readable(url: str) -> bool:
    parts = urlsplit(url)
    try:
        there = parts.scheme == "file" or (parts.hostname and parts.port != 0)
    except ValueError:  # a port that is none
        return False
    return bool(there) and parts.scheme in _SCHEMES


def _channels(questions: Sequence[CondaQuestion]) -> list[str]:
    """The URLs of all channels, the longest first."""
    urls = {url for question in questions for url in question.channels}
    # A requirement may name a channel that the spec does not list.
    urls |= {
        spec.partition("::")[0] for question in questions for spec in question.specs if "::" in spec
    }
    return sorted(urls, key=len, reverse=True)


def _tokens(questions: Sequence[CondaQuestion], context: ResolveContext) -> dict[str, str]:
    """The channels that have tokens, and the URLs to ask instead."""
    urls = {url: context.credentials.with_token(url) for url in _channels(questions)}
    return {url: secret for url, secret in urls.items() if url != secret}


def _logins(questions: Sequence[CondaQuestion], context: ResolveContext) -> list[dict[str, str]]:
    # In the order of the channels, whose longest URL is first: the nearest login counts.
    logins = []
    for url in _channels(questions):
        login = context.credentials.find(url)
        parts = urlsplit(url)
        if login and parts.hostname:
            logins.append(
                {
                    "host": parts.hostname,
                    "path": f"{parts.path.rstrip('/')}/",
                    "user": login.user,
                    "password": login.password,
                }
            )
    return logins


def _solved(records: Sequence[Mapping[str, Any]], question: CondaQuestion) -> Solved:
    packages = tuple(_package(record, question) for record in records)
    # Always there: `CondaQuestion` asks for it first.
    python = next(record for record in records if record["name"] == "python")
    minor = ".".join(python["version"].split(".")[:2])
    purls = {record["name"]: record["purls"] for record in records if record["purls"] is not None}
    names = {name: _pypi_names(listed) for name, listed in purls.items()}
    return Solved(
        python=python["version"],
        # Repodata says where it is for odd Pythons alone, such as free-threaded ones (CEP 17).
        site_packages=python["site_packages"] or f"lib/python{minor}/site-packages",
        packages=packages,
        noarch_python=frozenset(
            record["name"] for record in records if record["noarch"] == "python"
        ),
        # An empty list says that a package is none of PyPI's; one of other purls says nothing.
        pypi_names={name: listed for name, listed in names.items() if listed or not purls[name]},
    )


def _pypi_names(purls: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        purl.removeprefix("pkg:pypi/").partition("?")[0].partition("@")[0]
        for purl in purls
        if purl.startswith("pkg:pypi/")
    )


def _package(record: Mapping[str, Any], question: CondaQuestion) -> Package:
    channel = (record["channel"] or "").rstrip("/")
    # Another engine may have another place for a source.
    source = record.get("source") or question.channels.get(channel, channel or None)
    try:
        return Package.make(
            kind="conda",
            name=record["name"],
            version=record["version"],
            build=record["build"],
            subdir=record["subdir"],
            filename=record["filename"],
            url=record["url"],
            sha256=record["sha256"],
            md5=record["md5"],
            size=record["size"],
            depends=record["depends"],
            source=source,
        )
    except InvalidDescription as error:
        reason = f"it describes `{record['filename']}` wrongly: {error}"
        hint = "the channel must be indexed again, by whoever keeps it; or ask for another build"
        raise IndexUnreachable(source or "a channel", reason, hint=hint) from error
