from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from envid import BuiltFrom, EnvId, EnvSpec, ResolvedEnv
from envid.errors import InvalidDescription, InvalidSpec, UnknownSchemaVersion

from .helpers import ID, SHA256, WHEN, changed, package, resolved, spec


def everything() -> ResolvedEnv:
    origin = BuiltFrom(kind="sdist", url="https://h/a-1.tar.gz", sha256=SHA256)
    packages = (
        package("zlib", kind="conda", build="h1_0", subdir="linux-64", md5="a" * 32, size=7),
        package("flask", depends=["zlib"], source="pypi", built_from=origin),
    )
    return resolved(
        spec=spec(platform_requirements={"osx-64": {"pypi": ["mac"]}}, constraints=["a<2"]),
        found={"osx-64": ("3.11.8", [package()]), "linux-64": ("3.11.7", packages)},
    )


def test_an_environment_knows_its_ids_and_sorts_its_packages() -> None:
    found = resolved(package("b"), package("a"), package("a", kind="conda"))
    assert [(one.kind, one.name) for one in found.packages] == [
        ("conda", "a"),
        ("pypi", "a"),
        ("pypi", "b"),
    ]
    assert found.env_id == EnvId(found.spec.req_id, found.full_id, "linux-64")
    assert (found.env_type, found.resolved_at) == ("pypi-only", "2026-01-31T12:00:00Z")


def test_platforms_resolved_together_share_a_full_id_and_each_knows_of_the_others() -> None:
    found = {"osx-64": ("3.11.7", [package("a")]), "linux-64": ("3.11.7", [package("b")])}
    together = ResolvedEnv.co_resolve(spec(), found, resolved_by="ada")
    assert [one.platform for one in together] == ["linux-64", "osx-64"]
    assert len({one.full_id for one in together}) == 1
    assert list(together[0].co_resolved) == ["linux-64", "osx-64"]
    (alone,) = ResolvedEnv.co_resolve(spec(), {"osx-64": found["osx-64"]}, resolved_by="ada")
    assert alone.full_id != together[0].full_id
    assert alone.co_resolved["osx-64"] == together[1].co_resolved["osx-64"]


def test_the_full_id_does_not_hang_on_who_when_or_for_what() -> None:
    later = WHEN + timedelta(days=1)
    other = resolved(spec=spec("other"), resolved_by="bob", resolved_at=later)
    assert other.full_id == resolved().full_id


def test_notes_are_part_of_the_description_and_of_no_id() -> None:
    found = {"osx-64": ("3.11.7", [package("a")]), "linux-64": ("3.11.7", [package("b")])}
    linux, mac = ResolvedEnv.co_resolve(
        spec(), found, resolved_by="ada", resolved_at=WHEN, notes={"linux-64": ["b is old", "c"]}
    )
    assert (linux.notes, mac.notes) == (("b is old", "c"), ())
    assert ResolvedEnv.from_json(linux.to_json()) == linux
    assert linux.to_dict()["notes"] == ["b is old", "c"]
    assert "notes" not in mac.to_dict()
    silent, _ = ResolvedEnv.co_resolve(spec(), found, resolved_by="ada", resolved_at=WHEN)
    assert silent.env_id == linux.env_id
    (odd,) = ResolvedEnv.co_resolve(
        spec(),
        {"osx-64": found["osx-64"]},
        resolved_by="ada",
        notes={"osx-64": ["a\nb\x1b[31m\ud800 https://ada:secret@h/x", "long " * 1000]},
    )
    assert odd.notes[0] == r"a\nb\x1b[31m\ud800 https://***@h/x"
    assert len(odd.notes[1]) < 2100
    assert ResolvedEnv.from_json(odd.to_json()).notes == odd.notes


