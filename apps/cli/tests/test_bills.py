"""Laws of bills of materials, over generated environments and real ones."""

from __future__ import annotations

import importlib.resources
import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envid import EnvSpec, Package, ResolvedEnv
from envid.packages import BuiltFrom
from mfenv.errors import NotExportable
from mfenv.exporting.formats import export

from .generated import CHANNEL, INDEX, SHARED, of_lock, whole
from .helpers import resolved

if TYPE_CHECKING:
    from collections.abc import Mapping

cyclonedx = pytest.importorskip("cyclonedx", reason="it is of the extra `sbom`")
pytest.importorskip("spdx_tools", reason="it is of the extra `sbom`")
lib4sbom = pytest.importorskip("lib4sbom", reason="it brings the schema of SPDX")

LICENCES = (
    *("MIT", "BSD-3-Clause AND MIT", "LicenseRef-Public-Domain", "MIT OR LicenseRef-own.1", ""),
    *("Apache License 2.0", "Copyright\n\n: see / below", "GPL2 with something", "MIT WITH MIT"),
)


@st.composite
def licensed(draw: st.DrawFn) -> tuple[tuple[ResolvedEnv, ...], dict[Package, str]]:
    envs = draw(whole())
    packages = {package for env in envs for package in env.packages}
    # The same file states the same everywhere.
    files = sorted({facts(package) for package in packages}, key=str)
    known = draw(st.lists(st.sampled_from([None, *LICENCES]), min_size=len(files)))
    stated = {file: text for file, text in zip(files, known, strict=False) if text is not None}
    return envs, {p: stated[facts(p)] for p in packages if facts(p) in stated}


@cache
def validator() -> Any:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6)


def bill(form: str, envs: tuple[ResolvedEnv, ...], licences: Mapping[Package, str]) -> Any:
    """The document, after its schema, and that it is the same again."""
    exported = export(envs, form, licences=licences)
    assert export(envs[::-1], form, licences=licences) == exported
    if form == "cyclonedx":
        assert validator().validate_str(exported.text) is None
    else:
        import jsonschema  # takes a second, which not every process that collects this is to take

        schema = importlib.resources.files(lib4sbom) / "schemas/spdx/2.3-schema.json"
        jsonschema.validate(json.loads(exported.text), json.loads(schema.read_text()))
    return json.loads(exported.text)


def facts(package: Package) -> tuple[Any, ...]:
    hashes = package.hashes
    known = {("SHA256", hashes.sha256), ("MD5", hashes.md5)}
    return (
        *(package.kind, package.name, package.version),
        frozenset((algorithm, value) for algorithm, value in known if value),
    )


def edges(env: ResolvedEnv) -> set[tuple[Any, Any]]:
    """What needs what; a name is of the package's own kind where there are two."""
    by_name: dict[tuple[str, str], Package] = {(p.kind, p.name): p for p in env.packages}
    found = set()
    for package in env.packages:
        for name in set(package.depends) - {package.name}:
            other = {"conda": "pypi", "pypi": "conda"}[package.kind]
            needed = by_name.get((package.kind, name)) or by_name.get((other, name))
            if needed:
                found.add((facts(package), facts(needed)))
    return found


