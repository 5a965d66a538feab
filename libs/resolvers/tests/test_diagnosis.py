from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers._diagnosis import diagnose
from resolvers._lock import read_notes
from resolvers._project_files import ProjectFiles
from resolvers._python_bounds import PythonBounds
from resolvers._question import UvQuestion
from resolvers._story import Story
from resolvers._uv import Uv
from resolvers.errors import BuildFailed, IndexUnreachable, ResolveError
from resolvers.pythons import Python
from resolvers.request import ResolveContext
from resolvers.targets import Target

from .helpers import spec_of

if TYPE_CHECKING:
    from envid.spec import EnvSpec

# Nobody can make a directory there.
CONTEXT = ResolveContext(cache_dir=Path("/dev/null/engines"))
PROJECTS = ProjectFiles(Uv(CONTEXT), spec_of("a"), CONTEXT)
QUESTION = UvQuestion.make(
    spec_of("a"),
    Target.make("linux-64"),
    Python(path=Path("/python"), version="3.11.7"),
    CONTEXT,
    wheels={},
    projects=PROJECTS,
    bounds=PythonBounds(PROJECTS, CONTEXT),
)
# The pieces that uv's messages are made of, put together at random.
PIECES = st.sampled_from(
    [
        "error: ",
        "  cause: ",
        "hint: ",
        "\n",
        "         [stderr]\n",
        "         fatal: no",
        "No solution found",
        "Git operation failed",
        "Failed to fetch: http://u:p@[::1/x",
        "Failed to build `a @ git+https://x`",
        "An index URL (http://u:p@h/) 401",
        "Couldn't parse requirement",
        "because a was not found in",
        "`a` was filtered by `exclude-newer`. published at x. ",
        "Failed to resolve dependencies for package `a==1`",
        "Package `a` was included as a URL dependency. Consider adding `a @ http://u:p@h/`",
        "Requirements contain conflicting URLs for package `a`:\n    - http://u:p@h/",
        "hint: Metadata for `a` (v1) could not be parsed:\n  no such thing\n  a>>1\n   ^^",
    ]
)


@pytest.mark.slow
@given(st.lists(PIECES | st.text(max_size=5)))
def test_whatever_uv_says_is_an_error_on_one_line_without_credentials(pieces: list[str]) -> None:
    found = diagnose("".join(pieces), QUESTION)
    assert isinstance(found, ResolveError)
    assert found.hint
    assert "u:p@" not in str(found) + str(found.__dict__)
    assert "\n" not in str(found)


def test_a_failed_build_gives_the_last_word_of_the_backend() -> None:
    found = diagnose(
        "error: Failed to build `a @ file:///a`\n"
        "  cause: The build backend returned an error\n"
        "  cause: Call to `b.build_wheel` failed (exit status: 1)\n\n"
        "         [stdout]\n         compiling\n\n"
        "         [stderr]\n         Traceback:\n         RuntimeError: no compiler\n\n"
        "hint: Build failures usually indicate a problem\n",
        QUESTION,
    )
    assert isinstance(found, BuildFailed)
    assert str(found).splitlines() == [
        "cannot build `a`: call to `b.build_wheel` failed: RuntimeError: no compiler",
        "  | compiling",
        "  | Traceback:",
    ]


def test_a_cause_on_several_lines_is_one_text() -> None:
    story = Story.read("error: No\n  cause: one\n             a<1\n         two\n\nhint: three")
    assert story.causes == ("No", "one a<1 two")
    assert story.hints == ("three",)


def test_a_repository_that_is_not_there_is_named() -> None:
    found = diagnose(
        "   Updating https://host/x (HEAD)\n"
        "error: Failed to download and build `a @ git+https://host/x@main`\n"
        "  cause: Git operation failed\n"
        "  cause: process didn't exit successfully (exit status: 128)\n"
        "         --- stderr\n"
        "         fatal: unable to access 'https://host/x/': Could not resolve host\n",
        QUESTION,
    )
    assert isinstance(found, IndexUnreachable)
    assert found.where == "https://host/x"
    assert found.reason == "unable to access 'https://host/x/': Could not resolve host"


def test_annotations_are_read_in_both_their_forms() -> None:
    notes = read_notes(
        "viapy==1\n    # via\n    #   -r -\n    #   b\n    #   via\n    #   viapy\n    # from http://h/simple/\n"
        "b @ file:///b\n    # via via\nc==1\n"
    )
    assert {name: (one.via, one.index) for name, one in notes.items()} == {
        "viapy": (("b", "via", "viapy"), "http://h/simple/"),
        "b": (("via",), None),
        "c": ((), None),
    }


def test_what_is_not_told_where_is_named_by_what_was_asked() -> None:
    def asking(spec: EnvSpec) -> UvQuestion:
        return replace(QUESTION, spec=spec)

    told = (
        "error: Git operation failed\n"
        "  cause: process didn't exit successfully (exit status: 128)\n"
        "         --- stderr\n"
        "         fatal: 'x' does not appear to be a git repository\n"
        "         Please make sure you have the correct access rights\n"
        "         and the repository exists.\n"
    )
    found = diagnose(told, asking(spec_of("git+ssh://git@host/x.git@v1")))
    assert isinstance(found, IndexUnreachable)
    assert found.where == "ssh://host/x.git"
    assert found.reason == "'x' does not appear to be a git repository"
    told = "error: Network connectivity is disabled"
    found = diagnose(told, asking(spec_of("a", index="https://host/simple")))
    assert isinstance(found, IndexUnreachable)
    assert found.where == "https://host/simple"