def test_origins_are_part_of_the_description_and_of_no_id() -> None:
    found = {"osx-64": ("3.11.7", [package("a")]), "linux-64": ("3.11.7", [package("b")])}
    places = {
        "pypi": {"flask": "r.txt:3", "b": "https://ada:secret@h/r.txt:1\n\x1b[31m"},
        "conda": {},
        "python": {"==3.11.*": "--python"},
    }
    linux, mac = ResolvedEnv.co_resolve(
        spec(), found, resolved_by="ada", resolved_at=WHEN, origins={"linux-64": places}
    )
    assert linux.origins == {
        "pypi": {"b": r"https://***@h/r.txt:1\n\x1b[31m", "flask": "r.txt:3"},
        "python": {"==3.11.*": "--python"},
    }
    assert ResolvedEnv.from_json(linux.to_json()) == linux
    assert (mac.origins, "origins" in mac.to_dict()) == ({}, False)
    silent, _ = ResolvedEnv.co_resolve(spec(), found, resolved_by="ada", resolved_at=WHEN)
    assert silent.env_id == linux.env_id
    assert hash(silent) == hash(linux)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "3.1.1"},
        {"build": "1"},
        {"filename": "flask-3.1.0-1-py3-none-any.whl"},
        {"sha256": "f" * 64},
        {"kind": "conda"},
        {"name": "flask2"},
        {"sha256": None, "md5": "f" * 32},
    ],
)
def test_the_full_id_hangs_on_every_field_of_the_identity(changes: dict[str, Any]) -> None:
    name = changes.pop("name", "flask")
    fields = {"filename": "flask-3.1.0-py3-none-any.whl", **changes}
    assert resolved(package(name, **fields)).full_id != resolved().full_id


def test_the_full_id_hangs_on_the_minor_version_of_python_and_the_platform() -> None:
    ids = {
        resolved(found={platform: (python, [package()])}).full_id
        for platform, python in [
            ("linux-64", "3.11.7"),
            ("linux-64", "3.11.8"),
            ("linux-64", "3.12.1"),
            ("osx-64", "3.11.7"),
        ]
    }
    assert len(ids) == 3


def test_a_moment_is_kept_in_utc_and_whole_seconds() -> None:
    zone = timezone(timedelta(hours=2))
    at = datetime(2026, 1, 31, 1, 2, 3, 999, tzinfo=zone)
    assert resolved(resolved_at=at).resolved_at == "2026-01-30T23:02:03Z"


def test_now_is_the_moment_where_none_is_given() -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    found = datetime.fromisoformat(resolved(resolved_at=None).resolved_at[:-1])
    assert before <= found.replace(tzinfo=timezone.utc) <= datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"found": {"linux-64": ("3", [])}}, "python: `3` is not a version"),
        ({"found": {"linux-64": ("\u0663.1", [])}}, "python: `\u0663.1` is not a version"),
        ({"resolved_by": "a\nb"}, "resolved_by: holds a control character"),
        (
            {"found": {"linux-64": ("3.11", [package(), package(version="4")])}},
            "packages: holds `flask` of kind pypi twice",
        ),
    ],
)
def test_what_cannot_be_a_resolved_environment_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidDescription) as caught:
        resolved(**changes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("found", [{}, {"win-64": ("3.11.7", [])}])
def test_no_platform_or_an_unknown_one_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=r"^platform: "):
        resolved(found=found)


def test_a_description_reads_back_as_the_same_environment() -> None:
    found = everything()
    for text in (found.to_json(), found.to_json().encode(), json.dumps(found.to_dict(), indent=2)):
        back = ResolvedEnv.from_json(text)
        assert (back, back.full_id) == (found, found.full_id)
    assert "\n" not in found.to_json()
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_order_of_packages_and_fields_in_a_description_means_nothing() -> None:
    found = resolved(package("a"), package("b"))
    data = dict(reversed(list(found.to_dict().items())))
    data["packages"].reverse()
    assert ResolvedEnv.from_dict(data) == found


def test_an_older_name_for_npconda_packages_alone_is_read() -> None:
    asked = EnvSpec.make(requirements={"npconda": ["git"]}, python="3.11")
    (found,) = ResolvedEnv.co_resolve(asked, {"linux-64": ("3.11.7", ())}, resolved_by="ada")
    data = found.to_dict()
    assert data["env_type"] == "conda-only"
    assert ResolvedEnv.from_dict({**data, "env_type": "pypi-only"}) == found


