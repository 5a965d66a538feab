"""What was found: the packages of an environment on one platform, and its JSON description."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from envid._canonical import digest
from envid._reader import Fields, line, parsed
from envid._text import shown
from envid.errors import InvalidDescription, InvalidSpec
from envid.ids import EnvId, is_id
from envid.packages import Package
from envid.platforms import PLATFORMS, check_platform
from envid.requirements import CATEGORIES
from envid.spec import EnvSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FULL_FORMAT", "ORIGINS", "SCHEMA_VERSION", "ResolvedEnv"]

FULL_FORMAT = 1
"""Version of the canonical form under every `full_id`."""

SCHEMA_VERSION = 1
"""Version of the JSON description."""

ORIGINS = (*CATEGORIES, "constraints", "python")
"""What of a spec has its places in a description."""

_LONGEST_NOTE = 2000
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_PYTHON = re.compile(r"[0-9]+\.[0-9]+(?:\.[0-9]+[0-9A-Za-z.+]*)?")


# Without slots, as `EnvSpec`.
@dataclass(frozen=True, kw_only=True)
class ResolvedEnv:
    """A resolved environment on one platform; make them with `co_resolve` or read a description.

    `co_resolved` maps every platform that was resolved together with this one, itself included,
    to the digest of its packages: one description is enough to check the `full_id` they share.
    `resolved_at` is a moment in UTC, `YYYY-MM-DDTHH:MM:SSZ`. `notes` say, a line each, what whoever
    uses the environment should know of how it was found, and `origins` where each statement of the
    spec was made, by category (one of `ORIGINS`) and text; no id hangs on them.
    """

    spec: EnvSpec
    platform: str
    python: str
    packages: tuple[Package, ...]
    co_resolved: Mapping[str, str] = field(hash=False)
    resolved_at: str
    resolved_by: str
    notes: tuple[str, ...] = ()
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)

    @classmethod
    def co_resolve(
        cls,
        spec: EnvSpec,
        found: Mapping[str, tuple[str, Iterable[Package]]],
        *,
        resolved_by: str,
        resolved_at: datetime | None = None,
        notes: Mapping[str, Iterable[str]] | None = None,
        origins: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None,
    ) -> tuple[ResolvedEnv, ...]:
        """The environments of one spec, resolved together; they share one `full_id`.

        `found` maps each platform to the version of its Python and its packages; `resolved_at` is
        now where it is not given; `notes` and `origins` are by platform, and become lines without
        credentials. Raises `InvalidSpec` for an unknown platform or none at all, and `InvalidDescription` for a
        package given twice or a Python that is not a version.
        """
        if not found:
            raise InvalidSpec("platform", "there is none", f"known: {', '.join(PLATFORMS)}")
        at = (resolved_at or datetime.now(timezone.utc)).astimezone(timezone.utc)
        # The same form for all, so that texts sort as the moments do.
        moment = at.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
        packages = {
            check_platform(platform): (_python(python), _sorted(chosen))
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
                resolved_at=moment,
                resolved_by=line(resolved_by, "resolved_by"),
                notes=tuple(shown(note, _LONGEST_NOTE) for note in (notes or {}).get(platform, ())),
                origins=_lines((origins or {}).get(platform, {})),
            )
            for platform, (python, chosen) in packages.items()
        )

    @cached_property
    def full_id(self) -> str:
        """The id of what was found on all co-resolved platforms."""
        # Over digests, not packages: so that whoever has one platform's description can check it.
        return digest({"format": FULL_FORMAT, "platforms": dict(self.co_resolved)})

    @property
    def req_id(self) -> str:
        return self.spec.req_id

    @property
    def env_id(self) -> EnvId:
        return EnvId(self.req_id, self.full_id, self.platform)

    @property
    def env_type(self) -> str:
        return self.spec.env_type

    def _repr_html_(self) -> str:
        """What a notebook shows; no credential is in it, and every text is escaped."""
        from envid.markup import joined
        from envid.notebook import packages_table, terms

        statements = self.spec.statements(self.platform)
        # Many, and hardly ever said by anybody.
        target = ", ".join(statements.pop("sys", ()))
        asked = (
            (category, f"{text or 'any'} ({place})" if place else text or "any")
            for category, texts in statements.items()
            for text in texts
            for place in [self.origins.get(category, {}).get(text)]
        )
        rows = (
            ("environment", f"{self.req_id[:12]}:{self.full_id[:12]}"),
            ("platform", self.platform),
            ("Python", self.python),
            ("resolved", f"{self.resolved_at} by {self.resolved_by}"),
            *asked,
            ("target", target),
            *(("note", note) for note in self.notes),
        )
        return joined(terms(rows), packages_table(self.packages))

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
            **({"notes": list(self.notes)} if self.notes else {}),
            **({"origins": self.origins} if self.origins else {}),
        }

    def to_json(self) -> str:
        """The description as one line of JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ResolvedEnv:
        """Read a description; see `from_dict` for what is refused.

        Beside that, the JSON must hold no name twice in one object and no `NaN` or `Infinity`.
        """
        return cls.from_dict(parsed(text))

    @classmethod
    def from_dict(cls, data: Any) -> ResolvedEnv:
        """Read a description and check it against its own ids.

        Raises `UnknownSchemaVersion` for what a newer envid wrote, and `InvalidDescription`
        with the path to the first field that is missing, of a wrong type, unknown, or that does
        not match the ids.
        """
        fields = Fields(data)
        fields.version("schema_version", SCHEMA_VERSION)
        env = cls(
            spec=fields.read("spec", EnvSpec.from_dict),
            platform=fields.text("platform"),
            python=_python(fields.text("python")),
            packages=_sorted(fields.each("packages", Package.from_dict)),
            co_resolved=fields.read("co_resolved", _digests),
            resolved_at=_moment(fields.text("resolved_at")),
            resolved_by=fields.text("resolved_by"),
            notes=fields.texts("notes") if fields.has("notes") else (),
            origins=fields.read("origins", _origins) if fields.has("origins") else {},
        )
        # It takes the fields that are left, so that `close` finds only those that nobody knows.
        env._check_ids(fields)
        fields.close()
        return env

    def _check_ids(self, fields: Fields) -> None:
        own = self.co_resolved.get(self.platform)
        if own is None:
            raise InvalidDescription("co_resolved", f"lacks the platform `{shown(self.platform)}`")
        if own != _platform_digest(self.python, self.packages):
            raise InvalidDescription(f"co_resolved.{self.platform}", "does not match the packages")
        for name, value in (
            ("req_id", self.req_id),
            ("full_id", self.full_id),
            ("env_type", self.env_type),
        ):
            given = fields.text(name)
            # What asks for `npconda` packages alone was once called so.
            if given != value and (given, value) != ("pypi-only", "conda-only"):
                reason = f"is `{shown(given)}`, and the content says `{value}`"
                raise InvalidDescription(name, reason)


