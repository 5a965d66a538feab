"""What sources say by now against what is in an environment: advisories, yanked and lost files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from envid.redaction import redact
from pkgcache.errors import DownloadError
from pkgcache.threads import Threads
from pkgcache.web.download import Downloader
from pkgcache.web.receiving import Body
from resolvers._conda_solve import conda_listed
from resolvers._project_files import ProjectFiles
from resolvers._uv import Uv
from resolvers.channels import CHANNEL_ALIAS
from resolvers.errors import IndexUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from envid.packages import Package
    from envid.resolved import ResolvedEnv
    from envid.spec import Source
    from pkgcache.worker import Worker
    from resolvers._project_files import ListedFile
    from resolvers.request import ResolveContext

__all__ = ["Advisory", "AuditFinding", "Audited", "Unaudited", "audit"]

_AT_ONCE = 16
# What servers answer where there is no such interface, or nothing under a name.
_NO_ANSWER = (400, 403, 404, 405, 406, 410, 501)
_NOT_OF_CONDA = "no source knows any of conda packages"

What = Literal["advisory", "changed", "gone", "yanked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """A known vulnerability, as PyPI's JSON interface has it; `withdrawn` is when it was."""

    id: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]
    summary: str
    link: str
    withdrawn: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Advisory:
        """Read an entry of `vulnerabilities`."""
        return cls(
            id=_text(data["id"]),
            aliases=tuple(map(_text, data.get("aliases") or ())),
            fixed_in=tuple(map(_text, data.get("fixed_in") or ())),
            summary=_text(data.get("summary") or data.get("details") or ""),
            link=_text(data.get("link") or ""),
            withdrawn=_text(data["withdrawn"]) if data.get("withdrawn") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """What is said against a package.

    Its version has an `advisory`, its file is `yanked` for `reason`, `gone` from its source, or
    `changed` there: the source has other bytes under its name.
    """

    package: Package
    what: What
    reason: str = ""
    advisory: Advisory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unaudited:
    """That nobody says anything of the `advisories` or the `files` of a package, and why."""

    package: Package
    what: Literal["advisories", "files"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What was found of an environment, and what could not be asked."""

    findings: tuple[AuditFinding, ...]
    unaudited: tuple[Unaudited, ...]


def audit(
    worker: Worker,
    envs: Sequence[ResolvedEnv],
    context: ResolveContext,
    *,
    alias: str = CHANNEL_ALIAS,
) -> list[Audited]:
    """Ask the sources of environments about each of their packages, once and all at a time.

    Of PyPI packages the index is asked for its files, and for its JSON interface beside it; an
    index that has none is not taken for one that knows of no advisory. Raises `ResolveError` where
    a source fails.
    """
    needed = [source.url for source in envs[0].spec.sources]
    with (
        Uv(context) as uv,
        ProjectFiles(uv, envs[0].spec, context, needed=needed) as projects,
        Downloader(
            context.credentials,
            workers=_AT_ONCE,
            patience=context.telling_patience,
            offline=context.offline,
        ) as downloader,
    ):
        answers = _Answers(envs, projects, downloader, context.pypi_engine)
        answers.ask(context)
        return [_audited(worker, env, context, answers, alias) for env in envs]


def _audited(
    worker: Worker, env: ResolvedEnv, context: ResolveContext, answers: _Answers, alias: str
) -> Audited:
    said: list[AuditFinding | Unaudited] = []
    conda = [package for package in env.packages if package.kind == "conda"]
    if conda:
        listed = conda_listed(worker, env.spec, env.platform, context, conda, alias=alias)
        for package in conda:
            place = (package.source, package.subdir, package.filename)
            there = listed.get(place)
            hashes = package.hashes
            if package.source is None:
                reason = "it was asked for by its URL"
                said.append(Unaudited(package=package, what="files", reason=reason))
            elif there is None:
                # Where names are, an alias of ours says, and else the tool that was chosen.
                usual = alias != CHANNEL_ALIAS or context.conda_engine == "rattler"
                said.append(_not_there(package, "" if usual else context.conda_engine))
            # Either side may have but one of the two.
            elif any(
                own and other and own != other
                for own, other in ((hashes.sha256, there.sha256), (hashes.md5, there.md5))
            ):
                said.append(AuditFinding(package=package, what="changed"))
            said.append(Unaudited(package=package, what="advisories", reason=_NOT_OF_CONDA))
    for package in env.packages:
        if package.kind == "pypi":
            said += answers.about(package)
    return Audited(
        findings=tuple(answer for answer in said if isinstance(answer, AuditFinding)),
        unaudited=tuple(answer for answer in said if isinstance(answer, Unaudited)),
    )


def _not_there(package: Package, program: str) -> AuditFinding | Unaudited:
    """That a file is not where its source is, unless a program says where that is: it has a name."""
    if not program or "://" in (package.source or ""):
        return AuditFinding(package=package, what="gone")
    reason = f"`{package.source}` lies where the configuration of {program} says"
    return Unaudited(package=package, what="files", reason=reason)


class _Answers:
    """What indexes say of the PyPI packages of environments, each asked for once."""

    def __init__(
        self,
        envs: Iterable[ResolvedEnv],
        projects: ProjectFiles,
        downloader: Downloader,
        engine: str,
    ) -> None:
        self._projects, self._downloader, self._engine = projects, downloader, engine
        self._sources: dict[str | None, Source] = {}
        self._packages: list[tuple[Package, Source]] = []
        for env in envs:
            self._sources |= {
                source.url: source for source in env.spec.sources if source.kind != "channel"
            }
            self._packages += [
                (package, self._sources[package.source])
                for package in env.packages
                if package.kind == "pypi" and package.source in self._sources
            ]
        self._files: dict[tuple[str, str], tuple[ListedFile, ...]] = {}
        self._advisories: dict[tuple[str, str, str], tuple[Advisory, ...] | str] = {}

    def ask(self, context: ResolveContext) -> None:
        """Ask for all at once; raises `IndexUnreachable`."""
        questions: dict[object, Callable[[], None]] = {}
        for package, source in self._packages:
            listed, known = (package.name, source.url), (package.name, package.version, source.url)
            questions[listed] = partial(self._list, listed, source)
            questions[known] = partial(self._know, known, source)
        if not questions:
            return
        task = context.progress.start("asking for advisories", len(questions), "checks")

        def put(question: Callable[[], None]) -> None:
            question()
            task.advance()

        with Threads(min(_AT_ONCE, len(questions))) as pool:
            try:
                for pending in [pool.submit(put, question) for question in questions.values()]:
                    pending.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                task.done()

    def about(self, package: Package) -> Iterator[AuditFinding | Unaudited]:
        """What was said of a package."""
        source = self._sources.get(package.source)
        if source is None:
            for what in ("files", "advisories"):
                reason = "it comes from no source of the environment"
                yield Unaudited(package=package, what=what, reason=reason)
            return
        yield from self._about_file(package, self._files[package.name, source.url])
        known = self._advisories[package.name, package.version, source.url]
        if isinstance(known, str):
            yield Unaudited(package=package, what="advisories", reason=known)
            return
        for advisory in known:
            yield AuditFinding(package=package, what="advisory", advisory=advisory)

    def _about_file(
        self, package: Package, files: Iterable[ListedFile]
    ) -> Iterator[AuditFinding | Unaudited]:
        origin = package.built_from
        # Of a wheel that was built here, the index has the sdist.
        name = unquote(urlsplit(origin.url).path.rpartition("/")[2]) if origin else package.filename
        digest = origin.sha256 if origin else package.hashes.sha256
        file = next((file for file in files if file.filename == name), None)
        if file is None:
            yield _not_there(package, "" if self._engine == "uv" else self._engine)
            return
        if not digest or "sha256" not in file.digests:
            reason = f"`{redact(file.place)}` does not say their sha256"
            yield Unaudited(package=package, what="files", reason=reason)
        elif file.digests["sha256"] != digest:
            yield AuditFinding(package=package, what="changed")
        if file.yanked is not None:
            yield AuditFinding(package=package, what="yanked", reason=_text(file.yanked))

    def _list(self, key: tuple[str, str], source: Source) -> None:
        self._files[key] = self._projects.at(key[0], source)

    def _know(self, key: tuple[str, str, str], source: Source) -> None:
        name, version, _ = key
        root = self._projects.root(source) if source.kind == "index" else ""
        # As PyPI has it, beside `/simple`: no standard says where such an interface is.
        if not root.endswith("/simple"):
            self._advisories[key] = f"`{redact(source.url)}` has no place for them"
            return
        url = f"{root.removesuffix('/simple')}/pypi/{name}/{version}/json"
        try:
            text = self._downloader.read(url, Body.text, page=True, accept="application/json")
        except DownloadError as error:
            if error.status not in _NO_ANSWER:
                raise IndexUnreachable(error.url, error.reason, error.status, error.hint) from error
            self._advisories[key] = f"`{redact(source.url)}` has none to ask for"
            return
        try:
            self._advisories[key] = tuple(map(Advisory.of, json.loads(text)["vulnerabilities"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._advisories[key] = f"what `{redact(source.url)}` says of them cannot be read"


def _text(said: object) -> str:
    """What a server says, on one line and without what a terminal would obey."""
    if not isinstance(said, str):
        raise TypeError
    return "".join(letter for letter in " ".join(said.split()) if letter.isprintable())
