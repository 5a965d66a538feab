"""The JSON Schemas of the site, and real documents: those fit, and changed ones do not."""

from __future__ import annotations

import json
import re
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from pkgcache.stores.directory import DirectoryStore
from resolvers.testing import FakeIndex, make_sdist, make_wheel

from .channel import ChannelServer, cached
from .helpers import Machine, distributions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import Draft202012Validator

DOCS = Path(__file__).parent.parent / "docs"
SCHEMAS = {
    name: json.loads((DOCS / "schemas" / f"{name}.schema.json").read_text())
    for name in ("commands", "lock", "store")
}
DESCRIPTION = json.loads((resources.files("envid") / "description.schema.json").read_text("utf-8"))
LOCK = (DOCS / "lock-format.md").read_text().partition(":caption: mfenv.lock\n")[2]
LOCK = LOCK.partition("```")[0]
WRONG = [[1.5]]
# Objects whose keys are names, and no fields.
OPEN = ("changes", "differences", "environment", "condemned", "lost", "prefixes")


def validator(name: str, definition: str | None = None) -> Draft202012Validator:
    # Imported by the processes that run these tests, and not by all that collect them.
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    known = (*SCHEMAS.values(), DESCRIPTION)
    registry: Any = Registry().with_resources(
        [(one["$id"], Resource.from_contents(one)) for one in known]
    )
    whole = SCHEMAS[name]
    if definition is None:
        return Draft202012Validator(whole, registry=registry)
    escaped = definition.replace("~", "~0").replace("/", "~1").replace("^", "%5E")
    reference = {"$ref": f"{whole['$id']}#/$defs/{escaped}"}
    return Draft202012Validator(reference, registry=registry)


