"""What mfenv's process knows of Metaflow's, and what it can ask it.

Where there is no such process around, as in tests, Metaflow is asked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from metaflow_extensions.mfenv import encoding
from metaflow_extensions.mfenv.messages import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from envid.aliases import FullRef, StepRef
    from metaflow_extensions.mfenv.messages import Facts, Reply
    from metaflow_extensions.mfenv.records import Question

__all__ = ["ask", "connect", "facts", "find_step"]

_A = TypeVar("_A")
_facts: Facts | None = None
_ask: Callable[[Question[object]], Reply] | None = None


def connect(told: Facts, asked: Callable[[Question[object]], Reply]) -> None:
    """Take what Metaflow's process told, and the way to ask it a question."""
    global _facts, _ask
    _facts, _ask = told, asked


def facts() -> Facts:
    """Metaflow's configuration."""
    if _facts is not None:
        return _facts
    from metaflow_extensions.mfenv import answers  # which are Metaflow's, and import tarfile

    return answers.gather()


def ask(question: Question[_A]) -> _A:
    """What Metaflow's process answers to one of its questions; raises `Refused`."""
    if _ask is None:
        from metaflow_extensions.mfenv import answers

        return answers.answer(question)
    reply = _ask(question)
    if reply.refused is not None:
        raise Refused(reply.refused)
    return encoding.answer(question, reply.result)


def find_step(ref: StepRef) -> FullRef:
    """The req_id and full_id of the environment that a step, or one of its tasks, ran in.

    Raises `mfenv.errors.UnknownEnvironment`.
    """
    from envid.aliases import FullRef
    from metaflow_extensions.mfenv.command_records import EnvOfStep
    from mfenv.errors import UnknownEnvironment

    pathspec = "/".join(part for part in (ref.flow, ref.run, ref.step, ref.task) if part)
    try:
        env_id = ask(EnvOfStep(pathspec=pathspec))
    except Refused as error:
        raise UnknownEnvironment(
            str(error), "a step is named `Flow/run/step`, in the metadata that Metaflow uses here"
        ) from None
    return FullRef(env_id.req_id, env_id.full_id)
