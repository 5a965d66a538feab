"""What people write as arguments of decorators, in runs."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from resolvers.testing import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Pad


def git(folder: Path, *words: str) -> None:
    author = ("-c", "user.name=x", "-c", "user.email=x@h.test")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_a_branch_of_a_repository_is_asked_for_as_metaflow_does(pad: Pad, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    make_project(tmp_path / "inner", "colours", "1.0", module="version = 'trunk'")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "checkout", "-qb", "side")
    make_project(tmp_path / "inner", "colours", "2.0", module="version = 'side'")
    git(tmp_path, "commit", "-qam", "two")
    git(tmp_path, "checkout", "-q", "trunk")
    url = f"git+file://{tmp_path}#subdirectory=inner"
    ran = pad.ok("bare", "--with", f'pypi:packages={{"{url}": "@side"}}')
    assert ran.fact("modules") == ["colours", "requests"]
    shown = pad.ok("bare", command=f'--with pypi:packages={{"{url}":"@side"}} environment show')
    full_id = shown.out.partition("start ")[2].split(" ")[0]
    assert '"version":"2.0"' in pad.mfenv("show", full_id, "--json").replace(" ", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('pypi:packages={"pandas": 2}', "`packages`: `pandas`: the version is the number 2"),
        ('pypi:packages={"pandas": null}', "`packages`: `pandas`: the version is None"),
        ('pypi:packages=["pandas"]', "`packages`: is a list"),
        ('conda:libraries={"numpy": "14.0.1."}', "`libraries`: `numpy`: `14.0.1.`"),
        ("conda:python=3.10", "`python`: is the number 3.1"),
        ("conda:channels=far", "`channels`: is a text, not a list"),
        # To Metaflow's own words, stars are marks of what is bold.
        ('pypi:packages={"click": ">=8.*"}', "`packages`: `click`: `click >=8.*` is not"),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_says_where_it_is(
    pad: Pad, words: str, said: str
) -> None:
    ran = pad.run("bare", "--with", words)
    assert ran.status == 1
    assert f"--with {words.partition(':')[0]}: {said}" in ran.out
    assert "hint: write" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "resolve", "lock"])
@pytest.mark.parametrize("place", ["nowhere/x.json", ".", "bare.py/x.json"])
def test_an_answer_that_cannot_be_written_is_one_line_before_anything_is_done(
    pad: Pad, tmp_path: Path, command: str, place: str
) -> None:
    home = tmp_path / "home"
    there = pad.at(tmp_path / "flows")
    shutil.copytree(pad.flows, there.flows)
    (there.flows / "mfenv.lock").unlink(missing_ok=True)
    words = f"environment {command} --output {place}"
    ran = there.run("bare", command=words, env={"MFENV_HOME": str(home)})
    assert ran.status == 1
    assert not (there.flows / "mfenv.lock").exists()
    assert not home.exists()
    assert f"Environment error: cannot write `{place}`: " in " ".join(ran.out.split())
    assert "hint: name a file" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("METAFLOW_CONDA_USE_REMOTE_LATEST", ":bad:"),
        ("METAFLOW_CONDA_SYS_DEFAULT_GPU_PACKAGES", "{"),
        ("METAFLOW_CONDA_SKIP_METAFLOW_DEPS", "perhaps"),
        ("METAFLOW_MFENV_DOWNLOADS", "many"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_one_line(pad: Pad, variable: str, value: str) -> None:
    ran = pad.run("bare", env={variable: value})
    assert ran.status == 1
    assert f"{variable}: " in ran.out
    assert "hint: " in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
def test_a_setting_that_means_nothing_is_said(pad: Pad) -> None:
    ran = pad.ok("bare", env={"METAFLOW_CONDA_LOCK_TIMEOUT": "3"})
    assert ran.out.count("METAFLOW_CONDA_LOCK_TIMEOUT means nothing here: a lock ends with") == 1
