"""What is said of an answer: that it is right, why it differs, or that it is a fault."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.world import wheels
from tests.world.machine import TOO_LONG

from envid.platforms import host_platform
from envid.resolved import ResolvedEnv
from resolvers.checking import check
from resolvers.metadata import Metadata
from resolvers.request import Resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.world.asking import Ask, Known
    from tests.world.machine import Answer, Machine

__all__ = ["Finding", "Judge", "Judged", "Part", "Resolved", "Verdict"]

Resolved = tuple["dict[str, dict[str, Any]]", str]
"""mfenv's descriptions by platform, or its error."""

Verdict = Literal["equal", "explained", "fault"]

_LARGEST = 300 << 20  # of what is created
_ROUNDS = 6
# A package that is there, and wants something of the system that this machine does not have.
_SYSTEM = re.compile(
    r"cannot open shared object file|[Uu]nable to find .*library|library .* not found"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `why` says what differs, and for which reason."""

    check: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was asked, what there is to say of it, and the least request with the same fault."""

    asked: str
    findings: list[Finding]
    smallest: str = ""


class Part(Protocol):
    """Requests of one kind, by their numbers."""

    @property
    def count(self) -> int:
        """How many there are."""

    def judge(self, number: int) -> Judged:
        """Ask, and judge the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Asks mfenv, by `resolve`, and the engines. Of `sampled` requests one is looked at closer."""

    machine: Machine
    packages: Mapping[str, Known]
    resolve: Callable[[Ask], Resolved]
    sampled: int = 3

    def judge(self, ask: Ask) -> list[Finding]:
        """What there is to say of the answer to a request."""
        ours, error = self.resolve(ask)
        theirs = {platform: self.machine.compile(ask, platform) for platform in ask.platforms}
        if error:
            return [self._failed(ask, error, theirs)]
        found: list[Finding] = []
        for platform in ask.platforms:
            found += self._compared(ask, platform, ours[platform], theirs[platform])
        chance = random.Random(f"closer:{ask.number}:{ask}")
        if chance.randrange(self.sampled) == 0:
            platform = chance.choice(ask.platforms)
            found += self._as_pip(platform, ours[platform])
        if host_platform() in ask.platforms and chance.randrange(self.sampled) == 0:
            found += self._created(ask, ours[host_platform()])
        return found

    def _failed(self, ask: Ask, error: str, theirs: Mapping[str, Answer]) -> Finding:
        if error.startswith(TOO_LONG):
            built = {
                name
                for platform, answer in theirs.items()
                for name in self._lacking(ask, platform, answer)
            }
            why = f"not judged, {error}: {', '.join(sorted(built))} have to be built"
            return Finding(check="versions", verdict="explained" if built else "fault", why=why)
        last = next((line for line in error.splitlines() if line.startswith("error: ")), error)
        for platform, answer in theirs.items():
            if answer.error:
                return Finding(check="versions", verdict="equal")
            lacking = self._lacking(ask, platform, answer)
            named = [name for name in lacking if name in error]
            if named:
                why = f"{', '.join(named)} would have to be built for {platform}: {last}"
                return Finding(check="versions", verdict="explained", why=why)
        return Finding(check="versions", verdict="fault", why=f"only mfenv fails: {error[-2000:]}")

    def _compared(
        self, ask: Ask, platform: str, env: Mapping[str, Any], theirs: Answer
    ) -> Iterator[Finding]:
        chosen = {one["name"]: one for one in env["packages"] if one["kind"] == "pypi"}
        versions = {name: one["version"] for name, one in chosen.items()}
        if env["python"] != self.machine.versions[ask.python]:
            why = f"{platform}: Python {env['python']} for {ask.python}"
            yield Finding(check="python", verdict="fault", why=why)
        if theirs.error:
            why = f"{platform}: only uv fails: {theirs.error[-2000:]}"
            yield Finding(check="versions", verdict="fault", why=why)
            return
        lacking = self._lacking(ask, platform, theirs)
        answer, verdict = theirs, "equal"
        if versions != theirs.versions and lacking:
            answer, verdict = self._unbuilt(ask, platform, theirs, versions), "explained"
        differing = _difference(versions, answer.versions)
        if differing:
            yield Finding(check="versions", verdict="fault", why=f"{platform}: {differing}")
        elif verdict == "explained":
            changed = _difference(versions, theirs.versions)
            why = f"{platform}: nothing is built, {', '.join(lacking)} lack a wheel: {changed}"
            yield Finding(check="versions", verdict="explained", why=why)
        else:
            yield Finding(check="versions", verdict="equal")
        yield from self._wheels(platform, env, chosen, answer)

    def _wheels(
        self,
        platform: str,
        env: Mapping[str, Any],
        chosen: Mapping[str, Mapping[str, Any]],
        answer: Answer,
    ) -> Iterator[Finding]:
        for name, package in chosen.items():
            if answer.versions.get(name) != package["version"]:
                continue
            best = wheels.best(answer.wheels.get(name, ()), platform, env["python"])
            if package["built_from"] and best is None:
                why = f"{platform}: {name} {package['version']} was built, there is no wheel"
                yield Finding(check="wheel", verdict="explained", why=why)
            elif best == package["filename"]:
                yield Finding(check="wheel", verdict="equal")
            else:
                why = f"{platform}: {package['filename']}, and the best one is {best}"
                yield Finding(check="wheel", verdict="fault", why=why)

    def _lacking(self, ask: Ask, platform: str, answer: Answer) -> list[str]:
        python = self.machine.versions[ask.python]
        return [
            name
            for name in answer.versions
            if wheels.best(answer.wheels[name], platform, python) is None
        ]

    def _unbuilt(
        self, ask: Ask, platform: str, theirs: Answer, versions: Mapping[str, str]
    ) -> Answer:
        """uv's answer where what lacks a wheel must have one: the rest as it was, else as it goes.

        That is what mfenv's documents say of such packages, and that pre-releases come last.
        """
        answer = theirs
        for released, pinned in product((True, False), repeat=2):
            attempt = self._strictly(ask, platform, theirs, released=released, pinned=pinned)
            if not attempt.error:
                answer = attempt
                if attempt.versions == versions:
                    break
        return answer

    def _strictly(
        self, ask: Ask, platform: str, theirs: Answer, *, released: bool, pinned: bool
    ) -> Answer:
        strict: list[str] = []
        attempt = theirs
        for _ in range(_ROUNDS):
            lacking = self._lacking(ask, platform, attempt)
            if not lacking or attempt.error:
                break
            strict += [name for name in lacking if name not in strict]
            kept = [
                f"{name}=={version}"
                for name, version in theirs.versions.items()
                if pinned and name not in strict
            ]
            attempt = self.machine.compile(
                ask, platform, only_binary=strict, constraints=kept, released=released
            )
        return attempt

    def _as_pip(self, platform: str, env: Mapping[str, Any]) -> Iterator[Finding]:
        chosen = {
            one["name"]: one
            for one in env["packages"]
            if one["kind"] == "pypi" and not one["built_from"]
        }
        versions = {name: one["version"] for name, one in chosen.items()}
        if not versions:
            return
        answer = wheels.pips_choice(self.machine, versions, platform, env["python"])
        if isinstance(answer, str):
            why = f"{platform}: pip refuses it: {answer[-1000:]}"
            yield Finding(check="pip", verdict="fault", why=why)
            return
        differing = _difference({name: one["filename"] for name, one in chosen.items()}, answer)
        why = f"{platform}: {differing}" if differing else ""
        yield Finding(check="pip", verdict="fault" if differing else "equal", why=why)

    def _created(self, ask: Ask, env: Mapping[str, Any]) -> Iterator[Finding]:
        if sum(one["size"] or 0 for one in env["packages"]) > _LARGEST:
            return
        name = f"{env['req_id']}:{env['full_id']}"
        done = self.machine.mfenv("create", name, "--name", f"world-{ask.number}", "--force")
        if done.returncode:
            yield Finding(check="create", verdict="fault", why=done.stderr[-2000:])
            return
        prefix = Path(done.stdout.strip())
        wrong = self.machine.check(prefix / "bin/python")
        yield Finding(check="create", verdict="fault" if wrong else "equal", why=wrong[-2000:])
        wrong = "; ".join(_unmet(ResolvedEnv.from_dict(env), prefix))
        yield Finding(check="checker", verdict="fault" if wrong else "equal", why=wrong[-2000:])
        for module in self._modules(ask):
            done = self.machine.mfenv("run", name, "--", "python", "-c", f"import {module}")
            if not done.returncode:
                yield Finding(check="import", verdict="equal")
                continue
            last = done.stderr.strip().splitlines()[-1]
            verdict: Verdict = "explained" if _SYSTEM.search(done.stderr) else "fault"
            yield Finding(check="import", verdict=verdict, why=f"{module}: {last}")
        self.machine.mfenv("rm", f"world-{ask.number}")

    def _modules(self, ask: Ask) -> list[str]:
        names = [canonicalize_name(Requirement(text).name) for text in ask.requirements]
        return [module for name in names for module in self.packages[name].imports]


def _unmet(env: ResolvedEnv, prefix: Path) -> tuple[str, ...]:
    """What mfenv's own check of requirements finds, by the metadata that was installed."""
    metadata = {}
    for path in prefix.glob("lib/python*/site-packages/*.dist-info/METADATA"):
        own = Metadata.parse(path.read_text(encoding="utf-8", errors="replace"))
        metadata[own.name] = own
    chosen = Resolution(python=env.python, packages=env.packages)
    return check(env.spec, env.platform, chosen, metadata=metadata, conda={}).problems


def _difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """What differs between two answers, each name with what mfenv has and what the engine has."""
    names = sorted(
        name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)
    )
    return json.dumps({name: [ours.get(name), theirs.get(name)] for name in names}) if names else ""
