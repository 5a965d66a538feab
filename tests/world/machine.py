"""Where the requests are asked: mfenv's own command in a home of its own, and the engines beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uv
from tests.channel import cached
from tests.channel.pythons import find_interpreters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.world.asking import Ask

__all__ = ["GLIBC", "OSX", "TOO_LONG", "Answer", "Machine"]

GLIBC, OSX = "2.28", "13.0"
TOO_LONG = "it takes more than"
_MFENV = Path(sys.executable).with_name("mfenv")
_LIMIT = 400.0
_UV = {
    "linux-64": f"x86_64-manylinux_{GLIBC.replace('.', '_')}",
    "linux-aarch64": f"aarch64-manylinux_{GLIBC.replace('.', '_')}",
    "osx-64": "x86_64-apple-darwin",
    "osx-arm64": "aarch64-apple-darwin",
}
# What would lead an engine elsewhere than the others.
_STRAY = re.compile(r"(UV|PIP|MFENV|CONDA|PYTHON|VIRTUAL)_.*")
_KEPT = ("PIP_CERT",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What uv chose: versions by name, and for each name the files that it would take; or why not."""

    versions: Mapping[str, str] = field(default_factory=dict)
    wheels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""


class Machine:
    """Runs mfenv and the engines, each with its own cache below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channel = cached().main
        self._uv = uv.find_uv_bin()
        interpreters = {
            one.minor: one for one in sorted(find_interpreters(), key=lambda one: _key(one.version))
        }
        self.pythons = {minor: one.executable for minor, one in interpreters.items()}
        self.versions = {minor: one.version for minor, one in interpreters.items()}
        self._plain = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not _STRAY.fullmatch(name)
        }
        self.environ = {
            **self._plain,
            "MFENV_HOME": str(folder / "home"),
            "MFENV_CHANNELS": self.channel.as_uri(),
            "MFENV_VIRTUAL_PACKAGES": f"__glibc={GLIBC},__osx={OSX}",
        }

    def run(
        self,
        *command: str | Path,
        text: str = "",
        environ: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; one that takes too long has the status -1."""
        words = [str(word) for word in command]
        try:
            return subprocess.run(
                words,
                input=text,
                capture_output=True,
                text=True,
                env={**self._plain, **(environ or {})},
                cwd=directory or self.folder,
                timeout=_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, -1, "", f"{TOO_LONG} {_LIMIT:.0f} s")

    def mfenv(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(_MFENV, *words, environ=self.environ)

    def resolve(self, ask: Ask) -> tuple[dict[str, dict[str, Any]], str]:
        """mfenv's answer by platform, or its error."""
        words = ["--python", ask.python, "--python-provider", ask.provider]
        words += ["--exclude-newer", ask.moment, "--json"]
        words += [word for one in ask.platforms for word in ("--platform", one)]
        words += [word for one in ask.requirements for word in ("--pypi", one)]
        done = self.mfenv("resolve", *words)
        if done.returncode:
            return {}, done.stderr.strip()
        envs = json.loads(done.stdout)["environments"]
        return {env["platform"]: env for env in envs}, ""

    def compile(
        self,
        ask: Ask,
        platform: str,
        *,
        only_binary: Sequence[str] = (),
        constraints: Sequence[str] = (),
        released: bool = False,
        python: str | None = None,
    ) -> Answer:
        """uv's answer for one platform, `released` versions alone, another `python` than is here."""
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "constraints.txt"
            path.write_text("\n".join(constraints))
            done = self.run(
                *(self._uv, "pip", "compile", "-", "--format", "pylock.toml", "--no-header"),
                *("--no-config", "--cache-dir", self.folder / "uv", "--constraints", path),
                *("--python", self.pythons[ask.python]),
                *("--python-version", python or self.versions[ask.python]),
                *("--python-platform", _UV[platform], "--exclude-newer", ask.moment),
                *(("--prerelease", "disallow") if released else ()),
                *(word for name in only_binary for word in ("--only-binary", name)),
                text="\n".join((*ask.requirements, "")),
                environ={"MACOSX_DEPLOYMENT_TARGET": OSX, "NO_COLOR": "1"},
            )
        if done.returncode:
            return Answer(error=done.stderr.strip())
        packages = _toml(done.stdout).get("packages", [])
        return Answer(
            versions={one["name"]: one["version"] for one in packages},
            wheels={
                one["name"]: tuple(file["url"].rpartition("/")[2] for file in one.get("wheels", ()))
                for one in packages
            },
        )

    def pip(self) -> Path:
        """An interpreter with the newest pip."""
        python = self.folder / "pip/bin/python"
        if not python.exists():
            self.run(self._uv, "venv", "--python", sys.executable, self.folder / "pip")
            done = self.run(self._uv, "pip", "install", "--python", python, "pip")
            if done.returncode:
                raise RuntimeError(done.stderr)
        return python

    def check(self, python: Path) -> str:
        """What `uv pip check` finds wrong with an environment."""
        done = self.run(self._uv, "pip", "check", "--no-config", "--python", python)
        return done.stderr.strip() if done.returncode else ""


def _key(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: dict[str, Any] = tomllib.loads(text)
    return found
