"""What uv wrote down of the settings of a workspace, beside what its projects ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from mfenv.importing.uv_facts import holds_for, plain_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mfenv.importing.uv_facts import UvFacts

__all__ = ["differences"]

# A setting of uv, and where a lock has it.
_REQUIREMENTS = {
    "constraint-dependencies": "constraints",
    "override-dependencies": "overrides",
    "build-constraint-dependencies": "build-constraints",
}
_MARKERS = {"environments": "supported-markers", "required-environments": "required-markers"}
# With what holds where a lock does not say it.
_OPTIONS = {
    "resolution": ("resolution-mode", "highest"),
    "prerelease": ("prerelease-mode", "if-necessary-or-explicit"),
    "fork-strategy": ("fork-strategy", "requires-python"),
}


def differences(
    projects: Sequence[tuple[str, Mapping[str, Any]]],
    uv: Mapping[str, Any],
    locked: Mapping[str, Any],
    facts: UvFacts,
) -> Iterator[str]:
    """The settings that are not as the lock has them.

    `projects` are those of the workspace by name, with what each says to uv; `uv` is that of its
    top.
    """
    manifest = locked.get("manifest", {})
    for key, name in _REQUIREMENTS.items():
        # What is a table narrows a requirement to one package: that, uv alone reads.
        texts = [(text, "") for text in uv.get(key, ()) if isinstance(text, str)]
        if len(texts) != len(uv.get(key, ())):
            continue
        then = facts.locked(manifest.get(name, ()), ("dist", "")).get(("dist", ""), {})
        if facts.stated(texts) != then:
            yield f"`{key}`"
    excluded = {canonicalize_name(name) for name in uv.get("exclude-dependencies", ())}
    if excluded != set(manifest.get("excludes", ())):
        yield "`exclude-dependencies`"
    for key, name in _MARKERS.items():
        if _together(uv.get(key, ()), facts) != _together(locked.get(name, ()), facts):
            yield f"`{key}`"
    if _metadata(uv) != _metadata(manifest):
        yield "`dependency-metadata`"
    if not _conflicts_alike(projects, locked):
        yield "`conflicts`"
    if _elsewhere([own for _, own in projects], uv, locked):
        yield "`index`"
    yield from _options(uv, locked.get("options", {}))


def _elsewhere(
    projects: Iterable[Mapping[str, Any]], uv: Mapping[str, Any], locked: Mapping[str, Any]
) -> bool:
    """Whether packages are from an index that is none any more.

    Only where a default one is stated: what else uv looks through, its user and variables say.
    """
    listed = uv.get("index", ())
    if "index-url" not in uv and not any(index.get("default") for index in listed):
        return False
    every = [index for own in (uv, *projects) for index in own.get("index", ())]
    urls = [index.get("url", "") for index in every] + list(uv.get("extra-index-url", ()))
    urls += [uv["index-url"]] if "index-url" in uv else []
    sources = (package.get("source", {}) for package in locked.get("package", ()))
    registries = {source["registry"] for source in sources if "registry" in source}
    # Those at a path are relative to the lock.
    return not {url for url in registries if "://" in url} <= set(map(plain_address, urls))


def _together(markers: str | Sequence[str], facts: UvFacts) -> list[bool] | None:
    """Where any of the markers holds; nothing where there is none."""
    texts = [markers] if isinstance(markers, str) else markers
    every = [holds_for(marker, facts.pythons) for marker in texts]
    return [any(holds) for holds in zip(*every, strict=True)] if every else None


def _metadata(table: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """The packages whose metadata is stated."""
    return {
        (
            canonicalize_name(entry["name"]),
            entry.get("version"),
            frozenset(
                "".join(text.split()).replace('"', "'") for text in entry.get("requires-dist", ())
            ),
        )
        for entry in table.get("dependency-metadata", ())
    }


def _conflicts_alike(
    projects: Iterable[tuple[str, Mapping[str, Any]]], locked: Mapping[str, Any]
) -> bool:
    """Whether all that is stated is locked, and nothing where nothing is stated.

    uv adds to a set what includes a group of it.
    """
    stated = [_conflict(items, name) for name, uv in projects for items in uv.get("conflicts", ())]
    then = [_conflict(items, "") for items in locked.get("conflicts", ())]
    return bool(stated) == bool(then) and all(any(s <= t for t in then) for s in stated)


def _conflict(items: Iterable[Mapping[str, str]], name: str) -> set[tuple[str, ...]]:
    return {
        tuple(
            canonicalize_name(item.get(key, default))
            for key, default in (("package", name), ("extra", ""), ("group", ""))
        )
        for item in items
    }


def _options(uv: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    """Options of the project that the lock was made without; those of a command are unknown."""
    for key, (name, usual) in _OPTIONS.items():
        if key in uv and uv[key] != then.get(name, usual):
            yield f"`{key}`"
    if "exclude-newer" in uv and not then.keys() & {"exclude-newer", "exclude-newer-span"}:
        yield "`exclude-newer`"
