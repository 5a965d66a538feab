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


_OF_STEPS: dict[type[FlowDecorator], type[StepDecorator]] = {
    ResolvedLock: ResolvedLockStep,
    ResolvedReq: ResolvedReqStep,
    ResolvedUv: ResolvedUvStep,
}


def _decorate(of_flow: type[FlowDecorator], *targets: Any, **attributes: Any) -> Any:
    """What `@NAME` and `@NAME(...)` do: to a class what the one does, else what the other."""
    if not targets:
        return lambda target: _decorate(of_flow, target, **attributes)
    if isinstance(targets[0], (type, FlowMutator)):
        return _base_flow_decorator(of_flow, *targets, **attributes)
    return _base_step_decorator(_OF_STEPS[of_flow], *targets, **attributes)


# In the form of Metaflow's own functions, by which it writes stubs, and a mutator adds them to flows.
resolved_lock = partial(_decorate, ResolvedLock)
resolved_req = partial(_decorate, ResolvedReq)
resolved_uv = partial(_decorate, ResolvedUv)
