"""What is wrong with conda channels, packages and requests is said well, and changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import PLATFORMS, host_platform
from resolvers.testing import make_wheel

from .channel import ChannelServer, Entry, Recipe, cached, pack, write_channel
from .helpers import files, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resolvers.testing import FakeIndex

    from .helpers import Machine

HOST = host_platform()
OTHER = next(one for one in PLATFORMS if one != HOST)


@pytest.fixture
def unchanged(conda: Machine) -> Iterator[None]:
    """Fails the test if the registry or the store is not as it was, or something is half made."""
    before = conda.state()
    yield
    assert conda.state() == before
    assert list((conda.home / "envs").glob("*")) == []
    tidy(conda)


def channel_of(folder: Path, *recipes: Recipe) -> Path:
    """A channel with Python, and with packages made for the test."""
    records: dict[str, Any] = {}
    for subdir in (HOST, "noarch"):
        index = json.loads((cached().main / subdir / "repodata.json").read_text())
        for filename, record in {**index["packages"], **index["packages.conda"]}.items():
            if record["name"] in ("python", "python_abi", "tzdata"):
                records[f"{subdir}/{filename}"] = record
                (folder / subdir).mkdir(parents=True, exist_ok=True)
                (folder / subdir / filename).symlink_to(cached().main / subdir / filename)
    for recipe in recipes:
        records |= pack(recipe, folder)
    write_channel(folder, records)
    return folder


# Channels


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("file:///nowhere/at-all", "`file:///nowhere/at-all` is not a conda channel"),
        ("http://127.0.0.1:9/main", "cannot read `http://127.0.0.1:9/main`"),
        ("{url}/absent", "`{url}/absent` is not a conda channel: there is no `noarch`"),
        ("ftp://127.0.0.1/main", "`ftp://127.0.0.1/main` is not the URL of a conda channel"),
        ("s3://bucket/main", "`s3://bucket/main` is not the URL of a conda channel"),
        ("http://h:99999/main", "`http://h:99999/main` is not the URL of a conda channel"),
        ("http:///main", "`http:///main` is not the URL of a conda channel"),
    ],
)
def test_a_channel_that_is_not_there(
    conda: Machine, server: ChannelServer, unchanged: None, channel: str, message: str
) -> None:
    said = conda.fails("resolve", "--conda", "greeter", "--channel", channel.format(url=server.url))
    assert message.format(url=server.url) in said
    assert "\nhint: " in said


def test_a_channel_whose_name_nobody_knows(
    conda: Machine, server: ChannelServer, unchanged: None
) -> None:
    alias = {"MFENV_CHANNEL_ALIAS": server.url}
    said = conda.fails("resolve", "--conda", "greeter", "--channel", "no-such", env=alias)
    assert f"`{server.url}/no-such` is not a conda channel" in said
    assert "\nhint: check the name" in said


@pytest.mark.parametrize(
    "asked",
    ["far::colours", "far/noarch::colours>=1", "colours[channel=far]", "{url}/far::colours"],
)
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///nowhere"])
def test_who_names_a_channel_in_a_requirement_is_named(
    conda: Machine, unchanged: None, asked: str, url: str
) -> None:
    lines = ["dependencies:", "  - greeter", f'  - "{asked.format(url=url)}"', ""]
    conda.file("environment.yml", "\n".join(lines))
    said = conda.fails("resolve", "-f", "environment.yml", env={"MFENV_CHANNEL_ALIAS": url})
    assert f"`{url}/far`" in said
    assert "(asked by environment.yml:3)" in said


def test_who_lists_a_channel_by_its_name_is_named(conda: Machine, unchanged: None) -> None:
    conda.file("environment.yml", "channels: [far]\ndependencies:\n  - greeter\n")
    alias = {"MFENV_CHANNEL_ALIAS": "http://127.0.0.1:9"}
    said = conda.fails("resolve", "-f", "environment.yml", env=alias)
    assert "(asked by environment.yml:1)" in said


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (404, "is not a conda channel: there is no `noarch` at"),
        (500, "it answers internal server error (500)"),
        (403, "it refuses access (403)"),
        pytest.param("truncate", "the connection broke off", marks=pytest.mark.slow),
        pytest.param("garbage", "repodata.json.zst` is no zstd archive", marks=pytest.mark.slow),
    ],
)
def test_a_channel_that_fails(
    conda: Machine, server: ChannelServer, unchanged: None, fault: int | str, message: str
) -> None:
    server.faults["/"] = fault
    said = conda.fails("resolve", "--conda", "greeter", "--alias", "a:v1")
    assert message in said
    assert f"`{server.url}`" in said
    assert "\nhint: " in said


@pytest.mark.parametrize("text", ["", "{", "[]", '{"packages": 3}', '{"packages": {"a": {}}}'])
def test_repodata_on_disk_that_is_none(
    conda: Machine, tmp_path: Path, unchanged: None, text: str
) -> None:
    for subdir in (HOST, "noarch"):
        (tmp_path / "channel" / subdir).mkdir(parents=True)
        (tmp_path / "channel" / subdir / "repodata.json").write_text(text)
    said = conda.fails("resolve", "--conda", "greeter", "--channel", str(tmp_path / "channel"))
    assert "\nhint: " in said


@pytest.mark.slow
def test_a_platform_that_a_channel_does_not_have(
    conda: Machine, tmp_path: Path, unchanged: None
) -> None:
    with ChannelServer(channel_of(tmp_path / "channel")) as lacking:
        for url in (lacking.url, str(tmp_path / "channel")):
            words = ("resolve", "--channel", url, "--platform", OTHER, "--platform", HOST)
            said = conda.fails(*words, "--python", "3")
            assert f"no channel has `python` for {OTHER}" in said


# Packages


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (404, "the server answered 404"),
        ("garbage", "is 47 bytes, expected"),
        ("flip", "is sha256:"),
    ],
)
def test_a_package_that_is_not_what_the_channel_says(
    conda: Machine, server: ChannelServer, unchanged: None, fault: int | str, message: str
) -> None:
    server.faults[f"/{HOST}/greeter"] = fault
    said = conda.fails("resolve", "--conda", "greeter", "--alias", "a:v1")
    assert message in said
    assert "greeter-1.1-h1_0.conda" in said


@pytest.mark.slow
def test_a_package_that_was_changed_after_the_resolve(conda: Machine, tmp_path: Path) -> None:
    channel = channel_of(tmp_path / "channel", Recipe(name="thing", version="1", subdir=HOST))
    local = {"MFENV_CHANNELS": channel.as_uri(), "MFENV_STORE": ""}
    conda.ok("resolve", "--conda", "thing", "--alias", "a:v1", env=local)
    (package,) = channel.glob("*/thing-*")
    data = package.read_bytes()
    package.write_bytes(data[:-9] + bytes(9))
    before = conda.state()
    said = conda.fails("create", "a:v1", env=local)
    assert package.name in said
    assert conda.state() == before
    assert list((conda.home / "envs").glob("*")) == []
    tidy(conda)
    package.write_bytes(data)
    assert Path(conda.ok("create", "a:v1", env=local)).is_dir()


HOSTILE = {
    "above the prefix": {"../../../evil": Entry(data=b"evil")},
    "an absolute path": {"/EVIL": Entry(data=b"evil")},
    "through a link": {"a": Entry(link=".."), "a/../../evil": Entry(data=b"evil")},
    "a link that leads out": {"a": Entry(link="../../../../evil")},
    "over our marker": {".mfenv.json": Entry(data=b"{}")},
    "over a record": {"conda-meta/history": Entry(data=b"evil")},
}


@pytest.mark.slow
@pytest.mark.parametrize("files_", HOSTILE.values(), ids=HOSTILE)
def test_an_archive_that_escapes(conda: Machine, tmp_path: Path, files_: dict[str, Entry]) -> None:
    outside = tmp_path / "evil"
    content = {path.replace("/EVIL", str(outside)): entry for path, entry in files_.items()}
    recipe = Recipe(name="thing", version="1", subdir=HOST, files=content)
    with ChannelServer(channel_of(tmp_path / "channel", recipe)) as hostile:
        led = {"MFENV_CHANNELS": hostile.url}
        led["MFENV_STORE"] = ""  # which it would not get into
        conda.ok("resolve", "--conda", "thing", "--alias", "a:v1", env=led)
        before, there = conda.state(), set(files(conda.root))
        said = conda.fails("create", "a:v1", env=led)
    assert "thing-1-0.conda" in said
    assert conda.state() == before
    assert not outside.exists()
    assert list(tmp_path.rglob("evil")) == []
    assert list((conda.home / "envs").glob("*")) == []
    fresh = [path for path in set(files(conda.root)) - there if "cache" not in path.parts]
    assert fresh == []
    tidy(conda)


# Requests


def test_an_unsatisfiable_request_is_a_tree(conda: Machine, unchanged: None) -> None:
    conda.file("environment.yml", "dependencies:\n  - left\n  - right\n")
    said = conda.fails("resolve", "-f", "environment.yml")
    lines = [line.lstrip("│ ├└─").split()[0] for line in said.splitlines() if "─ " in line]
    assert {"left", "right", "shared"} <= set(lines)
    assert f"no solution for {HOST}" in said
    for name, line in (("left", 2), ("right", 3)):
        assert f"`{name}` is asked by environment.yml:{line}" in said
    assert "\nhint: " in said


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        (["  - python=3.5", "  - greeter"], "environment.yml:2"),
        (
            ["  - greeter", "  - python=3.5", "  - python<3.8"],
            "environment.yml:3 and environment.yml:4",
        ),
        (["  - python=3.5", "  - greeter", "  - pip:", "    - app"], "environment.yml:2"),
    ],
)
def test_a_python_that_no_channel_has_is_asked_by_somebody(
    conda: Machine, unchanged: None, lines: list[str], places: str
) -> None:
    conda.file("environment.yml", "\n".join(["dependencies:", *lines, ""]))
    said = conda.fails("resolve", "-f", "environment.yml")
    assert f" is asked by {places}\n" in said
    assert "`python " in said
    usual = conda.fails("resolve", "--conda", "greeter", env={"MFENV_PYTHON": "3.5"})
    assert "`python ==3.5.*` is asked by MFENV_PYTHON" in usual


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["--conda", "no-such-thing"], ["no channel has `no-such-thing`", "check the spelling"]),
        (["--conda", "greeter>=9"], ["greeter", "there is `greeter` 1.1, 1.0"]),
        (["--conda", "lacks"], ["nowhere"]),
        (["--conda", "old-python"], ["old-python", "python <3.5"]),
        (["--conda", "greeter>="], ["--conda", "is not a conda version"]),
        (
            ["--conda", "cuda-tool", "--platform", "linux-64"],
            ["no `__cuda`", "say so with `--sys __cuda=12`"],
        ),
        (["--conda", "greeter", "--python", "3.2"], ["python", "there is `python` 3."]),
        (["--npconda", "wrapper", "--pypi", "app"], ["wrapper needs pytool needs python"]),
        (["--conda", "shared=1.5", "--pypi", "modern"], ["conda brings `shared` 1.5"]),
        (
            ["--conda", "greeter[extras=[nosuch]]"],
            ["--conda: `greeter[extras=[nosuch]]`", "has no extra `nosuch`", "it has: none"],
        ),
        (
            ["--conda", "shared", "--pypi", "shared @ {index}/files/shared-9-py3-none-any.whl"],
            ["`shared` is asked for by a URL or a path, and conda brings it too", "keep one"],
        ),
        (
            ["--conda", "shared", "--pypi", "./shared-9-py3-none-any.whl"],
            ["`shared` is asked for by a URL or a path, and conda brings it too", "keep one"],
        ),
        (["--sys", "glibc", "--conda", "greeter"], ["--sys", "write for example `__glibc=2.28`"]),
    ],
)
def test_a_request_that_cannot_be_met(
    conda: Machine, index: FakeIndex, unchanged: None, words: list[str], messages: list[str]
) -> None:
    shared = make_wheel("shared", "9")
    (conda.work / shared.filename).write_bytes(shared.data)
    index.add(make_wheel("modern", "1.0", requires=["shared>=2"]), shared)
    origin = index.url.removesuffix("/simple")
    said = conda.fails("resolve", *(word.format(index=origin) for word in words))
    assert [one for one in messages if one not in said] == [], said
    assert "\nhint: " in said or "; write for example" in said


@pytest.mark.slow
def test_a_python_that_pypi_packages_refuse(
    conda: Machine, index: FakeIndex, unchanged: None
) -> None:
    index.add(make_wheel("picky", "1.0", requires_python=">=3.99"))
    conda.file("requirements.txt", "picky\n")
    said = conda.fails("resolve", "-r", "requirements.txt", "--conda", "greeter")
    assert "picky==1.0 depends on Python>=3.99" in said
    assert "`picky` is asked by requirements.txt:1" in said
    assert "\nhint: " in said


def test_files_that_include_each_other(conda: Machine, unchanged: None) -> None:
    conda.file("one.txt", "app\n-r two.txt\n")
    conda.file("two.txt", "dep\n-r one.txt\n")
    said = conda.fails("resolve", "-r", "one.txt")
    assert "two.txt:2" in said
    assert "one.txt" in said


def test_two_pythons_are_a_contradiction_that_names_both_places(
    conda: Machine, unchanged: None
) -> None:
    conda.file("environment.yml", "dependencies:\n  - python=3.11\n  - greeter\n")
    said = conda.fails("resolve", "-f", "environment.yml", "--python", "3.12")
    assert "environment.yml:2" in said
    assert "--python" in said
    assert "\nhint: " in said


@pytest.mark.slow
def test_what_failed_once_succeeds_later(
    conda: Machine, server: ChannelServer, machines: Callable[[str], Machine]
) -> None:
    for fault in (404, "truncate", "garbage"):
        server.faults["/"] = fault
        conda.fails("resolve", "--conda", "greeter")
    server.faults = {f"/{HOST}/greeter": "garbage"}
    conda.fails("resolve", "--conda", "greeter")
    server.faults.clear()
    conda.ok("resolve", "--conda", "greeter", "--alias", "a:v1")
    shutil.rmtree(conda.home / "cache")
    assert "hello from" in conda.ok("run", "a:v1", "--", "greeter")


def test_an_extra_that_is_asked_for_on_a_condition_and_is_not_there_is_noted(
    conda: Machine,
) -> None:
    asked = "greeter[extras=[nosuch],when='__unix']"
    noted = conda.json("resolve", "--conda", asked, "--conda", "greeter")["notes"]
    assert [note for note in noted if "brings no extra `nosuch`: greeter 1.1 has none" in note]


@pytest.mark.slow
def test_who_needs_nothing_but_python_of_a_channel_hears_of_the_machines_own(
    conda: Machine, server: ChannelServer
) -> None:
    server.faults["/"] = 500
    hint = "`--python-provider system`"
    assert hint in conda.fails("resolve", "--pypi", "app")
    assert hint not in conda.fails("resolve", "--pypi", "app", "--conda", "greeter")
    assert hint not in conda.fails("resolve", "--pypi", "app", "--npconda", "greeter")
    server.faults.clear()
    nowhere = {"MFENV_INDEX_URL": "http://127.0.0.1:9/simple"}
    assert hint not in conda.fails("resolve", "--pypi", "app", env=nowhere)
