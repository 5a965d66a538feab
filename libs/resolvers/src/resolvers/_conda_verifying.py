"""Whether an answer of another engine is one, by py-rattler's reading of MatchSpecs; in the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import rattler
from rattler.exceptions import InvalidMatchSpecError, InvalidVersionError

from resolvers._conda_alternatives import Listings, asking
from resolvers._conda_engine import NAME, described

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["problems", "records"]


@asking
async def records(
    channels: Listings,
    *,
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """All builds that the channels of a question have of some packages, newest first.

    Each with what it states, and which of the question's specs it has `matched`.
    """
    newest = sorted(await channels.records(names), key=lambda record: record.version, reverse=True)
    specs = {text: _match(text) for text in channels.question["specs"]}
    return [
        {
            **build,
            "build_number": record.build_number,
            "depends": list(record.depends),
            "constrains": list(record.constrains),
            "channel": (record.channel or "").rstrip("/"),
            "matched": [text for text, spec in specs.items() if spec and spec.matches(record)],
        }
        for record, build in zip(newest, described(newest), strict=True)
    ]


@asking
async def problems(
    channels: Listings,
    *,
    records: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What an answer does not hold of the question, its packages of their channels or each other.

    A line each.
    """
    # What is not what the channels have may be of any form, and is not looked at further.
    unlike, own = await _unlike(records, channels)
    return unlike or _unmet(channels.question, records, own)


async def _unlike(
    records: Sequence[Mapping[str, Any]], channels: Listings
) -> tuple[list[str], dict[str, rattler.RepoDataRecord]]:
    """Where an answer says of packages what their channels do not; and what these say, by name."""
    there = await channels.records(sorted({each["name"] for each in records}))
    known = {_place(record.channel or "", record): record for record in there}
    unlike, stated_there = [], {}
    for each in records:
        filename = each["filename"]
        stem = filename.removesuffix(".tar.bz2")
        place = unquote(each["channel"]).rstrip("/"), each["subdir"]
        record = known.get((*place, filename)) or known.get((*place, f"{stem}.conda"))
        if record and record.file_name != filename:
            record = await channels.as_tar_bz2(record)
        if record is None or record.file_name != filename:
            unlike.append(f"`{filename}` is not in {each['channel']}")
            continue
        stated_there[each["name"]] = record
        (own,) = described([record])
        own["build_number"] = record.build_number
        # What only one of them says is no difference, but that a package is for any machine.
        unlike += [
            f"`{filename}` has the {key} {_said(each[key])}, and {_said(own[key])} in its channel"
            for key in ("sha256", "md5", "size", "build_number", "noarch")
            if each[key] != own[key] and (key == "noarch" or None not in (each[key], own[key]))
        ]
        for key, verb in (("depends", "needs"), ("constrains", "goes with")):
            said, stated = _readings(each[key]), _readings(getattr(record, key))
            if each["name"] == "python":
                # The family may add that by itself; see `add_pip_as_python_dependency`.
                said.pop("pip", None)
                stated.pop("pip", None)
            unlike += [
                f"`{filename}` {verb} `{text}` in its channel, and not here"
                for reading, text in stated.items()
                if reading not in said
            ]
            unlike += [
                f"`{filename}` {verb} `{text}` here, and not in its channel"
                for reading, text in said.items()
                if reading not in stated
            ]
    return unlike, stated_there


def _place(channel: str, record: rattler.RepoDataRecord) -> tuple[str, str, str]:
    return unquote(channel).rstrip("/"), str(record.subdir), record.file_name


def _said(value: object) -> object:
    return "none" if value is None else value


def _readings(texts: Iterable[str]) -> dict[str, str]:
    """What MatchSpecs mean, however they are written, and how they are."""
    read = {}
    for text in texts:
        spec = _match(text)
        read[" ".join(text.split()) if spec is None else str(spec)] = text
    return read


def _unmet(
    question: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    there: Mapping[str, rattler.PackageRecord],
) -> list[str]:
    """What an answer does not hold of the question, or its packages of each other.

    `there` are the same packages as their channels have them: a requirement may be about any field.
    """
    virtual = {
        name: rattler.PackageRecord(
            name, version, rattler.BuildString(build), 0, question["platform"]
        )
        for name, version, build in question["virtual"]
    }
    known = {**virtual, **there}
    unmet = [f"{each['name']} is there twice" for each in _twice(records)]
    # Strictly, another channel is not looked at for a name that the first has; of that nobody can
    # judge who has not read them all, and the program was told.
    for text in question["specs"]:
        spec = _match(text)
        if spec is None:
            continue
        name = spec.name.normalized
        if name not in known or not spec.matches(known[name]):
            unmet.append(f"`{text}` is asked for, and there is {_shown(known.get(name))}")
    for text in question["constraints"]:
        spec = _match(text)
        other = known.get(spec.name.normalized) if spec else None
        if spec and other and not spec.matches(other):
            unmet.append(f"`{text}` is held, and there is {_shown(other)}")
    for each in records:
        for text in each["depends"]:
            spec = _match(text)
            if spec and not ((other := known.get(spec.name.normalized)) and spec.matches(other)):
                other = known.get(spec.name.normalized)
                unmet.append(f"{each['name']} needs `{text}`, and there is {_shown(other)}")
        for text in each["constrains"]:
            spec = _match(text)
            other = known.get(spec.name.normalized) if spec else None
            if spec and other and not spec.matches(other):
                unmet.append(f"{each['name']} goes with `{text}`, and there is {_shown(other)}")
    subdirs = (question["platform"], "noarch")
    unmet += [
        f"{each['name']} is for {each['subdir']}"
        for each in records
        if each["subdir"] not in subdirs
    ]
    return unmet


def _twice(records: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    for each in records:
        if each["name"] in seen:
            yield each
        seen.add(each["name"])


def _match(text: str) -> rattler.MatchSpec | None:
    """A MatchSpec without its channel; None for what is read by no one or holds on a condition."""
    own = text.rpartition("::")[2]
    if not NAME.match(own) or "when=" in own or "; if " in own:
        return None
    try:
        return rattler.MatchSpec(own)
    except (InvalidMatchSpecError, InvalidVersionError):
        return None


def _shown(record: rattler.PackageRecord | None) -> str:
    if record is None:
        return "none"
    return f"{record.name.normalized} {record.version} {record.build}"