@pytest.mark.slow
@settings(max_examples=30)  # their validation takes its time
@given(licensed())
def test_cyclonedx_says_all_packages(
    given_: tuple[tuple[ResolvedEnv, ...], dict[Package, str]],
) -> None:
    from packageurl import PackageURL

    envs, licences = given_
    document = bill("cyclonedx", envs, licences)
    stated = {facts(package): text for package, text in licences.items()}
    said, where = {}, {}
    for component in document["components"]:
        purl = PackageURL.from_string(component["purl"])
        assert (purl.name, purl.version) == (component["name"], component["version"])
        hashes = {(h["alg"].replace("-", ""), h["content"]) for h in component["hashes"]}
        said[component["bom-ref"]] = fact = (purl.type, purl.name, purl.version, frozenset(hashes))
        properties = [(p["name"], p["value"]) for p in component["properties"]]
        where[fact] = {value for name, value in properties if name == "mfenv:platform"}
        unknown = ("mfenv:licence", "NOASSERTION") in properties
        text = stated.get(fact, "")
        assert unknown == (not text)
        if text:
            (choice,) = component["licenses"]
            licence = choice.get("license", {})
            held = licence.get("text", {}).get("content") or licence.get("id")
            assert text == (held or licence.get("name") or choice.get("expression"))
    for env in envs:
        there = {fact for fact, platforms in where.items() if env.platform in platforms}
        assert there == {facts(package) for package in env.packages}
    needs = {d["ref"]: d.get("dependsOn", []) for d in document["dependencies"]}
    pairs = {(said[a], said[b]) for a, ahead in needs.items() if a in said for b in ahead}
    assert pairs == {edge for env in envs for edge in edges(env)}
    reached, ahead = set(), ["environment"]
    while ahead:
        reached.add(here := ahead.pop())
        ahead += [key for key in needs[here] if key not in reached]
    assert reached == {*said, "environment"}
    assert document["metadata"]["timestamp"].startswith(envs[0].resolved_at[:-1])


@pytest.mark.slow
@settings(max_examples=30)  # their validation takes its time
@given(licensed())
def test_spdx_says_all_packages(
    given_: tuple[tuple[ResolvedEnv, ...], dict[Package, str]],
) -> None:
    from packageurl import PackageURL
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    envs, licences = given_
    document = bill("spdx", envs, licences)
    stated = {facts(package): text for package, text in licences.items()}
    texts = {
        e["licenseId"]: e["extractedText"] for e in document.get("hasExtractedLicensingInfos", ())
    }
    roots, said = {}, {}
    for package in document["packages"]:
        if "externalRefs" not in package:
            roots[package["SPDXID"]] = package["comment"].partition(":")[0]
            continue
        (reference,) = package["externalRefs"]
        purl = PackageURL.from_string(reference["referenceLocator"])
        hashes = {(h["algorithm"], h["checksumValue"]) for h in package["checksums"]}
        fact = (purl.type, package["name"], package["versionInfo"], frozenset(hashes))
        said[package["SPDXID"]] = fact
        declared = package["licenseDeclared"]
        assert texts.get(declared, declared) == (stated.get(fact) or "NOASSERTION")
    links: dict[str, set[tuple[str, str]]] = {}
    for link in document["relationships"]:
        pair = (link["spdxElementId"], link["relatedSpdxElement"])
        links.setdefault(link["relationshipType"], set()).add(pair)
    assert {b for _, b in links["DESCRIBES"]} == set(roots)
    for env in envs:
        (root,) = (key for key, platform in roots.items() if platform == env.platform)
        assert {said[b] for a, b in links["CONTAINS"] if a == root} == {
            facts(package) for package in env.packages
        }
    pairs = {(said[a], said[b]) for a, b in links.get("DEPENDS_ON", ())}
    assert pairs == {edge for env in envs for edge in edges(env)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bill.spdx.json"
        path.write_text(json.dumps(document))
        # Their own validation, which knows more than the schema.
        assert validate_full_spdx_document(parse_file(str(path))) == []


@pytest.mark.slow
def test_where_packages_come_from() -> None:
    """What purls and references say of other indexes, sources and places of one machine."""
    sha256 = "a" * 64
    origins = {
        "git": BuiltFrom(kind="vcs", url="https://code.test/x.git", commit="c0ffee"),
        "sdist": BuiltFrom(kind="sdist", url="https://files.test/x.tar.gz", sha256="b" * 64),
        "here": BuiltFrom(kind="directory", url="file:///home/me/x", sha256="c" * 64),
    }
    packages = [
        Package.make(
            kind="pypi",
            name=name,
            version="1",
            filename=f"{name}-1-py3-none-any.whl",
            url=origin.url,
            sha256=sha256.replace("a", str(number)),
            source=INDEX if name == "sdist" else None,
            built_from=origin,
        )
        for number, (name, origin) in enumerate(origins.items())
    ]
    spec = EnvSpec.make(requirements={"pypi": ["sdist"]}, python="3.11")
    envs = ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", packages)}, resolved_by="me")
    document = bill("cyclonedx", envs, {})
    assert {c["purl"]: c.get("externalReferences", []) for c in document["components"]} == {
        "pkg:pypi/git@1?vcs_url=git%2Bhttps://code.test/x.git%40c0ffee": [
            {"comment": "commit c0ffee", "type": "vcs", "url": "https://code.test/x.git"}
        ],
        "pkg:pypi/here@1": [],
        f"pkg:pypi/sdist@1?repository_url={INDEX}": [
            {
                "hashes": [{"alg": "SHA-256", "content": "b" * 64}],
                "type": "source-distribution",
                "url": "https://files.test/x.tar.gz",
            }
        ],
    }
    document = bill("spdx", envs, {})
    assert {p["name"]: p["downloadLocation"] for p in document["packages"][1:]} == {
        "git": "git+https://code.test/x.git@c0ffee",
        "here": "NOASSERTION",
        "sdist": "https://files.test/x.tar.gz",
    }
    notes = export(envs, "spdx").notes
    assert "/home/me" not in export(envs, "spdx").text
    assert any("only some machines have it: here 1" in note for note in notes)
    assert any("NOASSERTION of the licences of" in note for note in notes)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "nexus", "localhost"])
