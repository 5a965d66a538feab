"""What the conda family is told of requirements: what all of it reads.

conda's libmamba solver refuses, and releases of mamba pass over, what a MatchSpec says beside
version, build, channel and subdir; conda puts several requirements of one package together, and
fails where it cannot. So the channels are asked for the builds that are meant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from resolvers._conda_question import package_name
from resolvers.channels import split_channel
from resolvers.errors import NoSolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resolvers._conda_question import CondaQuestion
    from resolvers._conda_tools_places import Places

    There = Callable[[CondaQuestion, Sequence[str]], list[dict[str, Any]]]

__all__ = ["left_out", "told_specs"]

_PAIR = re.compile(r"(\w+)=('[^']*'|\"[^\"]*\"|[^,\]]*)")
_BUILD = re.compile(r"\S+ +\S+ +\S+|[\w.-]+ *={1,2} *[^=\s]+ *= *[^=\s]+")
# mamba 2.0 does not read it.
_COMPATIBLE = re.compile(r"~= *((\d+(?:\.\d+)*)\.\d+)(?![^\s,|'\"\]])")
# What only the record of a build says.
_LOOKED_UP = frozenset(
    [
        "build_number",
        "features",
        "license",
        "license_family",
        "md5",
        "sha256",
        "track_features",
        "url",
    ]
)


def told_specs(
    kind: str, question: CondaQuestion, stay: Sequence[str], places: Places, there: There
) -> Iterator[str]:
    """The requirements as it reads them, those to `stay` last; raises `NoSolution`."""
    staying = {package_name(text): text for text in stay}
    looked_up = {
        key: told
        for key, told in question.told_specs.items()
        if not _LOOKED_UP.isdisjoint(_keys(told))
        or (kind == "conda" and package_name(told) in staying and _is_narrow(told))
    }
    records: list[dict[str, Any]] = []
    if looked_up:
        records = there(places.at(), sorted({package_name(told) for told in looked_up.values()}))
    for key, told in question.told_specs.items():
        if key not in looked_up:
            yield _spelled_out(told)
            continue
        channel = split_channel(told)[0]
        matched = [
            (record["version"], record["build"])
            for record in records
            if split_channel(key)[1] in record["matched"]
            and (not channel or places.lies_in(record["channel"], channel))
        ]
        name = package_name(told)
        kept = [
            exact for exact in matched if staying.get(name) == "{} =={} {}".format(name, *exact)
        ]
        if not matched or (kind == "conda" and name in staying and not kept):
            reason = f"there is no {question.specs[key]}"
            if matched:
                reason = f"{staying[name]} is to stay, and is none of {question.specs[key]}"
            raise NoSolution(question.platform, reason)
        yield _spelled_out(_plain(told, channel, [*dict.fromkeys(kept or matched)]))
    yield from (*question.barred, *stay)


def left_out(question: CondaQuestion, names: Sequence[str]) -> list[str]:
    """The requirements that nothing of an answer is about, though they hold on no condition."""
    return [
        question.specs[key]
        for key, told in question.told_specs.items()
        if package_name(told) not in names
        and not package_name(told).startswith("__")
        and not ("when=" in told or "; if " in told)
    ]


def _spelled_out(told: str) -> str:
    """A requirement without `~=`."""
    return _COMPATIBLE.sub(r">=\1,\2.*", told)


def _keys(told: str) -> set[str]:
    return {match[1] for match in _PAIR.finditer(told.partition("[")[2])}


def _is_narrow(told: str) -> bool:
    """Whether it says a build, or one thing or another of versions."""
    own = split_channel(told)[1].partition("[")[0].strip()
    return "|" in told or "build" in _keys(told) or bool(_BUILD.fullmatch(own))


def _plain(told: str, channel: str, builds: Sequence[tuple[str, str]]) -> str:
    """A requirement by what all of the family reads: the build, if it is one."""
    head, _mark, inside = told.partition("[")
    pairs = {match[1]: match[2] for match in _PAIR.finditer(inside) if match[1] not in _LOOKED_UP}
    if len(builds) == 1:
        version, build = builds[0]
        head = f"{channel}::{package_name(told)}" if channel else package_name(told)
        pairs = {key: text for key, text in pairs.items() if key == "subdir"}
        pairs |= {"version": f"'=={version}'", "build": f"'{build}'"}
    texts = ",".join(f"{key}={text}" for key, text in pairs.items())
    return f"{head}[{texts}]" if texts else head
