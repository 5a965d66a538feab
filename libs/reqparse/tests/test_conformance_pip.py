"""Every file of ../shared/data that has another parser's reading of it beside it.

The other parser is a port of pip's own. Where we differ on purpose the table says why.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import reqparse

DATA = Path(__file__).resolve().parents[4] / "shared/data/requirements/pip-requirements-parser"
pytestmark = pytest.mark.shared

FILE_NAME = "the name and version of a wheel or sdist are read from its file name"
URL_HASH = "a hash in a URL's fragment counts as one"
# What differs on purpose, by the end of the line: the fields and why.
INTENDED: dict[str, tuple[set[str], str]] = {
    "./downloads/SomeProject-1.0.4.tar.gz": ({"name", "specifier"}, FILE_NAME),
    "./downloads/SomePackage-1.0.4.tar.gz": ({"name", "specifier"}, FILE_NAME),
    "http://my.package.repo/SomePackage-1.0.4.zip": ({"name", "specifier"}, FILE_NAME),
    "SomeProject@http://my.package.repo/SomeProject-1.2.3-py33-none-any.whl": (
        {"specifier"},
        FILE_NAME,
    ),
    "SomeProject @ http://my.package.repo/SomeProject-1.2.3-py33-none-any.whl": (
        {"specifier"},
        FILE_NAME,
    ),
    "sampleproject-1.0.tar.gz": ({"name", "specifier"}, FILE_NAME),
    "lib/recaptcha-client-1.0.6.tar.gz": ({"name", "specifier"}, FILE_NAME),
    "/packages/source/p/pytz/pytz-2016.4.tar.gz#md5=a3316cf3842ed0375ba5931914239d97": (
        {"name", "specifier", "hashes"},
        f"{FILE_NAME}; {URL_HASH}",
    ),
    "/packages/source/f/flask/Flask-0.11.1.tar.gz#sha256=1212aaf123911123babc024abaa&egg=Flask": (
        {"specifier", "hashes"},
        f"{FILE_NAME}; {URL_HASH}",
    ),
    "file://../../lib/project#egg=MyProject": (
        {"name", "link"},
        "a file URL with `..` is relative to the file that holds it, and its egg is its name",
    ),
}
SCP = "git's own short form is no URL: to pip it is a path, and leads nowhere"
# Lines that the other parser takes and we refuse, and why.
REFUSED = {
    "git+git@host:user/repo.git#egg=myname": SCP,
    "-e git+git@github.com:pypa/pipenv.git#egg=pipenv": SCP,
    "http://my-server.com/packages/my-package-1.2.tar.gz#egg=my-package==1.2": "the version in an egg is nobody's: pip drops it",
    "novcs+http://example.com#egg=a": "no installer knows the scheme; pip itself refuses it",
}


def source_of(expected: Path) -> Path:
    return expected.with_name(expected.name.removesuffix("-expected.json"))


def cases() -> list[Any]:
    if not DATA.exists():
        return [pytest.param(DATA, marks=pytest.mark.skip(reason="no ../shared/data"))]
    return [
        pytest.param(p, id=p.name)
        for p in sorted(DATA.rglob("*-expected.json"))
        if source_of(p).exists()
    ]


def replay(
    expected: Path, tmp_path: Path, *, valid_only: bool = True
) -> tuple[dict[str, Any], Path]:
    """A copy of the file without the lines that are to fail, and empty files for its includes."""
    reading = json.loads(expected.read_text())
    source = source_of(expected)
    lines = source.read_text().splitlines()
    for invalid in reading.get("invalid_lines", ()) if valid_only else ():
        lines[invalid["line_number"] - 1] = ""
    copy = tmp_path / source.name
    copy.write_text("\n".join("" if line in REFUSED else line for line in lines))
    for option in reading["options"]:
        for target in (*option.get("requirements", ()), *option.get("constraints", ())):
            included = tmp_path / target
            included.parent.mkdir(parents=True, exist_ok=True)
            if not included.exists():
                included.write_text("")
    return reading, copy


def differences(theirs: dict[str, Any], ours: reqparse.Requirement) -> set[str]:
    same = {
        "name": (theirs["name"] and canonicalize_name(theirs["name"])) == ours.name,
        "specifier": SpecifierSet(",".join(theirs["specifier"])) == SpecifierSet(ours.specifier),
        "extras": sorted(map(canonicalize_name, theirs["extras"])) == list(ours.extras),
        "marker": (theirs["marker"] and str(Marker(theirs["marker"]))) == ours.marker,
        "editable": theirs["is_editable"] == ours.editable,
        "hashes": sorted(theirs["hash_options"]) == sorted(ours.hashes),
        "global options": theirs["global_options"] == list(ours.global_options),
        "link": same_link(theirs["link"], ours),
    }
    return {field for field, agrees in same.items() if not agrees}


def same_link(link: str | None, ours: reqparse.Requirement) -> bool:
    if link is None or ours.url is None:
        return link is None and ours.url is None
    address, _, fragment = link.partition("#")
    rest = "&".join(part for part in fragment.split("&") if not part.startswith("egg"))
    if ours.path is not None:
        base = Path(ours.origin.file).parent
        return ours.path == os.path.normpath(base / address.removeprefix("file://"))
    return ours.secret_url == address + (f"#{rest}" if rest else "")


@pytest.mark.parametrize("expected", cases())
def test_requirements_agree(expected: Path, tmp_path: Path) -> None:
    reading, copy = replay(expected, tmp_path)
    found = reqparse.parse_file(copy, kind="requirements.txt", env={})
    ours = {r.origin.line: r for r in found.requirements}
    theirs = {
        r["requirement_line"]["line_number"]: r
        for r in reading["requirements"]
        if r["requirement_line"]["line"] not in REFUSED
    }
    wrong = {i["line_number"] for i in reading.get("invalid_lines", ())}
    assert ours.keys() == theirs.keys() - wrong
    for line, requirement in ours.items():
        text = theirs[line]["requirement_line"]["line"]
        intended = next((v[0] for end, v in INTENDED.items() if text.endswith(end)), set())
        assert differences(theirs[line], requirement) == intended, text


@pytest.mark.parametrize("expected", cases())
def test_options_agree(expected: Path, tmp_path: Path) -> None:
    reading, copy = replay(expected, tmp_path)
    found = reqparse.parse_file(copy, kind="requirements.txt", env={})
    wrong = {i["line_number"] for i in reading.get("invalid_lines", ())}
    theirs = [o for o in reading["options"] if o["line_number"] not in wrong]

    def all_of(key: str) -> list[str]:
        return list(dict.fromkeys(v for o in theirs for v in o.get(key, ())))

    def urls(kind: str) -> list[str]:
        return [s.secret_url for s in found.sources if s.kind == kind]

    last_index = [o["index_url"] for o in theirs if "index_url" in o][-1:]
    assert urls("index") == last_index
    assert urls("extra-index") == all_of("extra_index_urls")
    links = [
        link if link.startswith("http") else str(copy.parent / link.removeprefix("file://"))
        for link in all_of("find_links")
    ]
    ours = [s.path or s.secret_url for s in found.sources if s.kind == "find-links"]
    assert ours == list(dict.fromkeys(link.rstrip("/") for link in links))
    assert found.no_index == any(o.get("no_index") for o in theirs)
    assert found.prereleases == any(o.get("pre") for o in theirs)
    everything = [":all:"] if ":all:" in all_of("no_binary") else None
    assert list(found.no_binary) == (everything or all_of("no_binary"))
    assert list(found.only_binary) == all_of("only_binary")
    assert list(found.trusted_hosts) == all_of("trusted_hosts")


@pytest.mark.parametrize("expected", cases())
def test_every_line_that_is_wrong_is_a_problem(expected: Path, tmp_path: Path) -> None:
    reading, copy = replay(expected, tmp_path, valid_only=False)
    wrong = {i["line_number"] for i in reading.get("invalid_lines", ())}
    problems: tuple[reqparse.Problem, ...] = ()
    try:
        reqparse.parse_file(copy, kind="requirements.txt", env={})
    except reqparse.ParseErrors as errors:
        problems = errors.problems
    assert {p.origin.line for p in problems} == wrong


@pytest.mark.parametrize("line", REFUSED)
def test_what_we_refuse_on_purpose(line: str) -> None:
    with pytest.raises(reqparse.ParseErrors):
        reqparse.parse_requirement(line.removeprefix("-e "))
