"""Users who may have few processes and threads, little memory, or small files only."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from .helpers import Machine, consistent, failure, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.slow

PYPI, CONDA = ("--pypi", "app"), ("--conda", "greeter")


def limited(option: str) -> str:
    """What makes a shell one of a user who has no other process, with this limit of `prlimit`.

    It may read and write what root may, so that it finds this Python and its packages.
    """
    if os.geteuid() or not shutil.which("setpriv") or not shutil.which("prlimit"):
        pytest.skip("only root can become a user without other processes")
    user = 100_000 + os.getpid()
    rights = "--inh-caps +dac_override --ambient-caps +dac_override --securebits +no_setuid_fixup"
    change = f"setpriv {rights} --reuid {user} --clear-groups prlimit {option}"
    return f'[ "$(id -u)" = {user} ] || exec {change} "$0" "$@"'


def starve(machine: Machine, words: Sequence[str], options: Sequence[str], hint: str) -> list[int]:
    """Resolve and create under each limit, the narrowest first; which of them were enough."""
    enough = []
    for number, option in enumerate(options):
        resolved = machine.run("resolve", *words, "--alias", "a:v1", before=limited(option))
        done = resolved
        if not resolved.status:
            done = machine.run("create", "a:v1", "--name", f"e{number}", before=limited(option))
        if done.status:
            said = failure(done)
            assert hint in said.partition("\nhint: ")[2], said
            assert "report" not in said
        else:
            enough.append(number)
        consistent(machine)
        tidy(machine)
    for command in (["resolve", *words, "--alias", "a:v1"], ["create", "a:v1", "--name", "e"]):
        done = machine.run(*command, before=limited("--nproc=4096"))
        assert done.status == 0, done.err
    return enough


def test_few_processes_for_pypi_packages(machine: Machine) -> None:
    limits = [f"--nproc={most}" for most in (1, 2, 3, 4, 6, 8, 40)]
    assert limits.index("--nproc=40") in starve(machine, PYPI, limits, "`ulimit -u`")
    assert machine.run("run", "e", "--", "hello", before=limited("--nproc=1")).status == 7


def test_few_processes_for_conda_packages(conda: Machine) -> None:
    limits = [f"--nproc={most}" for most in (1, 2, 4, 5, 6, 7, 8, 12, 60)]
    assert limits.index("--nproc=60") in starve(conda, CONDA, limits, "`ulimit -u`")


def test_little_memory(machine: Machine) -> None:
    limits = [f"--as={most}000000" for most in (40, 60, 80, 120, 160, 250)]
    starve(machine, PYPI, limits, "`ulimit -v`")


def test_little_memory_for_conda_packages(conda: Machine) -> None:
    limits = [f"--as={most}000000" for most in (60, 100, 200, 400)]
    starve(conda, CONDA, limits, "`ulimit -v`")


@pytest.mark.parametrize("words", [PYPI, CONDA])
def test_small_files(conda: Machine, words: Sequence[str]) -> None:
    limits = [f"--fsize={most}" for most in (0, 1000, 10_000, 100_000)]
    if words == PYPI:
        conda.environ["MFENV_PYTHON_PROVIDER"] = "system"
    starve(conda, words, limits, "`ulimit -f`")
