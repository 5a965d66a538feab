"""What uv warns of reaches the user as notes. Its wording is its own: tests look for the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resolvers._warnings import build_warnings, warnings
from resolvers.testing import FakeIndex, make_project, make_wheel

from .helpers import LINUX, resolve_all, spec_of

if TYPE_CHECKING:
    from pathlib import Path

    from envid.spec import EnvSpec

REASON = "breaks on Tuesdays"


def notes_of(spec: EnvSpec, folder: Path, **context: Any) -> tuple[str, ...]:
    return resolve_all(spec, folder, **context)[LINUX].notes


@pytest.mark.parametrize("as_json", [True, False])
def test_a_version_that_was_withdrawn(tmp_path: Path, as_json: bool) -> None:
    old, new = make_wheel("demo", "1.0"), make_wheel("demo", "2.0")
    with FakeIndex(old, new, as_json=as_json) as index:
        index.yank(new, REASON)
        asked = spec_of("demo==2.0", index=index.url)
        for spec in (
            asked,
            spec_of("demo", index=index.url, constraints=["demo==2.0"]),
        ):
            (note,) = notes_of(spec, tmp_path)
            assert "demo==2.0" in note
            assert REASON in note
        # Asked of a warm cache the note is the same, and a range never means such a version.
        assert notes_of(asked, tmp_path) == notes_of(asked, tmp_path / "other")
        (package,) = resolve_all(spec_of("demo", index=index.url), tmp_path)[LINUX].packages
        assert package.version == "1.0"
        assert notes_of(spec_of("demo", index=index.url), tmp_path) == ()


def test_an_extra_that_is_none_is_named_with_who_asked(tmp_path: Path) -> None:
    with FakeIndex(
        make_wheel("demo", "1.0", requires=["dep; extra == 'real'"], extras=["real"]),
        make_wheel("dep", "1.0"),
        make_wheel("app", "1.0", requires=["demo[absent]"]),
    ) as index:
        spec = spec_of("Demo[real,No_Such]", index=index.url)
        origins = dict.fromkeys(spec.requirements["pypi"], "reqs.txt:3")
        (note,) = notes_of(spec, tmp_path, origins=origins)
        assert "demo==1.0" in note
        assert "no-such" in note
        assert note.endswith("(reqs.txt:3)")
        (note,) = notes_of(spec_of("app", index=index.url), tmp_path)
        assert "absent" in note
        assert notes_of(spec_of("demo[real]", index=index.url), tmp_path) == ()


def test_an_extra_that_an_older_version_has_is_none_of_the_one_chosen(tmp_path: Path) -> None:
    """A note is about the answer, not about what was tried on the way to it."""
    newer = make_wheel("demo", "2.0", tag="cp311-cp311-manylinux_2_39_x86_64")
    older = make_wheel("demo", "1.0", requires=["dep; extra == 'x'"], extras=["x"])
    with FakeIndex(newer, older, make_wheel("dep", "1.0")) as index:
        spec = spec_of("demo[x]", index=index.url, python="3.11", sys=["__glibc=2.28"])
        found = resolve_all(spec, tmp_path)[LINUX]
    assert {one.name: one.version for one in found.packages} == {"demo": "1.0", "dep": "1.0"}
    assert found.notes == ()


def test_each_platform_has_its_own(tmp_path: Path) -> None:
    mac = make_wheel("demo", "2.0", tag="py3-none-macosx_11_0_universal2", extras=["x"])
    linux = make_wheel("demo", "1.0")
    with FakeIndex(mac, linux) as index:
        spec = spec_of("demo[x]", index=index.url)
        found = resolve_all(spec, tmp_path, [LINUX, "osx-arm64"])
    assert "demo==1.0" in "".join(found[LINUX].notes)
    assert found["osx-arm64"].notes == ()


def test_what_is_plain_has_no_notes(tmp_path: Path) -> None:
    """Neither the way that uv is run nor the backend of a build is the user's concern."""
    project = make_project(tmp_path / "project", "own", "1.0")
    with FakeIndex(make_wheel("demo", "1.0")) as index:
        from resolvers.content import content_digest

        digest = content_digest(project)
        spec = spec_of("demo", f"own @ file:project#sha256={digest}", index=index.url)
        assert notes_of(spec, tmp_path, local_paths={digest: project}) == ()
        assert notes_of(spec_of(index=index.url), tmp_path) == ()


class TestReading:
    def test_warnings_are_lines_without_what_is_ours(self) -> None:
        text = (
            "warning: The index is tired\n"
            "  and wants\n\tto sleep\n"
            "Resolved 3 packages in 4ms\n"
            "warning: see https://user:secret@host/simple for `Demo`==1\n"
            "warning: The index is tired\n  and wants to sleep\n"
            "warning: `UV_THING` is set\n"
            "error: not a warning: at all\n"
        )
        assert warnings(text, lambda _: None) == (
            "The index is tired and wants to sleep",
            "see https://***@host/simple for `Demo`==1",
        )

    def test_what_conda_brings_goes_by_its_own_version(self) -> None:
        text = "warning: something about `Foo.Bar==1.2+conda`\n"
        found = warnings(text, {"foo-bar": "f:1"}.get)
        assert found == ("something about `Foo.Bar==1.2` (f:1)",)

    def test_of_a_build_the_backend_speaks_for_itself(self) -> None:
        text = "warning: early\nBuilding wheel...\nwarning: no files found matching x\n"
        assert build_warnings("demo", text) == ("building demo: early",)
