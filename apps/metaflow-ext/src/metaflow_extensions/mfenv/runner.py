"""`Runner(...).environment()`: the environments of a flow, from Python."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterable, NamedTuple, TypeVar

from metaflow_extensions.mfenv import encoding

if TYPE_CHECKING:
    from metaflow import Runner

    from metaflow_extensions.mfenv.documents import Description, PackageDescription

__all__ = [
    "EnvID",
    "EnvironmentRunner",
    "MetaflowResolvedEnvironment",
    "PackageSpecification",
    "StepEnvInfo",
    "TStr",
]


_T = TypeVar("_T")


class EnvID(NamedTuple):
    """The ids of an environment and its platform."""

    req_id: str
    full_id: str
    arch: str


class TStr(NamedTuple):
    """A text and its `category`: `conda`, `npconda`, `pypi` or `sys`."""

    category: str
    value: str

    def __str__(self) -> str:
        return f"{self.category}::{self.value}"


class PackageSpecification(NamedTuple):
    """A package of an environment; `package_detailed_version` has the build of a conda package."""

    filename: str
    package_name: str
    package_version: str
    package_detailed_version: str
    url: str
    pkg_hashes: tuple[tuple[str, str], ...]


class MetaflowResolvedEnvironment:
    """A view of a resolved environment; `to_dict` gives its whole description."""

    def __init__(self, description: Description) -> None:
        self._description = description

    def __repr__(self) -> str:
        return "MetaflowResolvedEnvironment({}:{}@{})".format(*self.env_id)

    @property
    def env_id(self) -> EnvID:
        """The req_id, full_id and platform."""
        env = self._description
        return EnvID(env["req_id"], env["full_id"], env["platform"])

    @property
    def deps(self) -> list[TStr]:
        """What was asked for."""
        spec = self._description["spec"]
        return [
            TStr(category, text)
            for by_category in (
                spec["requirements"],
                spec["platform_requirements"].get(self.env_id.arch, {}),
            )
            for category, texts in by_category.items()
            for text in texts
        ]

    @property
    def sources(self) -> list[TStr]:
        """The channels and indexes where it was looked for, in order."""
        kinds = {"channel": "conda"}
        return [
            TStr(kinds.get(source["kind"], "pypi"), source["url"])
            for source in self._description["spec"]["sources"]
        ]

    @property
    def extras(self) -> dict[str, object]:
        """The options of the request."""
        return dict(self._description["spec"]["options"])

    @property
    def packages(self) -> list[PackageSpecification]:
        """What was found."""
        return [_package(package) for package in self._description["packages"]]

    @property
    def resolved_on(self) -> datetime:
        """When, in UTC."""
        # `fromisoformat` reads no `Z` before Python 3.11.
        text = self._description["resolved_at"].replace("Z", "+0000")
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")

    @property
    def resolved_by(self) -> str:
        """Who resolved it."""
        return self._description["resolved_by"]

    @property
    def co_resolved_archs(self) -> list[str]:
        """The platforms that were resolved together."""
        return sorted(self._description["co_resolved"])

    @property
    def env_type(self) -> str:
        """`conda-only`, `pypi-only` or `mixed`."""
        return self._description["env_type"]

    def to_dict(self) -> dict[str, object]:
        """The description, as envid documents it."""
        return dict(self._description)


def _package(package: PackageDescription) -> PackageSpecification:
    version, build = package["version"], package.get("build")
    return PackageSpecification(
        filename=package["filename"],
        package_name=package["name"],
        package_version=version,
        package_detailed_version=f"{version}-{build}" if build else version,
        url=package["url"],
        pkg_hashes=tuple(sorted(package["hashes"].items())),
    )


class StepEnvInfo(NamedTuple):
    """What is known of the environment of a step; `env` is None where it is not resolved."""

    is_disabled: bool
    error: str | None
    requested_hash: str | None
    requested_packages: dict[str, dict[str, str]]
    requested_sources: dict[str, list[str]]
    from_env_name: str | None
    is_fetch_at_exec: bool
    env: MetaflowResolvedEnvironment | None


class EnvironmentRunner:
    """Resolves and shows the environments of a flow's steps.

    Parameters
    ----------
    runner : Runner
        The runner of the flow.

    """

    name = "environment"

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def resolve(
        self,
        *steps: str,
        arch: str | Iterable[str] | None = None,
        alias: str | Iterable[str] | None = None,
        force: bool = False,
        dry_run: bool = False,
        timeout: float = 1200,
    ) -> dict[str, dict[str, tuple[MetaflowResolvedEnvironment, bool]]]:
        """Resolve the environments of steps, or of all of them.

        Raises RuntimeError if that fails or takes more than `timeout` seconds.

        Returns
        -------
        Dict[str, Dict[str, Tuple[MetaflowResolvedEnvironment, bool]]]
            By step and platform, the environment and whether it had to be resolved; nothing of
            steps that need none.

        """
        words = [word for platform in _listed(arch) for word in ("--arch", platform)]
        words += [word for name in _listed(alias) for word in ("--alias", name)]
        words += ["--force"] * force + ["--dry-run"] * dry_run
        # Python 3.8 has no `dict[...]` that a program could be given.
        # Not above: with Metaflow, every task of a run on this machine imports this module.
        from metaflow_extensions.mfenv.command_records import ResolvedStep

        kind = Dict[str, Dict[str, ResolvedStep]]
        by_step = self._run(kind, "resolve", [*words, *steps], timeout)
        return {
            name: {
                platform: (MetaflowResolvedEnvironment(step.env), step.newly_resolved)
                for platform, step in by_platform.items()
            }
            for name, by_platform in by_step.items()
            if by_platform
        }

    def show(
        self, *steps: str, local_only: bool = False, timeout: float = 60
    ) -> dict[str, StepEnvInfo]:
        """Say what is known of the environments of steps, or of all of them.

        Raises RuntimeError if that fails or takes more than `timeout` seconds.

        Returns
        -------
        Dict[str, StepEnvInfo]
            What is known, by step.

        """
        from metaflow_extensions.mfenv.command_records import ShownStep

        words = ["--local-only"] * local_only + list(steps)
        by_step = self._run(Dict[str, ShownStep], "show", words, timeout)
        return {
            name: StepEnvInfo(
                is_disabled=step.is_disabled,
                error=step.error,
                requested_hash=step.requested_hash,
                requested_packages=step.requested_packages,
                requested_sources=step.requested_sources,
                from_env_name=step.from_env_name,
                is_fetch_at_exec=step.is_fetch_at_exec,
                env=MetaflowResolvedEnvironment(step.env) if step.env else None,
            )
            for name, step in by_step.items()
        }

    def _run(self, kind: type[_T], command: str, words: list[str], timeout: float) -> _T:
        runner = self._runner
        # Metaflow knows how to spell the options of a flow; one of its commands is asked for them.
        spelled = list(runner.api(**runner.top_level_kwargs).check())
        # Up to the last `check`: an option may have that very value.
        spelled = spelled[: len(spelled) - 1 - spelled[::-1].index("check")]
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "environments.json")
            # By a file, since the flow may print whatever it likes.
            words = [*spelled, "environment", command, "--output", str(output), *words]
            try:
                done = subprocess.run(
                    [sys.executable, *words],
                    env=runner.env_vars,
                    cwd=runner.cwd,
                    stdout=None if runner.show_output else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    timeout=timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                message = f"`environment {command}` took more than {timeout} s"
                raise RuntimeError(message) from None
            if done.returncode:
                raise RuntimeError(f"`environment {command}` failed: {done.stderr.strip()}")
            return encoding.read(output.read_text(encoding="utf-8"), kind)


def _listed(value: str | Iterable[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
