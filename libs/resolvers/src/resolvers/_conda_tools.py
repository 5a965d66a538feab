"""micromamba, mamba or conda in the place of py-rattler: what they would install, by a dry run.

They find the user's own configuration, and are told of the request alone: its channels in their
order, by name where it has names, and what the target has. They may choose; what they chose is
checked as ever, and must lie in the channels that were asked for, wherever their configuration says
that these are.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from packaging.version import Version

from pkgcache.threads import Threads
from pkgcache.web.credentials import BESIDE
from pkgcache.web.watch import Watch
from resolvers._conda_question import package_name
from resolvers._conda_tools_answers import (
    SETTING,
    is_same,
    linked,
    needed,
    read_json,
    read_record,
)
from resolvers._conda_tools_diagnosis import diagnose, unknown
from resolvers._conda_tools_places import Places, told_channels
from resolvers._conda_tools_told import left_out, told_specs
from resolvers._network import named
from resolvers._processes import Processes
from resolvers._programs import find_program, readable, users_environment
from resolvers.channels import split_channel
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

__all__ = ["LEAST", "SETTING", "answers", "kind_of", "overrides", "places_of", "records_of"]

LEAST = {"micromamba": "1.4", "mamba": "1.4", "conda": "23.1"}
"""The oldest version of each that its answers are understood of."""
_RECORDS = "resolvers._conda_verifying:records"
_VERIFY = "resolvers._conda_verifying:problems"
# The first that heed a `NETRC` file; conda always has.
_WITH_NETRC = Version("1.4.3")
# How the family is told of the virtual packages of another machine; `__unix` goes with the platform.
_OVERRIDES = ("__archspec", "__cuda", "__glibc", "__linux", "__osx")
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
    answer: list[Record] = ask(_RECORDS, question, context, names=names)
    return answer


def overrides(question: CondaQuestion) -> dict[str, str]:
    """The variables that say what the target has, in place of this machine."""
    virtual = {name: (version, build) for name, version, build in question.virtual}
    told = {}
    for name in _OVERRIDES:
        version, build = virtual.get(name, ("", ""))
        # Of a processor the build is what tells; nothing says that there is none of it.
        told[f"CONDA_OVERRIDE_{name[2:].upper()}"] = build if name == "__archspec" else version
    return told


def places_of(
    question: CondaQuestion,
    program: ChosenProgram,
    context: ResolveContext,
    processes: Processes,
    ask: Ask,
) -> Places:
    """Where the channels of a question are by the configuration of a program of the family."""
    tool = _Tool(kind_of(str(program.path)), program, processes, context, ask)
    return Places(tool.kind, question, partial(tool.look, question, {}))


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
            raise UnsupportedRequest(f"{self.kind} knows no cut-off date as it is meant here", hint)
        for name, version, build in question.virtual:
            if name not in (*_OVERRIDES, "__unix"):
                text = f"{name}={version}={build}"
                raise UnsupportedRequest(f"{self.kind} cannot be told of `{text}`", hint)
        for url in _urls(question):
            if self.context.credentials.with_token(url) != url:
                raise UnsupportedRequest(
                    f"`{url}` has a token, which {self.kind} takes from its own configuration alone",
                    f"give it there and not here, or set {SETTING}",
                )
        self._logins(question)

    def answer(self, question: CondaQuestion, network: Mapping[str, str]) -> list[Record]:
        """The records of an answer, checked and complete."""
        places = Places(self.kind, question, partial(self.look, question, network))
        # It has no wishes: what should stay is asked for, and if that cannot be, not.
        for stay in ([*question.held, *question.preferred], question.held):
            try:
                records = self._solved(question, stay, network, places)
                break
            except NoSolution:
                # There was nothing to let go of, or it was let go of.
                if len(stay) == len(question.held):
                    raise
        chosen = [read_record(each, places, self.kind) for each in records]
        chosen = self._without_pip(self._complete(chosen, places), places)
        roots = [package_name(text) for text in question.specs]
        kept = needed(chosen, roots)
        chosen = [each for each in chosen if each["name"] in kept]
        self._verify(chosen, question, places)
        names = {each["name"] for each in chosen}
        return [
            {
                **each,
                "depends": sorted(set(map(package_name, each["depends"])) & names - {each["name"]}),
            }
            for each in chosen
        ]

    def _solved(
        self,
        question: CondaQuestion,
        stay: Sequence[str],
        network: Mapping[str, str],
        places: Places,
    ) -> list[Record]:
        """What it would link."""
        context = self.context
        specs = dict.fromkeys(told_specs(self.kind, question, stay, places, self._there))
        with tempfile.TemporaryDirectory() as work, self._netrc(question) as netrc:
            command = [
                *(str(self.program.path), "create", "--dry-run", "--json", "--yes"),
                *("--prefix", f"{work}/prefix", "--override-channels"),
                # Also those that a requirement names: not all of the family add them.
                *(part for channel in told_channels(question) for part in ("--channel", channel)),
                *(("--offline",) if context.offline else ()),
                *specs,
            ]
            done = self._run(
                f"{self.kind} create --dry-run {question.platform}",
                command,
                # Where mfenv runs: by that, paths in its variables are meant.
                environment={**self._environment(question), **network, **netrc},
            )
        data = read_json(done.stdout)
        # Some say that they succeeded, and end otherwise.
        if data is None or done.returncode or not data.get("success"):
            error = diagnose(self.kind, data, done, question, context)
        else:
            records = linked(data, self.kind)
            # mamba lets go of what names a channel and cannot be had.
            lacking = left_out(question, [str(record["name"]) for record in records])
            if not lacking:
                return records
            error = NoSolution(question.platform, f"{self.kind} leaves out {', '.join(lacking)}")
        if isinstance(error, NoSolution):
            there = places.at()
            error = unknown(error, there, context, partial(self._there, there))
        raise error

    def look(
        self,
        question: CondaQuestion,
        network: Mapping[str, str],
        arguments: Sequence[str],
        variables: Mapping[str, str],
    ) -> Mapping[str, Any]:
        """What it says of its configuration; nothing where it cannot."""
        done = self._run(
            f"{self.kind} {arguments[0]}",
            [str(self.program.path), *arguments],
            environment={**self._environment(question), **network, **variables},
        )
        return (not done.returncode and read_json(done.stdout)) or {}

    def _run(self, name: str, command: Sequence[str], **more: Any) -> CompletedProcess[str]:
        limit = self.context.patience.silence * _SILENCES
        try:
            return readable(self.processes.run(name, command, limit=limit, **more))
        except TimeoutError:
            raise EngineFailed(
                self.kind,
                f"it has not answered within {limit:.0f} s",
                hint=f"see what it does by itself, or set {SETTING}",
            ) from None

    def _environment(self, question: CondaQuestion) -> dict[str, str]:
        packages = self.context.cache_dir / "conda-tools" / self.kind
        packages.mkdir(parents=True, exist_ok=True)
        env = {
            name: value
            for name, value in users_environment().items()
            if not name.startswith("CONDA_OVERRIDE_")
        }
        env |= overrides(question)
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
        for url in _urls(question):
            login, host = self.context.credentials.find(url), urlsplit(url).hostname
            # What pip has is none of its business: it has its own.
            if not login or not host or login.source in ("netrc", BESIDE):
                continue
            own = login.user, login.password
            reads = self.kind == "conda" or self.program.version >= _WITH_NETRC
            if not reads or logins.setdefault(host, own) != own:
                raise UnsupportedRequest(
                    f"`{url}` has a login, which {self.kind} {self.program.version} takes from its own"
                    " configuration or netrc, one for a host",
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

    def _complete(self, records: list[Record], places: Places) -> list[Record]:
        """The records with what an answer may lack, by the channels; raises `EngineFailed`."""
        lacking = [each for each in records if not (each["url"] and each["sha256"])]
        if not lacking:
            return records
        channels = {each["channel"] for each in lacking}
        question = places.at(() if "" in channels else channels)
        there = self._there(question, sorted({each["name"] for each in lacking}))
        complete = []
        for each in records:
            # Where several channels have a build, the one that is asked first counts.
            own = next((record for record in there if is_same(record, each)), None)
            if each in lacking and own:
                source = each["source"] or places.source(own["channel"])
                depends = each["depends"] or own["depends"]
                each = own | {"depends": depends, "source": source}  # noqa: PLW2901
            if not (each["url"] and (each["sha256"] or each["md5"])):
                raise EngineFailed(
                    self.kind,
                    f"it says neither where `{each['name']}` {each['version']} lies nor what hash it"
                    " has, and no channel does",
                    hint=f"set {SETTING}",
                )
            complete.append(each)
        return complete

    def _without_pip(self, records: list[Record], places: Places) -> list[Record]:
        """The records without what some releases of conda add to Python, whatever they are told."""
        right = []
        for record in records:
            if record["name"] == "python" and "pip" in record["depends"] and record["channel"]:
                there = self._there(places.at([record["channel"]]), ["python"])
                own = next((each for each in there if is_same(each, record)), record)
                if "pip" not in own["depends"]:
                    depends = [text for text in record["depends"] if text != "pip"]
                    right.append(record | {"depends": depends})
                    continue
            right.append(record)
        return right

    def _verify(self, records: list[Record], question: CondaQuestion, places: Places) -> None:
        """Raise `RequirementsUnmet` where an answer is none to the question."""
        # Read is what it names: what else its configuration has may lie where nobody can read it.
        where = places.at({each["channel"] for each in records})
        unmet = self.ask(_VERIFY, where, self.context, records=records)
        channels = {each["name"]: each["channel"] for each in records}
        for text in question.told_specs.values():
            channel, own = split_channel(text)
            lies = channels.get(package_name(own))
            if channel and lies and not places.lies_in(lies, channel):
                unmet.append(f"`{text}` is asked for, and there is one from {lies}")
        if unmet:
            error = RequirementsUnmet(question.platform, tuple(unmet))
            error.hint = f"{self.kind} may be configured otherwise; or set {SETTING}"
            raise error


def _urls(question: CondaQuestion) -> list[str]:
    return [channel for channel in told_channels(question) if "://" in channel]


def _word(text: str) -> str:
    """A value as netrc has it: as it is, where it can be; Python reads quoted ones since 3.11."""
    if re.fullmatch(r'[^\s"#\\][^\s\\]*', text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
