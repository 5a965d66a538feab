"""Environments of real conda packages: made by the command, and run."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .channel import Channels, Entry, Recipe, cached, pack, write_channel
from .helpers import check_records, finish, tidy

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Machine

TOOLS = ("pip", "requests", "rich", "setuptools")


@pytest.fixture(scope="module")
def channels() -> Channels:
    return cached()


def led(machine: Machine, channels: Channels) -> Machine:
    """The machine with conda packages to choose from."""
    machine.environ |= {
        "MFENV_CHANNELS": channels.main.as_uri(),
        "MFENV_PYTHON_PROVIDER": "conda",
    }
    return machine


@pytest.fixture
def conda(machine: Machine, channels: Channels) -> Machine:
    return led(machine, channels)


def wheels(channels: Channels) -> None:
    if not channels.has_wheels:
        pytest.skip("no index gave the wheels of the channel")


def run(machine: Machine, env: str, *words: str) -> str:
    return machine.ok("run", env, "--", *words)


@pytest.mark.slow
@pytest.mark.parametrize("minor", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_an_environment_of_every_python_is_whole(
    conda: Machine, channels: Channels, minor: str
) -> None:
    wheels(channels)
    if not list(channels.main.glob(f"*/python-{minor}.*")):
        pytest.skip(f"there is no Python {minor}")
    asked = [word for name in (*TOOLS, "greeter") for word in ("--conda", name)]
    conda.ok("resolve", *asked, "--python", minor, "--alias", "team/env:v1")
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env"))
    assert {"python", "greeter", "urllib3", *TOOLS} <= check_records(prefix)
    code = "import ssl, sqlite3, rich, sys, sysconfig; print(sys.prefix, sys.version.split()[0])"
    where, version = run(conda, "env", "python", "-c", code).split()
    assert (where, version.rpartition(".")[0]) == (str(prefix), minor)
    assert run(conda, "env", "pip", "check") == "No broken requirements found."
    listed = json.loads(run(conda, "env", "pip", "list", "--format=json"))
    assert {*TOOLS, "urllib3"} <= {one["name"] for one in listed}
    assert run(conda, "env", "greeter").splitlines()[0] == f"hello from {prefix}"
    assert subprocess.run([prefix / "bin/hello"], check=False, capture_output=True).returncode == 0
    conda.ok("rm", "env")
    assert list(prefix.parent.iterdir()) == []
    tidy(conda)


@pytest.mark.slow
def test_another_machine_needs_only_the_store(
    machines: Callable[[str], Machine], channels: Channels
) -> None:
    wheels(channels)
    one, other = led(machines("one"), channels), machines("other")
    one.ok("resolve", "--conda", "rich", "--alias", "team/env:v1")
    prefix = Path(other.ok("create", "team/env:v1", "--name", "env"))
    assert "rich" in check_records(prefix)
    assert run(other, "env", "python", "-c", "import rich; print(rich.__file__)").startswith(
        str(prefix)
    )


@pytest.mark.slow
def test_wheels_on_conda_python_and_beside_conda_packages(
    conda: Machine, channels: Channels
) -> None:
    wheels(channels)
    conda.ok("resolve", "--pypi", "app", "--alias", "team/pypi:v1")
    conda.ok(
        "resolve", "--conda", "rich", "--conda", "pip", "--pypi", "app", "--alias", "team/m:v1"
    )
    for alias, packages in (("team/pypi:v1", {"python"}), ("team/m:v1", {"python", "rich", "pip"})):
        prefix = Path(conda.ok("create", alias))
        assert packages <= check_records(prefix)
        done = conda.run("run", alias, "--", "hello")
        assert (done.status, done.out) == (7, f"hello from {prefix}\n")
    assert run(conda, "team/m:v1", "pip", "check") == "No broken requirements found."
    names = {
        one["name"] for one in json.loads(run(conda, "team/m:v1", "pip", "list", "--format=json"))
    }
    assert {"app", "dep", "rich", "pip"} <= names


@pytest.mark.slow
def test_activation_is_honoured(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env"))
    folder = prefix / "etc/conda/env_vars.d"
    folder.mkdir()
    (folder / "one.json").write_text('{"FROM_PACKAGE": "yes"}')
    (prefix / "conda-meta/state").write_text('{"env_vars": {"FROM_USER": "yes"}}')
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    found = json.loads(run(conda, "env", sys.executable, "-I", "-c", code))
    assert found["GREETER_HOME"] == found["CONDA_PREFIX"] == str(prefix)
    assert (found["FROM_PACKAGE"], found["FROM_USER"]) == ("yes", "yes")
    (prefix / "etc/conda/activate.d/bad.sh").write_text("exit 3\n")
    assert "`bad.sh`" in conda.fails("run", "env", "--", "greeter")


@pytest.mark.slow
def test_a_shell_runs_in_the_environment(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    conda.file("input", "greeter; echo $GREETER_HOME\n")
    words = ("shell", "team/env:v1", "--shell", "bash")
    done = conda.run(*words, before="exec < input")
    prefix = done.out.splitlines()[-1]
    assert done.out.splitlines()[0] == f"hello from {prefix}"
    assert Path(prefix).parent == conda.home / "envs"
    assert "is not a shell" in conda.fails("shell", "team/env:v1", "--shell", "tcsh")


@pytest.mark.slow
def test_link_scripts_run_only_where_they_are_allowed(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    done = conda.run("create", "team/env:v1", "--name", "one")
    assert "the post-link script of `greeter` is not run" in done.err
    assert not (Path(done.out.strip()) / "share/greeter-was-linked.txt").exists()
    allowed = {"MFENV_LINK_SCRIPTS": "true"}
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "two", env=allowed))
    assert (prefix / "share/greeter-was-linked.txt").read_text() == "linked\n"


def own_channel(machine: Machine, *recipes: Recipe) -> None:
    """A channel with these packages, before the one that the machine knows."""
    folder = machine.root / "own"
    records = {path: one for recipe in recipes for path, one in pack(recipe, folder).items()}
    write_channel(folder, records)
    known = machine.environ["MFENV_CHANNELS"]
    machine.environ["MFENV_CHANNELS"] = f"{folder.as_uri()},{known}"


@pytest.mark.slow
def test_link_scripts_of_a_package_for_every_python(conda: Machine) -> None:
    script = Entry(data=b'echo linked > "$PREFIX/told"\n', executable=True)
    own_channel(
        conda,
        Recipe(
            name="scripted",
            version="1.0",
            noarch="python",
            depends=("python",),
            files={"python-scripts/.scripted-post-link.sh": script},
        ),
    )
    conda.ok("resolve", "--conda", "scripted", "--alias", "team/env:v1")
    done = conda.run("create", "team/env:v1", "--name", "one")
    assert "the post-link script of `scripted` is not run" in done.err
    assert not (Path(done.out.strip()) / "told").exists()
    allowed = {"MFENV_LINK_SCRIPTS": "true"}
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "two", env=allowed))
    assert (prefix / "told").read_text() == "linked\n"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_packages_that_are_noarch_in_the_old_way(conda: Machine, suffix: str) -> None:
    """`noarch: true`, and `True` as a text in link.json, as font-ttf-inconsolata has it."""
    font = Recipe(
        name="old-font",
        version="3.0",
        noarch=True,
        formats=(suffix,),
        files={"fonts/old.ttf": Entry(data=b"font")},
    )
    own_channel(conda, font)
    conda.ok("resolve", "--conda", "old-font", "--alias", "team/env:v1")
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env"))
    assert (prefix / "fonts/old.ttf").read_bytes() == b"font"
    assert json.loads((prefix / "conda-meta/old-font-3.0-0.json").read_text())["noarch"] in (
        True,
        "generic",
    )
    assert "old-font" in check_records(prefix)


@pytest.mark.slow
def test_an_environment_is_frozen_for_conda_and_not_for_us(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env"))
    assert (prefix / "conda-meta/frozen").is_file()
    conda.ok("cache", "verify")
    conda.ok("create", "team/env:v1", "--name", "env", "--force")
    conda.ok("rm", "env")
    assert not prefix.exists()


@pytest.mark.slow
def test_modules_are_compiled_and_recorded_when_asked(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "colours", "--alias", "team/env:v1")
    compiled = {"MFENV_COMPILE_BYTECODE": "true"}
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env", env=compiled))
    (record,) = (prefix / "conda-meta").glob("colours-*.json")
    paths = json.loads(record.read_text())["paths_data"]["paths"]
    (pyc,) = [one for one in paths if one["path_type"] == "pyc_file"]
    check_records(prefix)
    assert str(prefix / "lib").encode() in (prefix / pyc["_path"]).read_bytes()


@pytest.mark.slow
def test_compiling_runs_nothing_of_conda_packages(conda: Machine) -> None:
    spy = f"open({str(conda.root / 'ran')!r}, 'a').write(__name__)\n".encode()
    names = ("compileall.py", "json/__init__.py", "sitecustomize.py", "struct.py")
    files = {f"site-packages/{name}": Entry(data=spy) for name in names}
    files["site-packages/x.pth"] = Entry(data=b"import sys; " + spy)
    files["site-packages/old.py"] = Entry(data=b"print 'hello'\n")
    own_channel(
        conda,
        Recipe(name="spy", version="1.0", noarch="python", depends=("python",), files=files),
    )
    conda.ok("resolve", "--conda", "spy", "--alias", "team/env:v1")
    done = conda.run(
        "create", "team/env:v1", "--name", "env", env={"MFENV_COMPILE_BYTECODE": "true"}
    )
    assert not (conda.root / "ran").exists()
    assert "site-packages/old.py` of `spy` cannot be compiled: SyntaxError" in done.err
    assert done.status == 0
    assert "spy" in check_records(Path(done.out.strip()))


@pytest.mark.slow
def test_other_tools_read_what_is_recorded(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--conda", "colours", "--alias", "team/env:v1")
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env"))
    code = (
        "import os, sys; from pathlib import Path; from rattler import PrefixRecord\n"
        "for path in Path(sys.argv[1]).glob('conda-meta/*.json'):\n"
        "    one = PrefixRecord.from_path(path)\n"
        "    print(one.name.normalized, one.version, one.url, len(one.files))\n"
        "sys.stdout.flush(); os._exit(0)\n"
    )
    command = [sys.executable, "-c", code, str(prefix)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"python", "greeter", "colours", "libgreet"} <= names


@pytest.mark.parametrize("tool", ["conda", "mamba", "micromamba"])
def test_conda_list_agrees(conda: Machine, tool: str) -> None:
    program = shutil.which(tool)
    if not program:
        pytest.skip(f"there is no {tool}")
    conda.ok("resolve", "--conda", "colours", "--alias", "team/env:v1")
    prefix = Path(conda.ok("create", "team/env:v1", "--name", "env"))
    command = [program, "list", "-p", str(prefix), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {one["name"] for one in json.loads(done.stdout)} == check_records(prefix)


@pytest.mark.slow
def test_a_file_changed_in_one_environment_does_not_reach_the_next(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    one = Path(conda.ok("create", "team/env:v1", "--name", "one"))
    victim = one / "share/greeter/greeting.txt"
    victim.chmod(0o644)
    victim.write_text("poison\n")
    two = Path(conda.ok("create", "team/env:v1", "--name", "two"))
    check_records(two)
    assert "poison" not in run(conda, "two", "greeter")


@pytest.mark.slow
def test_two_processes_create_the_same_at_once(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "colours", "--alias", "team/env:v1")
    shutil.rmtree(conda.home / "cache")
    done = [finish(one) for one in [conda.start("create", "team/env:v1") for _ in range(2)]]
    assert [one.status for one in done] == [0, 0], [one.err for one in done]
    assert done[0].out == done[1].out
    check_records(Path(done[0].out.strip()))
    tidy(conda)


@pytest.mark.slow
def test_a_create_killed_at_any_moment_is_done_by_the_next_one(conda: Machine) -> None:
    conda.ok("resolve", "--conda", "greeter", "--alias", "team/env:v1")
    chance = random.Random(11)
    allowed = {"MFENV_LINK_SCRIPTS": "true"}
    for _ in range(8):
        shutil.rmtree(conda.home / "cache", ignore_errors=True)
        process = conda.start("create", "team/env:v1", env=allowed)
        time.sleep(chance.uniform(0.2, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        finish(process)
        prefix = Path(conda.ok("create", "team/env:v1", env=allowed))
        check_records(prefix)
        assert run(conda, "team/env:v1", "python", "-c", "import ssl; print('fine')") == "fine"
        conda.ok("create", "team/env:v1", "--force", env=allowed)
        tidy(conda)
        shutil.rmtree(prefix)


@pytest.mark.slow
def test_python_is_the_one_that_is_named_among_the_packages(
    conda: Machine, channels: Channels
) -> None:
    wheels(channels)
    minors = [one for one in ("3.10", "3.12") if list(channels.main.glob(f"*/python-{one}.*"))]
    if len(minors) < 2:
        pytest.skip("there are not two Pythons to choose from")
    for minor in minors:
        found = conda.json("resolve", "--conda", f"python={minor}", "--conda", "requests")
        assert found["environments"][0]["python"].startswith(f"{minor}.")
    conda.ok("resolve", "--conda", "requests", "--python", minors[0], "--alias", "base")
    said = conda.fails("resolve", "--using", "base", "--conda", f"python={minors[1]}")
    assert "--using base" in said
    assert "--conda" in said
