from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envid import BuiltFrom, EnvId, EnvSpec, Options, ResolvedEnv, Source
from envid.aliases import FullRef
from envid.errors import EnvidError, InvalidDescription, UnknownSchemaVersion
from envid.netflixext import (
    Manifest,
    NetflixEnv,
    co_resolved_full_id,
    full_id,
    read_environment,
    read_manifest,
    req_id,
    to_resolved,
)

from .helpers import changed

REQ, FULL = "1" * 40, "2" * 40
ID = EnvId(REQ, FULL, "linux-64")
MD5, SHA256 = "68c34ec6149623be41a1933ab996a209", "a" * 64
CHANNEL = "https://channel.example/forge"


def conda(stem: str, md5: str | None = MD5, **changes: Any) -> dict[str, Any]:
    url = f"{CHANNEL}/linux-64/{stem}.conda"
    fields = {"_type": "conda", "filename": stem, "url": url, "url_format": ".conda"}
    return {**fields, "hashes": {".conda": md5}, **changes}


def wheel(stem: str = "itsdangerous-2.1.2-py3-none-any", **changes: Any) -> dict[str, Any]:
    url = f"https://files.example/{stem}.whl"
    fields = {"_type": "pypi", "filename": stem, "url": url, "url_format": ".whl"}
    return {**fields, "hashes": {".whl": SHA256}, **changes}


PYTHON = conda("python-3.8.16-he550d4f_1_cpython", "b" * 32)
ZLIB = conda("zlib-1.2.13-hd590300_5")


