"""What was asked: requirements by category, ordered sources, and options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, NamedTuple

from envid._canonical import canonical_json, digest
from envid._pypi import normal_name
from envid._reader import Fields, line, placed
from envid._text import shown
from envid.errors import InvalidSpec
from envid.ids import is_id
from envid.platforms import PLATFORMS, check_platform
from envid.requirements import CATEGORIES, check_url, normalize, normalize_python

__all__ = ["SPEC_FORMAT", "EnvSpec", "Options", "Source"]

SPEC_FORMAT = 1
"""Version of the canonical form under every `req_id`."""

_KINDS = ("channel", "index", "find-links")
_PROVIDERS = ("conda", "system")
_PRIORITIES = ("strict", "flexible", "disabled")
_STRATEGIES = ("first-index", "unsafe-first-match", "unsafe-best-match")

_SHA256 = r"[0-9a-f]{64}"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

Requirements = Mapping[str, tuple[str, ...]]


class Source(NamedTuple):
    """A place where packages are looked for: a conda channel, a PyPI index, a find-links location.

    `url` may be a well-known name: a channel such as `conda-forge`, or `pypi` for the public index.
    """

    kind: str
    url: str

    @classmethod
    def make(cls, kind: str, url: str) -> Source:
        """Check and normalise; raises `InvalidSpec` for an unknown kind or a URL with secrets."""
        _choice("kind", kind, _KINDS)
        url = check_url("url", url.strip())
        # The links of a find-links page are relative to its exact URL.
        return cls(kind=kind, url=url if kind == "find-links" else url.rstrip("/") or "/")

    @classmethod
    def from_dict(cls, data: Any) -> Source:
        """Read `kind` and `url`; raises `InvalidDescription` with the path to a wrong field."""
        fields = Fields(data)
        with placed(""):
            source = cls.make(fields.text("kind"), fields.text("url"))
        fields.close()
        return source


class Options(NamedTuple):
    """What else decides the outcome of a resolve.

    `exclude_newer` is a moment in UTC, `YYYY-MM-DDTHH:MM:SSZ` with a fraction where there is one:
    nothing published at or after it is seen. `no_binary` and `only_binary` hold PEP 503
    names, or `:all:`. `pypi_names` is the sha256 of the file that says which PyPI names conda
    packages have; None stands for what resolvers take by themselves.
    """

    python_provider: str = "conda"
    prereleases: bool = False
    require_hashes: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    exclude_newer: str | None = None
    channel_priority: str = "strict"
    index_strategy: str = "first-index"
    pypi_names: str | None = None

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
        pypi_names: str | None = None,
    ) -> Options:
        """Check and normalise; raises `InvalidSpec` naming the option.

        `exclude_newer` is an RFC 3339 moment, or a date, which includes that day in UTC.
        """
        if pypi_names is not None and not re.fullmatch(_SHA256, pypi_names):
            reason = f"`{shown(pypi_names)}` is not a sha256 in hex"
            raise InvalidSpec("pypi_names", reason, "give the digest of the table, 64 hex digits")
        return cls(
            python_provider=_choice("python_provider", python_provider, _PROVIDERS),
            prereleases=prereleases,
            require_hashes=require_hashes,
            no_binary=_names("no_binary", no_binary),
            only_binary=_names("only_binary", only_binary),
            exclude_newer=None if exclude_newer is None else _moment(exclude_newer),
            channel_priority=_choice("channel_priority", channel_priority, _PRIORITIES),
            index_strategy=_choice("index_strategy", index_strategy, _STRATEGIES),
            pypi_names=pypi_names,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "channel_priority": self.channel_priority,
            "exclude_newer": self.exclude_newer,
            "index_strategy": self.index_strategy,
            "no_binary": list(self.no_binary),
            "only_binary": list(self.only_binary),
            "prereleases": self.prereleases,
            "pypi_names": self.pypi_names,
            "python_provider": self.python_provider,
            "require_hashes": self.require_hashes,
        }

    @classmethod
    def from_dict(cls, data: Any) -> Options:
        """Read `to_dict` back; raises `InvalidDescription` with the path to a wrong field."""
        fields = Fields(data)
        with placed(""):
            options = cls.make(
                channel_priority=fields.text("channel_priority"),
                exclude_newer=fields.optional_text("exclude_newer"),
                index_strategy=fields.text("index_strategy"),
                no_binary=fields.texts("no_binary"),
                only_binary=fields.texts("only_binary"),
                prereleases=fields.flag("prereleases"),
                pypi_names=fields.optional_text("pypi_names"),
                python_provider=fields.text("python_provider"),
                require_hashes=fields.flag("require_hashes"),
            )
        fields.close()
        return options


# Without slots: `cached_property` keeps the id, which is over all fields, in the instance.
@dataclass(frozen=True, kw_only=True)
class EnvSpec:
    """A request in normal form, made by `EnvSpec.make`, which alone checks its input.

    `requirements` holds for every platform, `platform_requirements` for one each. `python` is a
    PEP 440 specifier set. `base` is the `full_id` of the environment that this derives from.
    """

    # Mappings cannot be hashed. Equal specs have equal hashes all the same; equality compares all.
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
        options = options or Options()
        everywhere = _by_category("requirements", requirements)
        by_platform = {
            check_platform(platform): _by_category(
                f"platform_requirements.{platform}", asked, beside=everywhere
            )
            for platform, asked in sorted((platform_requirements or {}).items())
        }
        spec = cls(
            requirements=everywhere,
            # A platform that asks for nothing of its own is as if it were not named.
            platform_requirements={name: asked for name, asked in by_platform.items() if asked},
            constraints=_normal("constraints", "pypi", constraints),
            python=normalize_python(python),
            # In their order, which decides where a package is found; twice the same is once.
            sources=tuple(
                dict.fromkeys(Source.make(source.kind, source.url) for source in sources)
            ),
            options=options,
            base=base,
        )
        spec._check()
        return spec

    def _check(self) -> None:
        if self.base is not None and not is_id(self.base):
            raise InvalidSpec("base", f"`{shown(self.base)}` is not a full_id of 40 hex digits")
        if self.options.python_provider == "system" and self._categories & {"conda", "npconda"}:
            raise InvalidSpec(
                "options.python_provider",
                "`system` brings no conda packages, and some are asked for",
                "take `conda`, or ask for them from PyPI",
            )

    @property
    def _categories(self) -> frozenset[str]:
        return frozenset(self.requirements).union(*self.platform_requirements.values())

    @cached_property
    def req_id(self) -> str:
        """The id of this request: 40 hex digits over its canonical form."""
        return digest(self.to_dict())

    @property
    def env_type(self) -> str:
        """`conda-only`, `pypi-only` or `mixed`, by what was asked beside Python itself."""
        asked = self._categories
        if "conda" in asked:
            return "mixed" if "pypi" in asked else "conda-only"
        system = self.options.python_provider == "system"
        return "pypi-only" if system or "pypi" in asked else "conda-only"

    def for_platform(self, platform: str) -> dict[str, tuple[str, ...]]:
        """The requirements that hold for one platform, by category, sorted."""
        own = self.platform_requirements.get(platform, {})
        return {
            category: tuple(sorted({*self.requirements.get(category, ()), *own.get(category, ())}))
            for category in sorted({*self.requirements, *own})
        }

    def statements(self, platform: str) -> dict[str, tuple[str, ...]]:
        """All that is asked for on one platform: also `constraints`, and `python` if it is bound."""
        more = {"constraints": self.constraints, "python": (self.python,) if self.python else ()}
        return self.for_platform(platform) | {what: texts for what, texts in more.items() if texts}

    def to_dict(self) -> dict[str, Any]:
        """The canonical form, as plain data."""
        # Every field, whatever it holds: a default that is left out would not be in the id.
        return {
            "base": self.base,
            "constraints": list(self.constraints),
            "format": SPEC_FORMAT,
            "options": self.options.to_dict(),
            "platform_requirements": {
                platform: {category: list(texts) for category, texts in by_category.items()}
                for platform, by_category in self.platform_requirements.items()
            },
            "python": self.python,
            "requirements": {key: list(texts) for key, texts in self.requirements.items()},
            "sources": [{"kind": source.kind, "url": source.url} for source in self.sources],
        }

    def canonical(self) -> bytes:
        """The bytes that `req_id` is the digest of."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_dict(cls, data: Any) -> EnvSpec:
        """Read `to_dict` back; raises `InvalidDescription` with the path to a wrong field."""
        fields = Fields(data)
        fields.version("format", SPEC_FORMAT)
        options = fields.read("options", Options.from_dict)
        requirements = fields.read("requirements", _read_requirements)
        by_platform = fields.read("platform_requirements", _read_by_platform)
        constraints = fields.each("constraints", partial(_read_one, "pypi"))
        sources = fields.each("sources", Source.from_dict)
        with placed(""):
            spec = cls.make(
                base=fields.optional_text("base"),
                constraints=constraints,
                options=options,
                platform_requirements=by_platform,
                python=fields.text("python"),
                requirements=requirements,
                sources=sources,
            )
        fields.close()
        return spec


