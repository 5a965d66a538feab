"""A zip file, read so that no two readers can disagree about what is in it (PKWARE APPNOTE 6.3).

The local headers must follow each other from the first byte on without gap or overlap, agree with
the central directory in every field, and be followed by that directory, a single end record, and
nothing else. Encryption, several disks, alternative names and exotic compressions are refused.
"""

from __future__ import annotations

import itertools
import mmap
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    Data: TypeAlias = bytes | mmap.mmap

_STORED, _DEFLATED = 0, 8
_CHUNK = 256 << 10

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")

_END_MARK = b"PK\5\6"
# In the old way, in the strong one, and that of the directory itself.
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR = 0x0008
_UTF8 = 0x0800
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
# The second gives a member another name, which only some readers go by.
_ZIP64_FIELD, _UNICODE_PATH_FIELD = 0x0001, 0x7075
# The length that the record gives leaves out its mark and itself.
_ZIP64_RECORD_SIZE = _END64.size - 12


class BadZip(ValueError):
    """The file is not a zip, or not one that everybody reads alike."""


class ZipMember(NamedTuple):
    """A file or folder of a zip. `mode` holds the Unix permissions and file type, 0 if unknown."""

    name: str
    size: int
    packed: int
    crc: int
    method: int
    mode: int
    start: int


class Entry(NamedTuple):
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    offset: int


def members(data: Data) -> list[ZipMember]:
    """All members, in the order of their bytes; raises `BadZip`."""
    try:
        start, end, count = _directory(data)
        entries = sorted(_central(data, start, end, count), key=lambda entry: entry.offset)
        ends = [*(entry.offset for entry in entries[1:]), start]
        if (entries and entries[0].offset != 0) or (not entries and start):
            raise BadZip("has bytes in front of its first member")
        return [_local(data, entry, stop) for entry, stop in zip(entries, ends, strict=True)]
    except struct.error:
        raise BadZip("ends in the middle of a header") from None


def directory(data: Data, begin: int) -> tuple[int, int, int]:
    """Start, end and number of entries of the directory; the data is there from `begin` on."""
    try:
        place = _directory(data)
    except struct.error:
        raise BadZip("ends in the middle of a header") from None
    if place[1] < begin:
        raise BadZip("is not a zip file, or its end is missing")
    return place


def listed(data: Data, start: int, end: int, count: int) -> dict[str, tuple[Entry, int]]:
    """The entries of a directory by name, each with where its bytes end; raises `BadZip`."""
    try:
        entries = sorted(_central(data, start, end, count), key=lambda entry: entry.offset)
    except struct.error:
        raise BadZip("ends in the middle of a header") from None
    entries_by_name: dict[str, tuple[Entry, int]] = {}
    ends = [*(entry.offset for entry in entries[1:]), start]
    for entry, stop in zip(entries, ends, strict=True):
        if (name := _decode(entry)) in entries_by_name:
            raise BadZip(f"has `{name}` twice")
        entries_by_name[name] = entry, stop
    return entries_by_name


def local(data: Data, entry: Entry, stop: int) -> ZipMember:
    """The member of an entry, of which the bytes are there; raises `BadZip`."""
    try:
        return _local(data, entry, stop)
    except struct.error:
        raise BadZip("ends in the middle of a header") from None


def content(data: Data, member: ZipMember) -> Iterator[bytes]:
    """The bytes of a member in pieces of at most 256 KiB, never more than `member.size` of them."""
    crc, received = 0, 0
    for piece in _pieces(data, member):
        received += len(piece)
        crc = zlib.crc32(piece, crc)
        if received > member.size:
            break
        yield piece
    if received != member.size:
        raise BadZip(f"`{member.name}` does not have the size that is written down")
    if crc != member.crc:
        raise BadZip(f"`{member.name}` does not have the checksum that is written down")


def _pieces(data: Data, member: ZipMember) -> Iterator[bytes]:
    if member.method == _STORED:
        yield from _packed(data, member)
        return
    inflater, rest = zlib.decompressobj(-zlib.MAX_WBITS), b""
    try:
        for piece in _packed(data, member):
            rest = piece
            while rest and not inflater.eof:
                # In bounded pieces, however much a bomb makes of few bytes.
                yield inflater.decompress(rest, _CHUNK)
                rest = inflater.unconsumed_tail
    except zlib.error:
        raise BadZip(f"`{member.name}` cannot be decompressed") from None
    if not inflater.eof or inflater.unused_data or rest:
        raise BadZip(f"`{member.name}` does not end where its header says")


def _packed(data: Data, member: ZipMember) -> Iterator[bytes]:
    stop = member.start + member.packed
    for at in range(member.start, stop, _CHUNK):
        yield data[at : min(at + _CHUNK, stop)]
        # What was read of a file counts as memory of ours until it is let go.
        if at + _CHUNK < stop and isinstance(data, mmap.mmap):
            page = at - at % mmap.PAGESIZE
            data.madvise(mmap.MADV_DONTNEED, page, at + _CHUNK - page)


