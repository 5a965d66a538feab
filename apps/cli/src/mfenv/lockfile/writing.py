"""The text of a lock file: the same for the same environments, in whatever order they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfenv.lockfile.lines import content_of, package_lines
from mfenv.lockfile.names import HEAD
from mfenv.lockfile.toml import header, key, listed, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envid.resolved import ResolvedEnv
    from mfenv.lockfile.model import LockedEnv, LockFile

__all__ = ["VERSION", "written"]

VERSION = 1
"""The version of the format; see `docs/lock-format.md`."""

_HEAD = (
    f"{HEAD}: read it, and let mfenv write it.",
    "# `mfenv create --lock` takes them as they are. After a merge, run `mfenv lock` again.",
)


def written(lock: LockFile) -> str:
    """The text of a lock file."""
    environments = sorted(lock.environments, key=lambda locked: locked.name)
    lines = [*_HEAD, f"version = {VERSION}"]
    for locked in environments:
        lines += _environment(locked)
    lines += header("packages")
    for kind, rows in package_lines(environments).items():
        lines += listed(kind, rows)
    return "".join(f"{line}\n" for line in lines)


def _environment(locked: LockedEnv) -> Iterator[str]:
    envs = sorted(locked.envs, key=lambda env: env.platform)
    path, env = ("environment", locked.name), envs[0]
    yield from header(*path)
    yield f"req_id = {value(env.req_id)}"
    yield f"full_id = {value(env.full_id)}"
    here = {env.platform: env for env in envs}
    for platform, digest in sorted(env.co_resolved.items()):
        facts: dict[str, Any] = {"digest": digest}
        # What was resolved together with it, and is not in this file, is known by its digest.
        if platform in here:
            known = here[platform]
            facts |= {
                "content": content_of(known),
                "packages": len(known.packages),
                "python": known.python,
            }
        yield f"{key(platform)} = {value(facts)}"
    if notes := list(_notes(envs)):
        yield from listed("notes", notes)
    if locked.inputs:
        yield from header(*path, "from")
        for name, said in locked.inputs.to_table().items():
            yield from _said(name, said)
    yield from _spec(path, env)


def _notes(envs: Sequence[ResolvedEnv]) -> Iterator[dict[str, str]]:
    if len({env.notes for env in envs}) == 1:
        yield from ({"text": note} for note in envs[0].notes)
    else:
        yield from ({"on": env.platform, "text": note} for env in envs for note in env.notes)


def _said(name: str, said: Any) -> Iterator[str]:
    if isinstance(said, (list, tuple)):
        yield from listed(name, said)
    else:
        yield f"{key(name)} = {value(said)}"


def _spec(path: tuple[str, ...], env: ResolvedEnv) -> Iterator[str]:
    spec = env.spec.to_dict()
    yield from header(*path, "asked")
    yield f"format = {spec['format']}"
    yield f"python = {value(spec['python'])}"
    if spec["base"] is not None:
        yield f"base = {value(spec['base'])}"
    options = {name: said for name, said in spec["options"].items() if said is not None}
    yield f"options = {value(options)}"
    yield from listed("sources", spec["sources"])
    yield from listed("constraints", spec["constraints"])
    places: dict[tuple[str, ...], Any] = {(): spec["requirements"]}
    places |= {(name,): asked for name, asked in spec["platform_requirements"].items()}
    for place, by_category in sorted(places.items()):
        if by_category:
            yield from header(*path, "requirements", *place)
        for category, texts in sorted(by_category.items()):
            yield from listed(category, texts)
