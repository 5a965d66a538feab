"""The texts by which people name an environment, and what each of them refers to.

| text | refers to |
|---|---|
| `team/name:tag`, `team/name` | an alias; the tag is `latest` where none is written |
| `step:Flow/run/step`, `step:Flow/run/step/task` | the environment that a Metaflow step ran in |
| `team/name:tag~1` | the environment that an alias named before, so many meanings back |
| `REQ_ID:FULL_ID` | one resolved environment |
| `REQ_ID` | the default environment of a request |
| 8 to 39 hex digits | the one environment whose `req_id` or `full_id` starts so |
| 8 to 40 hex digits, a colon, 8 to 40 more | the one whose `req_id` and `full_id` start so |
"""

from __future__ import annotations

import re
from typing import NamedTuple

from envid._text import is_safe, shown
from envid.errors import InvalidAlias
from envid.ids import FullRef, is_id
from envid.platforms import PLATFORMS

__all__ = [
    "DEFAULT_TAG",
    "MUTABLE_TAGS",
    "Alias",
    "FullRef",
    "PairRef",
    "PastRef",
    "PrefixRef",
    "Ref",
    "ReqRef",
    "StepRef",
    "parse_alias",
    "parse_ref",
]

DEFAULT_TAG = "latest"
MUTABLE_TAGS = frozenset({"latest", "candidate", "stable"})

# A part becomes a file name in some stores, and those end at 255 bytes.
_PART = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,127}")
_PREFIX = r"[0-9a-f]{8,40}"
_PAST = r"(.*[^~])~([1-9][0-9]{0,5})"
_OTHERS = r"[^a-z0-9_.-]+"
_STEP = "step"
_STEP_PART = r"[^\s/:]+"
_GRAMMAR = (
    "names and tags are made of `a-z`, `0-9`, `_`, `-` and `.`, "
    "at most 128 between two slashes, as in `team/name:tag`"
)


class Alias(NamedTuple):
    """A name and a tag, given to a resolved environment."""

    name: str
    tag: str

    @property
    def mutable(self) -> bool:
        """Whether the alias may be given to another environment later."""
        return self.tag in MUTABLE_TAGS

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"


class StepRef(NamedTuple):
    """A step of a Metaflow run, or one task of it."""

    flow: str
    run: str
    step: str
    task: str | None = None

    def __str__(self) -> str:
        tail = f"/{self.task}" if self.task else ""
        return f"step:{self.flow}/{self.run}/{self.step}{tail}"


class PastRef(NamedTuple):
    """What an alias meant before: the meaning that is so many back, one or more, from the present."""

    alias: Alias
    back: int

    def __str__(self) -> str:
        return f"{self.alias}~{self.back}"


class ReqRef(NamedTuple):
    """The default environment of a request."""

    req_id: str

    def __str__(self) -> str:
        return self.req_id


class PrefixRef(NamedTuple):
    """The first digits of an id; which id, only a caller can say who can look up candidates."""

    digits: str

    def __str__(self) -> str:
        return self.digits


class PairRef(NamedTuple):
    """The first digits of a `req_id` and of a `full_id`, as commands print them; not both whole.

    Like a `PrefixRef` it is for a caller to look up.
    """

    req_digits: str
    full_digits: str

    def __str__(self) -> str:
        return f"{self.req_digits}:{self.full_digits}"


Ref = Alias | PastRef | StepRef | FullRef | ReqRef | PrefixRef | PairRef


def parse_ref(text: str) -> Ref:
    """Read a text that names an environment; raises `InvalidAlias` saying why it does not.

    `parse_ref(str(ref))` is `ref`.
    """
    if text.startswith(f"{_STEP}:"):
        return _step(text)
    # Ids before aliases: `_alias` gives out no name that reads like an id.
    if re.fullmatch(_PREFIX, text):
        return ReqRef(req_id=text) if is_id(text) else PrefixRef(digits=text)
    if re.fullmatch(f"{_PREFIX}:{_PREFIX}", text):
        head, _, tail = text.partition(":")
        if is_id(head) and is_id(tail):
            return FullRef(req_id=head, full_id=tail)
        return PairRef(req_digits=head, full_digits=tail)
    if past := re.fullmatch(_PAST, text):
        return PastRef(alias=_alias(past[1]), back=int(past[2]))
    return _alias(text)


