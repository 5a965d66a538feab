"""The lock that a step runs with: which decorator says so, and where the file lies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv._statements import refuse
from metaflow_extensions.mfenv.collect import LOCKS
from metaflow_extensions.mfenv.records import Statement
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metaflow_extensions.mfenv._statements import Reading

__all__ = ["StatedLock", "lock_instead", "lock_of"]

_TOGETHER = {
    "resolved_uv": ("uv.lock", "pyproject.toml"),
    "resolved_req": ("requirements.txt", "requirements.in"),
}
_CHOICES = ("groups", "extras", "environment", "locked")
_TOP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedLock:
    """A lock, what is taken of it, and whether it must not be behind its source."""

    file: Path | str
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    environment: str | None
    locked: bool


def lock_of(said: Sequence[Reading]) -> StatedLock | None:
    """The lock of a step, else that of its flow; None where neither names one.

    Raises `mfenv.errors.Contradiction` for another statement beside it, and `InvalidRequest` where
    there is no such lock.
    """
    stated = next((some for level in ("step", "flow") if (some := _on(said, level))), None)
    if stated is None:
        return None
    reading, *others = stated
    others += [r for r in said if r.kind not in (*LOCKS, "sys_packages")]
    if others:
        raise refuse("what there is", reading.place, f"`@{others[0].kind}`", others[0].place)
    arguments = reading.arguments
    return StatedLock(
        file=_named(reading) if reading.kind == "resolved_lock" else _looked_for(reading),
        groups=arguments.groups or (),
        extras=arguments.extras or (),
        environment=arguments.environment,
        locked=arguments.locked is True,
    )


def lock_instead(stated: Sequence[Statement], file: str) -> Statement:
    """What says that a step has another lock than its decorators name.

    Of that it is what they take of theirs: the same groups and extras, and the same environment.
    """
    taken: dict[str, object] = {}
    for level in ("flow", "step"):
        for lock in stated:
            if lock.kind in LOCKS and lock.level == level:
                taken = {key: lock.attributes.get(key) for key in _CHOICES}
    said = {key: choice for key, choice in taken.items() if choice}
    return Statement(
        kind="resolved_lock", level="step", place="--lockfile", attributes={"path": file, **said}
    )


def _on(said: Sequence[Reading], level: str) -> list[Reading]:
    return [reading for reading in said if reading.kind in LOCKS and reading.level == level]


def _named(reading: Reading) -> Path | str:
    path = reading.arguments.path
    if not path:
        raise InvalidRequest(f"{reading.place} names no lock", "add `path=`")
    if "://" in path:
        return path
    file = _absolute(reading, path)
    if not file.is_file():
        raise InvalidRequest(
            f"{reading.place}: there is no file `{file}`",
            "a relative path starts at the directory of the flow",
        )
    return file


def _absolute(reading: Reading, path: str) -> Path:
    return Path(reading.arguments.flow_dir or ".", Path(path).expanduser()).absolute()


def _looked_for(reading: Reading) -> Path:
    """The lock in the directory that is named, else in the nearest that has both files."""
    arguments, names = reading.arguments, _TOGETHER[reading.kind]
    both = " and ".join(f"`{name}`" for name in names)
    if arguments.path is not None and arguments.use_flow_dir is not None:
        raise InvalidRequest(
            f"{reading.place} has `path` and `use_flow_dir`, which say where to look", "keep one"
        )
    if arguments.path is not None:
        folder = _absolute(reading, arguments.path)
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise InvalidRequest(
                f"{reading.place}: `{folder}` has no {', '.join(missing)}",
                f"name the directory that has {both}",
            )
    else:
        start = Path.cwd()
        if arguments.use_flow_dir is not False:
            start = Path(arguments.flow_dir or ".").absolute()
        folder = next(_with_both(start, names), start)
        if not (folder / names[0]).is_file() or not (folder / names[1]).is_file():
            raise InvalidRequest(
                f"{reading.place}: there is no directory with {both} from `{start}` upwards",
                "name it with `path=`",
            )
    if reading.kind == "resolved_req":
        _check_compiled(reading, folder / names[0])
    return folder / names[0]


def _with_both(start: Path, names: Sequence[str]) -> Iterator[Path]:
    for folder in (start, *start.parents):
        if all((folder / name).is_file() for name in names):
            yield folder


def _check_compiled(reading: Reading, file: Path) -> None:
    """Refuse requirements that nobody compiled: they say what is asked for, not what there is."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        if not any("autogenerated" in line for line in islice(lines, _TOP)):
            raise InvalidRequest(
                f"{reading.place}: `{file}` does not say in its first {_TOP} lines that it is"
                " autogenerated",
                "make it with `uv pip compile` or `pip-compile`, or ask for it with `@pypi`",
            )
