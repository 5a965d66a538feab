"""What failures of conda-lock mean, and of the tool that it runs, whose words are between its own."""

from __future__ import annotations

import re
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

from envid.redaction import redact
from resolvers._conda_tools_answers import read_json
from resolvers._conda_tools_diagnosis import diagnose
from resolvers._programs import ended
from resolvers.errors import EngineFailed, NoSolution

if TYPE_CHECKING:
    from resolvers._conda_question import CondaQuestion
    from resolvers.errors import ResolveError
    from resolvers.request import ResolveContext

__all__ = ["CONDA_LOCK_SETTING", "failure"]

CONDA_LOCK_SETTING = "`mixed_resolver` to `joint`"
"""The setting that chose it, and what that is without."""
_POETRY = re.compile(r"SolverProblemError: (Because .*?version solving failed)", re.DOTALL)
_NOT_FOUND = re.compile(r"PackageNotFound(?:Error)?: Package (\S+) \((\S+)\) not found")
_TOOL = "Could not lock the environment"
_SECTION = r"^    {}:\n(.*?)(?=^    STD|^Traceback |\Z)"
_STATUS = re.compile(r"returned non-zero exit status (\d+)")


def failure(
    kind: str, done: CompletedProcess[str], question: CondaQuestion, context: ResolveContext
) -> ResolveError:
    """The error that a run of conda-lock over a tool of this kind means, which made no lock."""
    log = redact(f"{done.stdout}\n{done.stderr}".strip())
    if poetry := _POETRY.search(log):
        said = " ".join(poetry[1].split()).replace("-dummy-package- depends on", "you ask for")
        return NoSolution(question.platform, said)
    if absent := _NOT_FOUND.search(log):
        name, version = absent.groups()
        return NoSolution(
            question.platform,
            f"conda-lock finds no `{name}` {version} on the index",
            hint="what conda has, the index must have in the same version, and the public one must"
            f" answer at `/pypi/NAME/VERSION/json`; or set {CONDA_LOCK_SETTING}",
        )
    if _TOOL in done.stderr:
        own = _of_tool(done.stderr.partition(_TOOL)[2])
        error = diagnose(kind, read_json(own.stdout), own, question, context)
        if isinstance(error, EngineFailed):
            error.hint = f"see what `{kind}` says by itself, or set {CONDA_LOCK_SETTING}"
        return error
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return EngineFailed(
        "conda-lock",
        (lines[-1][:300] if lines else "it says nothing") + ended(done),
        log,
        f"set {CONDA_LOCK_SETTING}",
    )


def _of_tool(said: str) -> CompletedProcess[str]:
    """What the tool wrote, by what conda-lock tells of it."""
    sections = (
        re.search(_SECTION.format(name), said, re.MULTILINE | re.DOTALL)
        for name in ("STDOUT", "STDERR")
    )
    stdout, stderr = (section[1] if section else "" for section in sections)
    status = _STATUS.search(said)
    return CompletedProcess((), int(status[1]) if status else 1, stdout, stderr)
