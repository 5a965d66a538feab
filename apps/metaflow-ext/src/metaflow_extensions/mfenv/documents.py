"""Views of the documents of envid, which have a version of their own and pass as they are.

They are what is read of them here, where envid itself is not.
"""

from __future__ import annotations

from typing import Dict, List, Optional, TypedDict

__all__ = [
    "Description",
    "EnvironmentInfo",
    "PackageDescription",
    "SourceDescription",
    "SpecDescription",
]


class SourceDescription(TypedDict):
    """A channel or an index where packages were looked for."""

    kind: str
    url: str


class SpecDescription(TypedDict):
    """What was asked for."""

    options: Dict[str, object]
    platform_requirements: Dict[str, Dict[str, List[str]]]
    python: str
    requirements: Dict[str, List[str]]
    sources: List[SourceDescription]


class PackageDescription(TypedDict):
    """A package that was found."""

    build: Optional[str]
    filename: str
    hashes: Dict[str, str]
    name: str
    url: str
    version: str


class Description(TypedDict):
    """A resolved environment, as envid describes it."""

    req_id: str
    full_id: str
    platform: str
    env_type: str
    resolved_at: str
    resolved_by: str
    co_resolved: Dict[str, str]
    spec: SpecDescription
    packages: List[PackageDescription]


class EnvironmentInfo(Description):
    """A description with what metaflow-netflixext has in its place."""

    type: str
    user_deps: str
    all_packages: str
