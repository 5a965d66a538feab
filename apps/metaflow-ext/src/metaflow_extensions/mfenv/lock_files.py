"""The lock that a step runs with: which decorator says so, and where the file lies."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from envid.redaction import redact
from metaflow_extensions.mfenv._statements import refuse
from metaflow_extensions.mfenv.run_records import LOCKS, Statement
from mfenv.errors import InvalidRequest, MfenvError
from mfenv.request import Request
from reqparse.errors import ReqparseError
from resolvers.errors import ResolveError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metaflow_extensions.mfenv._statements import StatementReading

__all__ = ["lock_instead", "lock_of", "naming", "of_steps"]

_TOGETHER = {
    "resolved_uv": ("uv.lock", "pyproject.toml"),
    "resolved_req": ("requirements.txt", "requirements.in"),
}
# What decorators take beside a lock, and what a request calls it.
_CHOICES = {
    "groups": "groups",
    "no_groups": "without_groups",
    "default_groups": "default_groups",
    "only_groups": "only_groups",
    "extras": "extras",
    "package": "members",
    "environment": "environment",
    "locked": "locked",
}
# `uv pip compile` says so in the first line that it writes, `pip-compile` in the second.
_TOP = 5


def lock_of(said: Sequence[StatementReading]) -> Request | None:
    """The lock of a step, else that of its flow, and what is taken of it; None where neither has one.

    Raises `mfenv.errors.Contradiction` for another statement beside it, and `InvalidRequest` where
    there is no such lock.
    """
    stated = next((some for level in ("step", "flow") if (some := _on(said, level))), None)
    if stated is None:
        return None
    reading, *others = stated
    others += [
        other
        for other in said
        if other.kind not in (*LOCKS, "sys_packages")
        # Here it is false, see `step_request`, and says nothing.
        if list(other.arguments.given()) != ["disabled"]
    ]
    if others:
        raise refuse("what there is", reading.place, f"`@{others[0].kind}`", others[0].place)
    file = _named(reading) if reading.kind == "resolved_lock" else _looked_for(reading)
    chosen = {name: getattr(reading.arguments, key) for key, name in _CHOICES.items()}
    taken = {name: choice for name, choice in chosen.items() if choice is not None}
    return Request(locks=(file,), **taken)


def lock_instead(
    stated: Sequence[Statement], file: str, chosen: Mapping[str, object]
) -> tuple[Statement, ...]:
    """What says that a step has another lock than its decorators name.

    Of that it is what is `chosen`, by the arguments of decorators, or where nothing is, what they
    take of theirs. They go on saying what may stand beside a lock.
    """
    own: Mapping[str, object] = {}
    beside = []
    # The step's last: its lock is the one that counts, see `lock_of`.
    for level in ("flow", "step"):
        for said in stated:
            if said.level != level:
                continue
            if said.kind in LOCKS:
                own = {key: choice for key, choice in said.attributes.items() if key in _CHOICES}
            elif said.kind == "sys_packages":
                beside.append(said)
            elif "disabled" in said.attributes:
                disabled = {"disabled": said.attributes["disabled"]}
                beside.append(replace(said, attributes=disabled))
    # `locked` is how the lock is read, not what is taken of it.
    if set(chosen) - {"locked"}:
        own = {key: choice for key, choice in own.items() if key == "locked"}
    taken = {"path": file, **own, **chosen}
    lock = Statement(kind="resolved_lock", level="step", place="--lockfile", attributes=taken)
    return (lock, *beside)


@contextmanager
def naming(request: Request | None, steps: Sequence[str]) -> Iterator[None]:
    """Name the steps, and the lock that they run with, in what is wrong with what they ask for."""
    try:
        yield
    except (MfenvError, ReqparseError, ResolveError) as error:
        if request is None or not request.locks:
            raise
        raise of_steps(error, steps, str(request.locks[0])) from error


def of_steps(error: Exception, steps: Sequence[str], lock: str = "") -> InvalidRequest:
    """An error about the lock of steps, which names them and the lock."""
    shown, text = redact(lock), str(error)
    hint = getattr(error, "hint", None)
    if all(f"step `{step}`" in text for step in steps):
        return InvalidRequest(text, hint)
    which = "" if shown in text else f" `{shown}`"
    return InvalidRequest(f"the lock{which} of {', '.join(steps)}: {text}", hint)


def _on(said: Sequence[StatementReading], level: str) -> list[StatementReading]:
    return [reading for reading in said if reading.kind in LOCKS and reading.level == level]


def _named(reading: StatementReading) -> Path | str:
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


def _absolute(reading: StatementReading, path: str) -> Path:
    return Path(reading.arguments.flow_dir or ".", Path(path).expanduser()).absolute()


def _looked_for(reading: StatementReading) -> Path:
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


def _check_compiled(reading: StatementReading, file: Path) -> None:
    """Refuse requirements that nobody compiled: they say what is asked for, not what there is."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        if not any("autogenerated" in line for line in islice(lines, _TOP)):
            raise InvalidRequest(
                f"{reading.place}: `{file}` does not say in its first {_TOP} lines that it is"
                " autogenerated",
                "make it with `uv pip compile` or `pip-compile`, or ask for it with `@pypi`",
            )
