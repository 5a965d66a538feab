"""Setting the prefix of an environment that was unpacked: to where it lies, as often as it moves.

It travels in the archive and is run there by `bin/mfenv-unpack`, on Python 3.8 or later, with
nothing but the standard library and the modules beside it.

What a file holds in place of the prefix is in the manifest, with the file's digest. So the file as
it was packed is known again when it is found, or made of what is there by putting the placeholder
back; where that does not give it, a copy is kept beside. What was interrupted is done by the next
run.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import platform
import posixpath
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Sequence, Set, Tuple

from pkgcache.prefixes import _placeholder

if TYPE_CHECKING:
    from pkgcache.archives.records import FileMode

# ruff: noqa: PTH103, PTH105, PTH108, PTH112, PTH113, PTH114, PTH117, PTH118, PTH123, PTH208  (as few imports as possible)
# ruff: noqa: UP006, UP035  (aliases of types are made when it is run, by Python 3.8)

FOLDER = ".mfenv-pack"
MANIFEST = FOLDER + "/manifest.json"
SCHEMA_VERSION = 1
_STATE = FOLDER + "/prefix.json"
_KEPT = FOLDER + "/kept"
_SCRIPT = b"#!"
# As `envid.platforms` has them, which is not there where this runs; a test holds them together.
_PLATFORMS = {
    "linux-64": ("linux", "x86_64"),
    "linux-aarch64": ("linux", "aarch64"),
    "osx-64": ("darwin", "x86_64"),
    "osx-arm64": ("darwin", "arm64"),
}

Digests = Dict[str, Tuple[bytes, int]]


class CannotSet(Exception):
    """The prefix cannot be set; nothing was changed, or another run goes on from here."""


class CannotRead(CannotSet):
    """What says what is in the environment cannot be read: the file `path` of it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"`{path}` cannot be read: unpack the archive again")
        self.path = path


class PrefixFile(NamedTuple):
    """A file that holds a placeholder, with the digest that it was packed with."""

    path: str
    placeholder: str
    mode: FileMode
    sha256: str


def set_prefix(root: str, final: str, manifest: Dict[str, Any]) -> List[str]:
    """Lead the environment in `root` to `final`; gives what could not be done, a line each.

    Raises `CannotSet` and `OSError`.
    """
    holders = [PrefixFile(*entry) for entry in manifest["holders"]]
    _check(final, holders)
    before = _prefixes(root)
    # First: whatever is done of it when it is interrupted, the next run knows from what to what.
    on_the_way = [final, *(place for place in before if place != final)]
    _write_state(root, on_the_way, before)
    notes = []
    digests: Digests = {}
    for holder in holders:
        path = os.path.join(root, holder.path)
        if not os.path.isfile(path):
            notes.append(f"`{holder.path}` is gone")
            continue
        with open(path, "rb") as file:
            there = file.read()
        packed = _packed(root, there, holder, [final, *before])
        if packed is None:
            led = _lead(root, there, holder, [holder.placeholder, *before], final)
            notes.append(f"`{holder.path}` was changed, and {led}")
            continue
        content = _placeholder.replaced(packed, holder.placeholder, os.fsencode(final), holder.mode)
        if content != there:
            content = _put(root, packed, content, holder, final)
        digests[holder.path] = (hashlib.sha256(content).digest(), len(content))
    for path in manifest["records"]:
        _correct(root, path, digests)
    notes += _lead_later(root, {holder.path for holder in holders}, before, final)
    _write_state(root, [final], on_the_way)
    return notes


def prefix_set(root: str) -> str:
    """The prefix that an environment was set to, empty where it was to none, or to that in part."""
    prefixes = _prefixes(root)
    return prefixes[0] if len(prefixes) == 1 else ""


def read_manifest(root: str) -> Dict[str, Any]:
    """The manifest of the environment in `root`. Raises `CannotSet` where it is damaged."""
    try:
        with open(os.path.join(root, MANIFEST), encoding="utf-8") as file:
            manifest: Dict[str, Any] = json.load(file)
        if manifest["sha256"] != manifest_digest(manifest):
            raise CannotSet(f"`{MANIFEST}` was changed: unpack the archive again")
    except FileNotFoundError:
        raise CannotSet(f"it has no `{MANIFEST}`, as what `mfenv pack` made has") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise CannotRead(MANIFEST) from None
    return manifest


