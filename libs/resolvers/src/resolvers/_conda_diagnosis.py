"""What py-rattler's failures mean for someone who does not use it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from envid.redaction import redact
from resolvers._conda_question import package_name
from resolvers._refusals import REFUSED, refusal
from resolvers.channels import split_channel
from resolvers.errors import (
    CHECK_ADDRESS,
    EngineFailed,
    IndexUnreachable,
    NoSolution,
    PythonRefused,
    UnknownChannel,
    UnknownPackage,
    UnsupportedRequest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resolvers._conda_question import CondaQuestion
    from resolvers.errors import ResolveError
    from resolvers.request import ResolveContext

__all__ = ["BROKE_OFF", "asked_urls", "diagnose"]

BROKE_OFF = "error decoding response body"
"""What the engine says where an answer ends before all of it is there."""
_SHOWN_VERSIONS = 6
# As reqwest says it, by which the engine asks.
_STATUS = re.compile(r"HTTP status \w+ error \((\d+) ([^)]*)\) for url \((\S+)\)")
_URL = re.compile(r"\b(?:https?|file)://[^\s)'\"`]+")
# The engine's phrases, and ours in their place; what is not listed is understood as it is. A phrase
# that is part of another comes after it.
_TREE = (
    ("Cannot solve the request because of: ", ""),
    ("The following packages are incompatible", "these cannot be installed together:"),
    ("No candidates were found for ", "there is no "),
    ("cannot be installed because there are no viable options:", "cannot be installed:"),
    ("which can be installed with any of the following options:", "for which there is:"),
    ("can be installed with any of the following options:", "for which there is:"),
    ("for which no candidates were found", "and there is none"),
    (", which conflicts with the versions reported above", ", against the ones above"),
)
# A virtual package and what is asked of it, by whoever asks for it or by a package.
_LACKING = re.compile(r"(?:─ (?=.*no candidates)|were found for )(__[a-z0-9_]+)(.*)")
_RECORD = "the channel must be indexed again by whoever keeps it; or ask for other packages"
_DAMAGE = f"{CHECK_ADDRESS}; if they are right, the channel must be indexed again"
_STATUSES = {
    404: ("it is not there", "check the name and the address of the channel"),
    410: ("it is not there any more", "check the name and the address of the channel"),
    429: ("it has had too many requests", "try again later"),
}


def diagnose(
    answer: Mapping[str, Any], question: CondaQuestion, context: ResolveContext
) -> ResolveError:
    """The error that an answer without packages means."""
    text = redact(answer["text"]).strip() or "it does not say why"
    if answer["error"] == "spec":
        return _bad_spec(answer["spec"], text, question, context)
    if answer["error"] == "unsolvable":
        error = _unsolvable(text, answer["versions"], question, context)
        error.hint = "; ".join((*answer.get("hidden", ()), str(error.hint)))
        return error
    if answer["error"] == "channel":
        return _unreadable(answer["channel"], text, question)
    return _gateway(text, question, context, damaged=answer["error"] == "damage")


def asked_urls(answer: Mapping[str, Any], question: CondaQuestion) -> list[str]:
    """What the engine was reading when it failed: one URL, or one of each channel."""
    text = answer["text"]
    file = re.search(r"its `(\S+/repodata\S*)` ", text)
    if file and "channel" in answer:
        return [f"{answer['channel']}/{file[1]}"]
    match = _URL.search(text)
    if match:
        return [match[0].rstrip(".")]
    # It does not say whose answer broke off: any channel may have been it.
    if BROKE_OFF not in text:
        return []
    return [f"{url}/{question.platform}/repodata.json" for url in question.channels]


def _bad_spec(
    spec: str, text: str, question: CondaQuestion, context: ResolveContext
) -> UnsupportedRequest:
    asked = question.specs.get(spec, spec)
    origin = context.origins.get(asked)
    where = f"{origin}: " if origin else ""
    reason = _one_line(text.splitlines()[0])
    return UnsupportedRequest(
        f"{where}`{asked}` is not a conda requirement: {reason}", "write it like `numpy>=1.26,<3`"
    )


def _unsolvable(
    text: str, versions: Mapping[str, list[str]], question: CondaQuestion, context: ResolveContext
) -> NoSolution:
    reason = "\n".join(line.rstrip(". ") for line in text.splitlines())
    for theirs, ours in _TREE:
        reason = reason.replace(theirs, ours)
    # `numpy *` is `numpy`.
    reason = re.sub(r"(\S) \*(?= |,|$)", r"\1", reason, flags=re.MULTILINE)
    reason = re.sub(
        r"is excluded because due to strict channel priority not using this option from: '(\S+?)/?'",
        r"is only in \1, and an earlier channel has that name",
        reason,
    )
    reason = re.sub(r"the constraint (.+) cannot be fulfilled", r"\1 is held", reason)
    # Requirements whose names the reason has are the ones that it is about.
    names = set(re.findall(r"[a-z0-9_][a-z0-9_.-]*", reason))
    asked = tuple(
        (asked, context.origins.get(asked))
        for spec, asked in question.specs.items()
        if package_name(spec) in names
    )
    # The kind says what may help: another Python, but none where no channel has the name.
    kind: type[NoSolution] = NoSolution
    if any(not known for known in versions.values()):
        kind = UnknownPackage
    elif "python" in versions:
        kind = PythonRefused
    return kind(question.platform, reason, asked, _hint(text, versions, question))


def _hint(text: str, versions: Mapping[str, list[str]], question: CondaQuestion) -> str:
    hints = []
    if "uploaded after the cutoff" in text:
        hints.append("a later cut-off date would let more packages in")
    if "strict channel priority" in text:
        hints.append(
            "name the channel, as in `CHANNEL::PACKAGE`, or ask for `flexible` channel priority"
        )
    # Virtual packages are what the target is taken to have, which the user may know better.
    lacking = dict(_LACKING.findall(text))
    for name, asked in sorted(lacking.items()):
        least = re.search(r">=\s*([0-9][0-9.]*[0-9]|[0-9]+)", asked)
        has = next((virtual for virtual in question.virtual if virtual[0] == name), None)
        target = f"`{name}={has[1]}`" if has else f"no `{name}`"
        hints.append(
            f"{question.platform} is taken to have {target};"
            f" if it has more, say so with `--sys {name}={least[1] if least else 'VERSION'}`"
        )
    looked = ", ".join(dict.fromkeys(question.channels.values()))
    for name, known in versions.items():
        if known:
            shown = ", ".join(known[:_SHOWN_VERSIONS]) + (
                ", ..." if len(known) > _SHOWN_VERSIONS else ""
            )
            hints.append(f"there is `{name}` {shown}")
        else:
            hints.append(
                f"no channel has `{name}` for {question.platform}; check the spelling;"
                f" looked in {looked}"
            )
    return "; ".join(hints) or "ask for other versions, or leave one side out"


def _unreadable(url: str, reason: str, question: CondaQuestion) -> ResolveError:
    name = question.channels.get(url, url)
    if reason.startswith("there is neither"):
        return UnknownChannel(name, f"{reason}")
    hint = _RECORD if "is wrong" in reason else _DAMAGE
    return IndexUnreachable(name, _one_line(reason), hint=hint)


def _gateway(
    text: str, question: CondaQuestion, context: ResolveContext, *, damaged: bool
) -> ResolveError:
    missing = re.search(r"could not find subdir '(\S+)' in channel '(\S+?)/?'", text)
    if missing:
        name = question.channels.get(missing[2], missing[2])
        return UnknownChannel(name, f"there is no `{missing[1]}` at {missing[2]}")
    status = _STATUS.search(text)
    if status:
        code, url = int(status[1]), _channel(status[3], question)
        if code in REFUSED:
            reason, hint = refusal(code, url, context.credentials)
        elif code in _STATUSES:
            reason, hint = _STATUSES[code]
            reason = f"{reason} ({code})"
        else:
            reason, hint = f"it answers {status[2]} ({code})".lower(), "try again later"
        return IndexUnreachable(url, reason, code, hint)
    if "no usable repodata cache" in text:
        return IndexUnreachable(
            _all_channels(question),
            "the network is not to be used, and what was read before is not enough",
            hint="try again with the network",
        )
    match = _URL.search(text)
    last = _one_line(text.splitlines()[-1].removeprefix("Caused by: "))
    if match is None and damaged:
        where = _all_channels(question)
        return IndexUnreachable(where, f"their repodata is damaged: {last}", hint=_DAMAGE)
    if match is None:
        return (
            IndexUnreachable(_all_channels(question), last, hint="check the network")
            if BROKE_OFF in text
            else EngineFailed("py-rattler", last, _one_line(text))
        )
    if damaged or "decod" in text:
        last = f"its repodata is damaged: {last}"
    where = _channel(match[0], question)
    return IndexUnreachable(where, last, hint=CHECK_ADDRESS)


def _all_channels(question: CondaQuestion) -> str:
    return ", ".join(map(redact, question.channels)) or "the channels"


def _channel(url: str, question: CondaQuestion) -> str:
    """The channel that a URL is of."""
    # Behind those of the request the ones that a requirement of it names.
    channels = (*question.channels, *(split_channel(spec)[0] for spec in question.specs))
    return next((one for one in channels if one and url.startswith(f"{one}/")), url)


def _one_line(text: str) -> str:
    # The number of an error of the system says nothing beside its words.
    return re.sub(r" \(os error \d+\)", "", " ".join(text.split())).rstrip(".")
