"""Programs run in what is asked for, in one step: resolved, created, known again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from resolvers.testing import FakeIndex

from .helpers import Machine, distributions, finish

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = """\
# /// script
# requires-python = ">=3.9"
# dependencies = ["dep<2"]
# ///
import sys
from importlib.metadata import version
print(version("dep"), *sys.argv[1:])
"""
SHOW = ("python", "-c", "import importlib.metadata as m; print(m.version('dep'))")


@pytest.mark.slow
def test_a_file_is_resolved_created_and_known_again(machine: Machine, index: FakeIndex) -> None:
    machine.file("requirements.txt", "dep\n")
    first = machine.run("run", "-r", "requirements.txt", "--", *SHOW)
    assert (first.status, "1 package on Python" in first.err) == (0, True)
    index.requests.clear()
    second = machine.run("run", "-r", "requirements.txt", "--", *SHOW)
    assert (second.status, second.out, second.err) == (0, first.out, "")
    assert not index.requests
    # The same environment as anybody else's who asks for it.
    resolved = machine.ok("resolve", "-r", "requirements.txt")
    assert "there already" in machine.run("create", resolved).err


@pytest.mark.slow
def test_a_script_is_the_program_and_words_are_its_arguments(machine: Machine) -> None:
    machine.file("job.py", JOB)
    assert machine.ok("run", "--script", "job.py", "--", "--epochs", "3") == "1.0 --epochs 3"
    assert machine.ok("run", "--script", "job.py", "a", "--epochs") == "1.0 a --epochs"
    assert machine.ok("run", "--script", "job.py") == "1.0"


@pytest.mark.parametrize("asked", ["# dependencies = []\n", ""])
def test_a_script_that_asks_for_nothing_runs(machine: Machine, asked: str) -> None:
    machine.file("job.py", f"# /// script\n{asked}# ///\nprint('runs')\n")
    assert machine.ok("run", "--script", "job.py") == "runs"


def test_a_file_in_place_of_an_environment_is_told(machine: Machine) -> None:
    files = {"job.py": "--script job.py", "r.txt": "-r r.txt", "e.yml": "-f e.yml", "p.toml": "-p"}
    for name, hint in files.items():
        machine.file(name, "")
        for words in ([name], [f"./{name}", "--", "x"]):
            said = machine.fails("run", *words, status=2)
            assert f"`{words[0]}` is a file, and no environment" in said
            assert f"`mfenv run {hint.split()[0]} {words[0]}" in said


def test_a_script_may_be_called_like_an_option(machine: Machine) -> None:
    machine.file("-x.py", JOB)
    assert machine.ok("run", "--script", "./-x.py", "a") == "1.0 a"


@pytest.mark.slow
def test_what_is_left_out_of_the_environment_is_said(machine: Machine) -> None:
    for words in (("run", "--pypi", "dep", "--", "env"), ("activate", "a:v1", "--shell", "sh")):
        machine.ok("resolve", "--pypi", "dep", "--alias", "a:v1")
        assert "PYTHONPATH" not in machine.run(*words).err
        done = machine.run(*words, env={"PYTHONPATH": "/x"})
        assert "note: PYTHONPATH is left out" in done.err
        assert "PYTHONPATH=/x" not in done.out


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the job has run."""
    root = tmp_path_factory.mktemp("known")
    with FakeIndex(*distributions()) as index:
        machine = Machine(root / "machine", index, root / "store")
        machine.file("job.py", JOB)
        machine.ok("run", "--script", "job.py")
        yield machine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--script", "job.py", "--epochs", "3"], "--epochs 3"),
        (["--script=job.py", "-q", "--offline", "--help"], "-q --offline --help"),
        (["--offline", "--script", "job.py", "--python", "2"], "--python 2"),
        (["--python", "3", "--script", "job.py", "--script", "b.py"], "--script b.py"),
        (["--script", "job.py", "--", "--", "-x"], "-- -x"),
        (["--script", "job.py", "--epochs", "--", "-x"], "--epochs -- -x"),
        (["--script", "job.py", "--", "", "x"], " x"),
        (["--pypi", "dep", "--", "python", "job.py", "--script", "x"], "--script x"),
    ],
)
def test_all_behind_a_script_is_its_own(known: Machine, words: list[str], said: str) -> None:
    assert known.ok("run", *words).removeprefix("1.0 ").removeprefix("2.0 ") == said.rstrip()


