"""Parsers for Metaflow's `Config`: requirement and lock files as arguments of decorators.

`Config("needs", default="requirements.txt", parser=req_parser)` gives what
`@pypi(**config.needs)` takes; `lock_parser` does so for `@resolved_lock`.
"""

from __future__ import annotations

__all__ = ["lock_parser", "req_parser", "toml_parser", "yml_parser"]


def lock_parser(content: str) -> dict[str, object]:
    """A lock file of any kind as an argument of `@resolved_lock`.

    It is read when a step needs it, so that what is wrong with it is said with the name of the step.
    """
    return {"content": content}


def req_parser(content: str) -> dict[str, object]:
    """A requirements.txt as arguments of `@pypi`.

    Raises `metaflow_extensions.mfenv.failures.EnvironmentFailed` for what cannot be read or said.
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
    from metaflow_extensions.mfenv.command_records import Parse

    parsed = call(Parse(kind=kind, content=content), print)
    return {name: value for name, value in vars(parsed).items() if value}
