"""The JSON Schema that envid ships and the reader of envid agree."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

from envid import BuiltFrom, EnvSpec, Options, Package, ResolvedEnv, Source
from envid.errors import InvalidDescription
from envid.packages import Transmuted

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SCHEMA = json.loads((resources.files("envid") / "description.schema.json").read_text("utf-8"))
MISSING = object()


@cache
def validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # of the processes that run these tests alone

    return Draft202012Validator(SCHEMA)


def descriptions() -> list[dict[str, Any]]:
    """Plain data of two environments that were resolved together, and use every field."""
    spec = EnvSpec.make(
        requirements={"pypi": ["flask"], "conda": ["zlib"], "sys": ["__glibc=2.28"]},
        platform_requirements={"osx-64": {"npconda": ["git"]}},
        constraints=["werkzeug<4"],
        python="3.11",
        sources=[Source.make("channel", "conda-forge"), Source.make("index", "pypi")],
        options=Options.make(no_binary=[":all:"], only_binary=["lxml"], exclude_newer="2026-01-31"),
        base="0" * 40,
    )
    origin = BuiltFrom(
        kind="vcs", url="git+https://h/r.git", commit="c" * 40, subdirectory="a/b", sha256="d" * 64
    )
    zlib = Package.make(
        kind="conda",
        name="zlib",
        version="1.3.1",
        build="h1_0",
        filename="zlib-1.3.1-h1_0.conda",
        url="https://h/c/linux-64/zlib-1.3.1-h1_0.conda",
        md5="b" * 32,
        subdir="linux-64",
        size=7,
        source="conda-forge",
        transmuted=Transmuted(filename="zlib-1.3.1-h1_0.tar.bz2", sha256="e" * 64, size=9),
    )
    flask = Package.make(
        kind="pypi",
        name="flask",
        version="3.1.0",
        filename="flask-3.1.0-py3-none-any.whl",
        url="git+https://h/r.git",
        sha256="a" * 64,
        depends=["zlib"],
        built_from=origin,
    )
    found = {"linux-64": ("3.11.7", [zlib, flask]), "osx-64": ("3.11.7", [])}
    together = ResolvedEnv.co_resolve(
        spec,
        found,
        resolved_by="ada",
        resolved_at=datetime(2026, 1, 31, tzinfo=timezone.utc),
        notes={"linux-64": ["`flask` 3.1.0 was withdrawn"]},
        origins={"linux-64": {"pypi": {"flask": "r.txt:3"}, "constraints": {"werkzeug<4": "-c"}}},
    )
    return [one.to_dict() for one in together]


def changed(data: Any, path: list[Any], value: Any) -> Any:
    twin = data.copy()
    if len(path) > 1:
        twin[path[0]] = changed(twin[path[0]], path[1:], value)
    elif value is MISSING:
        del twin[path[0]]
    else:
        twin[path[0]] = value
    return twin


def places(data: Any, way: list[Any]) -> list[list[Any]]:
    """The ways to all fields of all objects in `data`."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    found = [[*way, step] for step, _ in inner] if isinstance(data, dict) else []
    for step, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, (dict, list)):
            found += places(value, [*way, step])
    return found


WHOLE = descriptions()[0]
OPEN = ("requirements", "platform_requirements", "osx-64", "co_resolved", "origins")
OPTIONAL = (["notes"], ["origins"])
REQUIRED = [
    way for way in places(WHOLE, []) if not set(way[:-1]) & set(OPEN) and way not in OPTIONAL
]
PACKAGE, ORIGIN = ["packages", 1], ["packages", 1, "built_from"]

BROKEN: list[tuple[list[Any], Any]] = [
    *((way, MISSING) for way in REQUIRED),
    *((way, 1.5) for way in places(WHOLE, [])),
    *(([*way, "new"], None) for way in ([], ["spec"], ["spec", "options"], PACKAGE, ORIGIN)),
    (["schema_version"], 2),
    (["schema_version"], 0),
    (["schema_version"], True),
    (["platform"], "win-64"),
    (["env_type"], "pip-only"),
    (["req_id"], "x"),
    (["full_id"], "A" * 40),
    (["python"], "3"),
    (["resolved_at"], "2026-01-31"),
    (["resolved_at"], "2026-13-31T00:00:00Z"),
    (["resolved_by"], "a\nb"),
    (["notes"], "a text"),
    (["notes", 0], "a\nb"),
    (["origins"], []),
    (["origins", "npm"], {}),
    (["origins", "pypi", "flask"], "a\nb"),
    (["origins", "pypi", "a\nb"], "r.txt:1"),
    (["co_resolved"], {}),
    (["co_resolved", "win-64"], "0" * 40),
    (["co_resolved", "osx-64"], "x"),
    (["spec", "format"], 2),
    (["spec", "requirements", "npm"], []),
    (["spec", "requirements", "pypi", 0], "a\0b"),
    (["spec", "platform_requirements", "win-64"], {}),
    (["spec", "base"], "x"),
    (["spec", "sources", 0, "kind"], "conda"),
    (["spec", "sources", 0, "url"], ""),
    (["spec", "sources", 0, "url"], "a b"),
    (["spec", "options", "python_provider"], "apt"),
    (["spec", "options", "channel_priority"], "x"),
    (["spec", "options", "index_strategy"], "x"),
    (["spec", "options", "pypi_names"], "x"),
    (["spec", "options", "no_binary"], ["a b"]),
    ([*PACKAGE, "kind"], "npm"),
    ([*PACKAGE, "name"], "a b"),
    ([*PACKAGE, "version"], ""),
    ([*PACKAGE, "build"], ""),
    ([*PACKAGE, "filename"], "../x"),
    ([*PACKAGE, "url"], "x"),
    ([*PACKAGE, "url"], "https://h/a b"),
    ([*PACKAGE, "hashes"], {"md5": None, "sha256": None}),
    ([*PACKAGE, "hashes", "sha256"], "A" * 64),
    ([*PACKAGE, "hashes", "md5"], "x"),
    ([*PACKAGE, "subdir"], "../x"),
    ([*PACKAGE, "size"], -1),
    ([*PACKAGE, "size"], 2**63),
    ([*PACKAGE, "depends"], ["a b"]),
    ([*PACKAGE, "source"], ""),
    (["packages", 0, "transmuted", "filename"], "../x"),
    (["packages", 0, "transmuted", "sha256"], "x"),
    (["packages", 0, "transmuted", "size"], -1),
    ([*ORIGIN, "kind"], "wheel"),
    ([*ORIGIN, "url"], "x"),
    ([*ORIGIN, "sha256"], "x"),
    ([*ORIGIN, "commit"], "a b"),
    *(([*ORIGIN, "subdirectory"], path) for path in ["", "/a", "..", "a/..", "../a", "a/../b"]),
]


def test_the_schema_is_a_json_schema() -> None:
    validator().check_schema(SCHEMA)


@pytest.mark.parametrize("data", descriptions(), ids=["linux-64", "osx-64"])
def test_a_real_description_fits_the_schema_and_the_reader(data: dict[str, Any]) -> None:
    validator().validate(data)
    assert ResolvedEnv.from_dict(data).to_dict() == data


@pytest.mark.parametrize(
    ("path", "value"), BROKEN, ids=lambda part: "gone" if part is MISSING else ascii(part)[:60]
)
def test_the_schema_and_the_reader_refuse_the_same(path: list[Any], value: Any) -> None:
    data = changed(WHOLE, path, value)
    assert not validator().is_valid(data)
    with pytest.raises(InvalidDescription):
        ResolvedEnv.from_dict(data)
