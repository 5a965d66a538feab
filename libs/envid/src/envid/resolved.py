"""What was found: the packages of an environment on one platform, and its JSON description."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from envid._canonical import digest
from envid._reader import Fields
from envid.errors import InvalidDescription
from envid.ids import EnvId, is_id
from envid.packages import Package
from envid.platforms import check_platform
from envid.spec import EnvSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FULL_FORMAT", "SCHEMA_VERSION", "ResolvedEnv"]

FULL_FORMAT = 1
"""Version of the canonical form under every `full_id`."""

SCHEMA_VERSION = 1
"""Version of the JSON description."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PYTHON = re.compile(r"\d+\.\d+(\.\d+\S*)?")


@dataclass(frozen=True, kw_only=True)
class ResolvedEnv:
    """A resolved environment on one platform; make them with `co_resolve` or read a description.

    `co_resolved` maps every platform that was resolved together with this one, itself included,
    to the digest of its packages: one description is enough to check the `full_id` they share.
    `resolved_at` is a moment in UTC, `YYYY-MM-DDTHH:MM:SSZ`.
    """

    spec: EnvSpec
    platform: str
    python: str
    packages: tuple[Package, ...]
    co_resolved: Mapping[str, str] = field(hash=False)
    resolved_at: str
    resolved_by: str

    @classmethod
    def co_resolve(
        cls,
        spec: EnvSpec,
        found: Mapping[str, tuple[str, Iterable[Package]]],
        *,
        resolved_by: str,
        resolved_at: datetime | None = None,
    ) -> tuple[ResolvedEnv, ...]:
        """The environments of one spec, resolved together; they share one `full_id`.

        `found` maps each platform to the version of its Python and its packages. Raises
        `InvalidSpec` for an unknown platform and `InvalidDescription` for a package given twice.
        """
        at = (resolved_at or datetime.now(timezone.utc)).astimezone(timezone.utc)
        packages = {
            check_platform(platform): (python, _sorted(chosen))
            for platform, (python, chosen) in sorted(found.items())
        }
        digests = {
            platform: _platform_digest(python, chosen)
            for platform, (python, chosen) in packages.items()
        }
        return tuple(
            cls(
                spec=spec,
                platform=platform,
                python=python,
                packages=chosen,
                co_resolved=digests,
                resolved_at=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                resolved_by=resolved_by,
            )
            for platform, (python, chosen) in packages.items()
        )

    @cached_property
    def full_id(self) -> str:
        """The id of what was found on all co-resolved platforms."""
        return _full_id(self.co_resolved)

    @property
    def req_id(self) -> str:
        return self.spec.req_id

    @property
    def env_id(self) -> EnvId:
        return EnvId(self.req_id, self.full_id, self.platform)

    @property
    def env_type(self) -> str:
        return self.spec.env_type

    def to_dict(self) -> dict[str, Any]:
        """The description as plain data, in the form of `description.schema.json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "req_id": self.req_id,
            "full_id": self.full_id,
            "platform": self.platform,
            "env_type": self.env_type,
            "python": self.python,
            "resolved_at": self.resolved_at,
            "resolved_by": self.resolved_by,
            "co_resolved": dict(self.co_resolved),
            "spec": self.spec.to_dict(),
            "packages": [package.to_dict() for package in self.packages],
        }

    def to_json(self) -> str:
        """The description as one line of JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ResolvedEnv:
        """Read a description; see `from_dict` for what is refused."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidDescription("", f"is not JSON: {error}") from None
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Any) -> ResolvedEnv:
        """Read a description and check it against its own ids.

        Raises `UnknownSchemaVersion` for one written by a newer envid, and `InvalidDescription`
        with the path to the first field that is missing, of a wrong type, unknown, or that does
        not match the ids.
        """
        fields = Fields(data, "")
        fields.version("schema_version", SCHEMA_VERSION)
        packages = [Package.from_fields(one) for one in fields.objects_in("packages")]
        python = fields.text("python")
        _expect(_PYTHON.fullmatch(python), "python", "is not a version")
        at = fields.text("resolved_at")
        _expect(_MOMENT.fullmatch(at), "resolved_at", "is not a moment `YYYY-MM-DDTHH:MM:SSZ`")
        platform = fields.text("platform")
        with fields.as_description_errors():
            check_platform(platform)
        found = cls(
            spec=EnvSpec.from_fields(fields.object("spec")),
            platform=platform,
            python=python,
            packages=_sorted(packages),
            co_resolved=dict(sorted(fields.object("co_resolved").text_map().items())),
            resolved_at=at,
            resolved_by=fields.text("resolved_by"),
        )
        own = found.co_resolved.get(platform)
        _expect(own is not None, "co_resolved", f"lacks the platform `{platform}`")
        _expect(
            own == _platform_digest(python, found.packages),
            f"co_resolved.{platform}",
            "is not the digest of the packages",
        )
        for name, value in (
            ("req_id", found.req_id),
            ("full_id", found.full_id),
            ("env_type", found.env_type),
        ):
            given = fields.text(name)
            _expect(given == value, name, f"is `{given}`, and the content says `{value}`")
        fields.close()
        return found


def _expect(fine: object, path: str, reason: str) -> None:
    if not fine:
        raise InvalidDescription(path, reason)


def _sorted(packages: Iterable[Package]) -> tuple[Package, ...]:
    found = tuple(sorted(packages, key=lambda one: (one.kind, one.name, one.filename)))
    for before, after in itertools.pairwise(found):
        same = (before.kind, before.name) == (after.kind, after.name)
        _expect(not same, "packages", f"holds `{before.name}` of kind {before.kind} twice")
    return found


def _platform_digest(python: str, packages: Iterable[Package]) -> str:
    minor = ".".join(python.split(".")[:2])
    return digest({"packages": [package.identity for package in packages], "python": minor})


def _full_id(digests: Mapping[str, str]) -> str:
    for platform, value in digests.items():
        _expect(is_id(value), f"co_resolved.{platform}", "is not 40 hex digits")
    return digest({"format": FULL_FORMAT, "platforms": dict(digests)})
