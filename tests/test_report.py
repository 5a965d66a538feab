"""The page that shows environments: what is in it, what never is, and the file that it becomes."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.testing import make_wheel

from .test_audit import advisory, know

if TYPE_CHECKING:
    from resolvers.testing import FakeIndex

    from .helpers import Machine

HERE = host_platform()
HOSTILE = "</script><img src=x onerror=alert(1)>"


class Read(HTMLParser):
    """A page as a browser without scripts reads it: elements, sections of text, the data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.scripts: list[str] = []
        self._within, self._section = "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self._within = tag
        if tag == "section":
            self._section = str(found["id"])

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.scripts.append(data)
        else:
            self.sections[self._section] = f"{self.sections.get(self._section, '')} {data}"

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[1])

    def says(self, section: str, *texts: str) -> bool:
        words = " ".join(self.sections[section].split())
        return all(text in words for text in texts)


def read(machine: Machine, *words: str) -> Read:
    return Read(machine.ok("report", *words))


@pytest.fixture
def known(machine: Machine) -> Machine:
    """A machine where `team/a` was asked for by a file, and then otherwise by an option."""
    machine.file("r.txt", "dep<2\nother\n")
    machine.ok("resolve", "-r", "r.txt", "--alias", "team/a:v1")
    machine.ok("resolve", "--pypi", "app", "--alias", "team/a:v2")
    return machine


@pytest.mark.slow
def test_a_page_shows_an_environment(known: Machine) -> None:
    page = read(known, "team/a:v1")
    (described,) = known.json("show", "team/a:v1")["environments"]
    ids = f"{described['req_id']}:{described['full_id']}"
    assert page.says("environments", "team/a:v1", HERE, described["python"], ids)
    assert page.says("asked", "pypi dep<2 r.txt:1", "pypi other r.txt:2")
    assert page.says("packages", "dep pypi 1.0", "other pypi 1.0")
    assert page.says("licences", "2 packages state none: dep, other")
    assert page.says("advisories", "Sources were not asked", "`mfenv audit`")
    assert {"shared", "differences"} & page.sections.keys() == set()


@pytest.mark.slow
def test_a_page_shows_what_environments_share_and_what_differs(known: Machine) -> None:
    page = read(known, "team/a:v1", "team/a:v2", "team/a:v1")
    (compared,) = known.json("diff", "team/a:v1", "team/a:v2")["compared"]
    (difference,) = page.data["differences"]
    assert difference["changes"] == compared["changes"]
    assert difference["asked"] == compared["asked"]
    assert page.says("differences", "asked - pypi other", "came app pypi 1.0", "dep pypi 1.0 2.0")
    assert page.says("shared", "4 files in all", "in each of the 2 environments 0 files")
    assert page.says("packages", "dep pypi 1.0", "dep pypi 2.0")
    known.ok("alias", "team/a:v2", "again:v1")
    same = read(known, "team/a:v2", "again:v1")
    assert same.says("differences", "Nothing differs.")
    assert same.says("shared", "in each of the 2 environments 2 files")


@pytest.mark.slow
def test_a_licence_that_nobody_here_knows_is_told_from_one_that_is_not_stated(
    machine: Machine, index: FakeIndex
) -> None:
    index.add(make_wheel("free", "1.0", headers={"License-Expression": "0BSD"}))
    machine.ok("resolve", "--pypi", "free", "--pypi", "other", "--alias", "l:v1")
    shutil.rmtree(machine.home / "cache")
    page = read(machine, "l:v1")
    assert page.says("licences", "2 packages are not in the cache", "free, other")
    assert [package["licence"] for package in page.data["environments"][0]["packages"]] == [
        None
    ] * 2
    machine.ok("create", "l:v1")
    page = read(machine, "l:v1")
    assert page.says("licences", "0BSD 1 free", "1 package state none: other")
    assert page.says("packages", "free pypi 1.0", "0BSD")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"Classifier": "License :: Public Domain", "License": "UNKNOWN"}, "Public Domain"),
        ({"Classifier": "License :: OSI Approved :: MIT License", "License": "MIT"}, "MIT"),
        ({"Classifier": "License :: OSI Approved"}, ""),
        ({"Classifier": "Topic :: Internet"}, ""),
    ],
)
def test_a_licence_may_be_stated_by_a_classifier(
    machine: Machine, index: FakeIndex, headers: dict[str, str], licence: str
) -> None:
    index.add(make_wheel("free", "1.0", headers=headers))
    machine.ok("resolve", "--pypi", "free", "--alias", "l:v1")
    machine.ok("create", "l:v1")
    (package,) = machine.json("report", "l:v1")["environments"][0]["packages"]
    assert package["licence"] == licence


