from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mfenv.activation import activated, scripts, shell_command, variables
from mfenv.errors import InvalidRequest
from mfenv.shell_code import shell_code

OUTSIDE = {
    "CONDA_DEFAULT_ENV": "base",
    "CONDA_EXE": "/opt/conda/bin/conda",
    "CONDA_PREFIX": "/opt/conda",
    "CONDA_PREFIX_1": "/opt/other",
    "CONDA_SHLVL": "2",
    "HOME": "/nowhere",
    "OWN": "kept",
    "PATH": os.defpath,
    "PYTHONHOME": "/usr",
    "PYTHONPATH": "/lib",
    "VIRTUAL_ENV": "/venv",
}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A conda prefix with a space in its name."""
    path = tmp_path / "an env"
    (path / "conda-meta").mkdir(parents=True)
    (path / "bin").mkdir()
    return path


def write(prefix: Path, path: str, content: object) -> None:
    target = prefix / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_conda_prefix_is_active_and_nothing_else(prefix: Path) -> None:
    assert variables(prefix, OUTSIDE) == {
        "CONDA_DEFAULT_ENV": str(prefix),
        "CONDA_EXE": "/opt/conda/bin/conda",
        "CONDA_PREFIX": str(prefix),
        "CONDA_PROMPT_MODIFIER": "(an env) ",
        "CONDA_SHLVL": "1",
        "HOME": "/nowhere",
        "OWN": "kept",
        "PATH": f"{prefix}/bin:{os.defpath}",
    }


def test_a_virtual_environment_is_active_as_one(tmp_path: Path) -> None:
    found = variables(tmp_path, OUTSIDE)
    assert found["VIRTUAL_ENV"] == str(tmp_path)
    assert "CONDA_PREFIX" not in found


def test_variables_of_packages_come_first_and_those_of_the_user_last(prefix: Path) -> None:
    write(prefix, "etc/conda/env_vars.d/b.json", {"A": "b", "B": "b"})
    write(prefix, "etc/conda/env_vars.d/a.json", {"A": "a", "C": "c", "OWN": "x"})
    write(prefix, "conda-meta/state", {"env_vars": {"C": "state", "OWN": "***unset***"}})
    found = variables(prefix, OUTSIDE)
    assert (found["A"], found["B"], found["C"]) == ("b", "b", "state")
    assert "OWN" not in found


@pytest.mark.parametrize("path", ["etc/conda/env_vars.d/a.json", "conda-meta/state"])
@pytest.mark.parametrize("content", ["", "[]", "{", {"env_vars": 1}, {"env_vars": {"a b": "c"}}])
def test_variables_that_cannot_be_read_are_an_error(
    prefix: Path, path: str, content: object
) -> None:
    write(prefix, path, content)
    with pytest.raises(InvalidRequest, match=Path(path).name):
        variables(prefix, OUTSIDE)


def test_activation_scripts_are_read_once_in_order(
    prefix: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(prefix, "etc/conda/activate.d/b.sh", 'export WHAT="$WHAT b"\necho said\nfalse\n')
    write(prefix, "etc/conda/activate.d/a.sh", "export WHAT='a\n\"line\"'\nlocal_only=1\ncd /\n")
    write(prefix, "etc/conda/activate.d/c.fish", "set -gx WHAT fish\n")
    assert [one.name for one in scripts(prefix)] == ["a.sh", "b.sh"]
    found = activated(prefix, OUTSIDE)
    assert found.pop("WHAT") == 'a\n"line" b'
    assert found == variables(prefix, OUTSIDE)
    assert capfd.readouterr() == ("", "said\n")


def test_no_shell_is_started_where_there_are_no_scripts(prefix: Path) -> None:
    assert activated(prefix, {**OUTSIDE, "PATH": "/none"}) == variables(
        prefix, {**OUTSIDE, "PATH": "/none"}
    )


def test_a_script_that_ends_the_shell_is_named(prefix: Path) -> None:
    write(prefix, "etc/conda/activate.d/bad.sh", "exit 0\n")
    with pytest.raises(InvalidRequest, match=r"`bad\.sh`"):
        activated(prefix, OUTSIDE)


def test_another_shell_is_refused_with_those_that_are_known(prefix: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        shell_command(prefix, OUTSIDE, "/bin/tcsh")
    assert caught.value.hint == "known are bash, zsh, fish; `--shell` takes one"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_shell_is_led_into_the_environment_after_its_own_configuration(
    tmp_path: Path, prefix: Path, name: str
) -> None:
    shell = shutil.which(name)
    if not shell:
        pytest.skip(f"there is no {name}")
    home = tmp_path / "home"
    write(home, ".bashrc", "export PATH=/away OWN=bashrc\n")
    write(home, ".zshrc", "export PATH=/away OWN=zshrc\n")
    write(home, ".config/fish/config.fish", "set -gx PATH /away; set -gx OWN fishrc\n")
    write(prefix, "etc/conda/env_vars.d/a.json", {"QUOTED": 'it\'s \\ "so" $HOME'})
    write(prefix, "etc/conda/activate.d/a.sh", 'export HOOKED="by $CONDA_PREFIX"\n')
    write(prefix, "etc/conda/activate.d/a.fish", 'set -gx HOOKED "by $CONDA_PREFIX"\n')
    dump = "import json, os; print('VARIABLES', json.dumps(dict(os.environ)))"
    words, environ = shell_command(prefix, {**OUTSIDE, "HOME": str(home)}, shell)
    done = subprocess.run(
        words,
        env=environ,
        input=f'{sys.executable} -I -c "{dump}"\nexit\n',
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    (line,) = [one for one in done.stdout.splitlines() if "VARIABLES {" in one]
    found = json.loads(line.partition("VARIABLES ")[2])
    assert found["PATH"] == f"{prefix}/bin:/away"
    assert found["CONDA_PREFIX"] == str(prefix)
    assert found["OWN"] == f"{name}rc"
    assert found["QUOTED"] == 'it\'s \\ "so" $HOME'
    assert found["HOOKED"] == f"by {prefix}"
    assert not [key for key in found if key.startswith("_MFENV")]
    assert not found.keys() & {"CONDA_PREFIX_1", "PYTHONHOME", "VIRTUAL_ENV", "ZDOTDIR"}


PROMPT = {
    "bash": 'echo "PROMPT $PS1"',
    "zsh": 'echo "PROMPT $PS1"',
    "fish": "echo PROMPT (fish_prompt)",
    "dash": 'echo "PROMPT $PS1"',
}
EVALUATE = {"bash": '. "{}"', "zsh": '. "{}"', "fish": 'source "{}"', "dash": '. "{}"'}
# bash without the memory of where programs are, which `hash` is told to forget.
STRICT = {
    "bash": ["--norc", "-eu", "+h"],
    "zsh": ["-feu"],
    "fish": ["--no-config"],
    "dash": ["-eu"],
}


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "dash"])
def test_a_shell_evaluates_its_way_in_and_out_again(
    tmp_path: Path, prefix: Path, name: str
) -> None:
    shell = shutil.which(name)
    if not shell:
        pytest.skip(f"there is no {name}")
    other, fish = tmp_path / "other", name == "fish"
    suffix = "fish" if fish else "sh"
    (other / "conda-meta").mkdir(parents=True)
    export, unset = ("set -gx", "set -e") if fish else ("export", "unset")
    write(prefix, "etc/conda/env_vars.d/a.json", {"SAME": "1", "QUOTED": 'it\'s \\ "so" $HOME'})
    write(prefix, "conda-meta/state", {"env_vars": {"OWN": "***unset***"}})
    write(other, "etc/conda/env_vars.d/a.json", {"SAME": "1"})
    equals = " " if fish else "="
    write(prefix, f"etc/conda/activate.d/a.{suffix}", f"{export} HOOKED{equals}yes\n")
    write(prefix, f"etc/conda/deactivate.d/a.{suffix}", f"{unset} HOOKED\n")
    outside = OUTSIDE | {"MFENV_STORE": "s3://of/the/user", "MANY": "a b:c"}
    outside = {key: value for key, value in outside.items() if key != "PYTHONHOME"}
    outside["HOME"] = str(tmp_path)  # where fish makes what it needs
    # Whatever else is there stays, such as the virtual environment that mfenv itself is in.
    write(tmp_path, "venv/pyvenv.cfg", "")
    outside["PATH"] = path = f"{tmp_path}/venv/bin:{os.defpath}"
    dump = f"{sys.executable} -I -c \"import json, os; print('VARIABLES', json.dumps(dict(os.environ)))\""
    into = tmp_path / "into"
    lines = ["PS1='$ '" if not fish else "function fish_prompt; echo '$ '; end", dump]
    for target, prompt in ((prefix, "team/etl:v1"), (other, "b"), (None, "")):
        if target is None:
            lines.append("deactivate")
        else:
            # As the shell is by then: led into what was activated before.
            environ = outside | ({} if target is prefix else variables(prefix, outside))
            script = tmp_path / f"{prompt.partition('/')[0]}.code"
            script.write_text(shell_code(target, environ, shell, prompt))
            lines.append(EVALUATE[name].format(script))
        lines += [dump, PROMPT[name]]
    into.write_text("\n".join(lines))
    done = subprocess.run(
        [shell, *STRICT[name], str(into)],
        env=outside,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    before, first, second, after = (
        {
            key: value
            for key, value in json.loads(line[10:]).items()
            if key not in ("_", "SHLVL", "PWD", "OLDPWD")
        }
        for line in said
        if line.startswith("VARIABLES ")
    )
    assert [line.rstrip() for line in said if line.startswith("PROMPT")] == [
        "PROMPT (team/etl:v1) $",
        "PROMPT (b) $",
        "PROMPT $",
    ]
    assert first["PATH"] == f"{prefix}/bin:{path}"
    assert (first["QUOTED"], first["SAME"], first["HOOKED"]) == ('it\'s \\ "so" $HOME', "1", "yes")
    assert first["CONDA_PROMPT_MODIFIER"] == "(team/etl:v1) "
    assert "OWN" not in first
    assert not first.keys() & {"CONDA_PREFIX_1", "PYTHONPATH", "VIRTUAL_ENV"}
    assert second["CONDA_PREFIX"] == str(other)
    assert second["PATH"] == f"{other}/bin:{path}"
    assert (second["SAME"], second["OWN"]) == ("1", "kept")
    assert not second.keys() & {"HOOKED", "QUOTED"}
    # With the settings of the user all the time, and in the end as it was.
    assert first["MFENV_STORE"] == "s3://of/the/user"
    assert after == before


@pytest.mark.parametrize("name", ["bash", "dash"])
def test_a_prompt_that_was_none_is_none_again(tmp_path: Path, prefix: Path, name: str) -> None:
    shell = shutil.which(name)
    if not shell:
        pytest.skip(f"there is no {name}")
    script = tmp_path / "code"
    script.write_text(shell_code(prefix, OUTSIDE, shell, "a"))
    words = f'unset PS1; . "{script}"; echo "$PS1"; deactivate; echo "${{PS1-none}}"'
    done = subprocess.run(
        [shell, "-euc", words], env=OUTSIDE, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["(a) ", "none"]


@pytest.mark.parametrize("options", ["-eu", "-e", "-u", ""])
@pytest.mark.parametrize("name", ["bash", "zsh", "dash"])
def test_a_strict_shell_outlives_the_scripts_of_packages(
    tmp_path: Path, prefix: Path, name: str, options: str
) -> None:
    shell = shutil.which(name)
    if not shell:
        pytest.skip(f"there is no {name}")
    write(prefix, "etc/conda/activate.d/a.sh", 'export OLD="$NOTHING"\nfalse\nexport HOOKED=1\n')
    write(prefix, "etc/conda/deactivate.d/a.sh", 'export OLD="$NOTHING"\nfalse\nunset HOOKED\n')
    script = tmp_path / "code"
    script.write_text(shell_code(prefix, OUTSIDE, shell, "a"))
    lines = [f'. "{script}"', 'echo "$HOOKED"', "deactivate", 'echo "${HOOKED-gone}"', 'echo "$-"']
    program = tmp_path / "program"
    program.write_text("\n".join(['echo "$-"', *lines]))
    words = [shell, *([options] if options else []), str(program)]
    done = subprocess.run(words, env=OUTSIDE, capture_output=True, text=True, check=True)
    before, *said, after = done.stdout.splitlines()
    assert (said, after) == (["1", "gone"], before)
