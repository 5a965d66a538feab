"""The reference of the site names all that the code has, and its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docs.generated import LIBRARIES, PARTS, filled, public_modules

from mfenv._cli import cli
from mfenv.command_line import run
from mfenv.exporting.formats import FORMATS

if TYPE_CHECKING:
    from .helpers import Machine

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\[[^\]`]*(?:`[^`]*`[^\]`]*)*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    # Metaflow is not imported here: it warns of what others do.
    text = page.read_text().replace("<!-- generated: metaflow -->", "")
    return filled(text, page.parent)


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(cli, [*words, "--help"], name="mfenv") == 0
    return capsys.readouterr().out


def options_in(said: str) -> set[str]:
    listed = said.partition("\nOptions:\n")[2].partition("\n\n")[0]
    return {*re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", listed, re.MULTILINE)}


def test_every_command_and_option_of_the_help_is_described(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = text_of(DOCS / "reference" / "commands.md")
    sections = {one.split("\n", 1)[0]: one for one in page.split("\n## ")[1:]}
    common = options_in(help_of(capsys))
    assert all(one in page.split("\n## ")[0] for one in common - {"--help"})
    waiting: list[tuple[str, ...]] = [()]
    seen = set()
    while waiting:
        words = waiting.pop()
        said = help_of(capsys, *words)
        if words:
            name = " ".join(("mfenv", *words))
            seen.add(name)
            assert all(one in sections[name] for one in options_in(said) - common), name
        listed = said.partition("\nCommands:\n")[2].partition("\n\n")[0]
        waiting += [(*words, one) for one in re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE)]
    assert seen == {*sections}
    assert len(seen) > 30


@pytest.mark.slow
def test_every_command_that_metaflow_has_alone_is_described() -> None:
    program = "from docs.generated import PARTS; print(PARTS['metaflow']())"
    page = said_by(sys.executable, "-c", program)
    told = re.findall(r"^### (.+)$", page, re.MULTILINE)
    metaflow = Path(sys.executable).with_name("metaflow")
    listed = said_by(metaflow, "environment", "--help").partition("\nCommands:\n")[2]
    names = re.findall(r"^  ([a-z-]+)", listed.partition("\n\n")[0], re.MULTILINE)
    assert len(names) > 30
    alone = [f"metaflow environment {name}" for name in names if name not in cli.commands]
    flow = [
        f"python flow.py --environment=conda environment {x}" for x in ("resolve", "lock", "show")
    ]
    assert sorted(told) == sorted(alone + flow)


def said_by(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return done.stdout


def test_every_setting_is_described(machine: Machine) -> None:
    page = text_of(DOCS / "reference" / "settings.md")
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.+) \|$", page, re.MULTILINE)
    settings = machine.json("config")
    assert [row[0] for row in rows] == [*settings]


def test_every_format_is_described() -> None:
    page = PARTS["exports"]()
    assert re.findall(r"^\| `(\w[\w.-]+)` \| .", page, re.MULTILINE) == [*FORMATS]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_public_module_is_described(library: str) -> None:
    page = text_of(DOCS / "reference" / f"api-{library}.md")
    told = re.findall(r"^\.\. automodule:: ([\w.]+)$", page, re.MULTILINE)
    assert told == public_modules(library)
    assert told
    for module in told:
        assert importlib.import_module(module).__doc__


def test_every_part_is_on_a_page() -> None:
    marks = [
        mark for page in PAGES for mark in re.findall(r"<!-- generated: (.+) -->", page.read_text())
    ]
    assert sorted(marks) == sorted(PARTS)


def anchors(path: Path) -> set[str]:
    """The names that GitHub and MyST give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
    return {*plain}


@pytest.mark.parametrize(
    "path",
    [*PAGES, *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("*/*/README.md"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


def messages() -> set[str]:
    """Every text in the source; what is filled in is `…`."""
    found = set()
    for source in (*ROOT.glob("libs/*/src"), *ROOT.glob("apps/*/src")):
        for path in source.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (
                        one.value if isinstance(one, ast.Constant) else "…" for one in node.values
                    )
                    found.add(re.sub("…+", "…", "".join(map(str, parts))))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


@pytest.mark.slow
def test_the_messages_of_troubleshooting_are_those_of_the_code() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert len(headings) > 20
    said = messages()
    unknown = [
        one for one in headings if len(one) < 14 or not any(one in message for message in said)
    ]
    assert unknown == []
