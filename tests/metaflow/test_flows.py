"""Flows from their first step to their last; what a step needs to be true, it asserts itself."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import pytest

from envid.platforms import host_platform

if TYPE_CHECKING:
    from tests.channel import Channels

    from .helpers import Pad


@pytest.fixture(scope="session")
def pythons(channels: Channels) -> dict[str, str]:
    """Three Pythons that this machine has, the one that runs this not among the first two."""
    repodata = json.loads((channels.main / host_platform() / "repodata.json").read_text())
    records = [*repodata["packages"].values(), *repodata["packages.conda"].values()]
    found = {".".join(one["version"].split(".")[:2]) for one in records if one["name"] == "python"}
    here = ".".join(python_version().split(".")[:2])
    others = sorted(found - {here}, key=lambda text: [int(part) for part in text.split(".")])
    if len(others) < 2:
        pytest.skip("this machine has fewer than three Pythons")
    return {"PYTHONS": " ".join((*others[:2], here))}


@pytest.fixture(scope="session")
def named(pad: Pad) -> Pad:
    """The pad with environments that have names."""
    python = ("--python", f"{sys.version_info.major}.{sys.version_info.minor}")
    pad.mfenv("resolve", "--conda", "colours=1.0", *python, "--alias", "team/colours:v1")
    late = ("--conda", "shared=3.0", "--conda", "requests")
    pad.mfenv("resolve", *late, *python, "--alias", "team/late:latest")
    return pad


@pytest.mark.slow
def test_steps_run_in_conda_environments_of_different_pythons(
    pad: Pad, pythons: dict[str, str]
) -> None:
    ran = pad.ok("pythons", env=pythons)
    assert len(ran.fact("env_id")) == 40
    again = pad.ok("pythons", env=pythons)
    assert again.fact("env_id") == ran.fact("env_id")
    assert "resolved by" in again.out
    assert ", new" not in again.out


@pytest.mark.slow
def test_flows_for_metaflows_own_decorators_run_as_they_are(pad: Pad) -> None:
    assert pad.ok("own", env={"EXACT": python_version()}).fact("done")


@pytest.mark.slow
def test_environments_of_every_kind_are_made_and_found(named: Pad) -> None:
    ran = named.ok("kinds", "--whose", "team", env={"KIND": "colours"})
    assert ran.fact("colours") == "1.0"
    assert ran.fact("late") == "3.0"
    assert "*DEPRECATED*: @pip of step `derived`: use `@pypi`" in ran.out
    assert "*DEPRECATED*: @conda of step `end`: use `@pypi`" in ran.out


@pytest.mark.slow
def test_a_step_may_name_the_environment_of_the_next(named: Pad) -> None:
    assert named.ok("builds").fact("shared") == "3.0"


@pytest.mark.slow
def test_what_metaflow_lacks_in_an_environment_is_said(named: Pad) -> None:
    lack = "has no `requests>=2.21.0`, which Metaflow needs in a task"
    asked = ("--with", 'conda:libraries={"colours": "1.0"}')
    ran = named.run("bare", *asked, env={"METAFLOW_CONDA_SKIP_METAFLOW_DEPS": "1"})
    assert ran.status == 1
    said = f"Environment of end, start {lack}: ask for it"
    assert ran.out.index(said) < ran.out.index("(run-id ")
    late = ("--with", "named_env:name=team/colours:v1,fetch_at_exec=True")
    ran = named.run("bare", *late)
    assert ran.status == 1
    assert re.search(rf"step `start`: environment `\w+:\w+` {re.escape(lack)}", ran.out)
    assert "hint: ask for it" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
def test_needs_may_stand_in_files(pad: Pad) -> None:
    assert pad.ok("configured").fact("colours") == "1.0"


@pytest.mark.slow
def test_a_flow_has_what_the_flows_that_it_inherits_from_ask_for(pad: Pad) -> None:
    assert pad.ok("heir").fact("found") == ["1.0", "1.5"]


@pytest.mark.slow
def test_what_decorators_put_beside_a_flow_is_there(pad: Pad, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("ADDED = 1\n")
    ran = pad.ok("adding", env={"ADDED": str(tmp_path / "elsewhere.py")})
    assert ran.fact("added") == 1


def test_two_answers_to_one_question_are_refused_before_a_run(pad: Pad) -> None:
    asked = ("--with", "conda:python=3.12", "--with", "pypi:python=3.11")
    ran = pad.run("bare", *asked)
    assert ran.status == 1
    assert "--with conda says `python=3.12`, and --with pypi says `python=3.11`" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
def test_a_variable_that_is_not_there_is_named(named: Pad) -> None:
    ran = named.run("kinds")
    assert ran.status == 1
    assert "there is no variable KIND to put into" in ran.out
    assert "Traceback" not in ran.out


@pytest.mark.slow
def test_other_decorators_still_work_and_runs_can_be_resumed(pad: Pad) -> None:
    # More tasks than run at once.
    failed = pad.run("kin", "--fail", "True", "--max-workers", "6")
    assert failed.status == 1
    assert [one["step"] for one in failed.told] == ["start"]
    run_id = failed.out.partition("(run-id ")[2].partition(")")[0]
    assert "Found 1 card" in pad.ok("kin", f"{run_id}/start", command="card list").out
    resumed = pad.ok("kin", command="resume last", env={"REPAIRED": "1"})
    assert [one["step"] for one in resumed.told] == ["end"]


@pytest.mark.slow
def test_a_step_can_run_another_flow(pad: Pad, pythons: dict[str, str]) -> None:
    ran = pad.ok("outer", env=pythons)
    assert ran.fact("inner") != ran.fact("outer")


@pytest.mark.slow
def test_steps_run_in_virtual_environments_of_the_systems_python(pad: Pad) -> None:
    metaflow = Path(str(distribution("metaflow").locate_file("metaflow")))
    library = metaflow / "plugins" / "env_escape" / "configurations" / "test_lib_impl"
    ran = pad.ok("system", env={"MFENV_PYTHON_PROVIDER": "system", "PYTHONPATH": str(library)})
    assert "Task finished successfully" in ran.out


@pytest.mark.slow
def test_what_the_command_line_adds_is_in_every_step(pad: Pad) -> None:
    ran = pad.ok(
        "bare",
        "--with",
        'conda:libraries={"colours": "1.0"}',
        "--with",
        'pypi:packages={"app": ""}',
    )
    assert ran.fact("modules") == ["colours", "app", "requests"]
    assert ran.fact("prefix").startswith(str(pad.home))


@pytest.mark.slow
def test_a_step_can_be_spun(pad: Pad) -> None:
    pad.ok("bare", "--with", 'conda:libraries={"colours": "1.0"}')
    ran = pad.ok("bare", command="--with conda:libraries={} spin end")
    assert ran.fact("prefix").startswith(str(pad.home))


def test_what_cannot_be_found_is_said_with_who_asked(pad: Pad) -> None:
    ran = pad.run("bare", "--with", 'conda:libraries={"nowhere-to-be-found": ""}')
    assert ran.status == 1
    assert "nowhere-to-be-found" in ran.out
    assert "--with conda" in ran.out
    assert "Traceback" not in ran.out


def test_decorators_need_the_environment(pad: Pad) -> None:
    ran = pad.python("kinds.py", "--no-pylint", "run")
    assert ran.status == 1
    assert "requires --environment=conda" in ran.out


@pytest.mark.slow
def test_a_client_gets_the_description_back(pad: Pad, pythons: dict[str, str]) -> None:
    ran = pad.ok("pythons", env=pythons)
    code = (
        "import json; from metaflow import Flow, namespace; namespace(None)\n"
        "run = Flow('Pythons').latest_run\n"
        "told = run['start'].environment_info, run['end'].task.environment_info\n"
        "print(json.dumps([*told, run['start'].task.metadata_dict['conda_env_id']]))\n"
    )
    told = pad.python("-c", code)
    assert told.status == 0, told.out
    info, none, env_id = json.loads(told.out)
    assert info["full_id"] == ran.fact("env_id") == json.loads(env_id)[1]
    assert {"colours", "greeter", "python"} <= {one["name"] for one in info["packages"]}
    assert none is None
    assert (info["type"], info["req_id"]) == ("conda", json.loads(env_id)[0])
    asked = info["user_deps"].split("; ")
    assert f"conda::python{info['spec']['python']}" in asked
    assert any(one.startswith("conda::colours") for one in asked)
    stems = info["all_packages"].split("; ")
    assert len(stems) == len(info["packages"])
    assert any(re.fullmatch(r"colours-[0-9.]+-\w+", one) for one in stems)