def _directory(data: Data) -> tuple[int, int, int]:
    """Start, end and number of entries of the central directory."""
    # The last of them: `_directory` refuses a file in which anything else could be taken for it.
    at = data.rfind(_END_MARK)
    if at < 0:
        raise BadZip("is not a zip file, or its end is missing")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, at)
    # A comment may hold another end record, and readers differ in which they believe.
    if at + _END.size + comment != len(data):
        raise BadZip("has bytes behind its end, or lacks some")
    end = at
    if at >= _LOCATOR.size and data[at - _LOCATOR.size :][:4] == b"PK\6\7":
        narrow = here, count, size, start
        end, wide = _directory64(data, at - _LOCATOR.size)
        full = _FULL16, _FULL16, _FULL32, _FULL32
        # Where the narrow field is not full it must say the same.
        if any(own not in (two, limit) for own, two, limit in zip(narrow, wide, full, strict=True)):
            raise BadZip("has two end records that disagree")
        here, count, size, start = wide
    if disk or first_disk or here != count:
        raise BadZip("is part of a zip of several files")
    # Bytes between would let two readers see two directories.
    if start + size != end:
        raise BadZip("has a central directory that is not where its end record says")
    return start, end, count


def _directory64(data: Data, locator: int) -> tuple[int, tuple[int, int, int, int]]:
    _, disk, at, disks = _LOCATOR.unpack_from(data, locator)
    if at + _END64.size != locator or disk or disks != 1:
        raise BadZip("has a zip64 end record that is not where its locator says")
    magic, length, _, _, own, first, here, count, size, start = _END64.unpack_from(data, at)
    if magic != b"PK\6\6" or length != _ZIP64_RECORD_SIZE or own or first:
        raise BadZip("has a damaged zip64 end record")
    return at, (here, count, size, start)


def _central(data: Data, at: int, end: int, count: int) -> Iterator[Entry]:
    for _ in range(count):
        fields = _CENTRAL.unpack_from(data, at)
        magic, _, _, flags, method, _, _, crc, packed, size = fields[:10]
        names, extras, comments, disk, _, attributes, offset = fields[10:]
        at += _CENTRAL.size
        name, extra = data[at : at + names], data[at + names : at + names + extras]
        at += names + extras + comments
        if magic != b"PK\1\2" or at > end or disk:
            raise BadZip("has a damaged central directory")
        if extra or _FULL32 in (size, packed, offset):  # few have either, of very many
            size, packed, offset = _widen(extra, size, packed, offset)
        yield Entry(name, flags, method, crc, packed, size, attributes, offset)
    if at != end:
        raise BadZip("has more in its central directory than it says")


def _widen(extra: bytes, *fields: int) -> Iterator[int]:
    """Replace those fields that are full by their 64-bit values from the extra field."""
    wide = None
    while extra:
        kind, length = struct.unpack_from("<2H", extra)
        value, extra = extra[4 : 4 + length], extra[4 + length :]
        if len(value) != length or kind == _UNICODE_PATH_FIELD or (kind == _ZIP64_FIELD and wide):
            raise BadZip("has a header with a damaged or ambiguous extra field")
        if kind == _ZIP64_FIELD:
            wide = value
    values = struct.iter_unpack("<Q", (wide or b"")[: len(wide or b"") // 8 * 8])
    for field in fields:
        if field != _FULL32:
            yield field
        elif wide_value := next(values, None):
            yield wide_value[0]
        else:
            raise BadZip("has a header without the size that it refers to")


def _local(data: Data, entry: Entry, stop: int) -> ZipMember:
    magic, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack_from(
        data, entry.offset
    )
    at = entry.offset + _LOCAL.size
    raw_name, extra = data[at : at + names], data[at + names : at + names + extras]
    name = _decode(entry)
    if magic != b"PK\3\4":
        raise BadZip(f"has no member where its directory lists `{name}`")
    size, packed = _widen(extra, size, packed)
    same = (raw_name, flags, method) == (entry.raw_name, entry.flags, entry.method)
    # Some readers go by the directory, some by these headers: there must be no difference.
    facts, promised = (crc, packed, size), (entry.crc, entry.packed, entry.size)
    described = flags & _DESCRIPTOR
    if not same or (facts != promised and not (described and not any(facts))):
        raise BadZip(f"says two different things about `{name}`")
    if flags & _ENCRYPTED:
        raise BadZip(f"has `{name}` encrypted")
    if method not in (_STORED, _DEFLATED):
        raise BadZip(f"has `{name}` compressed by the unknown method {method}")
    start = at + names + extras
    # Bytes that no entry names could be a member for readers that go from header to header.
    rest = data[start + entry.packed : stop]
    if start + entry.packed > stop or rest not in _tails(entry, described=bool(described)):
        raise BadZip(f"has unlisted bytes behind `{name}`")
    return ZipMember(
        name, entry.size, entry.packed, entry.crc, method, entry.attributes >> 16, start
    )


def _tails(entry: Entry, *, described: bool) -> set[bytes]:
    """What may follow the bytes of a member: nothing, or one of the forms of a descriptor."""
    if not described:
        return {b""}
    # Whether the sizes in it have 32 or 64 bits is written nowhere, and its mark is optional.
    narrow = entry.packed <= _FULL32 and entry.size <= _FULL32
    forms = ["<LLL", "<LQQ"] if narrow else ["<LQQ"]
    bodies = [struct.pack(form, entry.crc, entry.packed, entry.size) for form in forms]
    return {mark + body for mark, body in itertools.product((b"PK\7\x08", b""), bodies)}


def _decode(entry: Entry) -> str:
    try:
        # Where no flag says UTF-8 the format means cp437. Few writers kept to that, and readers
        # guess.
        return entry.raw_name.decode("utf-8" if entry.flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise BadZip(f"has a name in an unknown encoding: {entry.raw_name!r}") from None
