"""What is wrong with what is asked for by its URL or path, in the same words for every engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envid.redaction import redact
from resolvers._story import without_logins
from resolvers.errors import PackageUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolvers._question import UvQuestion

__all__ = ["misnamed", "named_otherwise", "no_revision", "origin_of"]

_DIGEST = re.compile(r"#sha256=[0-9a-f]{64}")


def misnamed(text: str, own: str, origin: str | None) -> PackageUnreadable:
    """The error of a reference, as it was asked for, to a package that says it is `own`."""
    return PackageUnreadable(
        redact(_DIGEST.sub("", text)),
        "",
        f"it says itself that it is `{own}`",
        f"ask for it as `{own}`, or check where it leads to",
        origin,
    )


def named_otherwise(name: str, own: str, question: UvQuestion, text: str = "") -> PackageUnreadable:
    """The error of what is asked for as `name`; `text` is how an engine names it."""
    direct = (stated for stated in question.asked({name}) if " @ " in stated[0])
    asked, origin = next(direct, (text or name, None))
    return misnamed(asked, own, origin)


def no_revision(url: str, revision: str, question: UvQuestion) -> PackageUnreadable:
    """The error of a repository, by its URL without a login, that has not what is asked of it."""
    reference = f"{url}@{revision}"
    asked = next(_naming(reference, question), (f"git+{reference}", None))
    return PackageUnreadable(
        redact(asked[0]),
        "",
        f"the repository has no branch, tag or commit `{revision}`",
        f"name one that it has: `git ls-remote {redact(url)}` lists them",
        asked[1],
    )


def origin_of(url: str, question: UvQuestion) -> str | None:
    """The `file:line` of the first requirement in which a URL without a login stands."""
    return next((origin for _, origin in _naming(url, question)), None)


def _naming(url: str, question: UvQuestion) -> Iterator[tuple[str, str | None]]:
    """The requirements in which a URL stands, up to what may come behind it."""
    whole = re.compile(rf"{re.escape(url)}(?=[@#;\s]|$)")
    for text, origin in question.all_asked:
        if whole.search(without_logins(text)):
            yield text, origin