def manifest_digest(manifest: Dict[str, Any]) -> str:
    """The digest of all that a manifest says."""
    said = {key: value for key, value in manifest.items() if key != "sha256"}
    return _hex(json.dumps(said, sort_keys=True).encode())


def is_state(path: str) -> bool:
    """Whether a path is one that is written here, and in no archive."""
    return path in (_STATE, _KEPT) or path.startswith(_KEPT + "/")


def check_machine(manifest: Dict[str, Any]) -> None:
    """Raise `CannotSet` where the environment is for another machine."""
    wanted = manifest["platform"]
    system, machine = _PLATFORMS[wanted]
    if (sys.platform, platform.machine()) != (system, machine):
        raise CannotSet(
            f"it is for {wanted}, and this machine is {sys.platform} {platform.machine()}"
        )
    if manifest["glibc"] and system == "linux":
        needs = tuple(manifest["glibc"])
        own = _glibc()
        if own is None or own < needs:
            has = "{}.{}".format(*own) if own else "another C library"
            wanted = "{}.{}".format(*needs)
            raise CannotSet(f"it needs glibc {wanted}, and this machine has {has}")


def _glibc() -> Any:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError):  # so it is with musl
        return None
    parts = version.split(".")[:2]
    return (int(parts[0]), int(parts[1])) if name == "glibc" else None


def _check(final: str, holders: List[PrefixFile]) -> None:
    # Before anything is changed: none of it can be done then.
    if not os.path.isabs(final) or ":" in final or not final.isprintable():
        raise CannotSet(f"`{final}` cannot be the prefix of an environment")
    for holder in holders:
        longest = len(holder.placeholder.encode())
        if holder.mode == "binary" and len(os.fsencode(final)) > longest:
            raise CannotSet(
                f"its path is too long for `{holder.path}`: choose a place whose path has at most"
                f" {longest} characters"
            )


def _prefixes(root: str) -> List[str]:
    """What the prefix may be in its files; several where that was interrupted."""
    try:
        with open(os.path.join(root, _STATE), encoding="utf-8") as file:
            return [str(prefix) for prefix in json.load(file)["prefixes"]]
    except FileNotFoundError:
        return []
    except (ValueError, LookupError, TypeError):
        raise CannotRead(_STATE) from None


def _write_state(root: str, prefixes: List[str], before: List[str]) -> None:
    # Where there is nothing to do, the environment may be one that nobody can write.
    if prefixes != before:
        _write(root, _STATE, _json({"prefixes": prefixes}))


def _packed(root: str, there: bytes, holder: PrefixFile, prefixes: List[str]) -> Any:
    """The content as it was packed, None where that is not to be had any more."""
    digest = _hex(there)
    if digest == holder.sha256:
        return there
    for prefix in prefixes:
        content = _undone(there, holder, prefix)
        if _hex(content) == holder.sha256:
            return content
    try:
        with open(os.path.join(root, _KEPT, digest), "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    return content if _hex(content) == holder.sha256 else None


def _undone(there: bytes, holder: PrefixFile, prefix: str) -> bytes:
    """`there` with the placeholder in the place of a prefix."""
    old, new = os.fsencode(prefix), holder.placeholder.encode()
    if holder.mode == "text":
        return there.replace(old, new)

    def longer(match: re.Match[bytes]) -> bytes:
        text, rest = match[1], match[2]
        need = text.count(old) * (len(new) - len(old))
        return text.replace(old, new) + rest[need:] if need <= len(rest) else match[0]

    strings = re.compile(b"(" + re.escape(old) + rb"[^\0]*)(\0*)")
    return strings.sub(longer, there)


def _put(root: str, packed: bytes, content: bytes, holder: PrefixFile, final: str) -> bytes:
    """Replace a file by `content`, which is made of `packed`; gives what is there then."""
    path = os.path.join(root, holder.path)
    beside = f"{path}.mfenv-{os.getpid()}"
    try:
        with open(beside, "wb") as file:
            file.write(content)
        shutil.copymode(path, beside)
        if holder.mode == "binary" and sys.platform == "darwin":
            # Without a signature macOS does not run it.
            command = ["/usr/bin/codesign", "--sign", "-", "--force", beside]
            subprocess.run(command, capture_output=True, check=False)
            with open(beside, "rb") as file:
                content = file.read()
        if _undone(content, holder, final) != packed:
            os.makedirs(os.path.join(root, _KEPT), exist_ok=True)
            _write(root, posixpath.join(_KEPT, _hex(content)), packed)
        os.replace(beside, path)
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)
    return content