def description(*packages: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fields = {
        "deps": ["conda::python==3.8.16", "pip::itsdangerous==>=2", "conda::zlib"],
        "sources": ["conda::conda-forge", "pypi::https://pkg.example/simple"],
        "extras": [],
        "packages": list(packages or (PYTHON, ZLIB, wheel())),
        "resolved_on": "2023-05-11T10:20:30.123456",
        "resolved_by": "ada",
        "resolved_archs": ["linux-64"],
        "env_type": "mixed",
        "accurate_source": True,
    }
    return {**fields, **changes}


def environment(*packages: dict[str, Any], env_id: EnvId = ID, **changes: Any) -> NetflixEnv:
    return read_environment(description(*packages, **changes), env_id)


def manifest(**changes: Any) -> dict[str, Any]:
    fields = {
        "version": 1,
        "mappings": {"Flow/7/start": [REQ, FULL]},
        "mutable_aliases": {"team/web/latest": [REQ, FULL]},
        "aliases": {"team/web/v1": [REQ, FULL], FULL: [REQ, FULL]},
        "environments": {"linux-64": {REQ: {FULL: description(), "_default": FULL}}},
    }
    return {**fields, **changes}


DEPS = {"conda": ("requests==>=2.21.0", "python==3.8.16", "pandas==1.5.0", "boto3==>=1.14.0")}
FORGE = {"conda": ("conda-forge",)}
SYS = {"sys": ("__glibc==2.27=0",)}


class TestIds:
    @pytest.mark.parametrize(
        ("deps", "sources", "legacy", "expected"),
        [
            ({}, {}, True, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (DEPS, {}, True, "4d744b9cfd3dbd72cae98ae140ec11d6ac4ebc79"),
            (DEPS, FORGE, True, "9d90ec12e2568bedcecea420a3fcdc21ccbfd40f"),
            ({"conda": ("a==1",)}, {}, True, "d8d24c58c6f555c614f124ad3e996ee5072246e8"),
            ({"pypi": ("a==1",)}, {}, True, "d8d24c58c6f555c614f124ad3e996ee5072246e8"),
            ({}, {"conda": ("a==1",)}, True, "d8d24c58c6f555c614f124ad3e996ee5072246e8"),
            (DEPS | SYS, FORGE, False, "905e3c11d7e31c0c8efbc706dc4101423d8e3012"),
            (DEPS, FORGE, False, "a76686f8dad546b35458ada74e439636ef53e360"),
        ],
    )
    def test_a_req_id_is_the_one_that_system_gives(
        self, deps: Any, sources: Any, legacy: bool, expected: str
    ) -> None:
        assert req_id(deps, sources, {}, legacy=legacy) == expected

    def test_a_full_id_is_the_one_that_system_gives(self) -> None:
        (both, one) = (environment(ZLIB, wheel()).packages, environment(wheel()).packages)
        expected = "1ab2395de73dcadeb0269eff4bf07f9564d89f43"
        assert full_id(both, "linux-64") == full_id(both[::-1], "linux-64") == expected
        assert full_id(one, "osx-64") == "ea5a3ad691e763e50d79b8106f09988ea305691f"
        together = co_resolved_full_id({"osx-64": one, "linux-64": both})
        assert together == "320e01993182be20f99e9962341967d46b38bb5a"
        keys = {"uv_lock_content_hash": "abc"}
        with_keys = full_id(both, "linux-64", unique_keys=keys)
        assert with_keys == "984ddf84dfa07f8c5242be4e52998dc587578847"

    @pytest.mark.parametrize("unknown", [{}, {".conda": None}])
    def test_an_unknown_hash_counts_as_the_word_none(self, unknown: Any) -> None:
        (package,) = environment(conda("a-1-0", hashes=unknown)).packages
        # The SHA-1 of `a-1-0#None linux-64`.
        assert full_id([package], "linux-64") == "ae365c9626cee44c0ef0fe346406c9781ec76f7b"

    def test_what_is_not_ascii_has_no_id(self) -> None:
        with pytest.raises(InvalidDescription, match="not ASCII"):
            req_id({"pypi": ("é",)}, {}, {})


class TestEnvironment:
    def test_it_reads_every_field(self) -> None:
        cached = {".whl": {"_type": "pip", "url": "packages/pip/x.whl"}}
        found = environment(
            PYTHON,
            wheel("a_B-1.0-2-py3-none-any", _type="pip", cache_info=cached),
            full_id_unique_keys={"uv_lock_content_hash": "abc"},
        )
        assert found.env_id == ID
        assert found.deps == {
            "conda": ("python==3.8.16", "zlib"),
            "pypi": ("itsdangerous==>=2",),
        }
        assert found.sources["pypi"] == ("https://pkg.example/simple",)
        assert (found.resolved_by, found.resolved_archs) == ("ada", ("linux-64",))
        assert found.resolved_on.isoformat() == "2023-05-11T10:20:30.123456+00:00"
        assert (found.env_type, found.accurate_source) == ("mixed", True)
        assert found.unique_keys == {"uv_lock_content_hash": "abc"}
        python, other = found.packages
        assert (python.name, python.version, python.build) == (
            "python",
            "3.8.16",
            "he550d4f_1_cpython",
        )
        assert (other.kind, other.name, other.version, other.build) == ("pypi", "a-b", "1.0", "2")
        assert (other.format, other.hashes) == (".whl", {".whl": SHA256})
        assert other.cache_urls == {".whl": "packages/pip/x.whl"}
        assert pickle.loads(pickle.dumps(found)) == found
        assert read_environment(json.dumps(description()), ID) == environment()

    def test_what_old_releases_leave_out_may_be_missing(self) -> None:
        data = description()
        for name in ("extras", "env_type", "accurate_source"):
            del data[name]
        found = read_environment(data, ID)
        assert (found.extras, found.env_type, found.accurate_source) == ({}, "mixed", True)

    @pytest.mark.parametrize(
        ("written", "read"), [("pip-only", "pypi-only"), ("conda-only", "conda-only")]
    )
    def test_the_type_of_old_releases_is_read_as_the_present_one(
        self, written: str, read: str
    ) -> None:
        assert environment(env_type=written).env_type == read

    def test_an_sdist_has_a_name_and_a_version(self) -> None:
        sdist = wheel("a-b-c-d-1.0", url_format=".tar.gz", hashes={".tar.gz": SHA256})
        (package,) = environment(sdist).packages
        assert (package.name, package.version, package.build) == ("a-b-c-d", "1.0", None)

    @pytest.mark.parametrize(
        ("path", "value", "expected"),
        [
            (["deps"], {}, "deps: is not a list"),
            (["deps", 1], "zlib", "deps[1]: does not begin with one of conda, npconda, pypi, sys"),
            (["sources", 0], "apt::x", "sources[0]: does not begin with one of"),
            (["env_type"], "odd", "env_type: `odd` is none of"),
            (["resolved_on"], "today", "resolved_on: `today` is not a moment"),
            (["resolved_on"], "0001-01-01T00:00:00+05:00", "resolved_on: "),
            (["packages", 1, "_type"], "apt", "packages[1]._type: `apt` is none of"),
            (["packages", 1, "filename"], "zlib", "packages[1].filename: `zlib` is not the name"),
            (["packages", 1, "url_format"], ".whl", "packages[1].url_format: `.whl` is none of"),
            (["packages", 1, "hashes"], {".conda": "x"}, "packages[1].hashes..conda: `x` is not"),
            (["packages", 2, "hashes"], {".whl": MD5}, "packages[2].hashes..whl: "),
            (
                ["packages", 2, "cache_info"],
                {".whl": {}},
                "packages[2].cache_info..whl.url: is mis",
            ),
            (["full_id_unique_keys"], {"a": 1}, "full_id_unique_keys.a: is not a text"),
        ],
    )
    def test_a_wrong_field_is_named(self, path: list[Any], value: Any, expected: str) -> None:
        with pytest.raises(InvalidDescription) as caught:
            read_environment(changed(description(), path, value), ID)
        assert str(caught.value).startswith(expected)

    def test_its_repr_shows_no_credential(self) -> None:
        found = environment(
            wheel(url="https://u:secret@h.example/x.whl"),
            sources=["pypi::https://u:secret@h.example"],
            deps=["pypi::x @ https://u:secret@h.example/x.whl"],
        )
        assert "secret" not in repr(found)


class TestManifest:
    def test_it_reads_environments_defaults_aliases_and_pathspecs(self) -> None:
        found = read_manifest(json.dumps(manifest()))
        ref = FullRef(req_id=REQ, full_id=FULL)
        assert found == Manifest(
            environments=(environment(),),
            defaults=frozenset({ID}),
            aliases={"team/web:v1": ref},
            mutable_aliases={"team/web:latest": ref},
            pathspecs={"Flow/7/start": ref},
        )
        assert found.together(ref) == found.environments
        assert found.together(FullRef(req_id=REQ, full_id=REQ)) == ()

    @pytest.mark.parametrize("text", ["", " \n", b"", '{"version": 1}'])
    def test_one_without_environments_is_empty(self, text: str | bytes) -> None:
        assert read_manifest(text) == Manifest()

    def test_a_later_version_is_refused(self) -> None:
        with pytest.raises(UnknownSchemaVersion) as caught:
            read_manifest('{"version": 2}')
        assert (caught.value.path, caught.value.found, caught.value.known) == ("version", 2, 1)

    @pytest.mark.parametrize(
        ("path", "value", "expected"),
        [
            (["version"], 0, "version: is not a version number"),
            (["aliases"], [], "aliases: is not an object"),
            (["aliases", "a/b"], [REQ], "aliases.a/b: is not a pair"),
            (["mappings", "F/1/s"], [REQ, "x"], "mappings.F/1/s: `x` is not a full_id"),
            (["environments", "linux-64"], 1, "environments.linux-64: is not an object"),
            (["environments", "linux-64", "x"], {FULL: {}}, "environments.linux-64.x.22222222"),
            (
                ["environments", "linux-64", REQ, FULL, "packages", 0, "url"],
                None,
                f"environments.linux-64.{REQ}.{FULL}.packages[0].url: is not a text",
            ),
            (
                ["environments", "linux-64", REQ, "_default"],
                "x",
                f"environments.linux-64.{REQ}._default: `x` is not a full_id of 40 hex digits",
            ),
        ],
    )
    def test_a_wrong_field_is_named(self, path: list[Any], value: Any, expected: str) -> None:
        with pytest.raises(InvalidDescription) as caught:
            read_manifest(json.dumps(changed(manifest(), path, value)))
        assert str(caught.value).startswith(expected)

    @pytest.mark.parametrize("text", ["{", '{"version": 1} }', "[]", "[" * 100_000])
    def test_what_is_not_a_json_object_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidDescription):
            read_manifest(text)


class TestOurs:
    def test_an_environment_becomes_ours(self) -> None:
        (found,) = to_resolved([environment(extras=["pip::--pre", "pip::-f https://l.example/"])])
        assert found.spec == EnvSpec.make(
            requirements={"conda": ["zlib"], "pypi": ["itsdangerous>=2"]},
            python="3.8.16",
            sources=[
                Source.make("channel", "conda-forge"),
                Source.make("index", "https://pkg.example/simple"),
                Source.make("find-links", "https://l.example/"),
            ],
            options=Options.make(prereleases=True),
        )
        assert (found.platform, found.python) == ("linux-64", "3.8.16")
        assert (found.resolved_at, found.resolved_by) == ("2023-05-11T10:20:30Z", "ada")
        python, zlib, other = found.packages
        assert (python.name, other.hashes.sha256) == ("python", SHA256)
        assert (zlib.filename, zlib.hashes.md5) == ("zlib-1.2.13-hd590300_5.conda", MD5)
        assert (zlib.subdir, zlib.source, zlib.build) == ("linux-64", CHANNEL, "hd590300_5")
        assert (other.filename, other.built_from) == ("itsdangerous-2.1.2-py3-none-any.whl", None)
        assert ResolvedEnv.from_json(found.to_json()) == found

    def test_what_was_resolved_together_shares_a_full_id(self) -> None:
        mac = environment(PYTHON, env_id=ID._replace(platform="osx-arm64"))
        found = to_resolved([mac, environment()])
        assert [one.platform for one in found] == ["linux-64", "osx-arm64"]
        assert len({one.full_id for one in found}) == 1

    @pytest.mark.parametrize(
        ("dep", "category", "expected"),
        [
            ("conda::pandas==1.5.0", "conda", "pandas==1.5.0"),
            ("conda::pandas==>=1.0,<2", "conda", "pandas<2,>=1.0"),
            ("conda::conda-forge::numpy==1", "conda", "conda-forge::numpy==1"),
            ("npconda::git", "npconda", "git"),
            ("pip::a[b,c]==1.0", "pypi", "a[b,c]==1.0"),
            ("pypi::a==", "pypi", "a"),
            ("pypi::a==~=1.2", "pypi", "a~=1.2"),
            ('pypi::a==1;os_name=="nt"', "pypi", 'a==1; os_name == "nt"'),
            ('pypi::a==;os_name=="nt"', "pypi", 'a; os_name == "nt"'),
            ("pypi::a@https://h.example/a.whl==", "pypi", "a @ https://h.example/a.whl"),
            ("sys::__glibc==2.27=0", "sys", "__glibc=2.27"),
        ],
    )
    def test_a_requirement_is_written_as_ours(self, dep: str, category: str, expected: str) -> None:
        (found,) = to_resolved([environment(deps=[dep])])
        assert found.spec.requirements == {category: (expected,)}

    @pytest.mark.parametrize(
        ("url", "ending", "origin"),
        [
            (
                "https://h.example/x-1.tar.gz",
                ".tar.gz",
                BuiltFrom(kind="sdist", url="https://h.example/x-1.tar.gz", sha256="b" * 64),
            ),
            ("file://local-file/x", ".whl", BuiltFrom(kind="directory", url="file://local-file/x")),
            (
                "https://_fake/h.example/x/0123",
                ".whl",
                BuiltFrom(kind="vcs", url="https://_fake/h.example/x/0123"),
            ),
        ],
    )
    def test_a_wheel_that_was_built_says_what_from(
        self, url: str, ending: str, origin: BuiltFrom
    ) -> None:
        hashes = {".whl": SHA256, ".tar.gz": "b" * 64}
        built = wheel("x-1-py3-none-any", url=url, url_format=ending, hashes=hashes)
        (found,) = to_resolved([environment(PYTHON, built)])
        assert (found.packages[1].built_from, found.packages[1].hashes.sha256) == (origin, SHA256)

    def test_packages_that_nothing_proves_are_named(self) -> None:
        sdist = wheel("x-1.0", url_format=".tar.gz", hashes={".tar.gz": SHA256})
        with pytest.raises(InvalidDescription) as caught:
            to_resolved([environment(PYTHON, conda("zlib-1-0", None), sdist)])
        assert caught.value.path == "packages"
        assert caught.value.reason.endswith("proves them: `x-1.0`, `zlib-1-0`")

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"packages": [ZLIB]}, "linux-64.packages: holds no `python`"),
            ({"packages": [PYTHON, ZLIB, ZLIB]}, "packages: holds `zlib` of kind conda twice"),
            ({"extras": ["pip::--no-index"]}, "extras.pypi: `--no-index` has no counterpart"),
            ({"deps": ["pip::a>==1"]}, "deps.pypi: `a>==1` is not a pypi requirement"),
            ({"deps": ["conda::python==x"]}, "deps.conda.python: `x` is not a version"),
            ({"sources": ["sys::x"]}, "sources.sys.kind: `` is not known"),
            (
                {"sources": ["pypi::https://u:secret@h.example"]},
                "sources.pypi.url: the URL at `h.example` holds a credential",
            ),
            (
                {"packages": [PYTHON, wheel(url="https://u:secret@h.example/x.whl")]},
                "linux-64.packages[1].url: the URL at `h.example` holds a credential",
            ),
        ],
    )
    def test_what_we_cannot_say_is_refused(self, changes: dict[str, Any], expected: str) -> None:
        with pytest.raises(InvalidDescription) as caught:
            to_resolved([environment(**changes)])
        assert str(caught.value).startswith(expected)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"env_id": EnvId(REQ, REQ, "osx-64")}, "full_id: differs between"),
            ({"env_id": ID}, "platform: `linux-64` is given twice"),
            ({"env_id": ID._replace(platform="win-64")}, "platform: `win-64` is not known"),
            ({"env_id": ID._replace(platform="osx-64"), "deps": {}}, "deps: differ between"),
        ],
    )
    def test_what_does_not_belong_together_is_refused(
        self, change: dict[str, Any], expected: str
    ) -> None:
        found = environment()
        with pytest.raises(InvalidDescription) as caught:
            to_resolved([found, replace(found, **change)])
        assert str(caught.value).startswith(expected)

    def test_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidDescription, match="there is no environment"):
            to_resolved([])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def places(data: Any, *way: Any) -> list[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(data, (dict, list)):
        inner = data.items() if isinstance(data, dict) else enumerate(data)
    return [way, *(place for key, value in inner for place in places(value, *way, key))]


def outcome(text: str) -> str:
    """What the error says that may be raised, if one is."""
    try:
        for env in read_manifest(text).environments:
            to_resolved([env])
            full_id(env.packages, env.env_id.platform, unique_keys=env.unique_keys)
            req_id(env.deps, env.sources, env.extras)
    except EnvidError as error:
        return str(error)
    return ""


@given(st.sampled_from(places(manifest())), JSON | st.sampled_from(["conda::a==<", "a-1-0", "-"]))
def test_any_json_in_any_place_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    message = outcome(json.dumps(changed(manifest(), list(place), value)))
    assert len(message.splitlines()) <= 1
    assert message == message.encode(errors="replace").decode()
