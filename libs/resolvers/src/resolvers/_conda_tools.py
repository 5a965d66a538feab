"""micromamba, mamba or conda in the place of py-rattler: what they would install, by a dry run.

They find the user's own configuration, and are told of the request alone: its channels in their
order, and what the target has. They may choose; what they chose is checked as ever, and must lie in
the channels that were asked for.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from envid.redaction import redact
from pkgcache.threads import Threads
from pkgcache.web.credentials import Credentials
from pkgcache.web.watch import Watch
from resolvers._conda_tools_diagnosis import diagnose, is_cut_off, unknown
from resolvers._network import named
from resolvers._processes import Processes
from resolvers._programs import find_program, users_environment
from resolvers.errors import (
    EngineFailed,
    NoSolution,
    RequirementsUnmet,
    ResolveError,
    UnsupportedRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import CompletedProcess

    from resolvers._conda_question import CondaQuestion
    from resolvers._programs import ChosenProgram
    from resolvers.request import ResolveContext

    Record = dict[str, Any]
    Ask = Callable[..., Any]

__all__ = ["LEAST", "SETTING", "answers", "kind_of", "records_of"]

LEAST = {"micromamba": "1.4", "mamba": "1.4", "conda": "23.1"}
"""The oldest version of each that its answers are understood of."""
SETTING = "`conda_resolver` to `rattler`"
_RECORDS = "resolvers._conda_verifying:records"
_VERIFY = "resolvers._conda_verifying:problems"
# How the family is told of the virtual packages of another machine; `__unix` goes with the platform.
_OVERRIDES = ("__archspec", "__cuda", "__glibc", "__linux", "__osx")
_FORMATS = (".conda", ".tar.bz2")
_NAME = re.compile(r"(?:.*::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What begins a line is no part of another object, also where that is cut off.
_OBJECT = re.compile(r"(?:^|(?<=[\n\r\0])){")
# A solve may take long, and a server is given up sooner: so many silences, and it is stuck.
_SILENCES = 60


def kind_of(engine: str) -> str:
    """Which of the family a name or a path is; raises `UnsupportedRequest`."""
    name = Path(engine).name
    for kind in LEAST:  # `micromamba` before `mamba`
        if name.removesuffix(".exe").startswith(kind):
            return kind
    raise UnsupportedRequest(
        f"`{engine}` is not called like a program of the conda family",
        f"give one whose name begins with {', '.join(LEAST)}",
    )


def answers(
    questions: Sequence[CondaQuestion], context: ResolveContext, ask: Ask
) -> list[dict[str, Any]]:
    """The packages that answer each question, as `_conda_engine` has them; raises `ResolveError`.

    `ask` calls py-rattler, by which answers are checked.
    """
    processes = Processes(context.on_process)
    try:
        kind = kind_of(context.conda_engine)
        program = find_program(context.conda_engine, LEAST[kind], SETTING, processes)
        tool = _Tool(kind, program, processes, context, ask)
        for question in questions:
            tool.check(question)
        with Watch(context.telling_patience) as watch, Threads(len(questions)) as pool:
            try:
                pending = [
                    pool.submit(tool.answer, question, watch.environment) for question in questions
                ]
                return [{"packages": future.result()} for future in pending]
            except ResolveError as error:
                raise named(error, context, watch.faults) from error
            # What the pool waits for, when it closes, ends with these.
            finally:
                processes.close()
    finally:
        processes.close()


def records_of(
    question: CondaQuestion, names: Sequence[str], context: ResolveContext, ask: Ask
) -> list[Record]:
    """All builds that the channels of a question have of some packages; raises `ResolveError`."""
    found: list[Record] = ask(
        _RECORDS, [question], context, question=question.to_dict(), names=names
    )
    return found


@dataclass(frozen=True, slots=True)
class _Tool:
    kind: str
    program: ChosenProgram
    processes: Processes
    context: ResolveContext
    ask: Ask

    def check(self, question: CondaQuestion) -> None:
        """Raise `UnsupportedRequest` for what there is no way to tell it."""
        hint = f"set {SETTING}"
        if question.exclude_newer:
            raise UnsupportedRequest(f"{self.kind} knows no cut-off date", hint)
        for name, version, build in question.virtual:
            if name not in (*_OVERRIDES, "__unix"):
                text = f"{name}={version}={build}"
                raise UnsupportedRequest(f"{self.kind} cannot be told of `{text}`", hint)
        for url in _channels(question):
            if self.context.credentials.with_token(url) != url:
                raise UnsupportedRequest(
                    f"`{url}` has a token, which {self.kind} takes from its own configuration alone",
                    f"give it there and not here, or set {SETTING}",
                )
        self._logins(question)

    def answer(self, question: CondaQuestion, network: Mapping[str, str]) -> list[Record]:
        """The records of an answer, checked and complete."""
        # It has no wishes: what should stay is asked for, and if that cannot be, not.
        for stay in ([*question.held, *question.preferred], question.held):
            try:
                records = self._solved(question, stay, network)
                break
            except NoSolution:
                if len(stay) == len(question.held):
                    raise
        chosen = [_record(each, question, self.kind) for each in records]
        chosen = self._complete(chosen, question)
        roots = [_name(text) for text in question.specs]
        needed = _needed(chosen, roots)
        chosen = [each for each in chosen if each["name"] in needed]
        self._verify(chosen, question)
        names = {each["name"] for each in chosen}
        return [
            {**each, "depends": sorted(set(map(_name, each["depends"])) & names - {each["name"]})}
            for each in chosen
        ]

    def _solved(
        self, question: CondaQuestion, stay: Sequence[str], network: Mapping[str, str]
    ) -> list[Record]:
        """What it would link."""
        context = self.context
        packages = context.cache_dir / "conda-tools" / self.kind
        packages.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work, self._netrc(question) as netrc:
            command = [
                *(str(self.program.path), "create", "--dry-run", "--json", "--yes"),
                *("--prefix", f"{work}/prefix", "--override-channels"),
                # Those that a requirement names come last: not all of the family add them.
                *(part for url in _channels(question) for part in ("--channel", url)),
                *(("--offline",) if context.offline else ()),
                *dict.fromkeys((*question.specs, *question.barred, *stay)),
            ]
            done = self._run(
                f"{self.kind} create --dry-run {question.platform}",
                command,
                environment={**self._environment(question, packages), **network, **netrc},
                directory=Path(work),
            )
        data = _data(done.stdout)
        # Some say that they succeeded, and end otherwise.
        if data is None or done.returncode or not data.get("success"):
            error = diagnose(self.kind, data, done, question, context)
            raise unknown(error, question, context, partial(self._there, question))
        return _linked(data, self.kind)

    def _run(self, name: str, command: Sequence[str], **more: Any) -> CompletedProcess[str]:
        limit = self.context.patience.silence * _SILENCES
        try:
            return self.processes.run(name, command, limit=limit, **more)
        except TimeoutError:
            raise EngineFailed(
                self.kind,
                f"it has not answered within {limit:.0f} s",
                hint=f"see what it does by itself, or set {SETTING}",
            ) from None

    def _environment(self, question: CondaQuestion, packages: Path) -> dict[str, str]:
        env = {
            name: value
            for name, value in users_environment().items()
            if not name.startswith("CONDA_OVERRIDE_")
        }
        virtual = {name: (version, build) for name, version, build in question.virtual}
        for name in _OVERRIDES:
            version, build = virtual.get(name, ("", ""))
            # Of a processor the build is what tells; nothing says that there is none of it.
            env[f"CONDA_OVERRIDE_{name[2:].upper()}"] = build if name == "__archspec" else version
        for prefix in ("CONDA", "MAMBA"):
            env |= {
                # pip is there where it is asked for.
                f"{prefix}_ADD_PIP_AS_PYTHON_DEPENDENCY": "false",
                f"{prefix}_CHANNEL_PRIORITY": question.priority,
                f"{prefix}_USE_ONLY_TAR_BZ2": str(question.package_format == ".tar.bz2").lower(),
            }
        # Nothing is ever put there but what it keeps of channels, so that all is still to be fetched,
        # and told of whole.
        return env | {
            "CONDA_PKGS_DIRS": str(packages),
            "CONDA_SUBDIR": question.platform,
            "MAMBA_PLATFORM": question.platform,
        }

    def _logins(self, question: CondaQuestion) -> dict[str, tuple[str, str]]:
        """The logins that it must be given, by host; it has those of netrc already."""
        logins: dict[str, tuple[str, str]] = {}
        for url in _channels(question):
            login, host = self.context.credentials.find(url), urlsplit(url).hostname
            if not login or not host or login.source == "netrc":
                continue
            own = login.user, login.password
            if self.kind != "conda" or logins.setdefault(host, own) != own:
                raise UnsupportedRequest(
                    f"`{url}` has a login, which {self.kind} takes from its own configuration or"
                    " netrc, one for a host",
                    f"give it there and not here, or set {SETTING}",
                )
        return logins

    @contextmanager
    def _netrc(self, question: CondaQuestion) -> Iterator[dict[str, str]]:
        """The variables that lead it to the logins of its channels, in a file while it runs."""
        logins = self._logins(question)
        if not logins:
            yield {}
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "netrc"
            path.touch(mode=0o600)
            own = Path(os.environ.get("NETRC") or os.path.expanduser("~/.netrc"))  # noqa: PTH111
            # The first entry of a host counts.
            lines = [
                f"machine {host} login {_word(user)} password {_word(password)}\n"
                for host, (user, password) in logins.items()
            ]
            path.write_text("".join(lines) + (own.read_text() if own.is_file() else ""))
            yield {"NETRC": str(path)}

    def _there(self, question: CondaQuestion, names: Sequence[str]) -> list[Record]:
        return records_of(question, names, self.context, self.ask)

    def _complete(self, records: list[Record], question: CondaQuestion) -> list[Record]:
        """The records with what an answer may lack, by the channels; raises `EngineFailed`."""
        lacking = [each for each in records if not (each["url"] and each["sha256"])]
        if not lacking:
            return records
        there = self._there(question, sorted({each["name"] for each in lacking}))
        known = {_identity(each): each for each in reversed(there)}
        complete = []
        for each in records:
            own = known.get(_identity(each))
            if each in lacking and own:
                each = own | {"depends": each["depends"] or own["depends"]}  # noqa: PLW2901
            if not (each["url"] and (each["sha256"] or each["md5"])):
                raise EngineFailed(
                    self.kind,
                    f"it says neither where `{each['name']}` {each['version']} lies nor what hash it"
                    " has, and no channel does",
                    hint=f"set {SETTING}",
                )
            complete.append(each)
        return complete

    def _verify(self, records: list[Record], question: CondaQuestion) -> None:
        """Raise `RequirementsUnmet` where an answer is none to the question."""
        found = self.ask(
            _VERIFY, [question], self.context, question=question.to_dict(), records=records
        )
        if found:
            error = RequirementsUnmet(question.platform, tuple(found))
            error.hint = f"{self.kind} may be configured otherwise; or set {SETTING}"
            raise error


def _channels(question: CondaQuestion) -> list[str]:
    named = [text.partition("::")[0] for text in question.specs if "::" in text]
    return [*dict.fromkeys((*question.channels, *named))]


def _name(text: str) -> str:
    match = _NAME.match(text)
    return match[1].lower() if match else ""


def _word(text: str) -> str:
    """A value as netrc has it: as it is, where it can be; Python reads quoted ones since 3.11."""
    if re.fullmatch(r'[^\s"#\\][^\s\\]*', text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _data(stdout: str) -> dict[str, Any] | None:
    """The last JSON object of what it wrote: conda writes one for each progress, too."""
    decoder, found, end = json.JSONDecoder(), None, 0
    for start in _OBJECT.finditer(stdout):
        if start.start() >= end:
            with suppress(ValueError, RecursionError):
                found, end = decoder.raw_decode(stdout, start.start())
    # An answer that is cut off is none, whatever progress was told of before it.
    return None if is_cut_off(stdout[end:]) else found


def _linked(data: Mapping[str, Any], kind: str) -> list[Record]:
    """What it would link, with all that it says of that."""
    try:
        actions = data.get("actions") or {}
        links, fetches = actions.get("LINK") or [], actions.get("FETCH") or []
        # conda tells of what it fetches whole, and of what it links by the parts of its name.
        whole = {(each["name"], each["version"], _build(each)): each for each in fetches}
        return [
            {**each, **whole.get((each["name"], each["version"], _build(each)), {})}
            for each in links
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise _odd(kind, data) from error


def _odd(kind: str, said: Mapping[str, Any]) -> EngineFailed:
    reason, log = "its answer has another form than is known", redact(json.dumps(said)[:2000])
    return EngineFailed(kind, reason, log, f"set {SETTING}")


def _build(record: Mapping[str, Any]) -> Any:
    return record.get("build_string") or record["build"]


_TEXTS = ("url", "subdir", "platform", "sha256", "md5", "noarch", "python_site_packages_path")
_NUMBERS = ("build_number", "size")
_LISTS = ("depends", "constrains", "purls")


def _is_known(said: Mapping[str, Any]) -> bool:
    """Whether all that is read of a record is of its type."""
    stated = [said.get("name"), said.get("version"), said.get("build_string") or said.get("build")]
    lists = [said[key] for key in _LISTS if said.get(key) is not None]
    return (
        all(isinstance(text, str) for text in stated)
        and bool(_NAME.fullmatch(str(stated[0])))
        and all(isinstance(said.get(key) or "", str) for key in _TEXTS)
        and all(type(said.get(key) or 0) is int for key in _NUMBERS)
        and all(isinstance(each, list) for each in lists)
        and all(isinstance(text, str) for each in lists for text in each)
    )


def _record(said: Mapping[str, Any], question: CondaQuestion, kind: str) -> Record:
    """A record as `_conda_engine` describes it; raises `EngineFailed` for one from elsewhere."""
    if not _is_known(said):
        raise _odd(kind, said)
    # A login or a token of its configuration may stand in it.
    url = Credentials().add(said.get("url") or "")
    subdir = said.get("subdir") or said.get("platform") or ""
    filename = unquote(url.rpartition("/")[2])
    channel = url.removesuffix(f"/{subdir}/{url.rpartition('/')[2]}")
    if url and channel not in [one.rstrip("/") for one in _channels(question)]:
        raise EngineFailed(
            kind,
            f"it takes `{filename}` from {channel or url}, which is no channel of the request",
            hint="ask for that channel, or change what its configuration says of channels",
        )
    digest = said.get("sha256") or ""
    name, version, build = said["name"], said["version"], _build(said)
    if url and filename not in [f"{name}-{version}-{build}{end}" for end in _FORMATS]:
        raise EngineFailed(
            kind, f"it says that `{filename}` is {name} {version} {build}", hint=f"set {SETTING}"
        )
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": said.get("build_number") or 0,
        "subdir": subdir,
        "filename": filename,
        "url": url,
        "sha256": digest if _DIGEST.fullmatch(digest) else None,
        "md5": said.get("md5") or None,
        "size": said.get("size") or None,
        "depends": said.get("depends") or [],
        "constrains": said.get("constrains") or [],
        "channel": channel,
        "extras": [],
        "noarch": said.get("noarch") or None,
        "purls": said.get("purls"),
        "site_packages": said.get("python_site_packages_path") or _threaded(name, version, build),
    }


def _threaded(name: str, version: str, build: str) -> str | None:
    """Where a free-threaded Python has its packages, told by its build (CEP 20)."""
    major_minor = ".".join(version.split(".")[:2])
    if name == "python" and build.endswith(f"_cp{major_minor.replace('.', '')}t"):
        return f"lib/python{major_minor}t/site-packages"
    return None


def _identity(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record[key]) for key in ("name", "version", "build", "subdir"))


def _needed(records: Sequence[Record], roots: Sequence[str]) -> set[str]:
    """The names that lead from the requirements: not what was only asked to stay."""
    by_name, needed, pending = {each["name"]: each for each in records}, set[str](), [*roots]
    while pending:
        name = pending.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            pending += map(_name, by_name[name]["depends"])
    return needed
