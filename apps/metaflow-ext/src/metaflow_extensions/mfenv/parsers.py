"""Parsers for Metaflow's `Config`: requirement files as arguments of decorators.

`Config("needs", default="requirements.txt", parser=req_parser)` gives what
`@pypi(**config.needs)` takes.
"""

from __future__ import annotations

__all__ = ["req_parser", "toml_parser", "yml_parser"]


def req_parser(content: str) -> dict[str, object]:
    """A requirements.txt as arguments of `@pypi`.

    Raises `metaflow_extensions.mfenv.bridge.EnvironmentFailed` for what cannot be read or said.
    """
    return _call("requirements.txt", content)


def toml_parser(content: str) -> dict[str, object]:
    """The dependencies of a pyproject.toml as arguments of `@pypi`; raises as `req_parser` does."""
    return _call("pyproject.toml", content)


def yml_parser(content: str) -> dict[str, object]:
    """An environment.yml as arguments of `@conda`; raises as `req_parser` does."""
    return _call("environment.yml", content)


def _call(kind: str, content: str) -> dict[str, object]:
    from metaflow_extensions.mfenv.bridge import call
    from metaflow_extensions.mfenv.records import Parse

    parsed = call(Parse(kind=kind, content=content), print)
    return {name: value for name, value in vars(parsed).items() if value}
