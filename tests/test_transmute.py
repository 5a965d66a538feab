"""`mfenv transmute`, as a user meets it."""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from .channel import Entry, Recipe, pack
from .helpers import files, finish

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Machine

NAMES = ("one", "two", "three")


def packages(folder: Path, *names: str, suffix: str = ".tar.bz2", size: int = 10_000) -> list[Path]:
    made = []
    for name in names:
        content = {f"share/{name}": Entry(data=hashlib.shake_128(name.encode()).digest(size))}
        pack(Recipe(name=name, version="1.0", files=content, formats=(suffix,)), folder)
        made.append(folder / "noarch" / f"{name}-1.0-0{suffix}")
    return made


def test_packages_are_written_beside_themselves_or_elsewhere(
    machine: Machine, tmp_path: Path
) -> None:
    sources = packages(tmp_path, *NAMES)
    made = machine.ok("transmute", *map(str, sources)).split()
    assert made == [str(one).replace(".tar.bz2", ".conda") for one in sources]
    elsewhere = tmp_path / "new" / "folder"
    back = machine.json("transmute", *made, "--to", "tar.bz2", "--output", str(elsewhere))
    found = back["transmuted"]
    assert [one["source"] for one in found] == made
    assert [one["path"] for one in found] == [str(elsewhere / one.name) for one in sources]
    for one in found:
        data = (elsewhere / one["path"]).read_bytes()
        assert (one["sha256"], one["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert len(files(elsewhere)) == len(NAMES)


def test_what_is_there_stays_without_force(machine: Machine, tmp_path: Path) -> None:
    (source,) = packages(tmp_path, "one")
    (target,) = packages(tmp_path, "one", suffix=".conda")
    before = target.read_bytes()
    said = machine.fails("transmute", str(source))
    assert said.startswith(f"error: `{target}` exists already\nhint: ")
    assert target.read_bytes() == before
    assert machine.ok("transmute", str(source), "--force").strip() == str(target)
    assert target.read_bytes() != before


def test_one_bad_file_does_not_keep_the_others(machine: Machine, tmp_path: Path) -> None:
    sources = packages(tmp_path, *NAMES)
    sources[0].write_bytes(sources[0].read_bytes()[:-40])
    absent = tmp_path / "absent-1-0.conda"
    done = machine.run("transmute", *map(str, sources), str(absent))
    assert done.status == 1
    assert len(done.out.split()) == 2
    said = "error: `one-1.0-0.tar.bz2` is refused: it cannot be decompressed\nhint: fetch or copy it again"
    assert done.err.startswith(said)
    assert done.err.endswith(f"error: no such file or directory: `{absent}`\n")
    assert not (tmp_path / "noarch" / "one-1.0-0.conda").exists()
    made = tmp_path / "n1" / "n2"
    machine.fails("transmute", str(sources[0]), "--output", str(made))
    assert not made.parent.exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["a.whl"], 1, "`a.whl` cannot be transmuted: its name is not that of a conda package"),
        (
            ["a-1-0.conda", "--to", "conda"],
            1,
            "`a-1-0.conda` cannot be transmuted: it is a `.conda`",
        ),
        (["a-1-0.conda", "--level", "20"], 2, "invalid value for `--level`"),
        (["a-1-0.conda", "--to", "zip"], 2, "invalid value for `--to`"),
        ([], 2, "missing argument `FILE...`"),
        (["."], 1, "`.` cannot be transmuted: it is a directory\nhint: name the packages in it"),
        ([".."], 1, "`..` cannot be transmuted: it is a directory"),
        (["packages/"], 1, "`packages` cannot be transmuted: it is a directory"),
        (["packages/a-1-0.conda/"], 1, "`packages/a-1-0.conda` cannot be transmuted: it is a"),
        (["packages/a.whl"], 1, "`packages/a.whl` cannot be transmuted: its name is not"),
    ],
)
def test_wrong_usage_is_told(machine: Machine, words: list[str], status: int, said: str) -> None:
    (machine.work / "packages" / "a-1-0.conda").mkdir(parents=True)
    assert machine.fails("transmute", *words, status=status).startswith(f"error: {said}")


@pytest.mark.slow
def test_level_and_memory_are_settings(machine: Machine, tmp_path: Path) -> None:
    words = b" ".join(b"%d" % (n * n % 99_991) for n in range(200_000))
    content = {"share/words": Entry(data=words)}
    pack(Recipe(name="one", version="1.0", files=content, formats=(".tar.bz2",)), tmp_path)
    source = tmp_path / "noarch" / "one-1.0-0.tar.bz2"
    sizes = [machine.json("transmute", str(source))["transmuted"][0]["size"]]
    machine.environ["MFENV_TRANSMUTE_LEVEL"] = "19"
    machine.environ["MFENV_TRANSMUTE_MEMORY"] = "1MB"
    sizes.append(machine.json("transmute", str(source), "--force")["transmuted"][0]["size"])
    by_option = machine.json("transmute", str(source), "--force", "--level", "3")
    assert sizes[1] < sizes[0] == by_option["transmuted"][0]["size"]
    machine.environ["MFENV_TRANSMUTE_MEMORY"] = "plenty"
    said = machine.fails("transmute", str(source), "--force")
    assert "MFENV_TRANSMUTE_MEMORY: `plenty` is not a size" in said


@pytest.mark.slow
def test_an_interruption_ends_all_of_them_at_once(machine: Machine, tmp_path: Path) -> None:
    sources = packages(tmp_path, *NAMES, size=6_000_000)
    out = tmp_path / "out"
    words = ("transmute", *map(str, sources), "--output", str(out), "--level", "19")
    process = machine.spawn(sys.executable, "-m", "mfenv", *words)
    deadline = time.monotonic() + 300
    while not (out.is_dir() and any(out.iterdir())):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.status == 130
    assert "error: interrupted\n" in done.err
    assert list(out.glob(".*")) == []
