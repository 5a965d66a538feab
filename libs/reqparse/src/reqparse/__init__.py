"""Requirement files of every kind, as requirements that know their file and line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reqparse.errors import (
        NotExpressible,
        ParseErrors,
        Problem,
        ReqparseError,
        SelectionErrors,
        UnknownKind,
    )
    from reqparse.files import KINDS, parse_file, parse_requirement
    from reqparse.locked import (
        Compiled,
        Lock,
        LockedArtifact,
        LockedEdge,
        LockedGroups,
        LockedPackage,
    )
    from reqparse.model import PLATFORMS, Note, Origin, Requirement, RequirementSet
    from reqparse.stated import PythonRequirement, Setting, StatedSource

__all__ = [
    "KINDS",
    "PLATFORMS",
    "Compiled",
    "Lock",
    "LockedArtifact",
    "LockedEdge",
    "LockedGroups",
    "LockedPackage",
    "NotExpressible",
    "Note",
    "Origin",
    "ParseErrors",
    "Problem",
    "PythonRequirement",
    "ReqparseError",
    "Requirement",
    "RequirementSet",
    "SelectionErrors",
    "Setting",
    "StatedSource",
    "UnknownKind",
    "parse_file",
    "parse_requirement",
]

_HOMES = {
    "errors": (
        "NotExpressible",
        "ParseErrors",
        "Problem",
        "ReqparseError",
        "SelectionErrors",
        "UnknownKind",
    ),
    "files": ("KINDS", "parse_file", "parse_requirement"),
    "locked": ("Compiled", "Lock", "LockedArtifact", "LockedEdge", "LockedGroups", "LockedPackage"),
    "model": (
        "Note",
        "Origin",
        "PLATFORMS",
        "Requirement",
        "RequirementSet",
    ),
    "stated": ("PythonRequirement", "Setting", "StatedSource"),
}


def __getattr__(name: str) -> Any:
    # Whoever reads a requirement is not made to wait for what lock files hold.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"reqparse.{module}"), name)
    raise AttributeError(f"module `reqparse` has no attribute `{name}`")