def test_what_is_asked_for_on_the_command_line(machine: Machine) -> None:
    assert machine.ok("run", "--pypi", "dep<2", "--", *SHOW) == "1.0"


@pytest.mark.slow
def test_this_machine_alone_counts(machine: Machine) -> None:
    machine.environ["MFENV_PLATFORMS"] = "osx-arm64,linux-64,linux-aarch64,osx-64"
    machine.ok("run", "--pypi", "dep", "--", *SHOW)
    assert len(machine.json("list")["environments"]) == 1


def test_the_status_is_that_of_the_program(machine: Machine) -> None:
    command = ("--pypi", "dep", "--", "python", "-c", "raise SystemExit(7)")
    assert machine.run("run", *command).status == 7


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["-r", "r.txt"], "missing argument `CMD [ARG]...`"),
        (["-r", "r.txt", "--lock", "mfenv.lock", "--", "x"], "ask for nothing beside --lock"),
        (["--pre", "team/etl", "--", "x"], "nothing is resolved for ENV"),
        (["--group", "g", "--pypi", "dep", "--", "x"], "--group and --extra are of"),
        (["-r", "r.txt", "--script", "a.py"], "leave out -r"),
        (["-p", "pyproject.toml", "--script", "a.py", "-x"], "leave out -p"),
        (["-f", "e.yml", "--script", "a.py"], "leave out -f"),
        (["--lock", "mfenv.lock", "--script", "a.py"], "ask for nothing beside --lock"),
        (["--epochs", "3", "--script", "a.py"], "behind it: `--script FILE --epochs`"),
        (["job.py", "--epochs", "3"], "`mfenv run --script job.py` runs it"),
        (["--script", "http://127.0.0.1:9/a.py"], "a script that runs is a file"),
        (["--script", "/dev/stdin"], "write it to a file first"),
    ],
)
def test_wrong_usage_is_told(machine: Machine, words: list[str], problem: str) -> None:
    machine.file("job.py", JOB)
    done = machine.run("run", *words)
    assert (done.status, problem in done.err) == (2, True), done.err


@pytest.mark.slow
@pytest.mark.parametrize("named", ["team/app:v1", "ids", "etl"])
def test_a_shell_is_led_into_an_environment_and_out(machine: Machine, named: str) -> None:
    ids = machine.ok("resolve", "--pypi", "dep<2", "--alias", "team/app:v1")
    machine.ok("create", ids, "--name", "etl")
    name = ids if named == "ids" else named
    mfenv = f"{sys.executable} -m mfenv"
    lines = [
        "PS1='$ '",
        f'eval "$({mfenv} activate {name})"',
        "python -c 'import dep; print(dep.version)'",
        'echo "$PS1"',
        "deactivate",
        'echo "$PS1${VIRTUAL_ENV-}"',
    ]
    done = finish(machine.spawn("bash", "--norc", "-euc", "\n".join(lines)))
    shown = "team/app:v1" if named == "ids" else named
    assert (done.status, done.out) == (0, f"1\n({shown}) $ \n$ \n"), done.err


@pytest.mark.slow
def test_what_cannot_be_activated_leaves_the_shell_as_it_is(machine: Machine) -> None:
    done = finish(
        machine.spawn("bash", "-c", f'eval "$({sys.executable} -m mfenv activate no/such)"; env')
    )
    assert ("error: `no/such`" in done.err, "deactivate" in done.out) == (True, False)
    machine.ok("resolve", "--pypi", "dep", "--alias", "a:v1")
    done = machine.run("activate", "a:v1", "--shell", "tcsh")
    assert (done.status, done.out) == (1, "false\n")
    assert "is not a shell" in done.err
