"""Locks are one process's and one thread's, and gone with it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pkgcache.locks import hold, lock, remove_unheld, try_lock
from pkgcache.progress import NoProgress

HOLDER = """
import sys, time
from pathlib import Path
from pkgcache.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


class Told(NoProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def taken(path: Path) -> bool:
    with try_lock(path) as held:
        return not held


def opened(path: Path) -> list[str]:
    """The descriptors of this process that are of a file."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            found += [entry.name] if entry.readlink() == path else []
    return found


def test_another_process_has_it_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert taken(path)
        threading.Timer(0.2, lambda: os.kill(holder.pid, signal.SIGKILL)).start()
        told = Told()
        with lock(path, waiting_for="the other", progress=told):
            assert taken(path)
        assert told.notes == ["waiting for the other"]
    assert not taken(path)
    with lock(path, waiting_for="the other", progress=told):
        pass
    assert told.notes == ["waiting for the other"]


def test_threads_take_turns(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "a.lock", [0], [0]

    def work() -> None:
        for _ in range(50):
            with hold(path):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0001)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not show them")
def test_who_waits_is_not_fooled_by_a_file_that_goes(tmp_path: Path) -> None:
    path, got = tmp_path / "a.lock", threading.Event()

    def wait() -> None:
        with hold(path):
            got.set()
            assert taken(path)

    with hold(path):
        waiting = threading.Thread(target=wait)
        waiting.start()
        while len(opened(path)) < 2:
            time.sleep(0.001)
        path.unlink()
        assert not taken(path)  # the next file of that name is another lock
        assert not got.is_set()
    waiting.join(60)
    assert got.is_set()
    assert remove_unheld(tmp_path) == 1


def test_where_the_file_system_has_no_locks_a_file_is_one(tmp_path: Path) -> None:
    """Lustre is mounted so by default."""
    if not (strace := shutil.which("strace")):
        pytest.skip("there is no strace here")
    without = (strace, "-f", "-qq", "-o", os.devnull, "-e", "inject=flock:error=ENOSYS")
    path = tmp_path / "a.lock"
    code = f"""
import sys
from pathlib import Path
from pkgcache.locks import hold, try_lock
path = Path({str(path)!r})
with hold(path), try_lock(path) as second:
    print(second)
with try_lock(path) as second:
    print(second)
"""
    command = [*without, sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "link"])
def test_what_is_there_and_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.lock"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        path.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"a\.lock") as caught, hold(path):
        pass
    assert caught.value.errno == (errno.ELOOP if kind == "link" else errno.EINVAL)
    assert not (tmp_path / "other").exists()


def test_everybody_may_take_it_after_us(tmp_path: Path) -> None:
    path, before = tmp_path / "a.lock", os.umask(0o077)
    try:
        with hold(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
    finally:
        os.umask(before)


def test_a_forked_process_keeps_nothing_of_it(tmp_path: Path) -> None:
    """Its parent may be gone long before it; a program that was started has nothing either."""
    path = tmp_path / "a.lock"
    code = f"""
import os, subprocess, sys, time
from pathlib import Path
from pkgcache.locks import hold
with hold(Path({str(path)!r})):
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"x")  # it runs, and so has let go
        time.sleep(600)
    os.read(ready, 1)
    Path({str(tmp_path / "pids")!r}).write_text(f"{{started.pid}} {{child}}")
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    try:
        assert not taken(path)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