def objects(data: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every object in a document, and the way to it."""
    if isinstance(data, dict):
        yield way, data
    for step, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, (dict, list)):
            yield from objects(value, (*way, step))


def changed(data: Any, way: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    """A document in which an object has other fields."""
    if not way:
        return fields
    twin = data.copy()
    twin[way[0]] = changed(twin[way[0]], way[1:], fields)
    return twin


def refuses_changes(
    check: Draft202012Validator, document: Any, *, optional: bool = False, extensible: bool = False
) -> None:
    """Assert that no field may be of another type, none new, and none gone."""
    for way, fields in objects(document):
        named = bool(way) and way[-1] in OPEN
        for name in fields:
            assert not check.is_valid(changed(document, way, {**fields, name: WRONG})), (way, name)
            rest = {one: value for one, value in fields.items() if one != name}
            if not (named or optional):
                assert not check.is_valid(changed(document, way, rest)), (way, name)
        if not named and not extensible:
            assert not check.is_valid(changed(document, way, {**fields, "new": None})), way


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    validator(name).check_schema(SCHEMAS[name])


SAID = {
    "show": ("show", "team/a:v1"),
    "tree": ("tree", "team/a:v2"),
    "why": ("why", "team/a:v2", "dep"),
    "diff": ("diff", "team/a:v1", "team/a:v2"),
    "history": ("history", "team/a"),
    "list": ("list",),
    "list --shared": ("list", "--shared"),
    "search": ("search", "*"),
    "outdated": ("outdated", "team/a:v1"),
    "audit": ("audit", "team/a:v2"),
    "lock --check": ("lock", "--check"),
    "config": ("config",),
    "doctor": ("doctor", "--offline"),
    "cache info": ("cache", "info"),
    "cache verify": ("cache", "verify", "--no-repair"),
    "report": ("report", "team/a:v1", "team/a:v2", "--audit"),
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each command that reads prints of the same environments."""
    root = tmp_path_factory.mktemp("schemas")
    with FakeIndex(*distributions()) as index:
        machine = Machine(root / "one", index, root / "store")
        machine.file("limits.txt", "dep<2\n")
        machine.file("r.txt", "-c limits.txt\napp\n")
        machine.ok("resolve", "-r", "r.txt", "--alias", "team/a:v1", "--alias", "team/a")
        machine.ok("resolve", "-r", "r.txt", "--pypi", "other", "--alias", "team/a:v2")
        machine.ok("alias", "team/a:v2", "team/a")
        machine.ok("create", "team/a:v2", "--name", "a")
        machine.ok("lock", "-r", "r.txt")
        machine.file("r.txt", "app\n")
        index.add(make_wheel("app", "1.1", requires=["dep>=2"]))
        advisory = {
            "id": "PYSEC-1",
            "aliases": ["CVE-1"],
            "fixed_in": ["1.1"],
            "summary": "It is wrong",
            "link": "https://osv.dev/vulnerability/PYSEC-1",
            "withdrawn": None,
        }
        index.serve("pypi/app/1.0/json", json.dumps({"vulnerabilities": [advisory]}))
        for archive in machine.home.glob("cache/archives/*/*/other-*"):
            archive.unlink()
            archive.write_bytes(b"damaged")
        (machine.prefix("a") / "bin" / "hello").unlink()
        found = {}
        for name, words in SAID.items():
            done = machine.run(*words, "--json")
            assert done.status in (0, 1), done.err
            found[name] = json.loads(done.out)
        return found


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_what_a_command_prints_fits_its_schema(documents: dict[str, Any], name: str) -> None:
    check, document = validator("commands", name), documents[name]
    check.validate(document)
    if name == "show":  # a description has optional fields; `test_description_schema` has those
        document = {"environments": []}
    if name == "config":  # its keys are the settings
        assert not check.is_valid({**document, "new": None})
        document = {"home": document["home"]}
        assert not check.is_valid({"home": {"value": WRONG, "origin": "default"}})
        assert not check.is_valid({"home": {"value": ""}})
        return
    refuses_changes(check, document)


@pytest.mark.slow
def test_the_documents_say_something(documents: dict[str, Any]) -> None:
    """Else nothing was compared with the schema."""
    (outdated,) = documents["outdated"]["environments"]
    (audited,) = documents["audit"]["environments"]
    (compared,) = documents["diff"]["compared"]
    (why,) = documents["why"]["packages"]
    assert any(one["held_by"] for one in outdated["outdated"])
    assert audited["findings"]
    assert audited["unaudited"]
    assert compared["changes"][0]["cause"]
    assert why["asked"][0]["paths"]
    assert why["bound"]
    assert documents["history"]["meanings"][0]["changes"][host_platform()]
    assert documents["lock --check"]["differences"]["default"]
    assert documents["search"]["aliases"]
    assert documents["report"]["audited"]
    assert documents["report"]["differences"][0]["changes"]
    assert documents["cache verify"]["damaged"]
    assert documents["cache verify"]["prefixes"]
    assert documents["list --shared"]["aliases"]


def test_every_schema_of_a_command_is_compared() -> None:
    shared = {"id", "platform", "time", "kind", "package", "statement", "change", "difference"}
    shared |= {"side", "audited", "caused"}
    assert {*SCHEMAS["commands"]["$defs"]} - shared == {*SAID}


def test_a_lock_fits_its_schema() -> None:
    check, document = validator("lock"), tomllib.loads(LOCK)
    check.validate(document)
    refuses_changes(check, document, optional=True)
    for gone in ("name", "version", "url", "sha256"):
        rest = {k: v for k, v in document["packages"]["pypi"][0].items() if k != gone}
        assert not check.is_valid(changed(document, ("packages", "pypi", 0), rest)), gone
    assert not check.is_valid({**document, "version": 2})


@pytest.mark.slow
def test_the_objects_of_a_store_fit_its_schema(tmp_path: Path) -> None:
    index = FakeIndex(*distributions(), make_sdist(tmp_path, "source", "1.0"))
    with index, ChannelServer(cached().main) as channel:
        machine = Machine(tmp_path / "one", index, tmp_path / "store")
        machine.ok("resolve", "--pypi", "app", "--pypi", "source", "--alias", "team/a:v1")
        conda = {
            "MFENV_CHANNELS": channel.url,
            "MFENV_PYTHON_PROVIDER": "conda",
            "MFENV_PREFERRED_FORMAT": "conda",
        }
        machine.ok("resolve", "--npconda", "libgreet", "--alias", "team/b:v1", env=conda)
        (machine.store / "packages" / "00" / ("0" * 64)).mkdir(parents=True)
        (machine.store / "packages" / "00" / ("0" * 64) / "x.whl").write_bytes(b"lost")
        machine.ok("gc", "--store", "--grace", "0")
    patterns = SCHEMAS["store"]["$defs"]
    met = set()
    for key in (info.key for info in DirectoryStore(machine.store).list("")):
        if key.startswith("packages/"):
            continue
        fitting = [one for one in patterns if re.match(one, key)]
        assert len(fitting) == 1, key
        (pattern,) = fitting
        met.add(pattern)
        check, document = validator("store", pattern), json.loads(machine.object(key).read_bytes())
        check.validate(document)
        if not key.startswith("environments/"):
            # What is not listed may be there, and means nothing.
            refuses_changes(check, document, extensible=True, optional="garbage" in document)
    assert met == {*patterns}
