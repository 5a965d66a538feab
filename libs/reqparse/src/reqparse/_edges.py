"""What a package needs, read from the text that a lock has of it."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from envid.redaction import redact
from reqparse._flaw import Flaw
from reqparse.locked import LockedEdge

# No parser of specs: a lock has thousands of these, its versions were checked by who made it, and a
# release of conda may write what is not known here.
_CONDA = re.compile(r"\s*(?:\S+::)?([\w.-]+)\s*(.*?)\s*", re.DOTALL)
_PYPI = re.compile(
    r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?\s*\(?([^;]*?)\)?\s*(?:;\s*(.*?)\s*)?", re.DOTALL
)


def conda_edge(text: str) -> LockedEdge:
    """What a conda package needs: a MatchSpec, of which only the name is told apart."""
    match = _CONDA.fullmatch(redact(text))
    if not match:
        raise Flaw(f"`{redact(text)}` has no name")
    return LockedEdge(name=match[1].lower(), specifier=match[2])


def pypi_edge(text: str) -> LockedEdge:
    """What a PyPI package needs, as PEP 508 has it; the versions were checked by who locked them."""
    match = _PYPI.fullmatch(redact(text))
    if not match:
        raise Flaw(f"`{redact(text)}` has no name")
    extras = tuple(extra.strip() for extra in (match[2] or "").split(",") if extra.strip())
    return LockedEdge(
        name=canonicalize_name(match[1]), extras=extras, specifier=match[3], marker=match[4]
    )
