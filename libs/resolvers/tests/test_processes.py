"""No child outlives the run that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from resolvers._processes import Processes
from resolvers.errors import EngineFailed

# A program that starts another one, as uv starts build backends, and says so.
NESTED = "sleep 60 & echo $! > {file}; echo $$ >> {file}; wait"

# As build tools such as ninja run their jobs.
OWN_GROUP = f"{sys.executable} -c 'import os, time; os.setpgid(0, 0); time.sleep(60)'"


def pids(file: Path) -> list[int]:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = file.read_text().split() if file.exists() else []
        if len(found) == 2:
            return [int(one) for one in found]
        time.sleep(0.01)
    raise AssertionError("the program did not start")


def state(pid: int) -> str:
    """The kernel's letter for what a process does; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 300
    while state(pid) not in ("", "Z"):  # an orphan may stay a zombie where nothing reaps it
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.01)


def wait_for_rest(pid: int) -> None:
    deadline = time.monotonic() + 300
    while state(pid) != "S":
        assert time.monotonic() < deadline, f"process {pid} does not rest"
        time.sleep(0.01)


def test_input_and_output_pass_through() -> None:
    names: list[str] = []
    done = Processes(names.append).run("cat", ["cat"], text="äöü\n")
    assert (done.stdout, done.stderr, done.returncode) == ("äöü\n", "", 0)
    assert names == ["cat"]


@pytest.mark.parametrize("git", [True, False])
def test_what_is_configured_for_git_is_for_git(monkeypatch: pytest.MonkeyPatch, git: bool) -> None:
    mine = {"GIT_CONFIG_VALUE_0": "a", "SSH_AUTH_SOCK": "b"}
    for name, value in {**mine, "GIT_SSL_CAINFO": "c", "GIT_DIR": "d", "HF_TOKEN": "e"}.items():
        monkeypatch.setenv(name, value)
    shown = Processes(lambda _: None).run("env", ["env"], git=git).stdout.splitlines()
    assert "GIT_SSL_CAINFO=c" in shown
    assert not {"GIT_DIR=d", "HF_TOKEN=e"} & set(shown)
    assert all((f"{name}={value}" in shown) == git for name, value in mine.items())


@pytest.mark.parametrize("sleep", ["sleep 60", OWN_GROUP])
def test_closing_ends_what_runs_and_starts_nothing_else(tmp_path: Path, sleep: str) -> None:
    processes = Processes(lambda _: None)
    command = ["sh", "-c", NESTED.format(file=tmp_path / "pids").replace("sleep 60", sleep)]
    thread = threading.Thread(target=processes.run, args=("sh", command))
    thread.start()
    started = pids(tmp_path / "pids")
    processes.close()
    thread.join(20)
    assert not thread.is_alive()
    for pid in started:
        wait_for_end(pid)
    with pytest.raises(CancelledError):
        processes.run("cat", ["cat"])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_whatever_ends_us(tmp_path: Path, ending: signal.Signals) -> None:
    program = f"""
        from resolvers._processes import Processes
        Processes(print).run("sh", ["sh", "-c", {NESTED.format(file=tmp_path / "pids")!r}])
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stderr=subprocess.DEVNULL
    )
    started = pids(tmp_path / "pids")
    wait_for_rest(parent.pid)  # it has started its child, and now waits for it
    parent.send_signal(ending)
    parent.wait(300)
    for pid in started:
        wait_for_end(pid)


@pytest.mark.slow
def test_an_interrupted_resolve_leaves_no_process_and_works_next_time(tmp_path: Path) -> None:
    program = f"""
        import sys
        from pathlib import Path
        from envid.spec import EnvSpec, Options, Source
        from resolvers.pypi import PypiResolver
        from resolvers.request import ResolveContext
        from resolvers.testing import FakeIndex, make_sdist
        folder = Path({str(tmp_path)!r})
        sdist = make_sdist(folder / "src", "a", "1")
        def on_process(name):
            print(name, flush=True)
        with FakeIndex(sdist) as index:
            spec = EnvSpec.make(
                requirements={{"pypi": ["a"]}}, python=">=3.10",
                sources=[Source.make("index", index.url)],
                options=Options.make(python_provider="system"),
            )
            context = ResolveContext(cache_dir=folder / "engines", on_process=on_process)
            found = PypiResolver().resolve(spec, ["linux-64"], context)
            print("done", flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    for name in ("uv python list", "uv pip compile linux-64", "uv build"):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert any(line.strip() == name for line in child.stdout)
        child.send_signal(signal.SIGINT if name != "uv build" else signal.SIGKILL)
        child.communicate(timeout=300)
        assert child.returncode != 0
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.endswith("done\n")


# A daemon in a session of its own, which ends when the test does and keeps what it was given open.
DAEMON = """
import subprocess, sys
print("before", flush=True)
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
print(child.pid, file=sys.stderr, flush=True)
"""


def test_what_a_program_leaves_behind_is_not_waited_for() -> None:
    started = time.monotonic()
    done = Processes(lambda _: None).run("x", [sys.executable, "-c", DAEMON + "sys.exit(3)"])
    took = time.monotonic() - started
    os.kill(int(done.stderr), signal.SIGKILL)
    assert (done.returncode, done.stdout) == (3, "before\n")
    assert took < 20


def test_a_limit_ends_a_program_beside_what_it_leaves_behind(tmp_path: Path) -> None:
    text = DAEMON.replace("file=sys.stderr", f"file=open({str(tmp_path / 'pid')!r}, 'w')")
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        Processes(lambda _: None).run(
            "x", [sys.executable, "-c", f"{text}import time; time.sleep(60)"], limit=2
        )
    took = time.monotonic() - started
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert took < 20


@pytest.mark.slow
def test_what_writes_without_end_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    text = f"echo $$ > {file}; exec yes {'x' * 1000}"
    with pytest.raises(EngineFailed, match="micromamba failed: it has written more than 256 MB"):
        Processes(lambda _: None).run("micromamba create", ["sh", "-c", text], limit=300)
    wait_for_end(int(file.read_text()))


def test_much_passes_through() -> None:
    text = "ä\n" * 1_000_000
    assert Processes(lambda _: None).run("cat", ["cat"], text=text).stdout == text
