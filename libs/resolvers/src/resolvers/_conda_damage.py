"""Where repodata that py-rattler cannot read is wrong; runs in the worker process only.

Its own words name a column of a text that nobody sees.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rattler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["broken_package", "broken_record", "broken_text", "is_damage", "misfiled"]

# The key of a record: a value is not followed by a colon, and no other key has two dashes.
_FILE = rb'"([^"\\]*-[^"\\]*-[^"\\]*)"\s*:\s*'
_NOT_DAMAGE = re.compile(
    r"HTTP status|could not find subdir|no usable repodata cache|error sending request"
    r"|error decoding response|error following redirect|received unexpected status"
    r"|os error|timed out"
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# A record that the engine reads, with as few fields as can be.
_LEAST = {"name": "thing", "version": "1", "build": "0", "build_number": 0, "subdir": "noarch"}
# Bytes around a name that its record is looked for in, and characters of a value in a message.
_LONGEST, _SHOWN = 1 << 20, 40


def is_damage(said: str) -> bool:
    """Whether the engine failed at what it was sent, rather than at getting it."""
    return "304" in said or not _NOT_DAMAGE.search(said)


def broken_package(
    indexes: Sequence[rattler.SparseRepoData], names: Iterable[str]
) -> tuple[int, str] | None:
    """The first package whose records cannot be read, of those that these names may need.

    Returns the position of the index that has it, and its name.
    """
    # What nothing leads to is not read by a solve either, and channels have very many names.
    seen, todo = set[str](), list(names)
    while todo:
        name = todo.pop(0).lower()
        if name in seen:
            continue
        seen.add(name)
        for position, index in enumerate(indexes):
            try:
                records = index.load_records(rattler.PackageName(name))
            except Exception:  # noqa: BLE001 - the engine has one class for each of its reasons
                return position, name
            needs = (_NAME.match(text) for record in records for text in record.depends)
            todo += {match[0].lower() for match in needs if match} - seen
    return None


def broken_record(path: Path, name: str) -> str | None:
    """The file name and the field of the first record of a package that cannot be read."""
    for filename, record in _records(path, name):
        if not isinstance(record, dict):
            return f"the record of `{filename}` cannot be {_shown(record)}"
        if not _is_read(filename, record):
            return _fault(filename, record)
    return None


def misfiled(path: Path, name: str) -> Iterator[str]:
    """Why the engine does not find what may be meant: its file name and its `name` differ."""
    for filename, record in _records(path, name):
        if isinstance(record, dict) and record.get("name") != name:
            yield f"`{filename}` is described as `{record.get('name')}`"
    # And the other way round: a record stands behind its file name.
    text = path.read_bytes()
    for match in re.finditer(rb'"name"\s*:\s*"%s"' % re.escape(name.encode()), text):
        before = re.findall(rb'"([^"\\]*)"\s*:\s*\{', text[: match.start()][-_LONGEST:])
        filename = before[-1].decode(errors="replace") if before else ""
        if filename.lower().rsplit("-", 2)[0] != name:
            yield f"`{filename}` is described as `{name}`"


def broken_text(path: Path, said: str) -> str:
    """What is wrong with a file that is no repodata, after what was `said` of it."""
    try:
        text = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if text.lstrip().startswith(b"<"):
        return "is a web page"
    if not text.strip():
        return "is empty"
    place = re.search(r"line (\d+) column (\d+)", said)
    if not place:
        return "is not repodata"
    lines = text.split(b"\n", int(place[1]))
    # The engine says line and column; of repodata, often a single line, a byte says more.
    end = sum(len(line) + 1 for line in lines[: int(place[1]) - 1]) + int(place[2])
    before = [match[1] for match in re.finditer(_FILE, text[:end])]
    behind = f", at or behind `{before[-1].decode(errors='replace')}`" if before else ""
    if end >= len(text.rstrip()):
        return f"ends too early, after {len(text)} bytes{behind}"
    return f"is not repodata from byte {end} on{behind}"


def _records(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    # Searched as text: as a whole, a damaged file need not be JSON.
    text = path.read_bytes()
    for match in re.finditer(_FILE, text):
        filename = match[1].decode(errors="replace")
        if filename.lower().rsplit("-", 2)[0] == name:
            rest = text[match.end() : match.end() + _LONGEST].decode(errors="replace")
            try:
                yield filename, json.JSONDecoder().raw_decode(rest)[0]
            except (ValueError, RecursionError):
                yield filename, rest


def _fault(filename: str, record: Mapping[str, Any]) -> str:
    least = {**_LEAST, "name": filename.lower().rsplit("-", 2)[0]}
    if not _is_read(filename, least):
        return f"`{filename}` is not the name of a conda package"
    for field in least:
        if field not in record and field != "subdir":
            return f"`{filename}` has no `{field}`"
    # The engine does not say which field it stumbles over, so each is put into one that is right.
    for field, value in record.items():
        if not _is_read(filename, {**least, field: value}):
            return f"`{field}` of `{filename}` cannot be {_shown(value)}"
    return f"the record of `{filename}` cannot be read"


def _is_read(filename: str, record: Mapping[str, Any]) -> bool:
    """Whether the engine reads a record."""
    index = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {filename: record}}
    # The engine reads records from files alone.
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "repodata.json"
        path.write_text(json.dumps(index))
        try:
            sparse = rattler.SparseRepoData(rattler.Channel(Path(work).as_uri()), "noarch", path)
            for name in sparse.package_names():
                sparse.load_records(rattler.PackageName(name))
        except Exception:  # noqa: BLE001 - the engine has one class for each of its reasons
            return False
    return True


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[:_SHOWN]}...`"
