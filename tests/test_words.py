"""What a command line that is nearly right is answered: what is wrong, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
        (["remove", "x"], "mfenv rm"),
        (["uninstall", "x"], "mfenv rm"),
        (["delete", "x"], "mfenv rm"),
        (["install", "x"], "mfenv create"),
        (["sync"], "mfenv create"),
        (["add", "x"], "mfenv resolve --using"),
        (["update"], "mfenv resolve --update"),
        (["env", "list"], "mfenv list"),
        (["ls"], "mfenv list"),
        (["info"], "mfenv show"),
        (["clean"], "mfenv gc"),
        (["activate", "x"], "mfenv shell"),
        (["resovle"], "mfenv resolve"),
        (["cache", "verfy"], "mfenv cache verify"),
        (["deptree", "x"], "mfenv tree"),
        (["log", "x"], "mfenv history"),
        (["compare", "x", "y"], "mfenv diff"),
        (["explain", "x"], "mfenv why"),
        (["help"], None),
        (["cache", "remove"], None),
    ],
)
def test_a_command_of_another_tool(machine: Machine, words: list[str], meant: str | None) -> None:
    said = machine.fails(*words, status=2)
    group = "mfenv cache" if words[0] == "cache" else "mfenv"
    assert said.startswith("error: there is no command `")
    assert said.endswith(f"`{group} --help` lists the commands\n")
    assert (f"did you mean `{meant}`?" if meant else "hint: `") in said
    assert ("did you mean" in said) == bool(meant)


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
