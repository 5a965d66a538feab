"""What uv's failures mean for someone who does not use uv."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envid.redaction import redact
from resolvers._build_logs import build_failed
from resolvers._reasons import floor_hint, why_no_wheel
from resolvers._references import named_otherwise, no_revision, origin_of
from resolvers._refusals import REFUSED, refusal
from resolvers._story import Story, plain_words, without_logins
from resolvers.errors import (
    CHECK_ADDRESS,
    CHECK_REPOSITORY,
    BuildFailed,
    EngineFailed,
    IndexUnreachable,
    NoSolution,
    PackageUnreadable,
    PythonRefused,
    UnknownPackage,
    UnsupportedRequest,
)

if TYPE_CHECKING:
    from pkgcache.web.credentials import Credentials
    from resolvers._question import UvQuestion
    from resolvers.errors import ResolveError

__all__ = ["diagnose", "unreachable"]

_GIT = re.compile(r"git\+(\w+://(?:[^/@\s]+@)?[^\s`@#]+)")


# What git says of a branch, a tag or a commit that is not there, and what uv calls it.
_NO_REVISION = re.compile(r"find remote ref|not our ref|unknown revision|no such (?:remote )?ref")
_REVISION = r"failed to (?:fetch|find) [a-z, ]+`([^`]+)`"
_NO_GIT = "Git executable not found"

# What uv calls things, and what they are to whoever asked.
_TERMS = (
    ("in the package registry", "in any index"),
    ("in the provided package locations", "in any of the sources"),
    ("the current Python version", "the Python version"),
)
# What uv says of files that are no packages, and what that comes to.
_BROKEN = (
    (r"unexpected header|central directory", "it is no zip archive"),
    (r"gzip header", "it is no gzip archive"),
    (r"unexpected end of file|bad uncompressed size|bad CRC", "it is cut off, or damaged"),
    (r"'encryption'", "it is encrypted"),
    (r"\.dist-info/(METADATA|RECORD)`: No such file", "it has no `{}`"),
    (r"METADATA` is invalid|[Mm]etadata .*(?:missing|invalid)", "its `METADATA` is not valid"),
    (r"metadata name `([^`]+)` does not match", "it says itself that it is `{}`"),
    (r"got distribution metadata for (\S+)", "it says itself that it is `{}`"),
    (r"the wheel is invalid: (.*)", "{}"),
)
# What uv has passed over since its files, or what these say, could not be read: the package, its
# version, and why.
_PASSED_OVER = re.compile(
    r"(The structure of|Metadata for) `([^`]+)`(?: \(v([^)]+)\))?[^\n]*:((?:\n +.*)+)"
)
_TRANSFER = re.compile(r"response body|connection|timed out|HTTP status")
# uv's hints that a user of ours can act upon, and what they come to.
_HINTS = (
    (
        r"`([^`]+)` was filtered by `exclude-newer`.*?published at (\S+?)\. ",
        "`{0}` was published at {1}, after the cut-off date",
    ),
    (
        r"`([^`]+)` was filtered by `exclude-newer`(?!.*published at)",
        "the index does not say that `{0}` was published before the cut-off date",
    ),
    (
        r"`([^`]+)` was found on (\S+), but not at the requested version",
        "the first source that has `{0}` decides, and that is {1}",
    ),
    (
        r"You require (CPython \S+).*?only found wheels for `([^`]+)` \((\S+)\)[^:]*: (.*)",
        "`{1}` {2} has wheels for {3} only, and this is {0}",
    ),
    (
        r"Wheels are available for `([^`]+)` \((\S+)\)[^:]*: (.*)",
        "`{0}` {1} has wheels for {2} only",
    ),
    (
        r"Wheels are required for `([^`]+)` because building",
        "allow `{0}` to be built from source, or ask for a version that has a wheel",
    ),
)


def diagnose(stderr: str, question: UvQuestion) -> ResolveError:
    """The error that a failed `uv pip compile` means."""
    story = Story.read(stderr)
    # The cause before what follows from it: where a source does not answer, uv may also say that a
    # build failed, or that there is no solution.
    return (
        _no_revision(story, question)
        or unreachable(story, question.context.credentials, question)
        or _no_page(story, question)
        or _unreadable(story, question)
        or _failed_build(story, question)
        or _by_url(story, question)
        or _no_solution(story, question)
        or _misread(story)
        or EngineFailed("uv", story.reason, story.log)
    )


def unreachable(
    story: Story, credentials: Credentials, question: UvQuestion | None = None
) -> IndexUnreachable | None:
    """The error of a source that does not answer; the `question` has the names of all of them."""
    refused = story.search(r"(?:An index|An index URL) \((\S+)\) .*?(401|403)")
    if refused:
        status = int(refused[2])
        reason, hint = refusal(status, refused[1], credentials)
        return IndexUnreachable(refused[1], reason, status, hint)
    if story.search("the network was disabled|Network connectivity is disabled"):
        sources = question.spec.sources if question else ()
        return IndexUnreachable(
            ", ".join(source.url for source in sources if source.kind != "channel")
            or "the sources",
            "the network is not to be used, and what was read before is not enough",
            hint="try again with the network",
        )
    fetch = story.search(r"Failed to fetch: `?([^\s`]+)|Failed to read `--find-links` \w+: (.+)")
    # A download may also fail at what came of it; see `_unreadable`.
    if not fetch and story.search(_TRANSFER):
        fetch = story.search(r"Failed to download `\S+ @ ([^`]+)()`")
    if fetch:
        answer = story.search(r"HTTP status \w+ error \((\d+) ([^)]*)\)")
        where = fetch[1] or fetch[2]
        if answer:
            status = int(answer[1])
            reason = f"{answer[2]} ({status})".lower()
            hint = "try again later" if status >= 500 else "check the address"  # noqa: PLR2004
            if status in REFUSED:
                reason, hint = refusal(status, where, credentials)
            return IndexUnreachable(where, reason, status, hint)
        hint = CHECK_ADDRESS if "://" in where else "check the path"
        return IndexUnreachable(where, story.reason, hint=hint)
    if story.search("Git operation failed") and not story.search(_NO_GIT):
        repositories = _repositories(story, question)
        # git says what is wrong first, and then what may be done.
        fatal = re.search(r"fatal: (.*[^\s.])", story.log)
        reason = fatal[1] if fatal else story.said or story.reason
        where = without_logins(", ".join(repositories)) or "the git repository"
        return IndexUnreachable(where, reason, hint=CHECK_REPOSITORY)
    return None


def _no_revision(story: Story, question: UvQuestion) -> PackageUnreadable | None:
    revision = story.search(_REVISION)
    if not revision or not _NO_REVISION.search(story.log):
        return None
    # Of several that are asked for uv does not say which, and the revision does.
    repositories = [without_logins(one) for one in _repositories(story, question)]
    asked = [one for one in repositories if origin_of(f"{one}@{revision[1]}", question)]
    return no_revision((asked or repositories or ["the repository"])[0], revision[1], question)


def _repositories(story: Story, question: UvQuestion | None) -> list[str]:
    """The one that uv speaks of, else all that are asked for."""
    if address := story.search(_GIT):
        return [address[1]]
    return _GIT.findall(" ".join(text for text, _ in question.all_asked)) if question else []


def _no_page(story: Story, question: UvQuestion) -> IndexUnreachable | None:
    other = story.search(r"`Content-Type`.* for `(\S+?)`")
    if other:
        reason = "the server sends what is no page of an index"
        return IndexUnreachable(other[1], reason, hint="check the address")
    hint = "have it mended there, or leave it out"
    if wrong := story.search(r"unexpected (?:HTML|JSON) from `(\S+?)`"):
        return IndexUnreachable(wrong[1], f"its page is damaged: {story.reason}", hint=hint)
    if link := story.search(r"Could not parse absolute URL `(.+?)` as"):
        asked = ", ".join(
            source.url for source in question.spec.sources if source.kind != "channel"
        )
        return IndexUnreachable(asked, f"a link in its page is no URL: `{link[1]}`", hint=hint)
    return None


def _failed_build(story: Story, question: UvQuestion) -> BuildFailed | None:
    if story.search(_NO_GIT):
        return BuildFailed("a git reference", "git is not on PATH", story.log, "install git")
    failed = story.search(r"Failed to (?:download and )?(?:build|prepare) `([^`]+)`")
    if not failed:
        return None
    hint = "install what its build needs, or ask for a version that has a wheel"
    # What has no `==` is a direct reference, of which no index has wheels.
    name, exact, version = failed[1].partition("==")
    why = why_no_wheel(canonicalize_name(name), version, question) if exact else ""
    if exact and not question.must_build(canonicalize_name(name)):
        floor = floor_hint(canonicalize_name(name), version, question)
        hint = f"{floor}; {hint}" if floor else hint
    cache = question.context.cache_dir
    error = build_failed(name.partition(" @ ")[0], story, cache, hint, why)
    error.version = version
    return error


def _unreadable(story: Story, question: UvQuestion) -> PackageUnreadable | None:
    failed = story.search(
        r"Failed to (?:download|download and build|read) `([^`]+)`"
        r"|(?:distribution metadata for|match given name) `?([^`\s,]+)"
    )
    # Where a program that uv had started said something, it is a failed build.
    reason = _broken(story.causes[-1]) if story.causes and not story.said else None
    if not failed or not reason or story.search(_TRANSFER):
        return None
    named = story.search(r"Failed to extract archive: (\S+)")
    asked = failed[1] or failed[2]
    if " @ " in asked:
        name, _, url = asked.partition(" @ ")
        if other := story.search(r"metadata name `([^`]+)` does not match"):
            return named_otherwise(canonicalize_name(name), other[1], question, asked)
        return PackageUnreadable(redact(url), "", reason, origin=origin_of(url, question))
    name, _, version = asked.partition("==")
    filename, where = _files(name, version, question, only=named[1] if named else "")
    return PackageUnreadable(filename or asked, where, reason)


def _broken(said: str) -> str | None:
    """What is wrong with a file, from what uv says of it."""
    for pattern, text in _BROKEN:
        if match := re.search(pattern, said, re.IGNORECASE):
            return text.format(*match.groups())
    return None


def _files(name: str, version: str, question: UvQuestion, only: str = "") -> tuple[str, str]:
    """The files of a version, of any if it is not known, and the sources that have them.

    If it has wheels they are meant, and of several files `only` that which uv names.
    """
    known = question.projects.of(canonicalize_name(name))
    files = [file for file in known if not version or str(file.version) == version]
    files = [file for file in files if file.is_wheel] or files
    files = [file for file in files if file.filename == only] or files
    places = dict.fromkeys(redact(file.place) for file in files)
    return "` or `".join(file.filename for file in files), "` or `".join(places)


def _by_url(story: Story, question: UvQuestion) -> NoSolution | None:
    """The error of a package that needs another by its URL, which uv takes from who asks for it."""
    needs = story.search(r"[Pp]ackage `([^`]+)`.* URL dependenc(?:.* adding `([^`]+)`)?")
    clash = story.search(r"conflicting URLs for package `([^`]+)`:?\W*(.*)")
    found = needs or clash
    if not found:
        return None
    by = story.search(r"resolve dependencies for (?:package )?`([^`]+)`")
    needing = by[1].partition("==")[0] if by else ""
    name, stated = found[1], (found[2] or "").strip()
    who = f"`{by[1]}`" if by else "a package"
    others = f", or for another version of `{needing}`" if needing else ""
    if needs:
        line = stated or f"{name} @ URL"
        reason = f"{who} needs `{stated or name}`{'' if stated else ' by a URL'}, and only what is"
        reason += " asked for by yourself may come from a URL"
        hint = f"ask for `{line}` yourself, as a requirement of your own{others}"
    else:
        urls = ", ".join(
            f"`{url.strip()}`" for url in re.split(r"(?:^| )- ", stated) if url.strip()
        )
        reason = f"{who} needs `{name}` from another URL than it is asked for: {urls}"
        hint = f"ask for `{name}` from one URL only{others}"
    # And of what needs the one that needs it.
    named = {needing, name, *re.findall(r"`([\w.-]+)`", " ".join(story.hints))} - {""}
    names = set(map(canonicalize_name, named))
    return NoSolution(question.target.platform, reason, question.asked(names), hint)


def _no_solution(story: Story, question: UvQuestion) -> NoSolution | None:
    if not story.search("No solution found"):
        return None
    reason = story.reason
    for theirs, ours in _TERMS:
        reason = reason.replace(theirs, ours)
    kind: type[NoSolution] = NoSolution
    hint = _hidden(story, reason, question) or _hint(story) or _held(reason, question)
    # uv passes over a version whose files are damaged, and may then find none.
    for what, name, version, said in _PASSED_OVER.findall(story.log):
        lines = said.strip().splitlines()
        if what.startswith("Metadata"):
            # Its lines are what is wrong, where it stands, and a mark below that.
            told = (plain_words(line.strip()) for line in lines if line.strip(" ^"))
            package = f"{name}=={version}" if version else name
            reason += f"; the metadata of `{package}` is not valid: {': '.join(told)}"
            hint = hint or "have it mended there, or ask for another version"
            continue
        filename, where = _files(name, version, question)
        why = _broken(said) or plain_words(lines[-1])
        reason += f"; {PackageUnreadable(filename or name, where, why)}"
        hint = hint or PackageUnreadable.hint
    if "does not satisfy Python" in reason:
        kind, hint = PythonRefused, hint or "ask for another Python, or for other versions"
    elif not hint and re.search(r"\S+ was not found in|there are no versions of", reason):
        sources = [source.url for source in question.spec.sources if source.kind != "channel"]
        looked = (
            f"looked in {', '.join(sources)}"
            if sources
            else "no index is asked, and no find-links are given"
        )
        kind, hint = UnknownPackage, f"check the spelling; {looked}"
        lacking = re.findall(r"(\S+) was not found in", reason)
        for filename, where in (
            misnamed
            for name in lacking
            for misnamed in question.projects.misnamed(canonicalize_name(name))
        ):
            hint = f"`{filename}` of `{redact(where)}` has not the name of a package; {hint}"
    hint = hint or "ask for other versions, or leave one side out"
    # Names are not marked in its text, so every word may be a name.
    words = {canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][\w.-]*\w|\w", reason)}
    return kind(question.target.platform, reason, question.asked(words), hint)


def _hint(story: Story) -> str | None:
    hints = [
        text.format(*(group.rstrip(".") for group in match.groups()))
        for pattern, text in _HINTS
        for match in (re.search(pattern, hint) for hint in story.hints)
        if match
    ]
    return "; ".join(hints) or None


def _hidden(story: Story, reason: str, question: UvQuestion) -> str | None:
    """The floors that would let in what the failure speaks of, and the options for them."""
    # Not what has a label such as `+conda`: those are stubs of ours, and have no wheels.
    named = re.findall(r"([A-Za-z0-9][\w.-]*)==([^\s,;()+]+)(?![^\s,;()])", reason)
    named += re.findall(r"for `([^`]+)` \(v([^)]+)\)", "\n".join(story.hints))
    hints = (
        floor_hint(name, version, question)
        for name, version in {(canonicalize_name(name), version) for name, version in named}
    )
    return "; ".join(sorted(filter(None, hints))) or None


def _held(reason: str, question: UvQuestion) -> str | None:
    names = [
        f"`{package.name}`"
        for package in question.held
        if f" {package.name}=={package.version}" in reason
    ]
    return f"{', '.join(names)} must stay, as what this derives from has it" if names else None


def _misread(story: Story) -> UnsupportedRequest | None:
    if story.search("Couldn't parse requirement") or story.search("does not match `"):
        return UnsupportedRequest(story.reason, "check how it is written")
    return None
