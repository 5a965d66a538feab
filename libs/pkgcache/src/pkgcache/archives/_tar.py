"""A tar stream, read so that no two readers can disagree about what is in it (POSIX pax, GNU tar).

Sparse files, devices, unknown types, sizes given twice and differently, and streams without an
end are refused. Members come in the order of the archive; nothing is held but the current.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK, _CHUNK = 512, 256 << 10
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_CHECKSUM = slice(148, 156)
_KINDS = {
    b"0": "file",
    b"\0": "file",
    # POSIX calls it contiguous, and lets it be read as any other file.
    b"7": "file",
    b"1": "hardlink",
    b"2": "softlink",
    b"5": "directory",
}
_REFUSED = {b"3": "a device", b"4": "a device", b"6": "a fifo", b"S": "a sparse file"}
_LONGEST_EXTENSION = 1 << 20
_LARGEST_OCTAL = 8**11
_WIDE = 0x80
_RECORD = re.compile(rb"([1-9][0-9]{0,19}) ")
_TIME = re.compile(r"(-?[0-9]{1,18})(?:\.([0-9]*))?")
_LATEST = 1 << 33  # seconds: some file systems know no later time
_USED = ("path", "linkpath", "size", "mtime")


class BadTar(ValueError):
    """The stream is not a tar archive, or not one that everybody reads alike."""


class TarMember(NamedTuple):
    """A file, hard link, symbolic link or directory; `link` is what the links lead to."""

    name: str
    kind: str
    size: int
    mode: int
    mtime_ns: int
    link: str


class TarReader:
    """Iterate over the members; `content` gives the bytes of the member that came last.

    Of the stream at most `longest` bytes are read: headers without a member, or zeros behind the
    end, could go on for ever. `header` has all blocks in front of the content of the current
    member just as they are, except for global headers.
    """

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        self._stream, self._left, self._padding = stream, 0, 0
        self._longest = longest
        self.header = b""

    def __iter__(self) -> Iterator[TarMember]:
        extra: dict[str, str] = {}
        blocks = b""
        while True:
            # Whoever did not want the content has not read it.
            for _ in self.content():
                pass
            block = self._exactly(_BLOCK)
            if not any(block):
                break
            raw, kind = _header(block)
            size = _number(raw[4])
            if kind in b"xgLK":
                data, extra = self._extension(kind, size, extra)
                # A global header is not for the next member alone, and what it says is nothing that
                # we use.
                blocks += b"" if kind == b"g" else block + data
                continue
            member = _member(raw, kind, size, extra)
            self.header, blocks, extra = blocks + block, b"", {}
            self._left, self._padding = member.size, -member.size % _BLOCK
            yield member
        self._check_end(extra)

    def content(self) -> Iterator[bytes]:
        """What is left of the current member, in pieces of at most 256 KiB."""
        while self._left:
            piece = self._exactly(min(self._left, _CHUNK))
            self._left -= len(piece)
            yield piece
        self._exactly(self._padding)
        self._padding = 0

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) != size:
            raise BadTar("ends too early")
        return data

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._longest -= len(data)
        if self._longest < 0:
            raise BadTar("unpacks to more than its files can need")
        return data

    def _check_end(self, extra: dict[str, str]) -> None:
        if extra:
            raise BadTar("ends too early")
        if any(self._exactly(_BLOCK)):
            raise BadTar("has only half of its end")
        while piece := self._read(_CHUNK):
            if piece.strip(b"\0"):
                raise BadTar("has bytes behind its end")

    def _extension(
        self, kind: bytes, size: int, extra: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        """The blocks behind the header of an extension, and `extra` with what they say."""
        if size > _LONGEST_EXTENSION:
            raise BadTar("has an absurdly long header")
        blocks = self._exactly(size + -size % _BLOCK)
        data = blocks[:size]
        if kind in b"LK":
            said = {"path" if kind == b"L" else "linkpath": _text(data.removesuffix(b"\0"))}
        else:
            said = dict(_pax(data))
            if kind == b"g":
                # Some readers apply it to all that follow, some do not.
                if any(key in _USED for key in said):
                    raise BadTar("has a global header that names or sizes members")
                return blocks, extra
        # Readers differ in whether the first or the last holds.
        if twice := said.keys() & extra.keys():
            raise BadTar(f"gives the {min(twice)} of a member twice")
        return blocks, {**extra, **said}


def _header(block: bytes) -> tuple[tuple[bytes, ...], bytes]:
    raw = _HEADER.unpack(block)
    own = _number(raw[6])
    # The sum is taken with spaces in the place of the field itself.
    if own != sum(block) - sum(block[_CHECKSUM]) + 8 * 0x20:
        raise BadTar("has a header with a wrong checksum")
    return raw, raw[7]


def _member(raw: tuple[bytes, ...], flag: bytes, size: int, extra: dict[str, str]) -> TarMember:
    name = _field(raw[0])
    # GNU tar has other fields where POSIX has the prefix.
    posix = raw[9][:6] == b"ustar\0"
    if posix and (prefix := _field(raw[14])):
        name = f"{prefix}/{name}"
    name = extra.get("path", name).removeprefix("./")
    kind = _KINDS.get(flag)
    if not kind:
        raise BadTar(f"has {_REFUSED.get(flag, 'a member of an unknown type')}: {name!r}")
    if kind == "file" and name.endswith("/"):
        kind = "directory"  # as it was written before POSIX
    size = _size(name, size, extra)
    if size and kind != "file":
        raise BadTar(f"has content in {name!r}, which is none of its files")
    return TarMember(
        name.rstrip("/") if kind == "directory" else name,
        kind,
        size,
        _number(raw[1]),
        _moment(extra.get("mtime"), raw[5]),
        extra.get("linkpath", _field(raw[8])) if kind.endswith("link") else "",
    )


def _size(name: str, size: int, extra: dict[str, str]) -> int:
    if "size" not in extra:
        return size
    text = extra["size"]
    wide = int(text) if text.isascii() and text.isdigit() else -1
    # The header of a large file cannot hold the size, and then has what the writer pleased.
    if wide < 0 or (size != wide and wide < _LARGEST_OCTAL):
        raise BadTar(f"gives two sizes of {name!r}")
    return wide


def _moment(text: str | None, raw: bytes) -> int:
    """A time in nanoseconds; 0 for times before 1970, which clocks that were not set have."""
    if text is None:
        seconds, fraction = _number(raw), ""
    else:
        time = _TIME.fullmatch(text)
        if not time:
            raise BadTar(f"has the time {text!r}")
        seconds, fraction = int(time[1]), time[2] or ""
    if seconds > _LATEST:
        raise BadTar(f"has the time {seconds}")
    return max(seconds, 0) * 10**9 + int(fraction[:9].ljust(9, "0"))


def _number(raw: bytes) -> int:
    if raw[0] & _WIDE:
        # The base-256 form of GNU tar, for what octal digits cannot hold.
        if raw[0] != _WIDE:
            raise BadTar("has a negative number in a header")
        return int.from_bytes(raw[1:], "big")
    digits = raw.strip(b" \0")
    if digits.translate(None, b"01234567"):
        raise BadTar("has a header with a text for a number")
    return int(digits or b"0", 8)


def _field(raw: bytes) -> str:
    return _text(raw.split(b"\0", 1)[0])


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadTar(f"has a name that is not UTF-8: {raw!r}") from None


def _pax(data: bytes) -> Iterator[tuple[str, str]]:
    """The records of a pax header: `LENGTH KEY=VALUE` and the end of the line."""
    at, seen = 0, set()
    while at < len(data):
        start = _RECORD.match(data, at)
        end = at + int(start[1]) if start else -1
        if not start or end > len(data) or end <= start.end() or data[end - 1 : end] != b"\n":
            raise BadTar("has a damaged pax header")
        key, equals, value = data[start.end() : end - 1].partition(b"=")
        name = _text(key)
        # A reader that knows sparse files gives other bytes than others.
        if not equals or name in seen or name.startswith("GNU.sparse"):
            raise BadTar(f"has the pax record {name!r}, which cannot be followed")
        seen.add(name)
        if name in _USED:
            yield name, _text(value)
        at = end
