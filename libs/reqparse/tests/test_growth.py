"""Eight times the input may take eight times as long, not sixty-four."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import reqparse

if TYPE_CHECKING:
    from collections.abc import Callable

    from .helpers import Desk

SMALL, FACTOR = 1000, 8
SHA = "ab" * 32


def lines(template: str) -> Callable[[int], str]:
    return lambda n: "".join(template.replace("#", str(i)) for i in range(n))


def around(start: str, middle: str, end: str = "") -> Callable[[int], str]:
    return lambda n: start + middle * n + end


CASES: dict[str, tuple[str, Callable[[int], str]]] = {
    "requirements": ("r.txt", lines("pkg#[a]>=1.#,<2; python_version < '3.9'\n")),
    "hashes": ("r.txt", lines(f"pkg#==1.# \\\n --hash=sha256:{SHA}\n")),
    "long name": ("r.txt", around("a", "-a")),
    "spaces": ("r.txt", around("a", " \t", "b # c")),
    "hash signs": ("r.txt", around("a", "#a ")),
    "variables": ("r.txt", lines("${A#}")),
    "extras": ("r.txt", around("a[", "x,", "y]")),
    "continuations": ("r.txt", around("", "\\\n")),
    "credentials": ("r.txt", around("a @ https://", "x@")),
    "schemes": ("r.txt", around("", "https://")),
    "tokens": ("r.txt", around("https://h", "/t/x")),
    "fragments": ("r.txt", around("git+https://h#", "egg=a&")),
    "equals signs": ("r.txt", around("a", "=")),
    "operators": ("r.txt", around("a", ">=1 ")),
    "parents": ("r.txt", around("", "../", "a")),
    "brackets": ("r.txt", around("./a", "[")),
    "options": ("r.txt", around("", "--pre ")),
    "hosts": ("r.txt", lines("--trusted-host h#\n")),
    "formats": ("r.txt", lines("--no-binary h#\n")),
    "indexes": ("r.txt", lines("--extra-index-url https://h#\n")),
    "conda clauses": ("r.txt", around("--conda-pkg a ", ">=1,", "<2")),
    "conda spaces": ("r.txt", around("--conda-pkg a ", " ", "b c d")),
    "conda version": ("r.txt", around("--conda-pkg a ", "1-", "!")),
    "conda keys": ("r.txt", around("--conda-pkg a[", "build =", "]")),
    "environment": ("e.yml", lines("- a#=1.#  # [not win]\n")),
    "flow list": ("e.yml", around("dependencies: [", "a,", "b] # [linux]")),
    "nesting": ("e.yml", around("", "- ")),
    "aliases": ("e.yml", around("x: &a [1]\ny: [", "*a,", "]")),
    "selector": ("e.yml", around("dependencies:\n- a # [", "not ", "win]")),
    "channels": ("e.yml", lambda n: "channels:\n" + lines("- c#\n")(n)),
    "toml": ("pyproject.toml", lambda n: "[project]\ndependencies=[" + lines("'a#',")(n) + "]"),
    "dotted keys": ("pyproject.toml", around("a", ".a", "=1")),
    "inline tables": ("pyproject.toml", around("a = ", "{a = ", "1")),
    "braces": ("pyproject.toml", around("a = ", "}")),
    "poetry": ("pyproject.toml", lambda n: "[tool.poetry.dependencies]\n" + lines("a#='^1'\n")(n)),
    "groups": (
        "pyproject.toml",
        lambda n: (
            "[dependency-groups]\nx = [{include-group = 'g0'}]\n"
            + "".join(
                f"g{i} = [{{include-group = 'g{i + 1}'}}, {{include-group = 'g{i + 1}'}}]\n"
                for i in range(90)
            )
            + "g90 = ["
            + lines("'a#',")(n)
            + "]"
        ),
    ),
    "features": (
        "pixi.toml",
        lambda n: (
            "environments.default = ["
            + lines("'f',")(n)
            + "]\n[feature.f.dependencies]\n"
            + lines("a# = {version = '*', extras = ['x']}\n")(n)
        ),
    ),
    "targets": ("pixi.toml", lines("target.linux.dependencies.a# = '*'\n")),
    "alternatives": (
        "pyproject.toml",
        lambda n: "[tool.poetry.dependencies]\na = '~1.0" + lines(" || ~1.#")(n) + "'",
    ),
    "sources": (
        "pyproject.toml",
        lambda n: (
            "[project]\ndependencies=["
            + lines("'a#',")(n)
            + "]\n[tool.uv.sources]\n"
            + lines("a# = {git = 'https://h/a'}\n")(n)
        ),
    ),
    "script": ("a.py", around("", "# /// script\n")),
    "explicit": ("e.txt", lambda n: "@EXPLICIT\n" + lines("https://h/a-#-0.conda\n")(n)),
    "pixi.lock": (
        "pixi.lock",
        lambda n: (
            "version: 6\nenvironments: {d: {packages: {linux-64: ["
            + lines("{conda: './#'},")(n)
            + "]}}}\npackages:\n"
            + lines("- {conda: './#', name: a}\n")(n)
        ),
    ),
    "uv.lock": ("uv.lock", lambda n: "version=1\n" + lines("[[package]]\nname='a#'\n")(n)),
}


TRIES = 3


def seconds(desk: Desk, name: str, text: str) -> float:
    path = desk.put(name, text)
    start = time.process_time()
    try:
        reqparse.parse_file(path, env={}, groups=["x"] if "include-group" in text else ())
    except reqparse.ParseErrors as error:
        str(error)
    return time.process_time() - start


def grows_as_it_should(desk: Desk, name: str, small: str, large: str) -> bool:
    """Whether the best of some tries at the large input is short enough; one does, if it is."""
    allowed = max(min(seconds(desk, name, small) for _ in range(TRIES)), 0.003) * FACTOR * 3
    return any(seconds(desk, name, large) < allowed for _ in range(TRIES))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_time_grows_with_the_input(desk: Desk, case: str) -> None:
    name, make = CASES[case]
    seconds(desk, name, make(1))  # imports, caches
    assert grows_as_it_should(desk, name, make(SMALL), make(SMALL * FACTOR))


def test_time_grows_with_the_depth_of_includes(desk: Desk) -> None:
    for n in range(800):
        desk.put(f"{n}.txt", f"p{n}\n-r {n + 1}.txt\n")
    desk.put("800.txt", "")
    assert grows_as_it_should(desk, "r.txt", "-r 700.txt\n", "-r 0.txt\n")


def test_importing_reqparse_does_not_import_yaml_or_packaging() -> None:
    code = "import sys, reqparse; print([m for m in ('yaml', 'packaging', 'optparse') if m in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"