def _lead(root: str, there: bytes, holder: PrefixFile, prefixes: Sequence[str], final: str) -> str:
    """Lead a file that cannot be made anew from `prefixes` to `final`; says how it went."""
    try:
        content = _placeholder.led(there, prefixes, final, holder.mode)
    except _placeholder.NoRoom:
        return "is not led there: the path is too long for it"
    if content != there:
        _write(root, holder.path, content, like=True)
    return "is led there as it is"


def _lead_later(root: str, known: Set[str], prefixes: Sequence[str], final: str) -> List[str]:
    """Lead the scripts that came later, as pip writes them; gives a note for each."""
    notes: List[str] = []
    folder = os.path.join(root, "bin")
    if not prefixes or not os.path.isdir(folder):
        return notes
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if f"bin/{name}" in known or os.path.islink(path) or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as file:
                start = file.read(len(_SCRIPT))
                there = start + file.read() if start == _SCRIPT else b""
        except PermissionError:
            notes.append(f"`bin/{name}` may not be read, and stays as it is")
            continue
        content = _placeholder.led(there, prefixes, final, "text")
        if content != there:
            _write(root, f"bin/{name}", content, like=True)
            notes.append(f"`bin/{name}` came later, and is led there as it is")
    return notes


def _correct(root: str, path: str, digests: Digests) -> None:
    """Write the digests of files into a record that lists them."""
    try:
        with open(os.path.join(root, path), encoding="utf-8", newline="") as file:
            text = file.read()
        if path.endswith(".json"):
            content = _conda_record(root, text, digests)
        else:
            content = _wheel_record(root, path, text, digests)
    except FileNotFoundError:
        return
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error):
        raise CannotRead(path) from None
    if content != text:
        _write(root, path, content.encode(), like=True)


def _target(root: str, path: str) -> str:
    """What a path leads to: of a link, records have the digest of that."""
    if not os.path.islink(os.path.join(root, path)):
        return path
    return os.path.relpath(os.path.realpath(os.path.join(root, path)), os.path.realpath(root))


def _conda_record(root: str, text: str, digests: Digests) -> str:
    document = json.loads(text)
    for entry in document["paths_data"]["paths"]:
        target = _target(root, entry["_path"])
        if target in digests and "sha256_in_prefix" in entry:
            digest, size = digests[target]
            entry["sha256_in_prefix"] = digest.hex()
            if entry.get("path_type") == "unix_python_entry_point":
                entry.update(sha256=digest.hex(), size_in_bytes=size)
    return json.dumps(document)


def _wheel_record(root: str, path: str, text: str, digests: Digests) -> str:
    folder = posixpath.dirname(posixpath.dirname(path))
    rows = []
    for name, listed, length in csv.reader(io.StringIO(text, newline="")):
        target = _target(root, posixpath.normpath(posixpath.join(folder, name)))
        if listed and target in digests:
            digest, size = digests[target]
            encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            rows.append((name, "sha256=" + encoded, str(size) if length else ""))
        else:
            rows.append((name, listed, length))
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _write(root: str, path: str, content: bytes, *, like: bool = False) -> None:
    """Make a file, or replace it; `like` keeps who may read and run it."""
    target = os.path.join(root, path)
    beside = f"{target}.mfenv-{os.getpid()}"
    try:
        with open(beside, "wb") as file:
            file.write(content)
        if like:
            shutil.copymode(target, beside)
        os.replace(beside, target)
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)


def _json(document: Dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
