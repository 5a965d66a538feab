"""Packages and indexes that want out of their place: refused by the command, nothing outside."""

from __future__ import annotations

import base64
import bz2
import csv
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from resolvers.testing import make_wheel

from .channel import Entry, Recipe, cached, pack, write_channel
from .helpers import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from resolvers.testing import Distribution, FakeIndex

    from .helpers import Machine

    Change = Callable[[dict[str, bytes]], object]

pytestmark = pytest.mark.slow

HOST = host_platform()
INFO = "thing-1.0.dist-info"


@pytest.fixture(autouse=True)
def outside(machine: Machine, tmp_path: Path) -> Iterator[Path]:
    """Fails the test if anything came to be outside of the home and the store, or named `evil`."""
    before = set(tmp_path.rglob("*"))
    yield tmp_path
    inside = (machine.home, machine.store, tmp_path / "channel", machine.user / ".cache")
    fresh = [path for path in set(tmp_path.rglob("*")) - before if path not in inside]
    assert [one for one in fresh if not set(inside) & set(one.parents)] == []
    assert [
        one for one in fresh if "evil" in one.name and tmp_path / "channel" not in one.parents
    ] == []
    assert list((machine.home / "envs").glob("*")) == []
    tidy(machine)


def wheel(change: Change, record: Callable[[str], str] = str) -> Distribution:
    """A wheel whose files are changed, and then its RECORD."""
    good = make_wheel("thing", "1.0", module="x = 1\n")
    with zipfile.ZipFile(io.BytesIO(good.data)) as old:
        found = {name: old.read(name) for name in old.namelist() if "RECORD" not in name}
    change(found)
    text = io.StringIO(newline="")
    rows = [(path, sha256(data), len(data)) for path, data in found.items()]
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{INFO}/RECORD", "", "")])
    found[f"{INFO}/RECORD"] = record(text.getvalue()).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in found.items():
            new.writestr(zipfile.ZipInfo(name), data)
    return replace(good, data=archive.getvalue())


def sha256(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def scripts(line: str) -> Change:
    return lambda found: found.update(
        {f"{INFO}/entry_points.txt": f"[console_scripts]\n{line}\n".encode()}
    )


def moved(found: dict[str, bytes]) -> None:
    for name in list(found):
        if name.startswith(INFO):
            found[name.replace("thing", "other")] = found.pop(name)


def nothing(found: dict[str, bytes]) -> None:
    pass


WHEELS = {
    "a name above": wheel(lambda found: found.update({"../../../../evil": b""})),
    "an absolute name": wheel(lambda found: found.update({"/tmp/evil": b""})),
    "a quoted name": wheel(lambda found: found.update({"%2e%2e%2fevil": b""})),
    "data above": wheel(lambda found: found.update({"thing-1.0.data/data/../../evil": b""})),
    "a script above": wheel(scripts("../../evil = thing:x")),
    "a script that is code": wheel(scripts("evil = os:system('touch evil')")),
    "a record above": wheel(nothing, lambda text: f"../../../evil,,\n{text}"),
    "a record with another hash": wheel(nothing, lambda text: text.replace("sha256=", "sha256=A")),
    "a record that lacks a file": wheel(nothing, lambda text: text.partition("\n")[2]),
    "the metadata of another": wheel(moved),
    "the metadata of one more": wheel(
        lambda found: found.update({"thing-1.0.data/purelib/other-2.0.dist-info/METADATA": b""})
    ),
    "a record of the environment": wheel(
        lambda found: found.update({"thing-1.0.data/data/.mfenv.json": b"{}"})
    ),
    "the interpreter": wheel(scripts("python = thing:x")),
}


def refused(machine: Machine, *words: str) -> str:
    """What a resolve says that would publish it, and a create where there is no store."""
    words = ("resolve", *words, "--alias", "a:v1")
    before = machine.rows()
    said = machine.fails(*words)
    names = ("aliases/", "built/", "defaults/", "environments/")
    assert [one for one in machine.objects() if one.startswith(names) or "thing" in one] == []
    assert machine.rows() == before
    alone = {"MFENV_STORE": ""}
    machine.ok(*words, env=alone)
    assert machine.fails("create", "a:v1", env=alone) == said
    return said


@pytest.mark.parametrize("name", WHEELS)
def test_a_wheel(machine: Machine, index: FakeIndex, name: str) -> None:
    index.add(WHEELS[name])
    said = refused(machine, "--pypi", "thing")
    assert said.startswith("error: `thing-1.0-py3-none-any.whl` is refused: ")
    assert list((machine.home / "cache" / "wheels-2").glob("*/*")) == []


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MFENV_PACKAGE_FILES", "3", "has more than 3 files"),
        ("MFENV_PACKAGE_SIZE", "100B", "unpacks to more than 100 bytes"),
    ],
)
def test_a_package_beyond_a_limit_of_the_settings(
    machine: Machine, variable: str, value: str, message: str
) -> None:
    machine.ok("resolve", "--pypi", "app", "--alias", "a:v1")
    assert message in machine.fails("create", "a:v1", env={variable: value})


