from __future__ import annotations

import errno
import pickle

import pytest

from resolvers import errors
from resolvers.errors import (
    BuildFailed,
    EngineFailed,
    IndexUnreachable,
    MachineLacks,
    NeedsPlatform,
    NoExtra,
    NoMatchingFile,
    NoSolution,
    PackagesClash,
    PackageUnreadable,
    PythonNotFound,
    PythonRefused,
    RequirementsUnmet,
    ResolveError,
    UnknownChannel,
    UnknownContents,
    UnknownPackage,
    UnsupportedRequest,
)

URL = "https://index.test/simple"
ASKED = (("a>=2", "requirements.txt:3"),)
EXAMPLES: list[tuple[ResolveError, str]] = [
    (UnsupportedRequest("no platform is asked for", "name one"), "no platform is asked for"),
    (NoExtra("linux-64", "a", "`a` has no extra `x`", "leave it out"), "`a` has no extra `x`"),
    (
        PythonNotFound(">=4", ("3.11.7",)),
        "no Python on this machine satisfies `>=4`; found 3.11.7",
    ),
    (
        NoSolution("linux-64", "no a>=2", ASKED, "ask for less"),
        "no solution for linux-64: no a>=2; `a>=2` is asked by requirements.txt:3",
    ),
    (UnknownPackage("linux-64", "no a"), "no solution for linux-64: no a"),
    (PythonRefused("linux-64", "no a"), "no solution for linux-64: no a"),
    (
        RequirementsUnmet("linux-64", ("a needs b",)),
        "what was found for linux-64 does not hold: a needs b",
    ),
    (
        PackagesClash("linux-64", ("a and b",)),
        "no environment for linux-64 can hold all of it: a and b",
    ),
    (
        IndexUnreachable(URL, "it answered 503", 503, "try again later"),
        f"cannot read `{URL}`: it answered 503",
    ),
    (PackageUnreadable("a.conda", URL, "no zip"), f"cannot read `a.conda` of `{URL}`: no zip"),
    (
        PackageUnreadable("b @ git+file:///a", "", "it is `a`", "ask for `a`", "r.txt:1"),
        "cannot read `b @ git+file:///a`: it is `a` (asked by r.txt:1)",
    ),
    (UnknownChannel(URL, "no repodata"), f"`{URL}` is not a conda channel: no repodata"),
    (
        UnknownContents(("a.conda",), ("a",), "gone"),
        "nothing says whether conda's `a.conda` holds `a`, needed from PyPI: gone",
    ),
    (
        NoMatchingFile("a", ("sha256:0",), ("sha256:1",), "requirements.txt:3"),
        "`a` has sha256:1, not sha256:0 (asked by requirements.txt:3)",
    ),
    (
        NeedsPlatform("osx-64", ("a",), ("no wheel",), ("__osx=12",)),
        "there is no wheel for osx-64 of `a` (no wheel), and it cannot be built here",
    ),
    (
        BuildFailed("a", "no compiler", "log", None, "no wheel"),
        "cannot build `a` (it must be built: no wheel): no compiler",
    ),
    (
        MachineLacks("uv", errno.ENOSPC, "/cache", "log"),
        "uv cannot go on: no space left on device",
    ),
    (EngineFailed("uv", "it fell", "log"), "uv failed: it fell"),
]


@pytest.mark.parametrize(("error", "text"), EXAMPLES)
def test_an_error_says_what_is_wrong_and_survives_pickling(error: ResolveError, text: str) -> None:
    assert str(error) == text
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (type(error), error.args)
    assert copy.__dict__ == error.__dict__
    assert str(copy) == text


def test_only_what_the_system_says_is_taken_for_it() -> None:
    unreachable = IndexUnreachable(URL, "it answered 503", 503)
    assert (unreachable.errno, unreachable.strerror, unreachable.filename) == (None, None, None)
    lacks = pickle.loads(pickle.dumps(MachineLacks("uv", errno.ENOSPC, "/cache")))
    assert (lacks.errno, lacks.filename) == (errno.ENOSPC, "/cache")


def test_every_public_error_has_an_example() -> None:
    assert {type(error).__name__ for error, _ in EXAMPLES} == {*errors.__all__} - {"ResolveError"}
