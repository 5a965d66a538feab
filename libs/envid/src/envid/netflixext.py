"""Environments of `metaflow-netflixext`: its manifest, its descriptions, and its own ids.

`read_manifest` takes the text of a `conda_v2.cnd`, `read_environment` that of one stored
description; both read what any version from 0.1.1 on has written. `to_resolved` makes our own
environments of them. `pip`, as a category or a kind, is read as `pypi`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from envid._netflixext import NetflixEnv, NetflixPackage, Texts, to_package, to_python, to_spec
from envid._pypi import normal_name
from envid._reader import Fields, line, parsed, placed
from envid._text import shown
from envid.aliases import FullRef
from envid.errors import InvalidDescription
from envid.ids import EnvId, is_id
from envid.requirements import CATEGORIES
from envid.resolved import ResolvedEnv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "MANIFEST_VERSION",
    "Manifest",
    "NetflixEnv",
    "NetflixPackage",
    "co_resolved_full_id",
    "full_id",
    "read_environment",
    "read_manifest",
    "req_id",
    "to_resolved",
]

MANIFEST_VERSION = 1
"""Version of the manifests that are read."""

# Early releases wrote `pip` for what later ones call `pypi`, also in the names of types.
_KINDS = {"conda": "conda", "pip": "pypi", "pypi": "pypi"}
_TYPES = {name: name for name in ("conda-only", "mixed", "pypi-only")} | {"pip-only": "pypi-only"}
_FORMATS = {"conda": (".conda", ".tar.bz2"), "pypi": (".whl", ".tar.gz", ".zip")}
_HASHES = {"conda": re.compile("[0-9a-f]{32}"), "pypi": re.compile("[0-9a-f]{64}")}
# Names of conda packages have dashes, versions and builds have none. Builds of wheels begin with a
# digit (PEP 427); an sdist has none, hence the empty group.
_CONDA = re.compile(r"(.+)-([^-]+)-([^-]+)")
_WHEEL = re.compile(r"([^-]+)-([0-9][^-]*)(?:-([0-9][^-]*))?-[^-]+-[^-]+-[^-]+")
_SDIST = re.compile(r"(.+)-([^-]+)()")
_DEFAULT = "_default"

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of a `conda_v2.cnd`.

    `defaults` are the ids that a bare req_id stands for, one for each platform. Aliases are
    spelled `name:tag`, pathspecs `Flow/run/step`.
    """

    environments: tuple[NetflixEnv, ...] = ()
    defaults: frozenset[EnvId] = frozenset()
    aliases: Mapping[str, FullRef] = field(default_factory=dict, hash=False)
    mutable_aliases: Mapping[str, FullRef] = field(default_factory=dict, hash=False)
    pathspecs: Mapping[str, FullRef] = field(default_factory=dict, hash=False)

    def together(self, ref: FullRef) -> tuple[NetflixEnv, ...]:
        """What was resolved as `ref`, on every platform, for `to_resolved`."""
        return tuple(env for env in self.environments if env.env_id.ref == ref)


def read_manifest(text: str | bytes) -> Manifest:
    """Read the text of a `conda_v2.cnd`; an empty text is that of no environments.

    Raises `UnknownSchemaVersion` for a later version than 1, and `InvalidDescription` with the
    path to the first field that is wrong. Fields that are not known are passed over.
    """
    if not text.strip():
        return Manifest()
    optional = ("environments", "aliases", "mutable_aliases", "mappings")
    fields = _fields(parsed(text), {name: {} for name in optional})
    fields.version("version", MANIFEST_VERSION)
    environments: list[NetflixEnv] = []
    defaults: set[EnvId] = set()
    for platform, by_req in fields.read("environments", _objects).items():
        for asked, by_full in _placed(f"environments.{platform}", _objects, by_req).items():
            for key, value in _placed(f"environments.{platform}.{asked}", _object, by_full).items():
                with placed(f"environments.{platform}.{asked}.{key}"):
                    # Beside the descriptions stands which of them is the default.
                    if key == _DEFAULT:
                        defaults.add(_env_id(asked, line(value, ""), platform))
                    else:
                        env_id = _env_id(asked, key, platform)
                        environments.append(read_environment(value, env_id))
    return Manifest(
        environments=tuple(environments),
        defaults=frozenset(defaults),
        aliases=_aliases(fields.read("aliases", _references)),
        mutable_aliases=_aliases(fields.read("mutable_aliases", _references)),
        pathspecs=fields.read("mappings", _references),
    )


