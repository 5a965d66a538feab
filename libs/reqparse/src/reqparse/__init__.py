"""Requirement files of every kind, as requirements that know their file and line."""

from __future__ import annotations

from reqparse.errors import (
    NotExpressible,
    ParseErrors,
    Problem,
    ReqparseError,
    SelectionErrors,
    UnknownKind,
)
from reqparse.files import KINDS, parse_file, parse_requirement
from reqparse.model import (
    PLATFORMS,
    Compiled,
    Lock,
    LockedArtifact,
    LockedEdge,
    LockedGroups,
    LockedPackage,
    Note,
    Origin,
    PythonRequirement,
    Requirement,
    RequirementSet,
    Setting,
    StatedSource,
)

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
