"""Laws of lock files, over generated environments: what is read back is what was there."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libs.envid.tests.property.strategies import ENVIRONMENTS

from mfenv.errors import InvalidLock
from mfenv.exporting.formats import export
from mfenv.lockfile.inputs import Inputs
from mfenv.lockfile.model import RESOLVED_BY, LockedEnvironment, LockFile
from mfenv.lockfile.reading import read
from mfenv.lockfile.writing import written

if TYPE_CHECKING:
    from envid import ResolvedEnv

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A busy machine must not refute a law.
law = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

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
            LockedEnvironment(
                name=name,
                envs=notes_of(shared if draw(st.booleans()) else draw(ENVIRONMENTS), draw(texts)),
                inputs=draw(st.none() | INPUTS),
            )
            for name in names
        )
    )


def facts(lock: LockFile) -> dict[str, object]:
    """All that a lock file holds, but for when and by whom it was resolved."""
    return {
        locked.name: (
            locked.inputs,
            {env.platform: replace(env, resolved_at="", resolved_by="") for env in locked.envs},
            {env.env_id for env in locked.envs},
        )
        for locked in lock.environments
    }


@law
@given(locks())
def test_what_is_read_is_what_was_written(lock: LockFile) -> None:
    text = written(lock)
    again = read(text)
    assert facts(again) == facts(lock)
    assert written(again) == text
    assert {env.resolved_by for one in again.environments for env in one.envs} == {RESOLVED_BY}


@law
@given(locks())
def test_order_means_nothing(lock: LockFile) -> None:
    turned = LockFile(
        environments=tuple(
            replace(locked, envs=locked.envs[::-1]) for locked in lock.environments[::-1]
        )
    )
    assert written(turned) == written(lock)


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