def read_environment(description: Any, env_id: EnvId) -> NetflixEnv:
    """Read a stored description, JSON or its data; the id is what it was stored under.

    Raises `InvalidDescription` with the path to the first field that is wrong. `extras`,
    `env_type`, `accurate_source` and `full_id_unique_keys` may be missing, and fields that are not
    known are passed over.
    """
    data = parsed(description) if isinstance(description, (str, bytes)) else description
    optional = {"extras": [], "env_type": "mixed", "accurate_source": True}
    fields = _fields(data, {**optional, "full_id_unique_keys": None})
    return NetflixEnv(
        env_id=env_id,
        deps=_by_category(fields, "deps"),
        sources=_by_category(fields, "sources"),
        extras=_by_category(fields, "extras"),
        packages=tuple(fields.each("packages", _package)),
        resolved_on=_moment(fields.text("resolved_on")),
        resolved_by=fields.text("resolved_by"),
        resolved_archs=fields.texts("resolved_archs"),
        env_type=_choice("env_type", fields.text("env_type"), _TYPES),
        accurate_source=fields.flag("accurate_source"),
        unique_keys=fields.read("full_id_unique_keys", _known_texts),
    )


def req_id(deps: Texts, sources: Texts, extras: Texts, *, legacy: bool = False) -> str:
    """That system's id of a request, from texts by category; their order means nothing.

    `legacy` gives that of the releases before 1.0.0, which leave the category out. Raises
    `InvalidDescription` for what is not ASCII.
    """
    return _sha1(
        text if legacy else f"{category}::{text}"
        for asked in (deps, sources, extras)
        for category in sorted(asked)
        for text in sorted(asked[category])
    )


def full_id(
    packages: Iterable[NetflixPackage],
    platform: str,
    *,
    unique_keys: Mapping[str, str] | None = None,
) -> str:
    """That system's id of packages resolved for one platform alone.

    `unique_keys` are those of its releases from 1.3.4. Raises `InvalidDescription` for what is not
    ASCII.
    """
    keys = (f"{name}:{value}" for name, value in sorted((unique_keys or {}).items()))
    return _sha1([*_hashed(packages), platform, *keys])


def co_resolved_full_id(by_platform: Mapping[str, Iterable[NetflixPackage]]) -> str:
    """That system's id of packages, by platform, that were resolved together.

    Raises `InvalidDescription` for what is not ASCII.
    """
    # Without `unique_keys`: that system leaves them out here.
    return _sha1(
        item
        for platform in sorted(by_platform)
        for item in (platform, *_hashed(by_platform[platform]))
    )


def to_resolved(envs: Iterable[NetflixEnv]) -> tuple[ResolvedEnv, ...]:
    """Our own environments, with our own ids, of what that system resolved together.

    What was asked becomes an `EnvSpec`: `python` out of the conda requirements, extras `--pre` and
    `--find-links` as options and sources. A platform that was co-resolved and is not given does
    not count. Raises `InvalidDescription` for environments that do not belong together, for
    packages without the md5 (conda) or the sha256 of a wheel (PyPI), naming them, and for what
    our own descriptions cannot say, credentials included.
    """
    given = sorted(envs, key=lambda env: env.env_id.platform)
    if not given:
        raise InvalidDescription("", "there is no environment")
    first = given[0]
    for before, after in pairwise(given):
        if before.env_id.platform == after.env_id.platform:
            raise InvalidDescription("platform", f"`{shown(after.env_id.platform)}` is given twice")
        for name in ("deps", "sources", "extras"):
            if getattr(after, name) != getattr(first, name):
                raise InvalidDescription(name, "differ between environments resolved together")
        if after.env_id.ref != first.env_id.ref:
            raise InvalidDescription("full_id", "differs between environments resolved together")
    _check_proven(given)
    spec = to_spec(first)
    resolved = {}
    for env in given:
        with placed(env.env_id.platform):
            chosen = []
            for at, package in enumerate(env.packages):
                with placed(f"packages[{at}]"):
                    chosen.append(to_package(package))
            resolved[env.env_id.platform] = (to_python(env.packages), chosen)
    with placed(""):
        return ResolvedEnv.co_resolve(
            spec, resolved, resolved_by=first.resolved_by, resolved_at=first.resolved_on
        )


def _check_proven(envs: list[NetflixEnv]) -> None:
    lacking = {
        package.filename for env in envs for package in env.packages if package.proof is None
    }
    if lacking:
        names = ", ".join(f"`{shown(name)}`" for name in sorted(lacking))
        reason = f"have no md5 (conda) or no sha256 of a wheel (PyPI) that proves them: {names}"
        raise InvalidDescription("packages", reason)


def _hashed(packages: Iterable[NetflixPackage]) -> list[str]:
    # `None` stands in these ids where a hash was not known.
    chosen = sorted(packages, key=lambda package: package.filename)
    return [f"{package.filename}#{package.hashes.get(package.format)}" for package in chosen]


