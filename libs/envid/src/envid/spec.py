"""What was asked: requirements by category, ordered sources, and options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from packaging.utils import canonicalize_name

from envid._canonical import canonical_json, digest
from envid._reader import Fields
from envid.errors import InvalidSpec
from envid.ids import is_id
from envid.platforms import check_platform
from envid.requirements import CATEGORIES, check_url, normalize, normalize_python

__all__ = ["SPEC_FORMAT", "EnvSpec", "Options", "Source"]

SPEC_FORMAT = 1
"""Version of the canonical form under every `req_id`."""

_KINDS = ("channel", "index", "find-links")
_PROVIDERS = ("conda", "system")
_PRIORITIES = ("strict", "flexible", "disabled")
_STRATEGIES = ("first-index", "unsafe-best-match")

Requirements = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place where packages are looked for: a conda channel, a PyPI index, a find-links location.

    `url` may be a well-known name: a channel such as `conda-forge`, or `pypi` for the public index.
    """

    kind: str
    url: str

    @classmethod
    def make(cls, kind: str, url: str) -> Source:
        """Check and normalise; raises `InvalidSpec` for an unknown kind or a URL with secrets."""
        _choice("sources.kind", kind, _KINDS)
        if not url.strip():
            raise InvalidSpec("sources.url", "is empty")
        return cls(kind=kind, url=check_url("sources.url", url.strip()).rstrip("/") or "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What else decides the outcome of a resolve.

    `exclude_newer` is a moment, `YYYY-MM-DDTHH:MM:SSZ`: nothing published at or after it is seen.
    `no_binary` and `only_binary` hold PEP 503 names, or `:all:`.
    """

    python_provider: str = "conda"
    prereleases: bool = False
    require_hashes: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    exclude_newer: str | None = None
    channel_priority: str = "strict"
    index_strategy: str = "first-index"

    @classmethod
    def make(
        cls,
        *,
        python_provider: str = "conda",
        prereleases: bool = False,
        require_hashes: bool = False,
        no_binary: Iterable[str] = (),
        only_binary: Iterable[str] = (),
        exclude_newer: str | None = None,
        channel_priority: str = "strict",
        index_strategy: str = "first-index",
    ) -> Options:
        """Check and normalise; raises `InvalidSpec` naming the option."""
        return cls(
            python_provider=_choice("options.python_provider", python_provider, _PROVIDERS),
            prereleases=prereleases,
            require_hashes=require_hashes,
            no_binary=_names(no_binary),
            only_binary=_names(only_binary),
            exclude_newer=_moment(exclude_newer) if exclude_newer else None,
            channel_priority=_choice("options.channel_priority", channel_priority, _PRIORITIES),
            index_strategy=_choice("options.index_strategy", index_strategy, _STRATEGIES),
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "channel_priority": self.channel_priority,
            "exclude_newer": self.exclude_newer,
            "index_strategy": self.index_strategy,
            "no_binary": list(self.no_binary),
            "only_binary": list(self.only_binary),
            "prereleases": self.prereleases,
            "python_provider": self.python_provider,
            "require_hashes": self.require_hashes,
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Options:
        found = cls.make(
            channel_priority=fields.text("channel_priority"),
            exclude_newer=fields.optional_text("exclude_newer"),
            index_strategy=fields.text("index_strategy"),
            no_binary=fields.texts("no_binary"),
            only_binary=fields.texts("only_binary"),
            prereleases=fields.flag("prereleases"),
            python_provider=fields.text("python_provider"),
            require_hashes=fields.flag("require_hashes"),
        )
        fields.close()
        return found


@dataclass(frozen=True, kw_only=True)
class EnvSpec:
    """A request in normal form; make one with `EnvSpec.make`, which alone checks its input.

    `requirements` holds for every platform, `platform_requirements` for one each. `python` is a
    PEP 440 specifier set. `base` is the `full_id` of the environment that this one derives from.
    """

    requirements: Requirements = field(hash=False)
    platform_requirements: Mapping[str, Requirements] = field(hash=False)
    constraints: tuple[str, ...]
    python: str
    sources: tuple[Source, ...]
    options: Options
    base: str | None

    @classmethod
    def make(
        cls,
        *,
        requirements: Mapping[str, Iterable[str]],
        python: str,
        platform_requirements: Mapping[str, Mapping[str, Iterable[str]]] | None = None,
        constraints: Iterable[str] = (),
        sources: Sequence[Source] = (),
        options: Options | None = None,
        base: str | None = None,
    ) -> EnvSpec:
        """Normalise a request.

        Raises `InvalidSpec` or `InvalidRequirement` for what cannot be read. The order of
        requirements and constraints and their repetition mean nothing; the order of sources does.
        """
        if base is not None and not is_id(base):
            raise InvalidSpec("base", f"`{base}` is not a full_id of 40 hex digits")
        by_platform = {
            check_platform(platform): _by_category(found)
            for platform, found in sorted((platform_requirements or {}).items())
        }
        return cls(
            requirements=_by_category(requirements),
            platform_requirements={name: found for name, found in by_platform.items() if found},
            constraints=tuple(sorted({normalize("pypi", text) for text in constraints})),
            python=normalize_python(python),
            sources=tuple(dict.fromkeys(Source.make(one.kind, one.url) for one in sources)),
            options=options or Options(),
            base=base,
        )

    @cached_property
    def req_id(self) -> str:
        """The id of this request: 40 hex digits over its canonical form."""
        return digest(self.to_dict())

    @property
    def env_type(self) -> str:
        """`conda-only`, `pypi-only` or `mixed`, by what was asked beside Python itself."""
        asked = set(self.requirements).union(*self.platform_requirements.values())
        if "conda" in asked:
            return "mixed" if "pypi" in asked else "conda-only"
        system = self.options.python_provider == "system"
        return "pypi-only" if system or asked & {"pypi", "npconda"} else "conda-only"

    def for_platform(self, platform: str) -> dict[str, tuple[str, ...]]:
        """The requirements that hold for one platform, by category, sorted."""
        own = self.platform_requirements.get(platform, {})
        return {
            category: tuple(sorted({*self.requirements.get(category, ()), *own.get(category, ())}))
            for category in sorted({*self.requirements, *own})
        }

    def to_dict(self) -> dict[str, Any]:
        """The canonical form, as plain data."""
        return {
            "base": self.base,
            "constraints": list(self.constraints),
            "format": SPEC_FORMAT,
            "options": self.options.to_dict(),
            "platform_requirements": {
                platform: {category: list(texts) for category, texts in found.items()}
                for platform, found in self.platform_requirements.items()
            },
            "python": self.python,
            "requirements": {key: list(texts) for key, texts in self.requirements.items()},
            "sources": [{"kind": one.kind, "url": one.url} for one in self.sources],
        }

    def canonical(self) -> bytes:
        """The bytes that `req_id` is the digest of."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_dict(cls, data: Any) -> EnvSpec:
        """Read `to_dict` back; raises `InvalidDescription` with the path to a wrong field."""
        return cls.from_fields(Fields(data, ""))

    @classmethod
    def from_fields(cls, fields: Fields) -> EnvSpec:
        fields.version("format", SPEC_FORMAT)
        with fields.as_description_errors():
            found = cls.make(
                base=fields.optional_text("base"),
                constraints=fields.texts("constraints"),
                options=Options.from_fields(fields.object("options")),
                platform_requirements={
                    platform: inner.all_texts()
                    for platform, inner in fields.object("platform_requirements").objects()
                },
                python=fields.text("python"),
                requirements=fields.object("requirements").all_texts(),
                sources=[_source(one) for one in fields.objects_in("sources")],
            )
        fields.close()
        return found


def _source(fields: Fields) -> Source:
    found = Source.make(fields.text("kind"), fields.text("url"))
    fields.close()
    return found


def _choice(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidSpec(name, f"`{value}` is not known", f"choose one of {', '.join(known)}")
    return value


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({n if n == ":all:" else str(canonicalize_name(n)) for n in names}))


def _moment(text: str) -> str:
    day = re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)
    try:
        # Python 3.10 does not read the `Z` that everyone writes.
        found = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        raise InvalidSpec(
            "options.exclude_newer",
            f"`{text}` is not a date or a moment",
            "write it like `2026-01-31` or `2026-01-31T12:00:00Z`",
        ) from None
    if found.tzinfo is None and not day:
        raise InvalidSpec(
            "options.exclude_newer", f"`{text}` names no time zone", "end it with `Z` for UTC"
        )
    moment = found.replace(tzinfo=timezone.utc) if day else found.astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _by_category(given: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    found = {
        category: tuple(sorted({normalize(category, text) for text in given[category]}))
        for category in sorted(given)
    }
    for category in found:
        _choice("category", category, CATEGORIES)
    return {category: texts for category, texts in found.items() if texts}
