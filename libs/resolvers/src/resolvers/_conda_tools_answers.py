"""What a dry run of the conda family says: its JSON, and records as `_conda_engine` has them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from envid.redaction import redact
from pkgcache.web.credentials import Credentials
from resolvers._conda_question import package_name
from resolvers._conda_tools_diagnosis import is_cut_off
from resolvers.channels import lower_host
from resolvers.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolvers._conda_tools_places import Places

    Record = dict[str, Any]

__all__ = ["SETTING", "is_same", "linked", "needed", "read_json", "read_record"]

SETTING = "`conda_resolver` to `rattler`"
"""The setting that chose it, and what that is without."""
_FORMATS = (".conda", ".tar.bz2")
_SCHEMES = ("https", "http", "file")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What begins a line is no part of another object, also where that is cut off.
_OBJECT = re.compile(r"^{", re.MULTILINE)
_FAILED = {"exception_name", "error", "solver_problems"}
_ENDED = {"success", "actions"} | _FAILED


def read_json(stdout: str) -> dict[str, Any] | None:
    """The last JSON object of what it wrote that says how it ended, else the last of all.

    conda writes one for each progress, too, and plugins write theirs behind the answer.
    """
    decoder, end = json.JSONDecoder(), 0
    last, answer = None, None
    for start in _OBJECT.finditer(stdout):
        if start.start() >= end:
            with suppress(ValueError, RecursionError):
                last, end = decoder.raw_decode(stdout, start.start())
                # That all is well may be said once more, behind what would be done.
                said = "actions" in (answer or ()) and _FAILED.isdisjoint(last)
                keep = _ENDED.isdisjoint(last) or (said and "actions" not in last)
                answer = answer if keep else last
    # An answer that is cut off is none, whatever progress was told of before it.
    return None if is_cut_off(stdout[end:]) else answer or last


def linked(data: Mapping[str, Any], kind: str) -> list[Record]:
    """What it would link, with all that it says of that."""
    try:
        actions = data.get("actions") or {}
        links, fetches = actions.get("LINK") or [], actions.get("FETCH") or []
        # conda tells of what it fetches whole, and of what it links by the parts of its name.
        whole = {(each["name"], each["version"], _build(each)): each for each in fetches}
        return [
            {
                **each,
                **whole.get((each["name"], each["version"], _build(each)), {}),
                "named": each.get("channel"),
            }
            for each in links
            # What it takes this machine to have is no package.
            if not str(each["name"]).startswith("__")
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise _odd(kind, data) from error


def _odd(kind: str, said: Mapping[str, Any]) -> EngineFailed:
    reason, log = "its answer has another form than is known", redact(json.dumps(said))[:2000]
    return EngineFailed(kind, reason, log, f"set {SETTING}")


def _build(record: Mapping[str, Any]) -> Any:
    return record.get("build_string") or record["build"]


_TEXTS = (
    *("url", "base_url", "named", "subdir", "platform", "sha256", "md5", "noarch"),
    "python_site_packages_path",
)
_NUMBERS = ("build_number", "size")
_LISTS = ("depends", "constrains", "purls")


def _is_known(said: Mapping[str, Any]) -> bool:
    """Whether all that is read of a record is of its type."""
    stated = [said.get("name"), said.get("version"), said.get("build_string") or said.get("build")]
    lists = [said[key] for key in _LISTS if said.get(key) is not None]
    return (
        all(isinstance(text, str) for text in stated)
        and bool(_NAME.fullmatch(str(stated[0])))
        and all(isinstance(said.get(key) or "", str) for key in _TEXTS)
        # Not `isinstance`: a bool is an int to it.
        and all(type(said.get(key) or 0) is int for key in _NUMBERS)
        and all(isinstance(each, list) for each in lists)
        and all(isinstance(text, str) for each in lists for text in each)
    )


def read_record(said: Mapping[str, Any], places: Places, kind: str) -> Record:
    """A record as `_conda_engine` describes it; raises `EngineFailed` for one from elsewhere."""
    if not _is_known(said):
        raise _odd(kind, said)
    # A login or a token of its configuration may stand in it.
    url = lower_host(Credentials().add(_spelled(said.get("url") or "")))
    subdir = said.get("subdir") or said.get("platform") or ""
    filename = unquote(url.rpartition("/")[2])
    name, version, build = said["name"], said["version"], _build(said)
    channel = url.removesuffix(f"/{subdir}/{url.rpartition('/')[2]}")
    channel = channel or lower_host(
        Credentials().add(_spelled(said.get("base_url") or "")).rstrip("/")
    )
    if channel and channel.partition("://")[0] not in _SCHEMES:
        raise EngineFailed(
            kind,
            f"it takes `{filename or name}` from {channel}, and what we can fetch lies at"
            f" {', '.join(_SCHEMES)}",
            hint=f"change what its configuration says of channels, or set {SETTING}",
        )
    named = (said.get("named") or "").removesuffix(f"/{subdir}")
    source = places.source(channel, named) if channel else None
    if channel and source is None:
        raise EngineFailed(
            kind,
            f"it takes `{filename or name}` from {channel}, which is no channel of the request",
            hint="ask for that channel, or change what its configuration says of channels",
        )
    digest = said.get("sha256") or ""
    if url and filename not in [f"{name}-{version}-{build}{end}" for end in _FORMATS]:
        raise EngineFailed(
            kind, f"it says that `{filename}` is {name} {version} {build}", hint=f"set {SETTING}"
        )
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": said.get("build_number") or 0,
        "subdir": subdir,
        "filename": filename,
        "url": url,
        "sha256": digest if _DIGEST.fullmatch(digest) else None,
        "md5": said.get("md5") or None,
        "size": said.get("size") or None,
        "depends": said.get("depends") or [],
        "constrains": said.get("constrains") or [],
        "channel": channel,
        "source": source,
        "extras": [],
        "noarch": said.get("noarch") or None,
        "purls": said.get("purls"),
        "site_packages": said.get("python_site_packages_path") or _threaded(name, version, build),
    }


def _spelled(url: str) -> str:
    """A URL as everybody else writes it: no hash behind it, no slash twice in its path."""
    url = re.sub(r"^file:(?=/(?!/))", "file://", url.partition("#")[0])
    return re.sub(r"(?<![:/])/{2,}", "/", url)


def _threaded(name: str, version: str, build: str) -> str | None:
    """Where a free-threaded Python has its packages, told by its build (CEP 20)."""
    major_minor = ".".join(version.split(".")[:2])
    if name == "python" and build.endswith(f"_cp{major_minor.replace('.', '')}t"):
        return f"lib/python{major_minor}t/site-packages"
    return None


def is_same(one: Mapping[str, Any], each: Mapping[str, Any]) -> bool:
    """Whether a record of a channel is what was chosen, wherever that is from if it does not say."""
    keys = ("name", "version", "build", "subdir")
    place, own = unquote(each["channel"]), unquote(one["channel"])
    return all(one[key] == each[key] for key in keys) and place in ("", own)


def needed(records: Sequence[Record], roots: Sequence[str]) -> set[str]:
    """The names that lead from the requirements: not what was only asked to stay."""
    by_name, needed, pending = {each["name"]: each for each in records}, set[str](), [*roots]
    while pending:
        name = pending.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            pending += map(package_name, by_name[name]["depends"])
    return needed