def _sha1(items: Iterable[str]) -> str:
    text = " ".join(items)
    if not text.isascii():
        raise InvalidDescription("", "holds text that is not ASCII, which these ids are made of")
    # It only names; where policy forbids SHA-1 for more than that, this still runs.
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _fields(data: Any, optional: Mapping[str, Any]) -> Fields:
    # Nobody closes these: our ids are made anew, and what is passed over is in none of them.
    return Fields({**optional, **_object(data)})


def _object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidDescription("", "is not an object")
    return data


def _items(data: Any, reader: Callable[[Any], _Value]) -> dict[str, _Value]:
    fields = Fields(data)
    return {line(name, ""): fields.read(name, reader) for name in data}


def _objects(data: Any) -> dict[str, dict[str, Any]]:
    return _items(data, _object)


def _known_texts(data: Any) -> dict[str, str]:
    """The texts of an object by name, without those that are null; nothing for null itself."""
    texts = _items(
        {} if data is None else data, lambda value: value if value is None else line(value, "")
    )
    return {name: text for name, text in texts.items() if text is not None}


def _placed(path: str, reader: Callable[[Any], _Value], data: Any) -> _Value:
    with placed(path):
        return reader(data)


def _env_id(req: str, full: str, platform: str) -> EnvId:
    for name, value in (("req_id", req), ("full_id", full)):
        if not is_id(value):
            raise InvalidDescription("", f"`{shown(value)}` is not a {name} of 40 hex digits")
    return EnvId(req, full, platform)


def _references(data: Any) -> dict[str, FullRef]:
    return _items(data, _reference)


def _reference(data: Any) -> FullRef:
    if not isinstance(data, list) or len(data) != 2:  # noqa: PLR2004 - req_id and full_id
        raise InvalidDescription("", "is not a pair of a req_id and a full_id")
    req, full = (line(value, f"[{at}]") for at, value in enumerate(data))
    _env_id(req, full, "")
    return FullRef(req_id=req, full_id=full)


def _aliases(references: dict[str, FullRef]) -> dict[str, FullRef]:
    """Names as people write them, without the ids that stand for themselves."""
    return {
        # That system separates the tag by the last slash.
        ":".join(name.rsplit("/", 1)): ref
        for name, ref in references.items()
        if not is_id(name)
    }


def _by_category(fields: Fields, name: str) -> dict[str, tuple[str, ...]]:
    by_category: dict[str, list[str]] = {}
    for at, text in enumerate(fields.texts(name)):
        category, mark, value = text.partition("::")
        category = "pypi" if category == "pip" else category
        if not mark or category not in CATEGORIES:
            known = ", ".join(CATEGORIES)
            raise InvalidDescription(
                f"{name}[{at}]", f"does not begin with one of {known} and `::`"
            )
        by_category.setdefault(category, []).append(value)
    return {category: tuple(values) for category, values in by_category.items()}


def _choice(path: str, text: str, known: Mapping[str, str]) -> str:
    if text not in known:
        raise InvalidDescription(path, f"`{shown(text)}` is none of {', '.join(known)}")
    return known[text]


def _moment(text: str) -> datetime:
    try:
        # It wrote local times without a zone, and which zone that was is not known any more.
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(
            timezone.utc
        )
    except (ValueError, OverflowError):
        raise InvalidDescription("resolved_on", f"`{shown(text)}` is not a moment") from None


def _package(data: Any) -> NetflixPackage:
    fields = _fields(data, {"cache_info": {}})
    kind = _choice("_type", fields.text("_type"), _KINDS)
    filename = fields.text("filename")
    # In this order: the name of any wheel could also be read as that of an sdist.
    forms = (_CONDA,) if kind == "conda" else (_WHEEL, _SDIST)
    parts = next(filter(None, (form.fullmatch(filename) for form in forms)), None)
    if parts is None:
        reason = f"`{shown(filename)}` is not the name of a {kind} package without its ending"
        raise InvalidDescription("filename", reason)
    ending = fields.text("url_format")
    hashes = fields.read("hashes", _known_texts)
    for path, known in (("url_format", [ending]), ("hashes", hashes)):
        for algorithm in known:
            _choice(path, algorithm, dict.fromkeys(_FORMATS[kind], ""))
    for algorithm, value in hashes.items():
        if not _HASHES[kind].fullmatch(value):
            raise InvalidDescription(
                f"hashes.{algorithm}", f"`{shown(value)}` is not its hash in hex"
            )
    return NetflixPackage(
        kind=kind,
        name=parts[1] if kind == "conda" else normal_name(parts[1]),
        version=parts[2],
        build=parts[3] or None,
        filename=filename,
        url=fields.text("url"),
        format=ending,
        hashes=hashes,
        cache_urls=fields.read("cache_info", _cache_urls),
    )


def _cache_urls(data: Any) -> dict[str, str]:
    return _items(data, lambda entry: Fields(entry).text("url"))