@pytest.mark.slow
def test_platforms_of_one_environment_stand_beside_each_other(
    machine: Machine, index: FakeIndex
) -> None:
    index.add(make_wheel("native", "1.0", tag="cp311-cp311-macosx_11_0_arm64"))
    index.add(make_wheel("native", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64"))
    platforms = ("--platform", "linux-64", "--platform", "osx-arm64")
    machine.ok("resolve", "--pypi", "native", "--pypi", "dep; sys_platform == 'darwin'",
               "--python", "3.11", *platforms, "--alias", "n:v1")  # fmt: skip
    page = read(machine, "n:v1")
    assert page.says("differences", "n:v1 linux-64 → n:v1 osx-arm64", "came dep")
    assert page.says("packages", "osx-arm64")
    assert [one["platform"] for one in page.data["environments"]] == ["linux-64", "osx-arm64"]
    alone = read(machine, "n:v1", "--platform", "osx-arm64")
    assert "differences" not in alone.sections


@pytest.mark.slow
def test_the_data_of_a_page_as_json(known: Machine) -> None:
    told = known.json("report", "team/a:v2")
    assert told == read(known, "team/a:v2").data
    assert (told["differences"], told["audited"], told["notes"]) == ([], None, [])
    (env,) = told["environments"]
    (described,) = known.json("show", "team/a:v2")["environments"]
    same = ("req_id", "full_id", "platform", "env_type", "python", "resolved_at", "resolved_by")
    assert {name: env[name] for name in same} == {name: described[name] for name in same}
    assert env["asked"] == [
        {"category": "pypi", "text": "app", "place": "--pypi", "packages": ["pypi:app"]}
    ]
    app, dep = env["packages"]
    assert (app["needs"], dep["needs"]) == (["pypi:dep"], [])
    sizes = [package["size"] for package in described["packages"]]
    assert ([app["size"], dep["size"]], env["size"]) == (sizes, sum(sizes))
    assert (app["licence"], env["aliases"]) == ("", ["team/a:v2"])


@pytest.mark.slow
def test_a_page_loads_nothing_and_runs_no_script_but_its_own(known: Machine) -> None:
    page = read(known, "team/a:v1", "team/a:v2")
    assert [name for name, _ in page.elements if name in ("img", "iframe", "object", "base")] == []
    for _, attributes in page.elements:
        assert attributes.get("src") is None
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
        assert [name for name in attributes if name.startswith("on") or name == "style"] == []
    (policy,) = [
        str(one["content"])
        for _, one in page.elements
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    style, _, script = page.scripts
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def hostile(machine: Machine, index: FakeIndex) -> None:
    """Make `evil:v1`, whose texts would be HTML wherever one was not escaped."""
    licence = f"{HOSTILE}\n       second line"
    index.add(make_wheel("evil", "1.0", headers={"License": licence, "Summary": HOSTILE}))
    name = HOSTILE.replace("/", "") + ".txt"
    machine.file(name, "evil\n")
    machine.ok("resolve", "-r", name, "--alias", "evil:v1")
    machine.ok("create", "evil:v1", "--name", "e")


@pytest.mark.slow
def test_no_text_of_a_package_or_a_file_becomes_html(machine: Machine, index: FakeIndex) -> None:
    hostile(machine, index)
    page = read(machine, "evil:v1")
    assert [name for name, _ in page.elements if name == "img"] == []
    assert [name for name, _ in page.elements].count("script") == 2
    (env,) = page.data["environments"]
    assert env["packages"][0]["licence"] == f"{HOSTILE}\n       second line"
    assert env["asked"][0]["place"] == "<script><img src=x onerror=alert(1)>.txt:1"
    assert page.says("licences", HOSTILE)
    assert page.says("asked", "<script><img src=x onerror=alert(1)>.txt:1")


@pytest.mark.slow
def test_a_page_is_a_file_that_is_replaced_whole(known: Machine) -> None:
    path = known.file("report.html", "older\n")
    path.chmod(0o640)
    assert known.ok("report", "team/a:v1", "-o", "report.html") == ""
    assert path.read_text().strip() == known.ok("report", "team/a:v1")
    assert path.stat().st_mode & 0o777 == 0o640
    was = path.read_bytes()
    assert known.ok("report", "team/a:v1", "-o", "-") == was.decode().strip()
    assert not (known.work / "-").exists()
    known.ok("report", "team/a:v1", "-o", "report.html")
    assert path.read_bytes() == was
    assert "neither known here" in known.fails("report", "team/b:v1", "-o", "report.html")
    assert "`.` is no file" in known.fails("report", "team/a:v1", "-o", ".")
    assert "cannot write `no/report.html`" in known.fails(
        "report", "team/a:v1", "-o", "no/report.html"
    )
    assert path.read_bytes() == was
    known.ok("report", "team/a:v1", "--json", "-o", "report.json")
    assert json.loads((known.work / "report.json").read_text()) == known.json("report", "team/a:v1")


@pytest.mark.slow
def test_a_terminal_gets_no_page(known: Machine) -> None:
    said = known.on_terminal("report", "team/a:v1", "team/a:v2")
    assert "<" not in said
    assert "the page is for a browser" in said
    assert "`mfenv report team/a:v1 team/a:v2 -o report.html`" in " ".join(said.split())
    assert '"audited": null' in known.on_terminal("report", "team/a:v1", "--json")
    known.on_terminal("report", "team/a:v1", "-o", "report.html")
    assert (known.work / "report.html").read_text().startswith("<!doctype html>")


def test_help_says_that_it_takes_several(machine: Machine) -> None:
    assert "Usage: mfenv report [OPTIONS] ENV...\n" in machine.ok("report", "--help")


@pytest.mark.slow
def test_advisories_are_asked_for_and_never_a_link_that_runs(
    known: Machine, index: FakeIndex
) -> None:
    know(
        index, "dep", advisory("PYSEC-1", "CVE-1"), advisory("PYSEC-2", link="javascript:alert(1)")
    )
    index.requests.clear()
    assert read(known, "team/a:v1").says("advisories", "not asked")
    assert not index.requests
    page = read(known, "team/a:v1", "--audit")
    assert page.says("advisories", "PYSEC-1, CVE-1", "PYSEC-2", "made to run anything", "1.1, 2.0")
    assert page.says("advisories", "advisories were not looked at, since", "other")
    (audited,) = page.data["audited"]
    told = json.loads(known.run("audit", "team/a:v1", "--json").out)["environments"]
    assert [audited] == told
    links = [str(one["href"]) for name, one in page.elements if name == "a" and "rel" in one]
    assert links == ["https://osv.dev/vulnerability/PYSEC-1"]
    assert "error: " in known.fails("report", "team/a:v1", "--audit", "--local-only")


def test_no_login_gets_into_a_page(machine: Machine) -> None:
    url = machine.environ["MFENV_INDEX_URL"]
    machine.environ["MFENV_INDEX_URL"] = url.replace("://", "://ann:s3cret@")
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    page = machine.ok("report", "a:v1")
    assert url in page
    assert "s3cret" not in page
    assert "ann:" not in page
