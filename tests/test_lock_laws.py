"""Laws of lock files, over generated environments: what is read back is what was there."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libs.envid.tests.property.strategies import ENVIRONMENTS

from envid import EnvSpec, Package, ResolvedEnv
from mfenv.errors import InvalidLock
from mfenv.exporting.formats import export
from mfenv.lockfile.inputs import Inputs
from mfenv.lockfile.model import RESOLVED_BY, LockedEnv, LockFile
from mfenv.lockfile.reading import read
from mfenv.lockfile.writing import written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IDS = re.compile(r'(req_id|full_id) = "[0-9a-f]{40}"|[a-z0-9-]+ = \{ digest = .*')

law = settings(max_examples=40)

INPUTS = st.builds(
    Inputs,
    asked=st.fixed_dictionaries(
        {"pyprojects": st.just(("pyproject.toml",))},
        optional={
            "files": st.just(("sub/requirements.txt", "../requirements.txt")),
            "groups": st.just(("test", 'odd "one"')),
            "python": st.just(">=3.11"),
        },
    ),
    settings=st.fixed_dictionaries(
        {},
        optional={
            "platforms": st.just(("linux-64", "osx-arm64")),
            "pre": st.booleans(),
            "find_links": st.just(("wheels",)),
        },
    ),
)


def notes_of(envs: tuple[ResolvedEnv, ...], texts: list[str]) -> tuple[ResolvedEnv, ...]:
    """The environments with some of the notes each, or all with the same."""
    return tuple(replace(env, notes=tuple(texts[at % 2 :])) for at, env in enumerate(envs))


@st.composite
def locks(draw: st.DrawFn) -> LockFile:
    names = draw(
        st.lists(
            st.sampled_from(["default", "start", "a.b", "3"]), min_size=1, max_size=3, unique=True
        )
    )
    texts = st.lists(st.sampled_from(["one", "`two` \\ é", "three"]), max_size=2)
    # Some share packages, as environments of one project do.
    shared = draw(ENVIRONMENTS)
    return LockFile(
        environments=tuple(
            LockedEnv(
                name=name,
                envs=notes_of(shared if draw(st.booleans()) else draw(ENVIRONMENTS), draw(texts)),
                inputs=draw(st.none() | INPUTS),
            )
            for name in names
        )
    )


def facts(lock: LockFile) -> dict[str, object]:
    """All that a lock file holds: not when and by whom it was resolved, nor from which lines."""
    return {
        locked.name: (
            locked.inputs,
            {
                env.platform: replace(env, resolved_at="", resolved_by="", origins={})
                for env in locked.envs
            },
            {env.env_id for env in locked.envs},
        )
        for locked in lock.environments
    }


@pytest.mark.slow
@law
@given(locks())
def test_what_is_read_is_what_was_written(lock: LockFile) -> None:
    text = written(lock)
    again = read(text)
    assert facts(again) == facts(lock)
    assert written(again) == text
    assert {env.resolved_by for one in again.environments for env in one.envs} == {RESOLVED_BY}


@pytest.mark.slow
@law
@given(locks())
def test_order_means_nothing(lock: LockFile) -> None:
    turned = LockFile(
        environments=tuple(
            replace(locked, envs=locked.envs[::-1]) for locked in lock.environments[::-1]
        )
    )
    assert written(turned) == written(lock)


@pytest.mark.slow
@law
@given(locks())
def test_it_is_toml_with_a_package_in_a_line(lock: LockFile) -> None:
    text = written(lock)
    data = tomllib.loads(text)
    for kind in ("conda", "pypi"):
        rows = data["packages"][kind]
        lines = text.partition("[packages]")[2].partition(f"{kind} = [\n")[2].partition("]\n")[0]
        assert [
            tomllib.loads(f"x = {line.rstrip(',')}")["x"] for line in lines.splitlines()
        ] == rows
        assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
        assert len({str(row) for row in rows}) == len(rows)


@pytest.mark.slow
@law
@given(locks(), st.data())
def test_a_line_that_is_lost_or_there_twice_is_noticed(lock: LockFile, data: st.DataObject) -> None:
    lines = written(lock).splitlines()
    packages = [at for at, line in enumerate(lines) if line.startswith("  { name = ")]
    if not packages:
        return
    at = data.draw(st.sampled_from(packages))
    for other in ([], [lines[at]] * 2):
        with pytest.raises(InvalidLock) as caught:
            read("\n".join([*lines[:at], *other, *lines[at + 1 :], ""]))
        assert caught.value.line


@pytest.mark.slow
@law
@given(locks(), st.data())
def test_whatever_is_left_of_it_can_be_locked_again(lock: LockFile, data: st.DataObject) -> None:
    lines = written(lock).splitlines()
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(3, len(lines) - 1))
        lines[at] = data.draw(st.sampled_from(["", "<<<<<<< ours", "=======", "]", "x", "[a]"]))
    left = read("\n".join(lines), forgiving=True)
    there = {package for one in lock.environments for env in one.envs for package in env.packages}
    assert {p for one in left.environments for env in one.envs for p in env.packages} <= there


@st.composite
def sides(draw: st.DrawFn) -> tuple[LockFile, LockFile, LockFile, set[str]]:
    """A lock file, and two that each add other packages to it; the names of what they add."""
    known = draw(st.sets(st.integers(0, 60), min_size=1, max_size=30))
    ours = draw(st.sets(st.integers(0, 60), min_size=1, max_size=3)) - known
    theirs = draw(st.sets(st.integers(0, 60), min_size=1, max_size=3)) - known - ours

    def lock(numbers: set[int]) -> LockFile:
        names = [f"p{number:02}" for number in sorted(numbers)]
        spec = EnvSpec.make(requirements={"pypi": names}, python="3.12")
        packages = [
            Package.make(
                kind="pypi",
                name=name,
                version="1",
                filename=f"{name}-1-py3-none-any.whl",
                url=f"https://files.test/{name}-1-py3-none-any.whl",
                sha256=hashlib.sha256(name.encode()).hexdigest(),
            )
            for name in names
        ]
        found = dict.fromkeys(("linux-64", "osx-arm64"), ("3.12.1", packages))
        envs = ResolvedEnv.co_resolve(spec, found, resolved_by="me")
        return LockFile(environments=(LockedEnv(name="default", envs=envs),))

    added = {f"p{number:02}" for number in ours | theirs}
    return lock(known), lock(known | ours), lock(known | theirs), added


def merged(base: str, ours: str, theirs: str, *options: str) -> str:
    """What git makes of a file that two branches changed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (ours, base, theirs), strict=True):
            path.write_text(text)
        command = ["git", "merge-file", "-p", *options, *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@law
@given(sides())
def test_what_git_merges_is_never_taken_unseen_and_has_all_of_both_sides(
    locks: tuple[LockFile, LockFile, LockFile, set[str]],
) -> None:
    *three, added = locks
    base, ours, theirs = map(written, three)
    if base in (ours, theirs):
        assert merged(base, ours, theirs) == (ours if theirs == base else theirs)
        return
    for option in ("--ours", "--theirs", "--union", "--diff3"):
        text = merged(base, ours, theirs, option)
        # Where both added at the same place, `--ours` is all of the one side: a whole file.
        if text not in (ours, theirs):
            with pytest.raises(InvalidLock):
                read(text)
    text = merged(base, ours, theirs)
    assert "<<<<<<<" in text
    (left,) = read(text, forgiving=True).environments
    for env in left.envs:
        assert added <= {package.name for package in env.packages}
    conflicts = re.findall(r"^<{7} .*?\n(.*?)^={7}\n(.*?)^>{7} ", text, re.MULTILINE | re.DOTALL)
    lines = [line for conflict in conflicts for side in conflict for line in side.splitlines()]
    # In lines that are computed from the rest, but for what lies side by side, and between that.
    for line in set(lines) - set(base.splitlines()):
        name = re.search(r'"(p\d\d)', line)
        assert IDS.fullmatch(line) or (name and name[1] in added), line


@pytest.mark.slow
@law
@given(ENVIRONMENTS)
def test_an_export_is_a_lock_file(envs: tuple[ResolvedEnv, ...]) -> None:
    text = export(envs, "lock").text
    assert export(envs[::-1], "lock").text == text
    (locked,) = read(text).environments
    assert [env.env_id for env in locked.envs] == [env.env_id for env in envs]
    assert [env.packages for env in locked.envs] == [env.packages for env in envs]
    # Of some platforms alone, the ids are what they were.
    (alone,) = read(export(envs[:1], "lock").text).environments
    assert [env.env_id for env in alone.envs] == [envs[0].env_id]
