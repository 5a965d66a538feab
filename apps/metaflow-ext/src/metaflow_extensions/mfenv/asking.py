"""What mfenv's process knows of Metaflow's, and what it can ask it.

Where there is no such process around, as in tests, Metaflow is asked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow_extensions.mfenv import answers
from metaflow_extensions.mfenv.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envid.aliases import FullRef, StepRef

__all__ = ["Refused", "ask", "connect", "facts", "find_step"]

_facts: Mapping[str, Any] | None = None
_asked: Callable[[str, dict[str, Any]], Mapping[str, Any]] | None = None


def connect(
    told: Mapping[str, Any], asked: Callable[[str, dict[str, Any]], Mapping[str, Any]]
) -> None:
    """Take the answer of `answers.gather`, and what asks a function of `answers.FUNCTIONS`.

    `asked` gets the name and the arguments; it answers a `result`, or what was `refused`.
    """
    global _facts, _asked
    _facts, _asked = told, asked


def facts() -> Mapping[str, Any]:
    """Metaflow's configuration; see `answers.gather`."""
    return answers.gather() if _facts is None else _facts


def ask(function: str, **arguments: Any) -> Any:
    """What a function of `answers.FUNCTIONS` returns; raises `Refused`."""
    if _asked is None:
        return answers.FUNCTIONS[function](**arguments)
    found = _asked(function, arguments)
    if "refused" in found:
        raise Refused(found["refused"])
    return found["result"]


def find_step(ref: StepRef) -> FullRef:
    """The req_id and full_id of the environment that a step, or one of its tasks, ran in.

    Raises `mfenv.errors.UnknownEnvironment`.
    """
    from envid.aliases import FullRef
    from mfenv.errors import UnknownEnvironment

    pathspec = "/".join(part for part in (ref.flow, ref.run, ref.step, ref.task) if part)
    try:
        req_id, full_id, _ = ask("env_of_step", pathspec=pathspec)
    except Refused as error:
        raise UnknownEnvironment(
            str(error), "a step is named `Flow/run/step`, in the metadata that Metaflow uses here"
        ) from None
    return FullRef(req_id, full_id)
