"""Flows whose steps have their environments from a lock file beside them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform
from mfenv.lockfile.reading import read
from resolvers.testing import make_wheel

from .helpers import finish
from .test_metaflow_commands import REQUESTS, User

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers.testing import FakeIndex

    from .helpers import Done

pytestmark = pytest.mark.slow

FLOW = """
from metaflow import FlowSpec, pypi, step

class Locked(FlowSpec):
    @pypi(packages={"app": "1.0"})
    @step
    def start(self):
        import dep
        print("the version is", dep.version)
        self.next(self.same, self.other)

    @pypi(packages={"app": "1.0"})
    @step
    def same(self):
        self.next(self.join)

    @pypi(packages={"other": "1.0"})
    @step
    def other(self):
        import other
        self.next(self.join)

    @pypi(disabled=True)
    @step
    def join(self, inputs):
        self.next(self.end)

    @pypi(disabled=True)
    @step
    def end(self):
        pass

if __name__ == "__main__":
    Locked()
"""
ELSEWHERE = "osx-64" if host_platform() != "osx-64" else "linux-64"


@pytest.fixture
def user(tmp_path: Path, index: FakeIndex) -> User:
    index.add(make_wheel("requests", "2.31.0", module=REQUESTS))
    found = User(tmp_path / "one", index, tmp_path / "store")
    del found.environ["METAFLOW_CONDA_SKIP_METAFLOW_DEPS"]
    found.file("flow.py", FLOW)
    return found


def flow(
    user: User, *words: str, program: str = "flow.py", environment: str = "pypi", **env: str
) -> Done:
    options = ("--no-pylint", f"--environment={environment}", "--datastore=local")
    return user.metaflow(program, *options, *words, env=env)


def lock(user: User, *words: str, program: str = "flow.py") -> Done:
    return flow(user, "environment", "lock", *words, program=program)


def refused(done: Done) -> str:
    assert done.status != 0
    assert "Traceback" not in done.err
    return " ".join(done.err.split())


def test_steps_are_locked_and_run_as_they_are(user: User, index: FakeIndex) -> None:
    done = lock(user, "--arch", ELSEWHERE)
    assert done.status == 0, done.err
    text = (user.work / "mfenv.lock").read_text()
    assert str(user.root) not in text
    held = read(text)
    assert [one.name for one in held.environments] == [
        "Locked.other",
        "Locked.same",
        "Locked.start",
    ]
    assert {one.platforms for one in held.environments} == {
        tuple(sorted((host_platform(), ELSEWHERE)))
    }
    start, same = (held.chosen(name).envs for name in ("start", "same"))
    assert [env.env_id for env in start] == [env.env_id for env in same]
    assert text.count('{ name = "dep"') == 1
    # On another machine, which is asked for nothing but files.
    index.requests.clear()
    index.add(make_wheel("dep", "3.0", module="version = 3\n"))
    new = {"MFENV_HOME": str(user.root / "new"), "MFENV_STORE": (user.root / "store2").as_uri()}
    done = flow(user, "run", METAFLOW_CONDA_LOCKED="1", **new)
    assert done.status == 0, done.err
    assert "the version is 2" in done.out
    assert re.search(r"Environment of start: \w+:\w+, \d packages, as mfenv.lock has it", done.err)
    assert {path.split("/")[1] for path in index.requests} == {"files"}
    done = flow(user, "run", environment="locked", **new)
    assert done.status == 0, done.err
    assert "as mfenv.lock has it" in done.err
    assert {path.split("/")[1] for path in index.requests} == {"files"}
    # Without a word in the environment, and from another directory.
    (user.work / "mfenv.toml").write_text("locked = true\n")
    (user.work / "sub").mkdir()
    for name in ("flow.py", "mfenv.lock"):
        (user.work / name).rename(user.work / "sub" / name)
    done = flow(user, "run", program="sub/flow.py", **new)
    assert done.status == 0, done.err
    assert "as mfenv.lock has it" in done.err
    prefix = user.root / "prefix"
    command = (sys.executable, "-m", "mfenv", "create", "--lock", "sub/mfenv.lock")
    done = finish(user.spawn(*command, "--environment", "start", "--prefix", prefix))
    assert done.status == 0, done.err


def test_a_step_that_is_not_as_it_was_locked_is_named(user: User) -> None:
    assert "steps `other`, `same`, `start`: there is no lock file `mfenv.lock`" in refused(
        flow(user, "run", METAFLOW_CONDA_LOCKED="1")
    )
    for words in (("--check",), ("--update", "dep")):
        said = refused(lock(user, *words))
        assert "there is no lock file" in said
        assert "`python flow.py --environment=conda environment lock` makes it" in said
    assert "mfenv.lock is written" in lock(user).err
    assert "mfenv.lock is as it was" in lock(user).err
    done = lock(user, "--check")
    assert (done.status, done.out) == (0, "")
    assert "mfenv.lock is" not in done.err
    before = (user.work / "mfenv.lock").read_text()
    changed = FLOW.replace('{"other": "1.0"}', '{"dep": "1.0"}').replace(
        "import other", "import dep"
    )
    user.file("flow.py", changed)
    said = refused(flow(user, "run", METAFLOW_CONDA_LOCKED="1"))
    assert "step `other` asks for something else than `mfenv.lock` has: + pypi dep==1.0" in said
    assert "- pypi other==1.0" in said
    assert (
        said.partition("Environment error")[2]
        == refused(flow(user, "run", environment="locked")).partition("Environment error")[2]
    )
    assert "`python flow.py --environment=conda environment lock`" in said
    assert "other: + pypi dep==1.0" in refused(lock(user, "--check"))
    assert (user.work / "mfenv.lock").read_text() == before
    done = lock(user)
    assert done.status == 0, done.err
    assert re.search(r"^start .* as it was locked$", done.out, re.MULTILINE)
    assert re.search(r"^other .* resolved$", done.out, re.MULTILINE)
    assert lock(user, "--check").status == 0
    assert flow(user, "run", METAFLOW_CONDA_LOCKED="1").status == 0
    user.file("mfenv.lock", before.replace("packages = ", "packages = 1"))
    assert "mfenv.lock:" in refused(flow(user, "run", METAFLOW_CONDA_LOCKED="1"))
    assert "is neither true nor false" in refused(flow(user, "run", METAFLOW_CONDA_LOCKED="maybe"))


def test_flows_of_one_directory_share_a_file(user: User, index: FakeIndex) -> None:
    user.file("more.py", FLOW.replace("Locked", "More").replace('"app": "1.0"', '"dep": "1.0"'))
    assert lock(user).status == 0
    assert lock(user, "start", "other", program="more.py").status == 0

    def names() -> list[str]:
        text = (user.work / "mfenv.lock").read_text()
        return [one.name for one in read(text).environments]

    own = ["Locked.other", "Locked.same", "Locked.start"]
    assert names() == [*own, "More.other", "More.start"]
    said = refused(lock(user, "--check", program="more.py"))
    assert "same: + environment More.same" in said
    # A step that is gone, and one that needs nothing any more, leave it.
    user.file(
        "more.py",
        FLOW.replace("Locked", "More").replace('packages={"app": "1.0"}', "disabled=True"),
    )
    assert "start: - environment More.start" in refused(lock(user, "--check", program="more.py"))
    done = lock(user, program="more.py")
    assert done.status == 0, done.err
    assert "start is no more in mfenv.lock" in done.err + done.out
    assert names() == [*own, "More.other"]
    # What is of flows stays as it is where `mfenv lock` is run.
    done = finish(user.spawn(sys.executable, "-m", "mfenv", "lock"))
    assert "it is of `flow.py`: `python flow.py --environment=conda environment lock`" in done.err
    index.add(make_wheel("other", "2.0"))
    done = lock(user, "--upgrade", "--update", "dep")
    assert "Give one of" in refused(done)
    assert lock(user, "--update", "dep").status == 0


def test_steps_that_run_in_what_another_lock_has_are_locked_too(
    user: User, index: FakeIndex
) -> None:
    user.ok("resolve", "--pypi", "app", "--pypi", "requests", "--alias", "x:v1")
    user.ok("export", "x:v1", "--format", "requirements", "-o", "pins.txt")
    own = FLOW.replace("FlowSpec, pypi", "FlowSpec, pypi, resolved_lock")
    own = own.replace('@pypi(packages={"app": "1.0"})', '@resolved_lock(path="pins.txt")')
    user.file("flow.py", own)
    assert lock(user).status == 0
    text = (user.work / "mfenv.lock").read_text()
    done = lock(user, "--check")
    assert done.status == 0, done.err
    assert lock(user).status == 0
    assert (user.work / "mfenv.lock").read_text() == text
    new = {"MFENV_HOME": str(user.root / "new")}
    done = flow(user, "run", METAFLOW_CONDA_LOCKED="1", **new)
    assert done.status == 0, done.err
    assert "the version is 2" in done.out
    user.file("pins.txt", (user.work / "pins.txt").read_text().replace("dep==2.0", "dep==1.0"))
    said = refused(flow(user, "run", METAFLOW_CONDA_LOCKED="1"))
    assert "step `same` asks for something else than `mfenv.lock` has" in said