@pytest.mark.parametrize(
    "filename",
    [
        "../../evil-1.0-py3-none-any.whl",
        "..%2f..%2fevil-1.0-py3-none-any.whl",
        "/tmp/evil-1.0-py3-none-any.whl",
        "evil-1.0-py3-none-any.whl/../x",
        "evil-1.0-\x1b[2Jpy3-none-any.whl",
    ],
)
def test_a_file_name_of_an_index(machine: Machine, index: FakeIndex, filename: str) -> None:
    index.add(replace(make_wheel("thing", "1.0"), filename=filename))
    before = machine.state()
    said = machine.fails("resolve", "--pypi", "thing")
    assert "`thing`" in said
    assert "\x1b" not in said
    assert machine.state() == before


@pytest.fixture
def conda(machine: Machine, tmp_path: Path) -> Machine:
    machine.environ |= {
        "MFENV_CHANNELS": (tmp_path / "channel").as_uri(),
        "MFENV_PYTHON_PROVIDER": "conda",
    }
    return machine


def channel(
    folder: Path,
    recipe: Recipe,
    change: dict[str, str] | None = None,
    *,
    filename: str = "",
    edit: tuple[bytes, bytes] = (b"", b""),
) -> None:
    """A channel with Python and one more package: its content edited, its record changed."""
    records: dict[str, Any] = {}
    for subdir in (HOST, "noarch"):
        (folder / subdir).mkdir(parents=True)
        found = json.loads((cached().main / subdir / "repodata.json").read_text())
        for name, record in {**found["packages"], **found["packages.conda"]}.items():
            if record["name"] in ("python", "python_abi", "tzdata"):
                records[f"{subdir}/{name}"] = record
                (folder / subdir / name).symlink_to(cached().main / subdir / name)
    ((path, record),) = pack(replace(recipe, formats=(".tar.bz2",)), folder).items()
    data = bz2.compress(bz2.decompress((folder / path).read_bytes()).replace(*edit))
    (folder / path).write_bytes(data)
    write_channel(folder, records)
    repodata = folder / "noarch" / "repodata.json"
    document = json.loads(repodata.read_text())
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), **(change or {})}
    name = filename or path.partition("/")[2]
    document["packages"][name] = {**record, "md5": None, **facts}
    repodata.write_text(json.dumps(document))
    repodata.with_name("repodata.json.zst").unlink()


THING = Recipe(name="thing", version="1", files={"share/x": Entry(data=b"x")})


@pytest.mark.parametrize(
    ("change", "filename"),
    [
        ({"build": "../../evil"}, ""),
        ({"build": "%2e%2e%2fevil"}, ""),
        ({"version": "../../evil"}, ""),
        ({"name": "../evil"}, "../evil-1-0.tar.bz2"),
        ({}, "../../evil/thing-1-0.tar.bz2"),
        ({}, "..%2f..%2fevil-1-0.tar.bz2"),
        ({"url": "../../../evil"}, "/evil-1-0.tar.bz2"),
    ],
)
def test_a_record_of_a_channel(
    conda: Machine, tmp_path: Path, change: dict[str, str], filename: str
) -> None:
    """Names with paths in them are never seen, or refused by what reads or links them."""
    channel(tmp_path / "channel", THING, change, filename=filename)
    done = conda.run("resolve", "--conda", "thing", "--alias", "a:v1")
    said = conda.fails("create", "a:v1") if done.status == 0 else done.err
    assert "error: " in said
    assert "Traceback" not in said
    assert "defect" not in said


@pytest.mark.parametrize(
    "line",
    [
        *("../../evil = thing:x", "/evil = thing:x", "evil = os:system('touch evil')"),
        "python = thing:x",
    ],
)
def test_a_link_json_that_is_not_plain(conda: Machine, tmp_path: Path, line: str) -> None:
    recipe = replace(THING, noarch="python", depends=("python",), entry_points=(line,))
    channel(tmp_path / "channel", recipe)
    said = refused(conda, "--conda", "thing")
    assert said.startswith("error: `thing-1-0.tar.bz2` is refused: ")
    assert "entry point" in said or "belongs to the environment" in said


@pytest.mark.parametrize("path", ["../evil", "/evil/x", "%2e%2fx"])
def test_a_paths_json_that_lists_what_is_elsewhere(
    conda: Machine, tmp_path: Path, path: str
) -> None:
    """The members of the archive are harmless."""
    edit = (b'"_path": "share/x"', f'"_path": "{path}"'.encode())
    channel(tmp_path / "channel", THING, edit=edit)
    said = refused(conda, "--conda", "thing")
    assert said.startswith("error: `thing-1-0.tar.bz2` is refused: the path ")
