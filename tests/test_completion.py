"""Shells that complete the command line, started for real."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .helpers import COMMAND, finish

if TYPE_CHECKING:
    from .helpers import Machine

pytestmark = pytest.mark.slow
PROMPT = "ready> "
# What a terminal shows differently, and what makes it wait.
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\0")
LOADERS = ("/usr/share/bash-completion/bash_completion", "/etc/bash_completion")
START = {
    "bash": ("bash", "-i"),
    "zsh": ("zsh", "-i"),
}


@pytest.fixture
def known(machine: Machine) -> Machine:
    machine.ok("resolve", "--pypi", "app", "--alias", "team/app:v1", "--alias", "team/app:v2")
    machine.ok("resolve", "--pypi", "other", "--alias", "alone:v1")
    machine.environ |= {
        "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
        "TERM": "xterm",
    }
    return machine


def typed(machine: Machine, shell: str, *keys: str) -> None:
    """Type into an interactive shell, and wait after each for what must appear then."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 200, 0, 0))
    process = subprocess.Popen(
        START[shell],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**machine.environ, "PS1": PROMPT, "PROMPT": PROMPT},
        cwd=machine.work,
        start_new_session=True,
    )
    os.close(follower)
    said = ""

    def wait(until: str, seconds: float = 60) -> None:
        nonlocal said
        end = time.monotonic() + seconds
        while not re.search(until, said):
            assert time.monotonic() < end, said
            if select.select([leader], [], [], 0.1)[0]:
                said += _CODES.sub("", os.read(leader, 4096).decode())

    try:
        wait(re.escape(PROMPT))
        for line, expected in zip(keys[::2], keys[1::2], strict=True):
            said = ""
            os.write(leader, line.encode())
            wait(expected)
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def needs(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_new_shell_completes(known: Machine, shell: str) -> None:
    needs(shell)
    (known.user / ".bashrc").write_text(f"PS1='{PROMPT}'\n")
    (known.user / ".zshrc").write_text(f"PS1='{PROMPT}'\n")
    known.ok("completion", "install", "--shell", shell)
    typed(
        known,
        shell,
        *("mfenv resol\t", "mfenv resolve "),
        *("\x15mfenv show al\t", "mfenv show alone:v1 "),
        # What comes behind a colon is a word of its own to bash.
        *("\x15mfenv show alone:\t", "mfenv show alone:v1 "),
        *("\x15mfenv show team/app:v\t\t", r"v1\s+(team/app:)?v2"),
        *("\x15mfenv list --lim\t", "mfenv list --limit "),
        *("\x15mfenv tree alone:v1 oth\t", "mfenv tree alone:v1 other "),
    )


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("mfenv resol", "resolve"),
        ("mfenv show al", "alone:v1"),
        ("mfenv show alone:", "alone:v1"),
        ("mfenv show team/app:v", "team/app:v1\nteam/app:v2"),
        ("mfenv list --lim", "--limit"),
        ("mfenv tree alone:v1 oth", "other"),
    ],
)
def test_fish_completes(known: Machine, line: str, completed: str) -> None:
    needs("fish")
    known.ok("completion", "install", "--shell", "fish")
    done = finish(known.spawn("fish", "--command", f"complete --do-complete '{line}'"))
    # What is behind a tab tells what it is.
    assert [row.partition("\t")[0] for row in done.out.splitlines()] == completed.split()


def test_fish_shows_descriptions_with_commas_whole(known: Machine) -> None:
    needs("fish")
    known.ok("completion", "install", "--shell", "fish")
    done = finish(known.spawn("fish", "--command", "complete --do-complete 'mfenv comple'"))
    wanted = "Complete commands, options and names of environments in bash, zsh and fish."
    assert done.out == f"completion\t{wanted}\n"


def test_bash_loads_the_file_of_a_user_by_itself(known: Machine) -> None:
    needs("bash")
    loader = next((path for path in LOADERS if Path(path).exists()), None)
    if not loader:
        pytest.skip("the package bash-completion is not installed")
    (known.user / ".bashrc").write_text(f"PS1='{PROMPT}'\n. {loader}\n")
    before = (known.user / ".bashrc").read_text()
    known.ok("completion", "install", "--shell", "bash")
    assert (known.user / ".bashrc").read_text() == before
    typed(known, "bash", "mfenv show al\t", "mfenv show alone:v1 ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installing_twice_changes_nothing(machine: Machine, shell: str) -> None:
    rc = machine.user / f".{shell}rc"
    rc.write_bytes(b"# mine \xff\nx=1")
    done = machine.run("completion", "install", env={"SHELL": f"/usr/bin/{shell}"})
    assert done.status == 0, done.err
    written = [Path(line) for line in done.out.splitlines()]
    assert all(path.is_relative_to(machine.user) for path in written)
    place = {
        "bash": ".local/share/bash-completion/completions/mfenv",
        "zsh": ".local/share/zsh/site-functions/_mfenv",
        "fish": ".config/fish/completions/mfenv.fish",
    }
    assert written[0] == machine.user / place[shell]
    assert machine.run("completion", "show", "--shell", shell).out == written[0].read_text()
    content = {path: path.read_bytes() for path in (*written, rc)}
    assert content[rc].startswith(b"# mine \xff\nx=1")
    again = machine.run("completion", "install", "--shell", shell)
    assert (again.out, "is there already" in again.err) == ("", True)
    assert {path: path.read_bytes() for path in content} == content


def test_the_block_of_an_older_script_is_replaced(machine: Machine) -> None:
    machine.ok("completion", "install", "--shell", "zsh")
    rc = machine.user / ".zshrc"
    block = rc.read_text()
    rc.write_text(f"first\n{block.replace('.local', '.elsewhere')}last\n")
    assert machine.ok("completion", "install", "--shell", "zsh") == str(rc)
    assert rc.read_text() == f"first\n{block}last\n"
    env = {"ZDOTDIR": str(machine.work), "XDG_DATA_HOME": str(machine.root / "data")}
    written = machine.ok("completion", "install", "--shell", "zsh", env=env).split()
    assert written == [
        str(machine.root / "data/zsh/site-functions/_mfenv"),
        str(machine.work / ".zshrc"),
    ]


def test_a_shell_that_is_not_known(machine: Machine) -> None:
    for env in ({"SHELL": "/bin/tcsh"}, {"SHELL": ""}):
        said = machine.fails("completion", "install", status=2, env=env)
        assert said.endswith("hint: give `--shell` with bash, zsh, fish\n")
    assert list(machine.user.iterdir()) == []
