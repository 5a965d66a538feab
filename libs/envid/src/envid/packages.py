"""One artifact that a resolver chose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envid.errors import EnvidError, InvalidDescription, InvalidSpec
from envid.requirements import check_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envid._reader import Fields

__all__ = ["BuiltFrom", "Hashes", "Package"]

_KINDS = ("conda", "pypi")
_ORIGINS = ("directory", "sdist", "vcs")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Lower-case hex digests of an artifact. An md5 alone serves channels that have no sha256."""

    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFrom:
    """The source that a wheel was built from: an sdist, a commit, or a directory's content.

    `sha256` is the digest of an sdist or of a directory's content, `commit` that of a repository.
    """

    kind: str
    url: str
    sha256: str | None = None
    commit: str | None = None
    subdirectory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One artifact: what it is, where it comes from, and the hashes that prove it.

    `depends` names the packages of the environment that this one needs. `source` is the channel
    or index it was found in. Where `built_from` is set, `url` names that source, not the wheel.
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
    ) -> Package:
        """Check every field; raises `InvalidDescription` whose path is the field's name."""
        _check(kind in _KINDS, "kind", f"`{kind}` is none of {', '.join(_KINDS)}")
        _check(bool(name), "name", "is empty")
        _check(bool(version), "version", "is empty")
        _check(_FILENAME.fullmatch(filename), "filename", f"`{filename}` is not a file name")
        _check(sha256 or md5, "hashes", "has neither a sha256 nor an md5")
        _check(sha256 is None or _SHA256.fullmatch(sha256), "hashes.sha256", "is not 64 hex digits")
        _check(md5 is None or _MD5.fullmatch(md5), "hashes.md5", "is not 32 hex digits")
        _check(
            built_from is None or built_from.kind in _ORIGINS,
            "built_from.kind",
            f"is none of {', '.join(_ORIGINS)}",
        )
        _url("url", url)
        if built_from:
            _url("built_from.url", built_from.url)
        if source is not None:
            _url("source", source)
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
            depends=tuple(sorted(set(depends))),
            source=source,
            built_from=built_from,
        )

    @property
    def identity(self) -> dict[str, str | None]:
        """The fields that a `full_id` is computed from."""
        hashes = self.hashes
        return {
            "build": self.build,
            "filename": self.filename,
            "hash": f"sha256:{hashes.sha256}" if hashes.sha256 else f"md5:{hashes.md5}",
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
        }

    def to_dict(self) -> dict[str, Any]:
        origin = self.built_from
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
            "url": self.url,
            "version": self.version,
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Package:
        hashes = fields.object("hashes")
        origin = fields.optional_object("built_from")
        try:
            found = cls.make(
                kind=fields.text("kind"),
                name=fields.text("name"),
                version=fields.text("version"),
                filename=fields.text("filename"),
                url=fields.text("url"),
                sha256=hashes.optional_text("sha256"),
                md5=hashes.optional_text("md5"),
                build=fields.optional_text("build"),
                subdir=fields.optional_text("subdir"),
                size=fields.optional_size("size"),
                depends=fields.texts("depends"),
                source=fields.optional_text("source"),
                built_from=_built_from(origin) if origin else None,
            )
        except _FieldRefused as error:
            raise InvalidDescription(f"{fields.path}.{error.path}", error.reason) from None
        hashes.close()
        fields.close()
        return found


class _FieldRefused(InvalidDescription):
    """Raised by `make`; `from_fields` puts the path to the package in front."""


def _check(fine: object, path: str, reason: str) -> None:
    if not fine:
        raise _FieldRefused(path, reason)


def _url(path: str, url: str) -> None:
    try:
        check_url(path, url)
    except InvalidSpec as error:
        raise _FieldRefused(path, error.reason) from None
    except (EnvidError, ValueError):
        raise _FieldRefused(path, "is not a URL") from None


def _built_from(fields: Fields) -> BuiltFrom:
    found = BuiltFrom(
        kind=fields.text("kind"),
        url=fields.text("url"),
        sha256=fields.optional_text("sha256"),
        commit=fields.optional_text("commit"),
        subdirectory=fields.optional_text("subdirectory"),
    )
    fields.close()
    return found
