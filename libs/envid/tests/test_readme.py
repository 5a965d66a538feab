"""Whatever the README claims is true; ids are recomputed here without envid's digests."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from envid import EnvSpec, Package, ResolvedEnv
from envid import aliases as aliases_module
from envid.aliases import parse_ref
from envid.errors import InvalidAlias
from envid.requirements import normalize

from .helpers import package, resolved, spec

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of all tables in `text` that have so many columns, without their heads."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    cells = [
        [[cell.strip() for cell in line[1:-1].split(" | ")] for line in table.splitlines()[2:]]
        for table in tables
    ]
    return [row for table in cells for row in table if len(row) == columns]


def code(cell: str) -> str:
    return "" if cell == "``" else cell.removeprefix("`").removesuffix("`")


VECTORS: list[dict[str, Any]] = [json.loads(one) for one in blocks("json", section("Test vectors"))]
SPELLINGS = rows(section("Normal spellings"), 3)
REFS = rows(section("Aliases"), 3)
REFUSED = rows(section("Aliases"), 2)


def digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:40]


def test_the_tables_and_blocks_are_found() -> None:
    assert [len(part) for part in (VECTORS, SPELLINGS, REFS, REFUSED)] == [4, 11, 9, 13]


def test_the_example_prints_what_it_says() -> None:
    (example,), (output,) = blocks("python"), blocks("text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})
    assert printed.getvalue() == output


@pytest.mark.parametrize("vector", [one for one in VECTORS if "spec" in one])
def test_a_req_id_is_the_digest_of_its_spec(vector: dict[str, Any]) -> None:
    assert digest(vector["spec"]) == vector["req_id"]
    found = EnvSpec.from_dict(vector["spec"])
    assert (found.to_dict(), found.req_id) == (vector["spec"], vector["req_id"])


@pytest.mark.parametrize("vector", [one for one in VECTORS if "platforms" in one])
def test_a_full_id_is_the_digest_of_the_digests_of_its_platforms(vector: dict[str, Any]) -> None:
    digests = {}
    for platform, one in vector["platforms"].items():
        python = ".".join(one["python"].split(".")[:2])
        digests[platform] = digest({"packages": one["packages"], "python": python})
        assert digests[platform] == one["digest"]
    assert digest({"format": 1, "platforms": digests}) == vector["full_id"]
    found = ResolvedEnv.co_resolve(
        spec(),
        {
            platform: (one["python"], [from_identity(**fields) for fields in one["packages"]])
            for platform, one in vector["platforms"].items()
        },
        resolved_by="ada",
    )
    assert {one.full_id for one in found} == {vector["full_id"]}


def from_identity(**fields: Any) -> Package:
    algorithm, _, digits = fields.pop("hash").partition(":")
    return package(**{**fields, "sha256": None, algorithm: digits})


@pytest.mark.parametrize(("category", "written", "normal"), SPELLINGS)
def test_a_spelling_is_normalised_as_the_table_says(
    category: str, written: str, normal: str
) -> None:
    assert normalize(code(category), code(written)) == code(normal)


@pytest.mark.parametrize(("text", "meaning", "kind"), REFS)
def test_a_text_refers_to_what_the_table_says(text: str, meaning: str, kind: str) -> None:
    assert type(parse_ref(code(text))) is getattr(aliases_module, code(kind))


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_a_text_is_refused_for_the_reason_in_the_table(text: str, reason: str) -> None:
    with pytest.raises(InvalidAlias) as caught:
        parse_ref(code(text))
    assert caught.value.reason == reason


def test_every_field_has_its_row() -> None:
    told = re.findall(r"`([a-z_0-9.]+)`", " ".join(row[0] for row in rows(README, 2)))
    options = {f"options.{name}" for name in spec().options.to_dict()}
    assert {*spec().to_dict(), *resolved().to_dict(), *options} - {"options"} <= set(told)
    fields = re.findall(r"`([a-z_0-9.]+)`", " ".join(row[0] for row in rows(README, 3)))
    hashes = {f"hashes.{name}" for name in package().to_dict()["hashes"]}
    assert {*package().to_dict(), *hashes} - {"hashes"} <= set(fields)


def test_every_public_name_has_its_row() -> None:
    for module, names in rows(section("Names"), 2):
        told = set(re.findall(r"`(\w+)`", names))
        assert set(importlib.import_module(code(module)).__all__) == told
