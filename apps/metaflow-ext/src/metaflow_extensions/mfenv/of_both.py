"""Decorators that have one name for a flow and for a step: what is decorated says which is meant.

Metaflow exports a function for each decorator, and of two with one name that of the flow.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from metaflow import FlowMutator
from metaflow.decorators import _base_flow_decorator, _base_step_decorator

from metaflow_extensions.mfenv.decorators import (
    ResolvedLock,
    ResolvedLockStep,
    ResolvedReq,
    ResolvedReqStep,
    ResolvedUv,
    ResolvedUvStep,
)

if TYPE_CHECKING:
    from metaflow.decorators import FlowDecorator, StepDecorator

__all__ = ["resolved_lock", "resolved_req", "resolved_uv"]


def _decorate(
    of_flow: type[FlowDecorator],
    of_step: type[StepDecorator],
    *targets: Any,
    **attributes: Any,
) -> Any:
    """What `@NAME` and `@NAME(...)` do: to a class what the one does, else what the other."""
    if not targets:
        return lambda target: _decorate(of_flow, of_step, target, **attributes)
    if isinstance(targets[0], (type, FlowMutator)):
        return _base_flow_decorator(of_flow, *targets, **attributes)
    return _base_step_decorator(of_step, *targets, **attributes)


# In the form of Metaflow's own functions, by which it writes stubs.
resolved_lock = partial(_decorate, ResolvedLock, ResolvedLockStep)
resolved_req = partial(_decorate, ResolvedReq, ResolvedReqStep)
resolved_uv = partial(_decorate, ResolvedUv, ResolvedUvStep)
