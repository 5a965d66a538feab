"""The command line as such: its streams, its settings, its help, and odd surroundings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mfenv._cli import cli

from .helpers import COMMAND, Machine, files, finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolvers.testing import FakeIndex

COMMANDS = sorted(cli.commands)
HEAVY = {
    "boto3",
    "metaflow",
    "packaging",
    "pkgcache.web._http",
    "rattler",
    "requests",
    "resolvers.pypi",
    "rich",
    "urllib3",
    "uv",
    "yaml",
}


def imported(machine: Machine, *words: str) -> set[str]:
    """The modules that a command imports, beside those that its interpreter starts with."""
    program = """
import atexit, sys
before = set(sys.modules)
atexit.register(lambda: print("MODULES", *(sys.modules.keys() - before), file=sys.stderr))
from mfenv.__main__ import main
main()
"""
    done = finish(machine.spawn(sys.executable, "-c", program, *words))
    assert done.status == 0, done.err
    return set(done.err.rpartition("MODULES ")[2].split())


def test_help_is_quick_to_start(machine: Machine) -> None:
    found = imported(machine, "--help")
    assert "click" in found
    assert found & (HEAVY | {"sqlite3", "envid.spec", "mfenv.environments"}) == set()


@pytest.mark.slow
def test_show_and_list_import_only_what_they_need(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    for words in (
        *(["show", "a:v1"], ["show", "a:v1", "--json"], ["list"], ["alias", "a:v1", "b"]),
        *(["tree", "a:v1"], ["why", "a:v1", "dep"], ["diff", "a:v1", "a:v1"]),
        *(["history", "a:v1"], ["search", "dep"], ["list", "a*"]),
        *(["report", "a:v1"], ["report", "a:v1", "--json"]),
    ):
        found = imported(machine, *words)
        assert found & (HEAVY - {"packaging"}) == set()
        # Its own module, and none of another command's.
        own = {name for name in found if name.startswith("mfenv._commands.")}
        assert len({name for name in own if not name.startswith("mfenv._commands._")}) == 1, own


@pytest.mark.slow
def test_what_is_known_is_answered_without_the_resolver(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app")
    found = imported(machine, "resolve", "--pypi", "app")
    assert found & {"requests", "rattler", "resolvers.pypi", "rich", "uv"} == set()


@pytest.mark.parametrize("command", [*COMMANDS, "cache info", "cache verify"])
def test_every_command_says_as_much_as_it_is_asked_to(machine: Machine, command: str) -> None:
    words = command.split()
    text = machine.ok(*words, "--help")
    options = ("-v, --verbose", "-q, --quiet", "--color WHEN", "--no-progress")
    assert [one for one in options if one not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(machine: Machine, command: str) -> None:
    for option in ("--help", "-h"):
        text = machine.ok(command, option)
        assert text.startswith(f"Usage: mfenv {command}")
        assert "Examples:\n" in text
        assert f"mfenv {command}" in text.partition("Examples:")[2]


def test_the_help_names_every_command(machine: Machine) -> None:
    text = machine.ok("--help")
    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []


def test_the_version(machine: Machine) -> None:
    assert machine.ok("--version").startswith("mfenv, version ")


# Settings


def test_a_setting_comes_from_the_nearest_place(machine: Machine) -> None:
    def shown(*words: str, **env: str) -> tuple[str, str]:
        done = machine.run("config", "--json", env=env)
        found = json.loads(done.out)["exclude_newer"]
        return found["value"], found["origin"]

    assert shown() == ("", "default")
    user = machine.user / ".config" / "mfenv"
    user.mkdir(parents=True)
    (user / "mfenv.toml").write_text('exclude-newer = "2020-01-01"\n')
    assert shown() == ("2020-01-01", f"{user}/mfenv.toml:1")
    project = machine.file("pyproject.toml", '[tool.mfenv]\nexclude-newer = "2021-01-01"\n')
    assert shown() == ("2021-01-01", f"{project}:2")
    nearest = machine.file("mfenv.toml", '\n\nexclude-newer = "2022-01-01"\n')
    assert shown() == ("2022-01-01", f"{nearest}:3")
    variable = {"MFENV_EXCLUDE_NEWER": "2023-01-01"}
    assert shown(**variable) == ("2023-01-01", "MFENV_EXCLUDE_NEWER")
    done = machine.run("resolve", "--pypi", "app", "--exclude-newer", "soon", env=variable)
    assert "`soon` is neither a date" in done.err


@pytest.mark.slow
def test_settings_in_a_file_resolve_as_options_do(machine: Machine) -> None:
    by_option = machine.ok(
        "resolve", "--pypi", "app", "--exclude-newer", "2024-01-01", "--platform", "osx-64"
    )
    machine.file("mfenv.toml", 'exclude-newer = "2024-01-01"\nplatforms = ["osx-64"]\n')
    done = machine.run("resolve", "--pypi", "app")
    assert done.out.strip() == by_option
    assert "known already" in done.err


def test_config_names_every_setting_and_hides_credentials(machine: Machine) -> None:
    machine.environ["MFENV_EXTRA_INDEX_URL"] = "https://me:s3cret@host/simple"
    text = machine.ok("config")
    found = machine.json("config")
    assert found["home"] == {"value": str(machine.home), "origin": "MFENV_HOME"}
    assert found["extra_index_url"]["value"] == ["https://***@host/simple"]
    assert [name for name in found if name not in text] == []
    assert "s3cret" not in text + json.dumps(found)


# Streams


@pytest.mark.slow
def test_progress_goes_to_standard_error(machine: Machine) -> None:
    done = machine.run("resolve", "--pypi", "app", "--alias", "a", "--json")
    assert [one["platform"] for one in json.loads(done.out)["environments"]]
    assert "resolve took" in done.err
    done = machine.run("create", "a")
    assert done.out.count("\n") == 1
    for words in (["alias", "a", "b:v1"], ["rm", "a", "--force"]):
        done = machine.run(*words)
        assert (done.status, done.out) == (0, "")
        assert done.err


@pytest.mark.slow
def test_on_a_terminal_the_bars_go_away(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    inner, outer = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mfenv", "create", "a"],
        env={**machine.environ, "MFENV_NO_PROGRESS": "", "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=outer,
        text=True,
    )
    os.close(outer)
    assert finish(process).out.strip().startswith(str(machine.home))
    shown = os.read(inner, 1 << 16).decode()
    os.close(inner)
    assert "create took" in shown
    assert "\x1b[2K" in shown  # lines of bars, erased


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(machine: Machine, closed: str) -> None:
    """A file that is opened next must not get the number of a standard stream."""
    done = machine.run("resolve", "--pypi", "app", "--alias", "a", before=f"exec {closed}")
    assert (done.status, "error" in done.err) == (0, False), done.err
    assert len(machine.rows()["aliases"]) == 1


def test_output_that_cannot_be_written(machine: Machine) -> None:
    done = machine.run("list", before="exec >/dev/full")
    assert (done.status, done.err) == (1, "error: no space left on device\n")


@pytest.mark.slow
def test_words_that_cannot_be_written(machine: Machine) -> None:
    """Are no reason to end what is done, and to keep its result back."""
    words = ("resolve", "--pypi", "app", "--alias", "a")
    found = machine.run(*words, before="exec 2>/dev/full")
    assert (found.status, len(found.out.split(":"))) == (0, 2)
    assert machine.run("show", "nothing", before="exec 2>/dev/full").status == 1
    script = f'{{ "$0" {" ".join(words)}; echo $?; }} 2> >(true)'
    done = finish(machine.spawn("/bin/bash", "-c", script, COMMAND))
    assert done.out == f"{found.out}0\n"


@pytest.mark.slow
def test_a_reader_that_has_enough(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a")
    for words in ("list", "show a --json", "--help"):
        script = f'{{ "$0" {words}; echo $? >&2; }} | true'
        done = finish(machine.spawn("/bin/sh", "-c", script, Path(sys.executable).parent / "mfenv"))
        assert done.err in ("0\n", "1\n")


# Surroundings


def everything(machine: Machine, before: str = ":", **env: str) -> None:
    for words in (
        ["resolve", "--pypi", "app", "--alias", "a:v1"],
        ["show", "a:v1"],
        ["list"],
        ["create", "a:v1", "--name", "e"],
        ["create", "a:v1", "--prefix", "\u00fcmlaut"],
        ["list"],
        ["show", "./\u00fcmlaut"],
        ["rm", "\u00fcmlaut"],
        ["gc"],
    ):
        done = machine.run(*words, before=before, env=env)
        assert done.status == 0, done.err
    done = machine.run("run", "e", "--", "hello", before=before, env=env)
    assert (done.status, done.out) == (7, f"hello from {machine.prefix('e')}\n")


@pytest.mark.slow
def test_in_the_c_locale_and_a_narrow_window(machine: Machine) -> None:
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    everything(machine, **plain, COLUMNS="40")


@pytest.mark.slow
def test_without_a_home_directory(machine: Machine) -> None:
    everything(machine, before="unset HOME")
    assert files(machine.user) == []


@pytest.mark.slow
def test_as_a_user_whom_nobody_knows(machine: Machine) -> None:
    """As in containers that run with any number; neither a name nor a home is known."""
    unknown = ["unshare", "--user", "--map-user=12345"]
    try:
        subprocess.run([*unknown, "true"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this user may not make a name space of its own")
    change = f'[ "$(id -u)" = 12345 ] || exec {" ".join(unknown)} env -u HOME "$0" "$@"'
    everything(machine, before=change)
    said = machine.fails("list", before=f"unset MFENV_HOME; {change}")
    assert "this user has no home directory\nhint: set MFENV_HOME" in said


@pytest.mark.slow
def test_under_a_strict_umask_nobody_else_can_read(machine: Machine) -> None:
    everything(machine, before="umask 077")
    # A lock has no content; those who share a cache must be able to take it.
    found = [path for path in machine.home.rglob("*") if not path.name.endswith(".lock")]
    assert len(found) > 50
    assert [path for path in found if not path.is_symlink() and path.stat().st_mode & 0o022] == []
    assert machine.home.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_under_no_umask_the_cache_is_ours_alone(machine: Machine) -> None:
    everything(machine, before="umask 000")
    found = [path for path in (machine.home / "cache").rglob("*") if path.suffix != ".lock"]
    assert len(found) > 20
    assert [path for path in found if path.lstat().st_mode & 0o022] == []


def test_in_a_directory_that_is_gone(machine: Machine) -> None:
    said = machine.fails("list", before="mkdir gone; cd gone; rmdir ../gone")
    assert said == "error: the current directory is gone\nhint: change to another one\n"


# Completion


def completed(machine: Machine, typed: str) -> list[str]:
    number = str(typed.count(" "))
    variables = {"COMP_WORDS": typed, "COMP_CWORD": number, "_MFENV_COMPLETE": "bash_complete"}
    done = machine.run(env=variables)
    assert (done.status, done.err) == (0, "")
    return [line.partition(",")[2] for line in done.out.split()]


@pytest.mark.slow
def test_a_shell_completes_what_a_lock_has(machine: Machine) -> None:
    machine.file(
        "uv.lock",
        'version = 1\n[manifest]\nmembers = ["app", "api"]\n'
        '[[package]]\nname = "app"\nversion = "0"\nsource = { virtual = "." }\n'
        "[package.metadata]\nprovides-extras = ['plots']\n"
        "[package.metadata.requires-dev]\ntest = []\ndocs = []\n"
        '[[package]]\nname = "api"\nversion = "0"\nsource = { virtual = "api" }\n',
    )
    machine.file("pixi.lock", "version: 6\nenvironments:\n  prod: {channels: []}\npackages: []\n")
    machine.file(
        "pyproject.toml",
        "[project]\nname = 'x'\nversion = '1'\ndependencies = ['app']\n"
        "optional-dependencies = {more = []}\n[dependency-groups]\nown = []\n",
    )
    machine.ok("lock", "-p", "pyproject.toml", "--environment", "train")
    for typed, expected in (
        ("import uv.lock --group ", ["docs", "test"]),
        ("import uv.lock --no-group t", ["test"]),
        ("resolve --lock uv.lock --only-group d", ["docs"]),
        ("import uv.lock --extra ", ["plots"]),
        ("import uv.lock --package ", ["api", "app"]),
        ("import pixi.lock --environment ", ["prod"]),
        ("import mfenv.lock --environment ", ["train"]),
        ("resolve -p pyproject.toml --group ", ["own"]),
        ("lock -p pyproject.toml --extra ", ["more"]),
        ("lock --update ", ["app", "dep"]),
        ("import absent.lock --group ", []),
        ("resolve -p pyproject.toml --package ", []),
    ):
        assert completed(machine, f"mfenv {typed}") == expected, typed


@pytest.mark.slow
def test_a_shell_completes_names(machine: Machine, machines: Callable[[str], Machine]) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "team/app:v1", "--alias", "app:v2")
    machine.ok("create", "app:v2", "--name", "application")
    commands = (
        "show",
        "export",
        "create",
        "run",
        "rm",
        "alias",
        "get",
        "publish",
        "outdated",
        "audit",
        "resolve --using",
    )
    for command in commands:
        assert completed(machine, f"mfenv {command} ap") == ["app:v2", "application"]
        assert completed(machine, f"mfenv {command} team") == ["team/app:v1"]
    machine.ok("lock", "--pypi", "app", "--environment", "apart")
    for words in ("lock", "create --lock mfenv.lock", "run --lock mfenv.lock"):
        assert completed(machine, f"mfenv {words} --environment a") == ["apart"]
    assert completed(machine, "mfenv why team/app:v1 d") == ["dep"]
    assert completed(machine, "mfenv tree nothing d") == []
    assert completed(machine, "mfenv res") == ["resolve"]
    assert "--platform" in completed(machine, "mfenv resolve --pl")
    assert completed(machines("two"), "mfenv show a") == []


@pytest.mark.slow
def test_a_shell_completes_what_a_requirement_file_has(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "top")
    machine.file("r.txt", "dep<2\nother\nDep.Two\n")
    machine.file(
        "pyproject.toml",
        "[project]\nname = 'x'\nversion = '1'\ndependencies = ['app']\n"
        "[dependency-groups]\ntest = ['other']\n",
    )
    machine.ok("lock", "--pypi", "app")
    for typed, expected in (
        ("remove r.txt ", ["dep", "dep-two", "other"]),
        ("remove r.txt dep O", ["other"]),
        ("remove pyproject.toml ", ["app"]),
        ("add pyproject.toml --group test o", ["other"]),
        ("remove absent.txt ", []),
        ("remove mfenv.lock ", []),
        # What takes the place of an environment.
        ("run t", ["top:latest"]),
        ("run -r r.txt t", []),
        ("run --lock mfenv.lock t", []),
        ("create --lock mfenv.lock t", []),
    ):
        assert completed(machine, f"mfenv {typed}") == expected, typed


def test_a_shell_gets_descriptions_that_are_whole(machine: Machine) -> None:
    variables = {"COMP_WORDS": "mfenv t", "COMP_CWORD": "1", "_MFENV_COMPLETE": "zsh_complete"}
    kind, name, text = machine.run(env=variables).out.splitlines()[:3]
    assert (kind, name) == ("plain", "transmute")
    assert text.startswith("Turn conda packages from .tar.bz2 into .conda")
    assert not text.endswith("...")


def test_completion_fails_silently(machine: Machine) -> None:
    machine.environ["MFENV_HOME"] = "/proc/none"
    assert completed(machine, "mfenv show a") == []


def test_a_wrong_setting_is_refused_by_every_command_before_it_does_anything(
    machine: Machine,
) -> None:
    words = (["config"], ["list"], ["gc"], ["cache", "info"], ["resolve", "--pypi", "app"])
    for command in words:
        said = machine.fails(*command, env={"MFENV_CACHE_SIZE": "abc"})
        assert said.startswith("error: MFENV_CACHE_SIZE: `abc` is not a size\nhint: ")
    assert machine.objects() == set()


@pytest.mark.slow
def test_a_variable_that_is_no_setting_is_said_by_every_command(machine: Machine) -> None:
    note = "note: the variable MFENV_DOWNLOAD is no setting: did you mean MFENV_DOWNLOADS?\n"
    for command in (["config"], ["list"], ["gc"], ["resolve", "--pypi", "app"]):
        done = machine.run(*command, env={"MFENV_DOWNLOAD": "3"})
        assert (done.status, done.err.count(note)) == (0, 1), done.err


@pytest.mark.slow
def test_what_is_asked_of_whom_is_told(machine: Machine, index: FakeIndex) -> None:
    login = index.url.replace("//", "//ada:geheim@")
    plain = machine.run("resolve", "--pypi", "app", "--dry-run")
    for words in (["-v", "resolve"], ["resolve", "-v"], ["resolve", "-vv"]):
        done = machine.run(
            *words, "--pypi", "app", "--dry-run", "--force", env={"MFENV_INDEX_URL": login}
        )
        assert (done.status, done.out) == (0, plain.out)
        assert f"resolvers: uv asks {index.url}\n" in done.err
        line = r"^ +\d+\.\d{3} resolvers: uv pip compile \S+: ended with 0 after \d+\.\d{3} s$"
        assert re.search(line, done.err, re.MULTILINE)
        assert "geheim" not in done.err
    done = machine.run("resolve", "--pypi", "other", "--dry-run", "-v")
    assert f"pkgcache: GET {index.origin}" in done.err


@pytest.mark.slow
def test_nothing_but_data_and_errors_is_said(machine: Machine) -> None:
    for words in (["-q", "resolve"], ["resolve", "--quiet"]):
        done = machine.run(*words, "--pypi", "app")
        assert (done.status, done.err) == (0, "")
        assert done.out
    said = machine.fails("show", "nowhere", "-q")
    assert said.startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "words", "coloured"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({}, ["--color", "never"], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
    ],
)
def test_escapes_on_a_terminal(
    machine: Machine, env: dict[str, str], words: list[str], coloured: bool
) -> None:
    machine.environ |= {"TERM": "xterm", "COLUMNS": "40", **env}
    assert ("\x1b[" in machine.on_terminal("show", "nowhere", *words, answer="")) is coloured
    said = machine.on_terminal("resolve", "--pypi", "app", "--no-progress", *words, answer="")
    assert "\x1b[" not in said
    if not coloured:
        said = machine.on_terminal("resolve", "--pypi", "other", *words, answer="")
        assert "\x1b" not in said


def test_colours_without_a_terminal(machine: Machine) -> None:
    assert "\x1b[" not in machine.run("show", "nowhere").err
    assert "\x1b[" in machine.run("show", "nowhere", "--color", "always").err
