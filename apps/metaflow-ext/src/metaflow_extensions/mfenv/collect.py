"""What the decorators of a flow say about each step, as records for mfenv."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Mapping, Protocol

from metaflow_extensions.mfenv.folders import written
from metaflow_extensions.mfenv.places import REMOTE, platform_of
from metaflow_extensions.mfenv.releases import inherited
from metaflow_extensions.mfenv.run_records import LOCKS, LockPlace, Statement, StepStatements

if TYPE_CHECKING:
    from metaflow import FlowSpec
    from metaflow.decorators import Decorator, FlowDecorator

__all__ = ["Step", "directory_of", "lock_place", "statement", "statements_of"]

KINDS = ("conda", "pypi", "pip", "named_env", "sys_packages", *LOCKS)


class Step(Protocol):
    """A step as a flow has it when it is iterated over."""

    name: str
    decorators: list[Decorator]


def statements_of(flow: FlowSpec, step: Step) -> StepStatements:
    """Every statement about the environment of a step, and where it runs.

    Statements come in reading order: those of the step from top to bottom, what `--with` added,
    then those of the flow. Raises `EnvironmentFailed` for an argument that a decorator has not.
    """
    own = [deco for deco in step.decorators if deco.name in KINDS]
    # Python applies decorators from the bottom up.
    written = [deco for deco in reversed(own) if deco.statically_defined]
    added = [deco for deco in own if not deco.statically_defined]
    stated = [_statement(deco, "step", f"@{deco.name} of step `{step.name}`") for deco in written]
    stated += [_statement(deco, "step", f"--with {deco.name}") for deco in added]
    for kind in KINDS:
        bases = _of_flow(flow, kind if kind in LOCKS else f"{kind}_base")
        stated += [
            _statement(deco, "flow", f"@{deco.name} of flow `{flow.name}`") for deco in bases
        ]
    for statement in stated:
        if statement.kind in LOCKS:
            statement.attributes["flow_dir"] = directory_of(flow)
    return StepStatements(
        step=step.name,
        platform=platform_of(step.decorators),
        gpu=any(_asks_for_gpu(deco) for deco in step.decorators),
        stated=tuple(stated),
    )


def lock_place(flow: FlowSpec) -> LockPlace:
    """Where the lock file of a flow is: beside its file."""
    folder, program = os.path.split(_file_of(flow))
    file = os.path.join(folder, "mfenv.lock")  # noqa: PTH118 - records hold texts
    # As a user would type it, where it lies below.
    near = os.path.relpath(file)
    return LockPlace(file=file if near.startswith("..") else near, flow=flow.name, program=program)


def directory_of(flow: FlowSpec) -> str:
    """The directory of the file that a flow is in."""
    return os.path.dirname(_file_of(flow))  # noqa: PTH120 - records hold texts


def _file_of(flow: FlowSpec) -> str:
    module = sys.modules.get(type(flow).__module__)
    file = getattr(module, "__file__", None) or sys.argv[0]
    return os.path.abspath(file)  # noqa: PTH100 - as above


def _of_flow(flow: FlowSpec, name: str) -> list[FlowDecorator]:
    """The decorators of a flow and of the flows that it inherits from, in reading order."""
    own = list(reversed(flow._flow_decorators.get(name, [])))  # noqa: SLF001 - no other way
    # A release may have what a flow inherits among its own.
    return own + [deco for deco in inherited(flow, name) if deco not in own]


def _statement(deco: Decorator, level: str, place: str) -> Statement:
    deco.external_init()  # until then, attributes that a `Config` gives are not there
    for key in deco.attributes:
        if key not in deco.defaults:
            raise _refused(f"{place} takes no `{key}`", f"it takes {', '.join(deco.defaults)}")
    return statement(deco.name.partition("_base")[0], level, place, deco.attributes)


def statement(kind: str, level: str, place: str, attributes: Mapping[str, object]) -> Statement:
    """What a decorator of this kind says by its attributes; of those that are empty, nothing."""
    given = {key: value for key, value in attributes.items() if value not in (None, {}, [])}
    content = given.pop("content", None)
    if content is not None:
        if "path" in given:
            raise _refused(f"{place} has `path` and `content`, which both are its lock", "keep one")
        if not isinstance(content, str):
            raise _refused(f"{place}: `content` is not a text", "read the lock with `lock_parser`")
        given["path"] = written("config", content)
    return Statement(kind=kind, level=level, place=place, attributes=given)


def _refused(message: str, hint: str) -> Exception:
    from metaflow_extensions.mfenv.failures import EnvironmentFailed  # which needs Metaflow

    return EnvironmentFailed(f"{message}\nhint: {hint}")


def _asks_for_gpu(deco: Decorator) -> bool:
    return deco.name in ("resources", *REMOTE) and str(deco.attributes.get("gpu") or 0) != "0"