def _python(text: str) -> str:
    if not _PYTHON.fullmatch(text):
        raise InvalidDescription("python", f"`{shown(text)}` is not a version")
    return text


def _moment(text: str) -> str:
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError(text)  # noqa: TRY301 - both ways of being wrong read the same
        # For days that no month has. Python 3.10 reads no `Z`.
        datetime.fromisoformat(text[:-1])
    except ValueError:
        raise InvalidDescription(
            "resolved_at", f"`{shown(text)}` is not a moment `YYYY-MM-DDTHH:MM:SSZ`"
        ) from None
    return text


def _lines(origins: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    lines = {
        category: {text: shown(place) for text, place in sorted(places.items())}
        for category, places in sorted(origins.items())
    }
    return _origins({category: places for category, places in lines.items() if places})


def _origins(data: Any) -> dict[str, dict[str, str]]:
    fields = Fields(data)
    return {category: fields.read(category, _places) for category in fields.names(ORIGINS)}


def _places(data: Any) -> dict[str, str]:
    fields = Fields(data)
    return {line(text, ""): fields.text(text) for text in sorted(data)}


def _digests(data: Any) -> dict[str, str]:
    fields = Fields(data)
    digests = {platform: fields.text(platform) for platform in fields.names(PLATFORMS)}
    for platform, value in digests.items():
        if not is_id(value):
            raise InvalidDescription(platform, "is not 40 hex digits")
    return digests


def _sorted(packages: Iterable[Package]) -> tuple[Package, ...]:
    in_order = sorted(packages, key=lambda package: (package.kind, package.name))
    for before, after in pairwise(in_order):
        if (before.kind, before.name) == (after.kind, after.name):
            reason = f"holds `{before.name}` of kind {before.kind} twice"
            raise InvalidDescription("packages", reason)
    return tuple(in_order)


def _platform_digest(python: str, packages: Iterable[Package]) -> str:
    # What wheels are chosen by. Which release it is, conda's package says; of a system's Python it
    # may differ from machine to machine.
    minor = ".".join(python.split(".")[:2])
    return digest({"packages": [package.identity for package in packages], "python": minor})
