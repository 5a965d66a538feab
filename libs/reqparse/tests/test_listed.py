"""Requirements in which all is exact, as a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.tags import Tag

from reqparse import SelectionErrors, parse_file
from reqparse.selecting import Target, as_lock, select

if TYPE_CHECKING:
    from pathlib import Path

    from reqparse import RequirementSet
    from reqparse.selecting import Selected

DIGEST, OTHER = "a" * 64, "b" * 64
RANKS = {Tag("py3", "none", "any"): 0}
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.12.4",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.12.4",
    "python_version": "3.12",
    "sys_platform": "linux",
}


def locked(folder: Path, *lines: str) -> RequirementSet:
    path = folder / "requirements.txt"
    path.write_text("\n".join(lines))
    return as_lock(parse_file(path))


def selected(said: RequirementSet) -> tuple[Selected, ...]:
    return select(said, Target(platform="linux-64", python="3.12.4", markers=MARKERS, ranks=RANKS))


def test_what_is_pinned_with_hashes_is_a_lock(tmp_path: Path) -> None:
    commit = "c" * 40
    found = locked(
        tmp_path,
        f"App[x]==1.0 --hash=sha256:{DIGEST} --hash=sha256:{OTHER}",
        f"old==1 ; python_version < '3.9' --hash=sha256:{DIGEST}",
        f"direct @ https://files.test/direct-2.tar.gz --hash=sha256:{DIGEST}",
        f"inside @ https://files.test/inside-2.zip#sha256={DIGEST}",
        f"repo @ git+https://host.test/repo@{commit}",
        f"https://files.test/named-3.0-py3-none-any.whl --hash=sha256:{DIGEST}",
    )
    assert found.lock
    assert found.lock.kind == "requirements.txt"
    by_name = {one.package.name: one for one in selected(found)}
    assert set(by_name) == {"app", "direct", "inside", "repo", "named"}
    app = by_name["app"]
    assert (app.package.version, app.artifact.url) == ("1.0", None)
    assert app.artifact.hashes == (f"sha256:{DIGEST}", f"sha256:{OTHER}")
    assert by_name["inside"].artifact.hashes == (f"sha256:{DIGEST}",)
    assert by_name["repo"].artifact.url == f"git+https://host.test/repo@{commit}"


def test_everything_that_is_open_is_told(tmp_path: Path) -> None:
    with pytest.raises(SelectionErrors) as caught:
        locked(tmp_path, "loose>=1", "star==1.*", "x @ https://files.test/x.zip", "bare==1")
    lines = [str(problem.origin) + problem.message for problem in caught.value.problems]
    file = tmp_path / "requirements.txt"
    assert lines == [
        f"{file}:1`loose>=1` is not pinned to one version",
        f"{file}:2`star==1.*` is not pinned to one version",
        f"{file}:3`x @ https://files.test/x.zip` has neither a hash nor a commit",
    ]


def test_what_is_pinned_twice_is_refused(tmp_path: Path) -> None:
    lines = (f"app=={version} --hash=sha256:{DIGEST}" for version in ("1", "2"))
    found = locked(tmp_path, *lines)
    with pytest.raises(SelectionErrors, match="`app` is pinned twice"):
        selected(found)
