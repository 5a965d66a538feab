from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from envid import EnvSpec, Options, Source
from envid.errors import (
    EnvidError,
    InvalidDescription,
    InvalidRequirement,
    InvalidSpec,
    UnknownSchemaVersion,
)

from .helpers import ID, changed, spec


def test_a_spec_is_normal_sorted_and_without_repetition() -> None:
    found = spec(
        requirements={"pypi": ["B", "a>=1, <2", "b"], "npconda": [], "sys": ["__cuda==12.4"]},
        platform_requirements={
            "osx-64": {"pypi": ["C", "a<2,>=1"]},
            "linux-64": {"pypi": ["b"]},
        },
        constraints=["z", "Y<1", "z"],
        sources=[
            Source(kind="index", url="https://h/simple/"),
            Source(kind="index", url="https://h/simple"),
            Source(kind="find-links", url="https://h/wheels/"),
        ],
        base=ID,
    )
    assert found == EnvSpec(
        requirements={"pypi": ("a<2,>=1", "b"), "sys": ("__cuda=12.4",)},
        platform_requirements={"osx-64": {"pypi": ("c",)}},
        constraints=("y<1", "z"),
        python="==3.11.*",
        sources=(
            Source(kind="index", url="https://h/simple"),
            Source(kind="find-links", url="https://h/wheels/"),
        ),
        options=Options(),
        base=ID,
    )


def test_the_req_id_is_the_digest_of_the_canonical_json() -> None:
    found = spec("n @ https://h/caf\u00e9.whl")
    text = json.dumps(found.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert found.canonical() == text.encode()
    assert found.req_id == hashlib.sha256(text.encode()).hexdigest()[:40]


def test_a_platform_gets_what_holds_everywhere_and_its_own() -> None:
    found = spec(
        requirements={"pypi": ["b"], "sys": ["__glibc=2.28"]},
        platform_requirements={"linux-64": {"pypi": ["a"], "conda": ["c"]}},
    )
    assert found.for_platform("linux-64") == {
        "conda": ("c",),
        "pypi": ("a", "b"),
        "sys": ("__glibc=2.28",),
    }
    assert found.for_platform("osx-64") == {"pypi": ("b",), "sys": ("__glibc=2.28",)}


@pytest.mark.parametrize(
    ("requirements", "provider", "env_type"),
    [
        ({}, "conda", "conda-only"),
        ({"sys": ["__glibc=2.28"]}, "conda", "conda-only"),
        ({"conda": ["a"]}, "conda", "conda-only"),
        ({"pypi": ["a"]}, "conda", "pypi-only"),
        ({"npconda": ["git"]}, "conda", "conda-only"),
        ({"pypi": ["a"], "npconda": ["git"]}, "conda", "pypi-only"),
        ({"conda": ["a"], "pypi": ["a"]}, "conda", "mixed"),
        ({}, "system", "pypi-only"),
        ({"pypi": ["a"]}, "system", "pypi-only"),
    ],
)
def test_the_type_follows_from_what_was_asked(
    requirements: dict[str, list[str]], provider: str, env_type: str
) -> None:
    found = spec(requirements=requirements, options=Options(python_provider=provider))
    assert found.env_type == env_type


def test_a_category_asked_on_one_platform_counts_for_the_type() -> None:
    assert spec("a", platform_requirements={"osx-64": {"conda": ["b"]}}).env_type == "mixed"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "x"}, "base: `x` is not a full_id"),
        ({"python": "x"}, "python: `x` is not a version"),
        ({"requirements": {"npm": []}}, "requirements: `npm` is not known"),
        ({"requirements": {"pypi": "flask"}}, "requirements.pypi: is one text"),
        ({"constraints": "flask"}, "constraints: is one text"),
        ({"platform_requirements": {"win-64": {}}}, "platform: `win-64` is not known"),
        (
            {"platform_requirements": {"osx-64": {"x": []}}},
            "platform_requirements.osx-64: `x` is not known",
        ),
        ({"sources": [Source(kind="x", url="a")]}, "kind: `x` is not known"),
        ({"sources": [Source(kind="index", url=" ")]}, "url: the URL is empty"),
        (
            {"sources": [Source(kind="index", url="https://a:b@h/")]},
            "url: the URL at `h` holds a credential",
        ),
        (
            {"requirements": {"conda": ["a"]}, "options": Options(python_provider="system")},
            "options.python_provider: `system` brings no conda packages, and some are asked for",
        ),
        (
            {
                "platform_requirements": {"osx-64": {"npconda": ["a"]}},
                "options": Options(python_provider="system"),
            },
            "options.python_provider: `system` brings no conda packages, and some are asked for",
        ),
    ],
)
def test_a_field_that_cannot_be_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(**changes)
    assert str(caught.value).startswith(message)


def test_a_requirement_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidRequirement, match="`a b` is not a pypi requirement"):
        spec("a b")


@pytest.mark.parametrize(
    ("url", "kept"),
    [(" conda-forge ", "conda-forge"), ("https://h/c//", "https://h/c"), ("/", "/")],
)
def test_a_source_has_one_spelling(url: str, kept: str) -> None:
    assert Source.make("channel", url) == Source(kind="channel", url=kept)