def _read_by_platform(data: Any) -> dict[str, dict[str, list[str]]]:
    fields = Fields(data)
    return {name: fields.read(name, _read_requirements) for name in fields.names(PLATFORMS)}


def _read_requirements(data: Any) -> dict[str, list[str]]:
    fields = Fields(data)
    return {
        category: fields.each(category, partial(_read_one, category))
        for category in fields.names(CATEGORIES)
    }


def _read_one(category: str, data: Any) -> str:
    return normalize(category, line(data, ""))


def _choice(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InvalidSpec(name, f"`{shown(value)}` is not known", f"known: {', '.join(known)}")
    return value


def _names(option: str, names: Iterable[str]) -> tuple[str, ...]:
    normal = set()
    for name in names:
        if name != ":all:" and not re.fullmatch(_NAME, name):
            raise InvalidSpec(option, f"`{shown(name)}` is not a name", "write names, or `:all:`")
        # `:all:` has nothing that PEP 503 would change.
        normal.add(normal_name(name))
    return tuple(sorted(normal))


def _moment(text: str) -> str:
    text = text.strip()
    try:
        moment = _in_utc(text)
    except (ValueError, OverflowError):
        raise InvalidSpec(
            "exclude_newer",
            f"`{shown(text)}` is neither a date nor a moment with a time zone",
            "write it like `2026-01-31` or `2026-01-31T12:00:00Z`",
        ) from None
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _in_utc(text: str) -> datetime:
    # With the whole of that day, as uv reads it.
    if re.fullmatch(_DAY, text):
        return datetime.fromisoformat(text) + timedelta(days=1)
    from envid.moments import read_moment  # few specs have a cut-off

    return read_moment(text)


def _normal(field: str, category: str, texts: Iterable[str]) -> tuple[str, ...]:
    if isinstance(texts, str):
        raise InvalidSpec(field, "is one text where a list of them is asked for")
    # Sorted, and each once: neither order nor repetition may reach the id.
    return tuple(sorted({normalize(category, text) for text in texts}))


def _by_category(
    field: str,
    given: Mapping[str, Iterable[str]],
    *,
    beside: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Normal requirements by category, without those that already hold on every platform."""
    normal = {}
    for category in sorted(given):
        _choice(field, category, CATEGORIES)
        asked = _normal(f"{field}.{category}", category, given[category])
        # Whether somebody says it again for one platform must not make another id.
        held = (beside or {}).get(category, ())
        normal[category] = tuple(text for text in asked if text not in held)
    return {category: asked for category, asked in normal.items() if asked}
