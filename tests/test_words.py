"""What a command line that is nearly right is answered: what is wrong, and what to type."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mfenv._cli import cli
from mfenv.command_line import run

from .helpers import finish

if TYPE_CHECKING:
    from .helpers import Machine


@pytest.mark.parametrize("words", [[], ["cache"]])
def test_without_a_command_the_help_is_shown(machine: Machine, words: list[str]) -> None:
    done = machine.run(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.strip() == machine.ok(*words, "--help")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["uninstall", "x"], "mfenv remove"),
        (["pip", "uninstall", "x"], "mfenv remove"),
        (["delete", "x"], "mfenv rm"),
        (["install", "x"], None),
        (["sync"], "mfenv create"),
        (["update"], "mfenv resolve --update"),
        (["env", "list"], "mfenv list"),
        (["ls"], "mfenv list"),
        (["env", "create", "-f", "x"], "mfenv create"),
        (["env", "remove"], "mfenv rm"),
        (["env", "update"], "mfenv resolve --update"),
        (["env", "--help"], "mfenv list"),
        (["pip", "install", "x"], None),
        (["pip", "tree"], "mfenv tree"),
        (["info"], "mfenv doctor"),
        (["clean"], "mfenv gc"),
        (["cache", "clean"], "mfenv gc"),
        (["cache", "remove"], "mfenv gc"),
        (["cache", "dir"], "mfenv cache info"),
        (["shell-hook"], "mfenv activate"),
        (["resovle"], "mfenv resolve"),
        (["cache", "verfy"], "mfenv cache verify"),
        (["deptree", "x"], "mfenv tree"),
        (["log", "x"], "mfenv history"),
        (["compare", "x", "y"], "mfenv diff"),
        (["explain", "x"], "mfenv why"),
        (["cache", "frobnicate"], None),
        (["help", "env", "list"], "mfenv list"),
        (["conda", "install", "numpy"], None),
        (["uv", "tool", "run", "x"], "mfenv run"),
    ],
)
def test_a_command_of_another_tool(machine: Machine, words: list[str], meant: str | None) -> None:
    said = machine.fails(*words, status=2)
    group = "mfenv cache" if words[0] == "cache" else "mfenv"
    assert said.startswith("error: there is no command `")
    assert said.endswith(f"`{group} --help` lists the commands\n")
    assert (f"did you mean `{meant}`?" if meant else "hint: `") in said
    assert ("did you mean" in said) == bool(meant)


# Those that their own documentation lists; uv is asked, since it is here.
OTHERS = {
    "conda": "activate clean commands compare config content-trust create deactivate doctor env export"
    " info init install list notices package remove rename repoquery run search token uninstall update"
    " upgrade build convert debug develop index inspect metapackage pack render skeleton",
    "mamba": "activate auth clean completion config constructor create deactivate env info install list"
    " package ps reinit remove repoquery run search self-update server shell uninstall update",
    "pip": "cache check completion config debug download freeze hash help index inspect install list"
    " lock search show uninstall wheel",
    "pixi": "add auth build clean completion config diff exec global help import info init install list"
    " lock project publish reinstall remove run search self-update shell shell-hook task tree update"
    " upgrade upload workspace",
    "poetry": "about add build cache check config debug env export help init install list lock new"
    " publish remove run search self shell show source sync update version",
    "uv": "",
}


def of_uv() -> list[str]:
    command = (sys.executable, "-m", "uv", "--help")
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    section = shown.partition("Commands:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^  ([a-z-]+) ", section, re.MULTILINE)
    assert {"pip", "venv"} <= {*found}
    return found


@pytest.mark.parametrize("tool", OTHERS)
def test_every_command_of_other_tools_has_an_answer(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = OTHERS[tool].split() or of_uv()
    for word in words:
        if word in cli.commands:
            continue
        assert run(cli, [word], name="mfenv") == 2
        first, hint = capsys.readouterr().err.splitlines()
        assert first == f"error: there is no command `{word}`"
        answer = hint.removeprefix("hint: ").removesuffix("`mfenv --help` lists the commands")
        # Whoever asks for help is told where it is.
        assert answer or word in ("help", "commands"), word
        assert answer == "" or answer.endswith(("? ", "; ")), word
        for line in re.findall(r"`mfenv ([a-z][a-z -]*)`", answer):
            # What is named is there, with its options.
            named = line.split()
            subcommands = [one for one in named if not one.startswith("-")]
            assert run(cli, [*subcommands, "--help"], name="mfenv") == 0
            shown = capsys.readouterr().out
            assert all(one in shown for one in named if one.startswith("-")), answer


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("numpy", "`--pypi numpy` or `--conda numpy`"),
        ("asked.txt", "`-r asked.txt`"),
        ("https://h/x.txt?sig=s3cret", "`-r https://h/x.txt?sig=***`"),
    ],
)
def test_what_stands_by_itself_may_be_asked_for(machine: Machine, word: str, meant: str) -> None:
    machine.file("asked.txt", "app\n")
    said = machine.fails("resolve", word, status=2)
    assert said.endswith(f"hint: did you mean {meant}?\n")


def test_a_store_that_is_not_there_is_told_from_one_that_must_not_be_asked(
    machine: Machine,
) -> None:
    for words in (["get", "a"], ["list", "--shared"], ["gc", "--store"]):
        said = machine.fails(*words, env={"MFENV_STORE": ""})
        assert "hint: MFENV_STORE names the store" in said
        assert "local_only" not in said
    said = machine.fails("list", "--shared", env={"MFENV_LOCAL_ONLY": "1"})
    assert said.endswith("hint: leave out `local_only`\n")
    assert "MFENV_STORE" not in machine.fails("rm", "nowhere")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--cwd", "/", "a"], "there is no option `--cwd`"),
        (["run", "a", "--cwd", "/", "--", "ls"], "`--cwd` stands where a program is expected"),
        (["show", "--foo"], "there is no option `--foo`\nhint: `mfenv show --help`"),
        (["create", "--prefx", "p", "a"], "did you mean `--prefix`?"),
    ],
)
def test_an_option_that_there_is_not(machine: Machine, words: list[str], message: str) -> None:
    assert message in machine.fails(*words, status=2)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["create", "-n", "x"], "did you mean `--name`?"),
        (["config", "set", "store", "x"], "write `NAME = VALUE` into mfenv.toml"),
        (["add", "new.txt", "six"], "`touch new.txt` makes an empty one"),
    ],
)
def test_what_is_typed_elsewhere_is_led_here(machine: Machine, words: list[str], hint: str) -> None:
    assert hint in machine.fails(*words, status=2)


def test_what_is_nearly_a_name_is_told(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "dep", "--alias", "team/a:v1")
    machine.ok("alias", "team/a:v1", "team/a:v2")
    machine.file("r.txt", "dep\n")
    for command in ("show", "tree", "history"):
        assert "known are `team/a:v1`, `team/a:v2`" in machine.fails(command, "team/a")
    assert "`r.txt` is a file, and no environment" in machine.fails("tree", "r.txt")
    assert "is not known here" in machine.fails("tree", "a/" * 3000 + "b", "--local-only")
    assert "a tag" in machine.fails("run", "a:" + "b" * 300 + ".py", "x")


def test_a_program_in_place_of_an_environment_is_told(machine: Machine) -> None:
    said = machine.fails("run", "cat", "x.py")
    assert "`mfenv run ENV -- cat …`" in said


@pytest.mark.slow
def test_a_name_of_two_environments_is_told(machine: Machine) -> None:
    machine.ok("resolve", "--pypi", "dep", "--alias", "team/a:v1")
    machine.ok("create", "team/a:v1", "--name", "demo")
    note = "`demo` is the"
    assert note not in machine.run("show", "demo").err
    machine.ok("resolve", "--pypi", "other", "--alias", "demo")
    assert f"{note} alias here" in machine.run("tree", "demo").err
    done = machine.run("run", "demo", "--", "python", "-c", "import dep")
    assert (done.status, f"{note} environment that was created" in done.err) == (0, True)


@pytest.mark.slow
def test_a_directory_stands_for_its_environment(machine: Machine) -> None:
    ids = machine.ok("resolve", "--pypi", "dep", "--alias", "team/a:v1")
    path = machine.ok("create", "team/a:v1", "--prefix", "mine")
    for name in ("./mine", path, "../work/mine/"):
        assert machine.json("show", name)["environments"][0]["full_id"] == ids.partition(":")[2]
        program = ("python", "-c", "import sys; print(sys.prefix)")
        assert machine.ok("run", name, "--", *program) == path
    assert "(mine) " in machine.ok("activate", "./mine", "--shell", "sh")
    assert "no directory of an environment" in machine.fails("show", "./other")
    machine.ok("rm", "./mine")
    assert "no directory of an environment" in machine.fails("run", "./mine", "--", "python")


def test_a_failed_activation_ends_a_strict_script(machine: Machine) -> None:
    code = f'set -e; eval "$({sys.executable} -m mfenv activate nobody)"; echo goes on'
    done = finish(machine.spawn("/bin/sh", "-c", code))
    assert (done.status, done.out) == (1, "")
    assert "`nobody` is not known here" in done.err or "neither known here" in done.err


def test_help_is_that_of_the_command(machine: Machine) -> None:
    for words in ((), ("tree",), ("cache", "verify")):
        assert machine.ok("help", *words) == machine.ok(*words, "--help")
    assert "has no command `x`" in machine.fails("help", "tree", "x", status=2)