def test_options_are_normal() -> None:
    assert Options.make(
        no_binary=["B_b", "a", "b-b"], only_binary=[":all:"], exclude_newer="2026-01-31"
    ) == Options(
        no_binary=("a", "b-b"), only_binary=(":all:",), exclude_newer="2026-02-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", "2027-01-01T00:00:00Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),
        ("2026-01-31 12:00:00+05:30", "2026-01-31T06:30:00Z"),
        ("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000Z"),
        ("0999-01-31", "0999-02-01T00:00:00Z"),
    ],
)
def test_a_cut_off_is_a_moment_in_utc(text: str, moment: str) -> None:
    assert Options.make(exclude_newer=text).exclude_newer == moment
    assert Options.make(exclude_newer=moment).exclude_newer == moment


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("python_provider", "apt", "python_provider: `apt` is not known"),
        ("channel_priority", "x\n", "channel_priority: `x\\n` is not known"),
        ("index_strategy", "", "index_strategy: `` is not known"),
        ("pypi_names", "0" * 63, f"pypi_names: `{'0' * 63}` is not a sha256 in hex"),
        ("no_binary", ["a b"], "no_binary: `a b` is not a name"),
        ("only_binary", [":none:"], "only_binary: `:none:` is not a name"),
        *(
            ("exclude_newer", text, "exclude_newer: `")
            for text in [
                "",
                "yesterday",
                "2026-13-01",
                "2026-01-31T12:00:00",
                "20260131",
                "2026-W05-1",
                "9999-12-31",
                "0001-01-01T00:00:00+23:59",
                "2026-01-31T12:00:00+99:99",
                "\uff12026-01-31",
            ]
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_name(option: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Options.make(**{option: value})
    assert str(caught.value).startswith(message)
    assert caught.value.hint


WRONG: list[tuple[list[Any], Any, str]] = [
    ([], [], "description: is not an object"),
    ([], {1: 2}, "description: has a field whose name is not a text"),
    (["format"], None, "format: is not a version number"),
    (["format"], True, "format: is not a version number"),
    (["format"], 0, "format: is not a version number"),
    (["format"], 2**63, "format: is not a version number"),
    (["base"], "x", "base: `x` is not a full_id"),
    (["base"], 1, "base: is not a text"),
    (["constraints"], {}, "constraints: is not a list"),
    (["constraints", 0], 1, "constraints[0]: is not a text"),
    (["constraints", 0], "a b", "constraints[0]: `a b` is not a pypi requirement"),
    (["python"], "\ud800", "python: holds a control character or a lone surrogate"),
    (["requirements"], None, "requirements: is not an object"),
    (["requirements", "npm"], [], "requirements.npm: is none of conda, npconda, pypi, sys"),
    (["requirements", "pypi", 0], None, "requirements.pypi[0]: is not a text"),
    (["requirements", "pypi", 0], "a b", "requirements.pypi[0]: `a b` is not a pypi"),
    (["platform_requirements", "win-64"], {}, "platform_requirements.win-64: is none of"),
    (["platform_requirements", "osx-64"], 1, "platform_requirements.osx-64: is not an object"),
    (["platform_requirements", "osx-64", "x"], [], "platform_requirements.osx-64.x: is none of"),
    (["sources"], None, "sources: is not a list"),
    (["sources", 0], "pypi", "sources[0]: is not an object"),
    (["sources", 0, "kind"], "x", "sources[0].kind: `x` is not known"),
    (["sources", 0, "url"], "https://a:b@h", "sources[0].url: the URL at `h` holds"),
    (["sources", 0, "name"], "x", "sources[0].name: is not a known field"),
    (["options"], [], "options: is not an object"),
    (["options", "prereleases"], 1, "options.prereleases: is neither true nor false"),
    (["options", "python_provider"], "x", "options.python_provider: `x` is not known"),
    (["options", "no_binary", 0], 1, "options.no_binary[0]: is not a text"),
    (["options", "exclude_newer"], "x", "options.exclude_newer: `x` is neither a date"),
    (["new\nfield"], 1, "new\\nfield: is not a known field"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_a_wrong_field_is_refused_with_its_path(path: list[Any], value: Any, message: str) -> None:
    data = spec(constraints=["a"], options=Options(no_binary=("a",))).to_dict()
    data["platform_requirements"]["osx-64"] = {"pypi": ["mac"]}
    with pytest.raises(InvalidDescription) as caught:
        EnvSpec.from_dict(changed(data, path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", sorted(spec().to_dict()))
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    data = spec().to_dict()
    del data[name]
    with pytest.raises(InvalidDescription, match=f"^{name}: is missing$"):
        EnvSpec.from_dict(data)


def test_a_newer_format_is_refused_by_number() -> None:
    with pytest.raises(UnknownSchemaVersion) as caught:
        EnvSpec.from_dict({**spec().to_dict(), "format": 2})
    assert (caught.value.path, caught.value.found, caught.value.known) == ("format", 2, 1)
    assert caught.value.hint == "upgrade envid to read it"


def test_records_can_be_hashed_and_compared() -> None:
    assert len({spec(), spec(), spec("other")}) == 2


def test_no_credential_passes_in_any_field() -> None:
    secret = "https://ada:hush@h/x"
    for changes in (
        {"requirements": {"pypi": [f"a @ {secret}"]}},
        {"requirements": {"conda": [f"{secret}::a"]}},
        {"constraints": [f"a @ {secret}"]},
        {"sources": [Source(kind="channel", url=secret)]},
        {"python": secret},
    ):
        with pytest.raises(EnvidError) as caught:
            spec(**changes)
        assert "hush" not in f"{caught.value} {caught.value!r}"
