"""What failures of the conda family mean."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from envid.redaction import redact
from resolvers._conda_question import package_name
from resolvers._programs import ended
from resolvers.errors import (
    CHECK_ADDRESS,
    EngineFailed,
    IndexUnreachable,
    NoSolution,
    PythonRefused,
    ResolveError,
    UnknownChannel,
    UnknownPackage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import CompletedProcess

    from resolvers._conda_question import CondaQuestion
    from resolvers.request import ResolveContext

__all__ = ["diagnose", "is_cut_off", "unknown"]

# What kind of failure it is, by the names that conda gives to its own.
_UNSOLVABLE = re.compile(r"Unsatisfiable|SpecsConfigurationConflict|ResolvePackageNotFound")
_NOT_FOUND = re.compile(r"PackagesNotFound|ResolvePackageNotFound")
# What conda says where it puts together what is asked of one package, and mamba 1 in place of JSON.
_APART = "Incompatible component merge"
_SIDES = re.compile(r"- +\\*'([^'\\]+)")
_IN_WORDS = re.compile(
    r"^(?:Encountered problems while solving|Could not solve for environment specs).*\n",
    re.MULTILINE,
)
_NETWORK = re.compile(r"HTTP|Connection|SSL|Proxy|Timeout|Unavailable|InvalidChannel|Offline")
_URL = re.compile(r"(?:https?|file)://[^\s<>'\"`]+")
# For releases that say it in a sentence of theirs alone, each otherwise.
_STATUS = re.compile(
    r"\b(?:HTTP|status|code|error)\W{0,3}(?:code\W{0,3})?([45]\d\d)\b", re.IGNORECASE
)
_DOWNLOAD = re.compile(
    r"(?:download|transfer|fetch|retriev|resolve host|connect|repodata).*", re.IGNORECASE
)
_SHOWN = 6
_LONGEST = 1000
_NAMED = re.compile(r"nothing provides (?:requested )?([a-z0-9_][a-z0-9_.-]*)")


def diagnose(
    kind: str,
    data: Mapping[str, Any] | None,
    done: CompletedProcess[str],
    question: CondaQuestion,
    context: ResolveContext,
) -> ResolveError:
    """The error that an answer without packages means: in JSON, or in none."""
    log = redact(f"{done.stdout}\n{done.stderr}".strip())
    said = redact("\n".join((done.stderr.strip(), *_logged(data or {}))).strip())
    reason = _unsolved(data or {}, done.stdout)
    if reason is not None:
        return _unsolvable(reason or "it does not say why", question, context)
    if data is None:
        if is_cut_off(done.stdout):
            reason = f"its answer ends early, after {len(done.stdout)} characters"
        else:
            reason = f"its answer is not JSON: {_last(said or log) or 'it says nothing'}"
        return _by_network(said, question) or EngineFailed(
            kind, reason + ended(done), log, _by_itself(kind)
        )
    name = str(data.get("exception_name") or "")
    text = redact(str(data.get("message") or data.get("error") or ""))
    if _NOT_FOUND.search(name):
        names = [redact(str(package)) for package in _listed(data.get("packages") or ())]
        reason = "there is no " + " and no ".join(names) if names else _first(text)
        return UnknownPackage(
            question.platform, reason, _asked(reason, question, context), "check the name"
        )
    if _NETWORK.search(name):
        return _by_network(text, question) or IndexUnreachable(
            ", ".join(question.told_channels), _first(text)
        )
    silent = "its answer is whole, and it does not say what failed"
    # What follows its first line may be what there is to do.
    stated = redact(str(data.get("error") or "")).removeprefix(f"{name}: ")
    whole = " ".join(max(text, stated, key=len).split())
    reason = whole[:_LONGEST].rstrip(".") or _last(said) or silent
    return _by_network(said, question) or EngineFailed(
        kind, reason + ended(done), log, _by_itself(kind)
    )


def _unsolved(data: Mapping[str, Any], stdout: str) -> str | None:
    """Why nothing serves, by what it says of that in any of its forms; None where it does not."""
    if problems := _listed(data.get("solver_problems") or ()):
        return "; ".join(redact(" ".join(str(problem).split())) for problem in problems)
    if told := _IN_WORDS.split(stdout.partition("\n{")[0])[1:]:
        return redact("\n".join(told).strip())
    text = redact(str(data.get("message") or data.get("error") or ""))
    if _UNSOLVABLE.search(name := str(data.get("exception_name") or "")):
        return None if _NOT_FOUND.search(name) else text
    if _APART in text:
        return f"no package is both {' and '.join(_SIDES.findall(text))}"
    return None


def is_cut_off(stdout: str) -> bool:
    """Whether what a program wrote ends within an object of JSON, which begins a line."""
    return bool(re.search("^{", stdout, re.MULTILINE)) and stdout.count("{") > stdout.count("}")


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _logged(data: Mapping[str, Any]) -> Iterator[str]:
    """What micromamba has logged, which it may write into its answer in place of standard error."""
    for record in _listed(data.get("log_records") or ()):
        text = record.get("message") or record.get("msg") if isinstance(record, dict) else record
        if isinstance(text, str):
            yield text


def unknown(
    error: ResolveError,
    question: CondaQuestion,
    context: ResolveContext,
    there: Callable[[Sequence[str]], Sequence[Mapping[str, Any]]],
) -> ResolveError:
    """The error, or that of what no channel has: of that the family says little, each otherwise."""
    if not isinstance(error, NoSolution):
        return error
    texts = {text: package_name(text) for text in question.specs if not text.startswith("__")}
    # Where the channels cannot be asked, what the program itself said stands.
    with suppress(ResolveError):
        records = there(sorted(set(texts.values())))
        names = {each["name"] for each in records}
        if lacking := sorted({*texts.values()} - names):
            reason = "there is no " + " and no ".join(lacking)
            hint = (
                f"no channel has `{lacking[0]}` for {question.platform}; check the spelling; looked"
                f" in {', '.join(question.channels)}"
            )
            return UnknownPackage(
                question.platform, reason, _asked(reason, question, context), hint
            )
        matched = {text for each in records for text in each["matched"]}
        if unmatched := [text for text in texts if text not in matched]:
            name = texts[unmatched[0]]
            versions = dict.fromkeys(each["version"] for each in records if each["name"] == name)
            reason = f"there is no {question.specs[unmatched[0]]}"
            hint = f"there is `{name}` {', '.join([*versions][:_SHOWN])}"
            return NoSolution(question.platform, reason, _asked(reason, question, context), hint)
        # There is each by itself: what is not there is one that goes with the rest.
        if isinstance(error, UnknownPackage):
            return NoSolution(question.platform, error.reason, error.asked)
    return error


def _unsolvable(text: str, question: CondaQuestion, context: ResolveContext) -> NoSolution:
    reason = "\n".join(line.rstrip(". ") for line in text.strip().splitlines() if line.strip())
    reason = reason.replace("Cannot solve the request because of: ", "")
    kind: type[NoSolution] = NoSolution
    lacking = _NAMED.search(reason)
    if lacking and lacking[1] in map(package_name, question.specs):
        kind = UnknownPackage
    elif re.search(r"\bpython\b", reason) and "python_abi" not in reason:
        kind = PythonRefused if _is_about_python(reason, question) else NoSolution
    return kind(question.platform, reason, _asked(reason, question, context))


def _is_about_python(reason: str, question: CondaQuestion) -> bool:
    """Whether all that the solver speaks of is a package that does not go with this Python."""
    names = {package_name(text) for text in question.specs} & set(
        re.findall(r"[a-z0-9_.-]+", reason)
    )
    return "python" in names and len(names) <= 2  # noqa: PLR2004 - Python and the other


def _by_network(text: str, question: CondaQuestion) -> ResolveError | None:
    said, url = _DOWNLOAD.search(text), _URL.search(text)
    status = _STATUS.search(text)
    if not said or not (url or status):
        return None
    where = url[0].rstrip(".,)") if url else ", ".join(question.told_channels)
    code = int(status[1]) if status else None
    if code in (404, 410):
        channel = next((known for known in question.channels if where.startswith(known)), where)
        return UnknownChannel(channel, f"HTTP status {code}")
    reason = f"HTTP status {code}" if code else _first(said[0])
    return IndexUnreachable(where, reason, code, CHECK_ADDRESS)


def _asked(
    reason: str, question: CondaQuestion, context: ResolveContext
) -> tuple[tuple[str, str | None], ...]:
    names = set(re.findall(r"[a-z0-9_][a-z0-9_.-]*", reason))
    return tuple(
        (asked, context.origins.get(asked))
        for spec, asked in question.specs.items()
        if package_name(spec) in names
    )


def _by_itself(kind: str) -> str:
    return f"see what `{kind}` says by itself, or set `conda_resolver` to `rattler`"


def _first(text: str) -> str:
    return next((line.strip().rstrip(".") for line in text.splitlines() if line.strip()), "")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