def test_a_host_that_spdx_has_no_words_for(host: str, tmp_path: Path) -> None:
    """Its own tools refuse the whole document for such a URL."""
    pytest.importorskip("spdx_tools", reason="it is of the extra `sbom`")
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    packages = [
        Package.make(
            kind="pypi",
            name=name,
            version="1",
            filename=f"{name}-1-py3-none-any.whl",
            url=f"https://{place}/{name}-1-py3-none-any.whl",
            sha256="a" * 64,
            source=INDEX,
        )
        for name, place in (("inside", host), ("public", "files.test"))
    ]
    spec = EnvSpec.make(requirements={"pypi": ["inside"]}, python="3.11")
    envs = ResolvedEnv.co_resolve(spec, {"linux-64": ("3.11.7", packages)}, resolved_by="me")
    exported = export(envs, "spdx")
    path = tmp_path / "bill.spdx.json"
    path.write_text(exported.text)
    assert validate_full_spdx_document(parse_file(str(path))) == []
    places = {p["name"]: p["downloadLocation"] for p in json.loads(exported.text)["packages"][1:]}
    assert places == {
        "inside": "NOASSERTION",
        "public": "https://files.test/public-1-py3-none-any.whl",
    }
    (note,) = (note for note in exported.notes if "has no domain" in note)
    assert note.endswith(": inside 1")


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_the_name_of_a_channel_is_in_the_purl(form: str) -> None:
    channels = {"conda-forge": "channel=conda-forge", CHANNEL: f"repository_url={CHANNEL}"}
    for source, said in channels.items():
        package = Package.make(
            kind="conda",
            name="zlib",
            version="1.3",
            build="h1_0",
            subdir="linux-64",
            filename="zlib-1.3-h1_0.conda",
            url=f"{CHANNEL}/linux-64/zlib-1.3-h1_0.conda",
            sha256="a" * 64,
            source=source,
        )
        spec = EnvSpec.make(requirements={"conda": ["zlib"]}, python="")
        found = {"linux-64": ("3.11.7", [package])}
        text = export(ResolvedEnv.co_resolve(spec, found, resolved_by="me"), form).text
        assert "pkg:conda/zlib@1.3?build=h1_0&" in text
        assert said in text
        assert "subdir=linux-64&type=conda" in text


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_without_its_library_it_is_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("cyclonedx", "spdx_tools"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(NotExportable) as caught:
        export([resolved("a")], form)
    assert caught.value.hint == "pip install 'mfenv[sbom]'"


@pytest.mark.slow
@pytest.mark.shared
def test_a_real_environment_has_a_bill() -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data is absent")
    envs = of_lock(SHARED / "locks/pixi-v4/pypi-matplotlib-lock.yml")
    count = len({p.hashes for env in envs for p in env.packages})
    assert len(bill("cyclonedx", envs, {})["components"]) == count
    assert len(bill("spdx", envs, {})["packages"]) == count + len(envs)