WRONG: list[tuple[list[Any], Any, str]] = [
    (["schema_version"], "1", "schema_version: is not a version number"),
    (["platform"], "win-64", "co_resolved: lacks the platform `win-64`"),
    (["platform"], None, "platform: is not a text"),
    (["env_type"], "mixed", "env_type: is `mixed`, and the content says `pypi-only`"),
    (["req_id"], ID, f"req_id: is `{ID}`, and the content says"),
    (["full_id"], ID, f"full_id: is `{ID}`, and the content says"),
    (["full_id"], None, "full_id: is not a text"),
    (["python"], "3.12.1", "co_resolved.linux-64: does not match the packages"),
    (["python"], "three", "python: `three` is not a version"),
    (["resolved_at"], "2026-01-31", "resolved_at: `2026-01-31` is not a moment"),
    (["resolved_at"], "2026-02-31T00:00:00Z", "resolved_at: `2026-02-31T00:00:00Z` is not"),
    (["resolved_by"], "a\nb", "resolved_by: holds a control character"),
    (["co_resolved"], [], "co_resolved: is not an object"),
    (["co_resolved", "win-64"], ID, "co_resolved.win-64: is none of"),
    (["co_resolved", "osx-64"], "x", "co_resolved.osx-64: is not 40 hex digits"),
    (["co_resolved", "osx-64"], ID, "full_id: is `"),
    (["spec"], None, "spec: is not an object"),
    (["spec", "format"], 0, "spec.format: is not a version number"),
    (["spec", "python"], "x", "spec.python: `x` is not a version"),
    (["spec", "requirements", "pypi", 0], "a b", "spec.requirements.pypi[0]: `a b` is not a pypi"),
    (["spec", "requirements", "pypi", 0], "a", "req_id: is `"),
    (["spec", "options", "prereleases"], 0, "spec.options.prereleases: is neither true nor"),
    (["spec", "sources", 0, "kind"], "x", "spec.sources[0].kind: `x` is not known"),
    (["packages"], {}, "packages: is not a list"),
    (["packages", 1], 1, "packages[1]: is not an object"),
    (["packages", 1, "hashes", "sha256"], "x", "packages[1].hashes.sha256: `x` is not 64"),
    (["packages", 1, "hashes", "sha256"], "f" * 64, "co_resolved.linux-64: does not match"),
    (["packages", 1, "name"], "zlib", "co_resolved.linux-64: does not match"),
    (["packages", 1, "built_from", "kind"], "x", "packages[1].built_from.kind: `x` is none of"),
    (["packages", 1, "size"], 1e9, "packages[1].size: is not a number of bytes"),
    (["packages", 1, "url"], "https://[", "packages[1].url: it is not a URL"),
    (["new"], 1, "new: is not a known field"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_a_wrong_field_is_refused_with_its_path(path: list[Any], value: Any, message: str) -> None:
    with pytest.raises(InvalidDescription) as caught:
        ResolvedEnv.from_dict(changed(everything().to_dict(), path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", sorted(everything().to_dict()))
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    data = everything().to_dict()
    del data[name]
    with pytest.raises(InvalidDescription, match=f"^{name}: is missing$"):
        ResolvedEnv.from_dict(data)


@pytest.mark.parametrize("path", [["schema_version"], ["spec", "format"]])
def test_a_description_by_a_newer_envid_is_refused_by_number(path: list[str]) -> None:
    with pytest.raises(UnknownSchemaVersion) as caught:
        ResolvedEnv.from_dict(changed(everything().to_dict(), path, 2))
    assert str(caught.value) == (f"{'.'.join(path)}: is 2, and this version of envid reads up to 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON: Expecting value"),
        ("{", "is not JSON: "),
        (b"\xff\xfe\xff", "is not JSON: "),
        ("null", "is not an object"),
        ("[" * 100_000, "is not JSON: "),
        ('{"a":' * 100_000, "is not JSON: "),
        ("1" * 10_000, ""),
        ('{"schema_version": NaN}', "holds `NaN`, which JSON does not know"),
        ('{"schema_version": -Infinity}', "holds `-Infinity`, which JSON does not know"),
        ('{"a": 1, "b": 2, "a": 3}', "holds the name `a` twice in one object"),
        ('{"schema_version": 1, "x": {"\\n": 1, "\\n": 1}}', "holds the name `\\n` twice"),
    ],
    ids=range(11),
)
def test_what_is_no_clean_json_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidDescription) as caught:
        ResolvedEnv.from_json(text)
    assert str(caught.value).startswith(f"description: {message}")
    assert str(caught.value).isprintable()
