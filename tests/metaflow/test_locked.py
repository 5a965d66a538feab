"""Flows whose steps run in what lock files have."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .helpers import Pad

README = Path(__file__).parents[2] / "apps" / "metaflow-ext" / "README.md"


@pytest.mark.slow
def test_steps_run_in_what_locks_have(locked: Pad) -> None:
    ran = locked.ok("locked")
    assert (ran.fact("app"), ran.fact("other"), ran.fact("dep")) == ("app", "other", "2.0")
    assert ran.fact("colours").count(".") >= 1
    again = locked.ok("locked")
    assert ", new" not in again.out
    shown = locked.ok("locked", command="environment show")
    assert "unresolved" not in shown.out
    assert "error" not in shown.out


@pytest.mark.slow
def test_a_flow_that_says_nothing_runs_in_its_lock(locked: Pad, pad: Pad) -> None:
    for name in ("bare.py", "inside.py"):
        shutil.copy(pad.flows / name, locked.flows)
    ran = locked.ok("bare", "--with", "resolved_uv")
    assert ran.fact("modules") == ["app", "requests"]


@pytest.mark.slow
def test_a_lock_without_what_metaflow_needs_is_refused_before_the_run(
    pad: Pad, locked: Pad, tmp_path: Path
) -> None:
    pad.lock_project(tmp_path, '"app"')
    ran = locked.run("locked")
    assert ran.status == 1
    assert "has no `requests>=2.21.0`, which Metaflow needs in a task" in ran.out
    assert "lock again" in ran.out
    assert "(run-id " not in ran.out
    assert "Traceback" not in ran.out


COMMANDS = {
    "run": {},
    "environment resolve": {},
    "environment show": {},
    "environment lock": {},
    "environment lock --check": {},
    "run ": {"METAFLOW_CONDA_LOCKED": "1"},
}


def refused_everywhere(pad: Pad, *said: str) -> None:
    for command, environ in COMMANDS.items():
        ran = pad.run("locked", command=command, env=environ)
        assert ran.status == 1, command
        for text in said:
            assert text in ran.out, command
        assert "Traceback" not in ran.out
        assert "(run-id " not in ran.out


@pytest.mark.slow
def test_what_is_wrong_with_a_lock_names_it_and_its_steps(locked: Pad, tmp_path: Path) -> None:
    locked.ok("locked", command="environment lock")
    good = (locked.flows / "locked.py").read_text()

    def flow(before: str, after: str) -> None:
        assert before in good
        (locked.flows / "locked.py").write_text(good.replace(before, after))

    flow('groups=["more"]', 'groups=["nope"]')
    refused_everywhere(
        locked, "the lock of more: ", "uv.lock:1: the lock has no group `nope`", "hint: it has more"
    )
    flow('groups=["more"]', 'groups=["more"], only_groups=["more"]')
    refused_everywhere(locked, "uv.lock` of more: only some groups are wanted")
    flow('path="conda/list.txt"', 'path="conda/none.txt"')
    refused_everywhere(locked, "@resolved_lock of step `conda`: there is no file `")
    asked = (tmp_path / "pyproject.toml").read_text()
    flow("@resolved_uv\nclass", "@resolved_uv(locked=True)\nclass")
    (tmp_path / "pyproject.toml").write_text(asked.replace('"app"', '"app", "other"'))
    refused_everywhere(locked, "the lock of end, start: ", "uv.lock", "is behind its source")
    (locked.flows / "locked.py").write_text(good)
    for text, said in (
        ("@EXPLICIT\n???\n", "list.txt:2: "),
        ("colours\n", "list.txt:1: `colours` is not pinned"),
    ):
        (locked.flows / "conda" / "list.txt").write_text(text)
        refused_everywhere(locked, "the lock of conda: ", said)
    (tmp_path / "uv.lock").unlink()
    refused_everywhere(
        locked,
        "the lock of end, start: @resolved_uv of flow `LockedFlow`: there is no directory with"
        " `uv.lock` and `pyproject.toml` from",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "change", "said"),
    [
        (
            "locked",
            ('groups=["more"]', 'group=["more"]'),
            "@resolved_uv of step `more` takes no `group` hint: it takes path, use_flow_dir, locked,",
        ),
        (
            "locked",
            ("@resolved_uv\nclass", "@resolved_uv(python='3.12')\nclass"),
            "@resolved_uv of flow `LockedFlow` takes no `python`",
        ),
        (
            "configured",
            ("@pypi(**needs)", "@pypi(**more)"),
            "@pypi of step `start` takes no `libraries` hint: it takes packages, conda_only,",
        ),
        (
            "configured",
            ("class", "@conda_base(library={})\nclass"),
            "@conda_base of flow `Configured` takes no `library`",
        ),
    ],
)
def test_an_argument_that_a_decorator_has_not_is_one_line(
    locked: Pad, pad: Pad, flow: str, change: tuple[str, str], said: str
) -> None:
    for name in ("configured.py", "inside.py", "needs.txt", "more.yml"):
        shutil.copy(pad.flows / name, locked.flows)
    text = (
        (locked.flows / f"{flow}.py").read_text().replace("conda, pypi", "conda, conda_base, pypi")
    )
    assert change[0] in text
    (locked.flows / f"{flow}.py").write_text(text.replace(*change))
    for command in ("run", "environment show"):
        ran = locked.run(flow, command=command)
        assert ran.status == 1
        assert said in ran.out
        assert "Traceback" not in ran.out
    ran = locked.run("locked", "--with", "pypi:package=app")
    assert ran.status == 1
    assert "Traceback" not in ran.out


@pytest.mark.slow
def test_a_lock_excludes_what_else_says_what_there_is(locked: Pad) -> None:
    ran = locked.run("locked", "--with", 'pypi:packages={"app": ""}')
    assert ran.status == 1
    assert "says what there is, and --with pypi says `@pypi`" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
def test_steps_are_resolved_from_a_lock_file(locked: Pad, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    ran = locked.ok(
        "locked",
        *("start", "--lockfile", "conda/list.txt", "--alias", "team/listed:v1"),
        *("--output", str(out)),
        command="environment resolve",
    )
    assert "start " in ran.out
    (by_platform,) = json.loads(out.read_text()).values()
    (step,) = by_platform.values()
    names = {package["name"] for package in step["env"]["packages"]}
    assert {"colours", "python"} <= names


@pytest.mark.slow
def test_what_is_taken_of_a_lock_file_may_be_said(locked: Pad, tmp_path: Path) -> None:
    out = tmp_path / "out.json"

    def names(*words: str) -> set[str]:
        options = ("--lockfile", "../../uv.lock", "--output", str(out))
        locked.ok("locked", *words, *options, command="environment resolve")
        ((step,),) = (found.values() for found in json.loads(out.read_text()).values())
        return {package["name"] for package in step["env"]["packages"]} & {"app", "other"}

    assert names("start") == {"app"}
    assert names("more") == {"app", "other"}  # as its decorator takes of its own
    assert names("start", "--group", "more") == {"app", "other"}
    assert names("more", "--only-group", "more") == {"other"}
    assert names("more", "--no-group", "more") == {"app"}
    assert names("more", "--package", "ours") == {"app"}
    ran = locked.run("locked", "--no-group", "more", command="environment resolve")
    assert ran.status == 1
    assert "Give a lock with --lockfile beside --no-group" in ran.out


@pytest.mark.slow
def test_a_lock_file_and_a_decorator_that_names_it_mean_the_same(
    locked: Pad, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    beside = '@sys_packages(packages={"__cuda": "12.4"})\n    @resolved_lock(path="conda'
    text = (locked.flows / "locked.py").read_text().replace('@resolved_lock(path="conda', beside)
    text = text.replace("resolved_uv, step", "resolved_uv, step, sys_packages")
    (locked.flows / "locked.py").write_text(text)

    def req_id(*words: str) -> str:
        options = ("--output", str(out))
        locked.ok("locked", "conda", *words, *options, command="environment resolve")
        (step,) = json.loads(out.read_text())["conda"].values()
        assert "__cuda=12.4" in json.dumps(step["env"]["spec"])
        return str(step["req_id"])

    assert req_id("--lockfile", "conda/list.txt") == req_id()
    disabled = text.replace("@sys_packages(", "@sys_packages(disabled=True, ")
    (locked.flows / "locked.py").write_text(disabled)
    options = ("--lockfile", "conda/list.txt")
    ran = locked.ok("locked", "conda", *options, command="environment resolve")
    assert "conda needs nothing resolved" in ran.out


@pytest.mark.slow
def test_a_lock_may_come_through_a_config(locked: Pad, tmp_path: Path) -> None:
    """As the README has it."""
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (example,) = (text for text in examples if "lock_parser" in text)
    (locked.flows / "flow.py").write_text(example)
    shutil.copy(tmp_path / "uv.lock", locked.flows)
    out = tmp_path / "out.json"

    def resolved(flow: str, *words: str) -> dict[str, dict[str, Any]]:
        locked.ok(flow, *words, "--output", str(out), command="environment resolve")
        steps = json.loads(out.read_text())
        return {name: found for name, step in steps.items() for found in step.values()}

    steps = resolved("flow")
    names = {
        name: {package["name"] for package in step["env"]["packages"]} & {"app", "other"}
        for name, step in steps.items()
    }
    assert names == {"start": {"app"}, "train": {"app", "other"}, "end": {"app"}}
    # The same as from the file where it lies.
    assert resolved("locked", "start")["start"]["req_id"] == steps["start"]["req_id"]
    locked.ok("flow")
    assert "as mfenv.lock has it" not in locked.ok("flow", command="environment lock").out
    assert "as mfenv.lock has it" in locked.ok("flow", env={"METAFLOW_CONDA_LOCKED": "1"}).out
    ran = locked.run("flow", command="--config lock conda/list.txt run")
    assert ran.status == 1
    assert "the lock of train: config: explicit has no groups to choose from" in ran.out
    assert tempfile.gettempdir() + "/metaflow-mfenv" not in ran.out


@pytest.mark.slow
def test_a_mutator_may_say_which_lock(locked: Pad, pad: Pad) -> None:
    shutil.copy(pad.flows / "mutated.py", locked.flows)
    locked.ok("mutated")
