"""What a resolver chose: packages, and the hashes that prove them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from envid._pypi import normal_name
from envid._reader import Fields, is_number
from envid._text import is_safe, shown
from envid._urls import check_url, has_scheme
from envid.errors import InvalidDescription, InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BuiltFrom", "Hashes", "Package", "Transmuted"]

_KINDS = ("conda", "pypi")
_ORIGINS = ("directory", "sdist", "vcs")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
# Not of hex digits alone: other systems than git number or name their revisions.
_COMMIT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:@~-]*")
_SUBDIR = re.compile(r"[a-z0-9]+(?:-[a-z0-9_]+)?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[A-Za-z0-9_.+!-]+")
# With neither a dot in front, which hides a file, nor a dash, which programs take for an option.
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~-]*")


class Hashes(NamedTuple):
    """Lower-case hex digests of an artifact. An md5 alone serves channels that have no sha256."""

    sha256: str | None = None
    md5: str | None = None


class BuiltFrom(NamedTuple):
    """The source that a wheel was built from: an sdist, a commit, or a directory's content.

    `sha256` is the digest of an sdist or of a directory's content, `commit` that of a repository.
    """

    kind: str
    url: str
    sha256: str | None = None
    commit: str | None = None
    subdirectory: str | None = None


class Transmuted(NamedTuple):
    """The same conda package in the other format, which a store holds in its place.

    `sha256` and `size` in bytes are those of the other archive.
    """

    filename: str
    sha256: str
    size: int


class Package(NamedTuple):
    """An artifact: what it is, where it comes from, and the hashes that prove it.

    `depends` names the packages of the environment that this needs. `source` is the channel
    or index it was found in. Where `built_from` is set, `url` names that source, not the wheel.
    Where `transmuted` is set, all else is still about the original.
    """

    kind: str
    name: str
    version: str
    filename: str
    url: str
    hashes: Hashes
    build: str | None = None
    subdir: str | None = None
    size: int | None = None
    depends: tuple[str, ...] = ()
    source: str | None = None
    built_from: BuiltFrom | None = None
    transmuted: Transmuted | None = None

    @classmethod
    def make(
        cls,
        *,
        kind: str,
        name: str,
        version: str,
        filename: str,
        url: str,
        sha256: str | None = None,
        md5: str | None = None,
        build: str | None = None,
        subdir: str | None = None,
        size: int | None = None,
        depends: Iterable[str] = (),
        source: str | None = None,
        built_from: BuiltFrom | None = None,
        transmuted: Transmuted | None = None,
    ) -> Package:
        """Check every field, and normalise the names of PyPI packages as PEP 503 does.

        Raises `InvalidDescription` whose path is the field's name.
        """
        _check_choice("kind", kind, _KINDS)
        _check_form("name", name, _NAME, "a name")
        _check_form("version", version, _VERSION, "a version")
        _check_form("filename", filename, _FILENAME, "a file name")
        _check_form("hashes.sha256", sha256, _SHA256, "64 lower-case hex digits")
        _check_form("hashes.md5", md5, _MD5, "32 lower-case hex digits")
        _check(sha256 or md5, "hashes", "has neither a sha256 nor an md5")
        _check_form("build", build, _VERSION, "a build string")
        _check_form("subdir", subdir, _SUBDIR, "a conda subdirectory")
        _check(size is None or is_number(size, 0), "size", "is not a number of bytes")
        _check_url("url", url)
        if source is not None:
            # It may be a name, such as `conda-forge`.
            _check_secrets("source", source)
        if built_from:
            _check_origin(built_from)
        if transmuted:
            _check_transmuted(transmuted)
        needs = tuple(depends)
        for at, needed in enumerate(needs):
            _check_form(f"depends[{at}]", needed, _NAME, "a name")
        # Names of conda's are what they are: `_libgcc_mutex` has no other spelling.
        if kind == "pypi":
            name, needs = normal_name(name), tuple(map(normal_name, needs))
        return cls(
            kind=kind,
            name=name,
            version=version,
            filename=filename,
            url=url,
            hashes=Hashes(sha256=sha256, md5=md5),
            build=build,
            subdir=subdir,
            size=size,
            # In one order, whoever found them: equal packages compare equal.
            depends=tuple(sorted(set(needs))),
            source=source,
            built_from=built_from,
            transmuted=transmuted,
        )

    @property
    def digest(self) -> str:
        """The hash that names its bytes: 64 hex digits of sha256, or 32 of md5."""
        return self.hashes.sha256 or self.hashes.md5 or ""

    @property
    def identity(self) -> dict[str, str | None]:
        """The fields that a `full_id` is computed from."""
        hashes = self.hashes
        # Neither URL, size nor edges: a mirror and a better description are no other environment.
        return {
            "build": self.build,
            "filename": self.filename,
            "hash": f"sha256:{hashes.sha256}" if hashes.sha256 else f"md5:{hashes.md5}",
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
        }

    def to_dict(self) -> dict[str, Any]:
        origin, other = self.built_from, self.transmuted
        return {
            "build": self.build,
            "built_from": origin
            and {
                "commit": origin.commit,
                "kind": origin.kind,
                "sha256": origin.sha256,
                "subdirectory": origin.subdirectory,
                "url": origin.url,
            },
            "depends": list(self.depends),
            "filename": self.filename,
            "hashes": {"md5": self.hashes.md5, "sha256": self.hashes.sha256},
            "kind": self.kind,
            "name": self.name,
            "size": self.size,
            "source": self.source,
            "subdir": self.subdir,
            "transmuted": other
            and {"filename": other.filename, "sha256": other.sha256, "size": other.size},
            "url": self.url,
            "version": self.version,
        }

    @classmethod
    def from_dict(cls, data: Any) -> Package:
        """Read `to_dict` back; raises `InvalidDescription` with the path to a wrong field."""
        fields = Fields(data)
        hashes = fields.read("hashes", _hashes)
        package = cls.make(
            kind=fields.text("kind"),
            name=fields.text("name"),
            version=fields.text("version"),
            filename=fields.text("filename"),
            url=fields.text("url"),
            sha256=hashes.sha256,
            md5=hashes.md5,
            build=fields.optional_text("build"),
            subdir=fields.optional_text("subdir"),
            size=fields.optional_size("size"),
            depends=fields.texts("depends"),
            source=fields.optional_text("source"),
            built_from=fields.read("built_from", _origin),
            transmuted=fields.read("transmuted", _transmuted),
        )
        fields.close()
        return package


def _check(fine: object, path: str, reason: str) -> None:
    if not fine:
        raise InvalidDescription(path, reason)


def _check_choice(path: str, text: str, known: tuple[str, ...]) -> None:
    if text not in known:
        raise InvalidDescription(path, f"`{shown(text)}` is none of {', '.join(known)}")


def _check_form(path: str, text: str | None, form: re.Pattern[str], what: str) -> None:
    if text is not None and not form.fullmatch(text):
        raise InvalidDescription(path, f"`{shown(text)}` is not {what}")


def _check_secrets(path: str, url: str) -> None:
    try:
        check_url(path, url)
    except InvalidSpec as error:
        raise InvalidDescription(path, error.reason) from None


def _check_url(path: str, url: str) -> None:
    _check_secrets(path, url)
    if not has_scheme(url):
        raise InvalidDescription(path, f"`{shown(url)}` is not a URL")


def _check_origin(origin: BuiltFrom) -> None:
    _check_choice("built_from.kind", origin.kind, _ORIGINS)
    _check_url("built_from.url", origin.url)
    _check_form("built_from.sha256", origin.sha256, _SHA256, "64 lower-case hex digits")
    _check_form("built_from.commit", origin.commit, _COMMIT, "a commit")
    path = origin.subdirectory
    if path is not None and (
        not path or path[0] == "/" or ".." in path.split("/") or not is_safe(path)
    ):
        raise InvalidDescription(
            "built_from.subdirectory", f"`{shown(path)}` is not a path inside the source"
        )


def _check_transmuted(transmuted: Transmuted) -> None:
    _check_form("transmuted.filename", transmuted.filename, _FILENAME, "a file name")
    _check_form("transmuted.sha256", transmuted.sha256, _SHA256, "64 lower-case hex digits")
    _check(is_number(transmuted.size, 0), "transmuted.size", "is not a number of bytes")


def _hashes(data: Any) -> Hashes:
    fields = Fields(data)
    hashes = Hashes(sha256=fields.optional_text("sha256"), md5=fields.optional_text("md5"))
    fields.close()
    return hashes


def _origin(data: Any) -> BuiltFrom | None:
    if data is None:
        return None
    fields = Fields(data)
    origin = BuiltFrom(
        kind=fields.text("kind"),
        url=fields.text("url"),
        sha256=fields.optional_text("sha256"),
        commit=fields.optional_text("commit"),
        subdirectory=fields.optional_text("subdirectory"),
    )
    fields.close()
    return origin


def _transmuted(data: Any) -> Transmuted | None:
    if data is None:
        return None
    fields = Fields(data)
    transmuted = Transmuted(
        filename=fields.text("filename"), sha256=fields.text("sha256"), size=fields.take("size")
    )
    fields.close()
    return transmuted
