"""What pip's failures mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from packaging.utils import canonicalize_name

from envid.platforms import host_platform
from envid.redaction import redact
from resolvers._build_logs import build_failed
from resolvers._index import PUBLIC_INDEX
from resolvers._network import seen
from resolvers._programs import ended
from resolvers._question import named_package
from resolvers._references import named_otherwise, no_revision
from resolvers._refusals import GONE, REFUSED, refusal
from resolvers._story import Story, without_logins
from resolvers.errors import (
    CHECK_ADDRESS,
    CHECK_REPOSITORY,
    EngineFailed,
    IndexUnreachable,
    NoSolution,
    PythonRefused,
    UnknownPackage,
    UnsupportedRequest,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import CompletedProcess

    from resolvers._question import UvQuestion
    from resolvers.errors import ResolveError

__all__ = ["BY_ITSELF", "diagnose", "yanked"]

WITHOUT = "set `pypi_resolver` to `uv`"
BY_ITSELF = f"see what `pip` and its configuration say by themselves, or {WITHOUT}"

_NONE = re.compile(
    r"Could not find a (?:final )?version that satisfies the requirement (.+?) \(from versions: (.*?)\)"
)
_WHO = re.compile(r"^(?P<text>.*?)(?: \(from (?P<by>.*)\))?$")
_CONFLICT = re.compile(r"^The conflict is caused by:\n((?: {4}.*\n)+)", re.MULTILINE)
_CANNOT = re.compile(r"Cannot install (.+?) because these package versions have conflicting")
_PYTHON = re.compile(r"Package '([^']+)' requires a different Python: (\S+) not in '([^']*)'")
_IGNORED = re.compile(
    r"Ignored the following versions that require a different python version: (.*)"
)
_YANKED = re.compile(r"is a yanked version: '([^']+)' candidate")
_STATUS = re.compile(r"(?:HTTP error (\d{3})\b.*? for url:? |(401) Error.*? for )(\S+)")
_SILENT = re.compile(r"Retrying \(Retry\(.*?\)\) after connection broken by '(.*?)': (\S+)")
_BUILD = re.compile(
    r"metadata-generation-failed|subprocess-exited-with-error|build-.*-failed|backend-unavailable"
)
_UNHASHED = re.compile(r"in --require-hashes mode", re.IGNORECASE)
_GIT = re.compile(r"fatal: unable to access '([^']+)': (.*)")
# What git says of a revision, in the words of its releases, and of a repository that is none.
_NO_REVISION = re.compile(r"pathspec '([^']+)' did not match|(?:remote ref|not our ref) (\S+)")
_NO_REPOSITORY = re.compile(r"fatal: (.*(?:not appear to be a git repository|not found).*)")
_CLONED = re.compile(r"Cloning (\S+)(?: \(to revision ([^)]+)\))? to ")
# The same in three releases.
_NAMES = re.compile(
    r"inconsistent name: \w+ (?:has )?'?([\w.-]+)'?, but metadata has '?([\w.-]+)"
    r"|for package ([\w.-]+) produced metadata for project name ([\w.-]+)"
    r"|Requested ([\w.-]+) .*has different name in metadata: '?([\w.-]+)"
)
_DIRECT = re.compile(r"https?://[^\s#;]+")
# Of the public index alone, unless another one is named.
_LOOKS = "Looking in indexes: "
_SAID = re.compile(r"^(?:ERROR|error|CRITICAL): (.*)", re.MULTILINE)


def diagnose(
    done: CompletedProcess[str], question: UvQuestion, lines: Sequence[str]
) -> ResolveError:
    """The error that a failed `pip install` means; `lines` are what it was asked for."""
    stdout, stderr = done.stdout, done.stderr
    log = redact(f"{stdout}\n{stderr}")
    return (
        _no_reference(stdout, stderr, question)
        or _unreachable(stderr, question, lines)
        or _other_python(stderr, question)
        or _failed_build(stdout, stderr, question)
        or _not_there(stdout, stderr, question, lines)
        or _conflict(stdout, stderr, question)
        or _unhashed(stderr)
        # Old releases print what is wrong with their configuration.
        or EngineFailed("pip", _last(stderr.strip() or stdout) + ended(done), log, BY_ITSELF)
    )


def yanked(stderr: str) -> list[str]:
    """The names of what was taken though it was withdrawn."""
    return _YANKED.findall(stderr)


def _no_reference(stdout: str, stderr: str, question: UvQuestion) -> ResolveError | None:
    """What a URL of a repository leads to is not there, or another package."""
    for names in _NAMES.finditer(stderr):
        asked, own = filter(None, names.groups())
        # Of an index pip passes over such a file, and goes on.
        if not question.is_direct(canonicalize_name(asked)):
            continue
        return named_otherwise(canonicalize_name(asked), own.rstrip("."), question)
    # Of several, the last is the one at which it ended.
    cloned = _CLONED.findall(stdout + stderr)
    if not cloned or not _BUILD.search(stderr):
        return None
    url, revision = without_logins(cloned[-1][0]), cloned[-1][1]
    if revision and _NO_REVISION.search(stderr):
        return no_revision(url, revision, question)
    if none := _NO_REPOSITORY.search(stderr):
        return IndexUnreachable(redact(url), redact(none[1]), hint=CHECK_REPOSITORY)
    return None


def _unreachable(stderr: str, question: UvQuestion, lines: Sequence[str]) -> ResolveError | None:
    if answered := _STATUS.search(stderr):
        return _answered(answered[3], int(answered[1] or answered[2]), question)
    if cloned := _GIT.search(stderr):
        hint = CHECK_ADDRESS
        return IndexUnreachable(redact(cloned[1].rstrip("/")), redact(cloned[2]), hint=hint)
    # It goes on as if the index were empty; of several that fail, the last is as good as any.
    if silent := _SILENT.search(stderr):
        reason, where = redact(silent[1]), _asked(silent[2], silent[1], question, lines)
        hint = f"{CHECK_ADDRESS}, and whether pip is configured with a proxy"
        return IndexUnreachable(redact(where), reason, hint=hint)
    return None


def _asked(path: str, said: str, question: UvQuestion, lines: Sequence[str]) -> str:
    """The URL that pip has asked for, of which it may say the path; else what that may be of."""
    if "://" in path:
        return path
    indexes = [source for source in question.spec.sources if source.kind == "index"]
    roots = [question.projects.root(index) for index in indexes if index.url != PUBLIC_INDEX]
    pages = [urljoin(root, path) for root in roots if path.startswith(f"{urlsplit(root).path}/")]
    named = [url for line in lines for url in _DIRECT.findall(line) if urlsplit(url).path == path]
    # A name in its words is that of a proxy, if it is none of these.
    urls = sorted([*named, *pages], key=lambda url: (urlsplit(url).hostname or "") not in said)
    return next(iter(urls), indexes[0].url if indexes else path)


def _answered(url: str, status: int, question: UvQuestion) -> IndexUnreachable:
    where = redact(url)
    if status in REFUSED:
        reason, hint = refusal(status, where, question.context.credentials)
        return IndexUnreachable(where, reason, status, hint)
    return IndexUnreachable(where, f"HTTP status {status}", status, "check the address")


def _unread(name: str, question: UvQuestion) -> IndexUnreachable | None:
    """Why an index does not show a project, if not because it has none: pip passes that over."""
    for source in question.spec.sources:
        if source.kind == "index":
            page = f"{question.projects.root(source)}/{name}/"
            failure = seen(page, question.context)
            if failure and failure.status in REFUSED:
                return _answered(page, int(failure.status or 0), question)
            if failure and failure.status not in GONE:
                return IndexUnreachable(
                    redact(source.url), failure.reason, failure.status, failure.hint
                )
    return None


def _other_python(stderr: str, question: UvQuestion) -> ResolveError | None:
    other = _PYTHON.search(stderr)
    if not other:
        return None
    name = named_package(other[1])
    return PythonRefused(
        question.target.platform,
        f"`{name}` is for Python {other[3]}, and this is {other[2]}",
        question.asked({name}),
        "ask for another Python, or for other versions",
    )


def _failed_build(stdout: str, stderr: str, question: UvQuestion) -> ResolveError | None:
    if not _BUILD.search(stderr):
        return None
    named = re.search(
        r"^ *╰─> (\S+)$|Getting .* for (\S+)|Failed to build '?([^\s']+)", stderr, re.MULTILINE
    )
    package = next(filter(None, named.groups()), "a source") if named else "a source"
    story = Story.read(f"error: pip cannot ask it for what it needs\n\n[stderr]\n{stdout}{stderr}")
    return build_failed(redact(package), story, question.context.cache_dir)


def _not_there(
    stdout: str, stderr: str, question: UvQuestion, lines: Sequence[str]
) -> ResolveError | None:
    none = _NONE.search(stderr)
    if not none:
        return None
    who = _WHO.fullmatch(none[1])
    text = who["text"] if who else none[1]
    by = (who and who["by"]) or ""
    name = canonicalize_name(named_package(text) or text)
    known = question.projects.of(name)
    platform, asked = question.target.platform, question.asked({name})
    # What pip has from its standard input are our own lines: who asks for these, `asked` says.
    needed = f"`{redact(text)}`" + (f", which {by} needs," if by and "/dev/stdin" not in by else "")
    if not known:
        return _unread(name, question) or UnknownPackage(
            platform, f"{needed} is not in any of the sources", asked
        )
    ignored = _IGNORED.search(stderr)
    if ignored and none[2] == "none":
        reason = f"{needed} is for other Pythons: {' '.join(ignored[1].split())}"
        return PythonRefused(
            platform,
            f"{reason}, and this is {question.python.version}",
            asked,
            "ask for another Python, or for other versions",
        )
    versions, hint = f"there is {none[2]}", None
    # What is withdrawn old releases tell of, and others do not.
    if all(file.yanked is not None for file in known):
        why = next(filter(None, (file.yanked for file in known)), "")
        versions = "what there is was withdrawn (yanked)" + (f": {why}" if why else "")
        hint = "ask for such a version by `==`, if you must have it"
    # What lies where its configuration does not look, it does not tell of either.
    elif none[2] == "none":
        versions, hint = f"pip finds no file for {platform}", BY_ITSELF
        if _LOOKS not in stdout and any(file.place.startswith("http") for file in known):
            versions = "pip asks no index"
            hint = f"`no-index` is in its configuration, it seems; {BY_ITSELF}"
        elif not any(file.is_wheel for file in known):
            here = platform == host_platform()
            if not here or not question.python.is_near:
                versions = (
                    f"only its source is published, and for {platform} and Python"
                    f" {question.python.version} pip looks at wheels alone"
                )
                hint = "ask for a Python that this machine has, or " * here + WITHOUT
    asked_itself = any(named_package(line) == name for line in lines)
    if platform != host_platform() and not asked_itself:
        hint = (
            "pip reads markers as this machine does, and may want what only this machine needs:"
            f" resolve on {platform}, or set `pypi_resolver` to `uv`"
        )
    return NoSolution(platform, f"{needed} cannot be had: {versions}", asked, hint)


def _conflict(stdout: str, stderr: str, question: UvQuestion) -> ResolveError | None:
    caused, cannot = _CONFLICT.search(stdout), _CANNOT.search(stderr)
    if not caused and not cannot:
        return None
    texts = caused[1].splitlines() if caused else [cannot[1] if cannot else ""]
    # The label is that of our stubs for conda packages: nobody asked for such a version.
    said = [re.sub(r"\+conda\b", "", redact(" ".join(text.split()))) for text in texts]
    said = [text.replace("The user requested (constraint)", "held is") for text in said]
    said = [text.replace("The user requested", "asked is") for text in said]
    names = {named_package(word) for text in said for word in text.split()}
    # A constraint may be one of its configuration, which only that names.
    hint = BY_ITSELF if any(text.startswith("held is") for text in said) else None
    return NoSolution(
        question.target.platform, "; ".join(said), question.asked(names - {"", "asked", "is"}), hint
    )


def _unhashed(stderr: str) -> ResolveError | None:
    """What its configuration can demand of what it installs, and is of no use here."""
    if not _UNHASHED.search(stderr):
        return None
    return UnsupportedRequest(
        "pip is configured with `require-hashes`, and is given no hashes: mfenv itself holds every"
        " file to those of the request, and then to those of the description",
        f"set `PIP_REQUIRE_HASHES=0`, or {WITHOUT}",
    )


def _last(stderr: str) -> str:
    # What it says of its configuration is no error to it, and stands alone. Behind a traceback is
    # what it is about.
    said = [text for text in _SAID.findall(stderr) if text != "Exception:"] or [
        line for line in stderr.splitlines() if line.strip()
    ]
    return redact(" ".join(said[-1].split())) if said else "it does not say why"
