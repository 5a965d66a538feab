"""Parsers for Metaflow's `Config`: requirement files as arguments of decorators.

`Config("needs", default="requirements.txt", parser=req_parser)` gives what
`@pypi(**config.needs)` takes.
"""

from __future__ import annotations

from typing import Any

__all__ = ["req_parser", "toml_parser", "yml_parser"]


def req_parser(content: str) -> dict[str, Any]:
    """A requirements.txt as arguments of `@pypi`.

    Raises `metaflow_extensions.mfenv.bridge.EnvironmentFailed` for what cannot be read or said.
    """
    return _call("requirements.txt", content)


def toml_parser(content: str) -> dict[str, Any]:
    """The dependencies of a pyproject.toml as arguments of `@pypi`; raises as `req_parser` does."""
    return _call("pyproject.toml", content)


def yml_parser(content: str) -> dict[str, Any]:
    """An environment.yml as arguments of `@conda`; raises as `req_parser` does."""
    return _call("environment.yml", content)


def _call(kind: str, content: str) -> dict[str, Any]:
    from metaflow_extensions.mfenv.bridge import call

    result: dict[str, Any] = call("parse", print, kind=kind, content=content)
    return result