def parse_alias(text: str) -> Alias:
    """Read a text that may be given to an environment as its alias; raises `InvalidAlias`.

    Stricter than `parse_ref`: what reads as an id or a pathspec cannot be given.
    """
    if text.startswith(f"{_STEP}:"):
        raise InvalidAlias(text, "pathspecs are given by Metaflow runs, not by hand")
    return _alias(text)


def _step(text: str) -> StepRef:
    parts = text.removeprefix(f"{_STEP}:").split("/")
    fine = is_safe(text) and all(re.fullmatch(_STEP_PART, part) for part in parts)
    if not fine or len(parts) not in (3, 4):
        raise InvalidAlias(
            text, "it is not a pathspec", "write `step:Flow/run/step` or `step:Flow/run/step/task`"
        )
    # The fourth part, or None where there are three.
    return StepRef(flow=parts[0], run=parts[1], step=parts[2], task=(*parts, None)[3])


def _alias(text: str) -> Alias:
    if not text:
        raise InvalidAlias(text, "it is empty")
    if text.count(":") > 1:
        raise InvalidAlias(text, "it has more than one colon", _grammar(text))
    name, colon, tag = text.partition(":")
    if colon and not tag:
        named = all(map(_PART.fullmatch, name.split("/")))
        hint = f"leave the colon out for `{DEFAULT_TAG}`" if named else _grammar(text)
        raise InvalidAlias(text, "the tag is empty", hint)
    if not name:
        raise InvalidAlias(text, "the name is empty", _grammar(text))
    if text != text.lower():
        raise InvalidAlias(text, "it has upper-case letters", _grammar(text))
    if name.startswith("/") or name.endswith("/"):
        raise InvalidAlias(text, "the name starts or ends with a slash", _grammar(text))
    if "//" in name:
        raise InvalidAlias(text, "the name has two slashes in a row", _grammar(text))
    # What is wrong in particular was told above; this is for all else.
    for part in (*name.split("/"), tag or DEFAULT_TAG):
        if not _PART.fullmatch(part):
            where = "tag" if part == tag else "part of a name"
            raise InvalidAlias(text, f"`{shown(part)}` cannot be a {where}", _grammar(text))
    if name == _STEP:
        raise InvalidAlias(text, f"`{_STEP}:` begins a pathspec", "take another name")
    if re.fullmatch(_PREFIX, name):
        raise InvalidAlias(text, "the name reads as the digits of an id", "add a word to the name")
    return Alias(name=name, tag=tag or DEFAULT_TAG)


def _grammar(text: str) -> str:
    """What names are made of, and the name that is nearest to a text, if there is any."""
    name, _, platform = text.partition("@")
    if platform in PLATFORMS and _is_alias(name):
        return f"write `{name}`: a platform is said by an option, where a command has one"
    name, tilde, _ = text.partition("~")
    if tilde and _is_alias(name):
        return f"write `{name}`, or, where a past one is taken, `{name}~1` for what it named before"
    name, _, tag = text.lower().partition(":")
    parts = [re.sub(_OTHERS, "-", part)[:128].strip("-.") for part in (*name.split("/"), tag)]
    # Its errors come back to this, once: what is nearest to `near` is itself.
    near = "/".join(filter(None, parts[:-1])) + (f":{parts[-1]}" if parts[-1] else "")
    if "://" not in text and near != text and _is_alias(near):
        return f"write `{near}`; {_GRAMMAR}"
    return _GRAMMAR


def _is_alias(text: str) -> bool:
    try:
        _alias(text)
    except InvalidAlias:
        return False
    return True
