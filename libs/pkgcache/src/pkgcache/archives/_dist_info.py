"""The metadata folder of a wheel: WHEEL, METADATA, RECORD and entry points, checked."""

from __future__ import annotations

import binascii
import configparser
import csv
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from pkgcache.archives.records import EntryPoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from email.message import Message

    Read = Callable[[str], bytes | None]

_SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")
# In bytes. RECORD takes sha256 or better: md5, sha1 and sha224 are not permitted.
_DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
_SCRIPT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+ -]*")
# The extras at its end belong to the format, which lets whoever reads it pass over them.
_REFERENCE = re.compile(
    r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*)\s*:\s*(?P<attribute>[^\W\d]\w*(\.[^\W\d]\w*)*)"
    r"\s*(\[[^\]]*\])?"
)


class BadMetadata(ValueError):
    """A wheel's metadata is missing, damaged, or another package's."""

    def __init__(self, issues: tuple[str, ...]) -> None:
        super().__init__(issues)
        self.issues = issues


@dataclass(frozen=True, slots=True, kw_only=True)
class DistInfo:
    """What an installer needs to know. `record` maps paths to hashes, empty where none is given."""

    name: str
    version: str
    folder: str
    data_folder: str
    purelib: bool
    record: dict[str, str]
    entry_points: tuple[EntryPoint, ...]


def read(filename: str, paths: Iterable[str], content: Read) -> DistInfo:
    """Read and check the metadata of the wheel `filename`; raises `BadMetadata`."""
    name, version = _identity(filename)
    folder, data_folder = _folders(name, version, paths)
    fields = _headers(folder, "METADATA", content)
    if not _same(fields.get("Name", ""), fields.get("Version", ""), name, version):
        raise BadMetadata((f"its METADATA is that of another package than `{name} {version}`",))
    wheel = _headers(folder, "WHEEL", content)
    if wheel.get("Wheel-Version", "").partition(".")[0] != "1":
        raise BadMetadata((f"it has the unknown version `{wheel.get('Wheel-Version')}` of WHEEL",))
    return DistInfo(
        name=name,
        version=str(version),
        folder=folder,
        data_folder=data_folder,
        purelib=wheel.get("Root-Is-Purelib", "").lower() == "true",
        record=_record(folder, content),
        entry_points=_entry_points(folder, content),
    )


def _identity(filename: str) -> tuple[str, Version]:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        raise BadMetadata(("its name is not that of a wheel",)) from None
    return name, version


def _folders(name: str, version: Version, paths: Iterable[str]) -> tuple[str, str]:
    split = [path.split("/", 2) for path in paths]
    tops = {parts[0] for parts in split if len(parts) > 1}
    infos = [top for top in tops if top.endswith(".dist-info")]
    # Installers would differ in which of several they take.
    if len(infos) != 1:
        raise BadMetadata((f"it has {len(infos)} `.dist-info` folders",))
    stem = infos[0].removesuffix(".dist-info")
    # Not as texts: builders spell names and versions in other ways here than in the name of the
    # file.
    own_name, _, own_version = stem.rpartition("-")
    if not _same(own_name, own_version, name, version):
        raise BadMetadata((f"its metadata lies in `{infos[0]}`, which is another package's",))
    datas = {top for top in tops if top.endswith(".data")}
    if strange := sorted(datas - {f"{stem}.data"}):
        raise BadMetadata(
            tuple(f"it has the folder `{folder}` of another package" for folder in strange)
        )
    schemes = {parts[1] for parts in split if parts[0] in datas}
    if unknown := sorted(schemes - set(_SCHEMES)):
        raise BadMetadata(
            tuple(f"it has files for the unknown scheme `{scheme}`" for scheme in unknown)
        )
    return infos[0], f"{stem}.data"


def belongs(folder: str, filename: str) -> bool:
    """Whether a metadata folder is named after the wheel `filename`."""
    try:
        name, version = _identity(filename)
    except BadMetadata:
        return False
    own_name, _, own_version = folder.removesuffix(".dist-info").rpartition("-")
    return _same(own_name, own_version, name, version)


def _same(own_name: str, own_version: str, name: str, version: Version) -> bool:
    try:
        return canonicalize_name(own_name) == name and Version(own_version) == version
    except InvalidVersion:
        return False


def _text(folder: str, name: str, content: Read) -> str | None:
    data = content(f"{folder}/{name}")
    try:
        return data if data is None else data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadMetadata((f"its {name} is not UTF-8",)) from None


def _headers(folder: str, name: str, content: Read) -> Message:
    text = _text(folder, name, content)
    if text is None:
        raise BadMetadata((f"it has no {name}",))
    # Of a field that is there twice `get` gives the first, as it does in other installers and in
    # `importlib.metadata`: what is checked here is what they will read.
    return HeaderParser().parsestr(text)


def _record(folder: str, content: Read) -> dict[str, str]:
    text = _text(folder, "RECORD", content)
    if text is None:
        raise BadMetadata(("it has no RECORD",))
    hashes: dict[str, str] = {}
    try:
        for row in csv.reader(text.splitlines(), strict=True):
            if not row:
                continue
            path, value, _ = row
            if path in hashes:
                raise BadMetadata((f"its RECORD lists `{path}` twice",))
            _check_hash(path, value)
            hashes[path] = value
    except (csv.Error, ValueError) as error:
        if isinstance(error, BadMetadata):
            raise
        raise BadMetadata(("its RECORD cannot be read",)) from None
    return hashes


def _check_hash(path: str, value: str) -> None:
    algorithm, _, digest = value.partition("=")
    try:
        # RECORD leaves out the padding (PEP 427), which the decoder insists on.
        size = len(urlsafe_b64decode(digest + "=" * (-len(digest) % 4)))
    except (binascii.Error, ValueError):
        size = -1
    if value and size != _DIGEST_SIZES.get(algorithm):
        raise BadMetadata((f"its RECORD has no sha256 for `{path}`",))


def _entry_points(folder: str, content: Read) -> tuple[EntryPoint, ...]:
    text = _text(folder, "entry_points.txt", content)
    # As the specification of entry points has it: `:` is part of a value, and `%` means itself.
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(text or "")
    except configparser.Error:
        raise BadMetadata(("its entry_points.txt cannot be read",)) from None
    checked = (
        entry_point(name, value)
        # The two differ on Windows alone.
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for name, value in parser.items(section)
    )
    return tuple(dict.fromkeys(checked))


def entry_point(name: str, value: str) -> EntryPoint:
    """Check an entry point; raises `BadMetadata`."""
    # Both become lines of a Python script, and the name that of a file.
    reference = _REFERENCE.fullmatch(value.strip())
    if not reference or not _SCRIPT_NAME.fullmatch(name):
        raise BadMetadata((f"its entry point {f'{name} = {value}'!r} is not safe",))
    return EntryPoint(name, reference["module"], reference["attribute"])
