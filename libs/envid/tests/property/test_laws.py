"""The laws of issue and design: what may and what may not change an id."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from envid import EnvSpec, Package, ResolvedEnv
from envid.aliases import parse_alias, parse_ref
from envid.errors import EnvidError, InvalidAlias, InvalidDescription
from envid.requirements import CATEGORIES, normalize, normalize_python

from .strategies import (
    ASKED,
    BY_CATEGORY,
    ENVIRONMENTS,
    FOUND,
    OPTIONS,
    PACKAGES,
    REQUESTS,
    SPECS,
    Asked,
    packages,
    respelled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


_T = TypeVar("_T")


def is_safe(message: str) -> bool:
    return len(message.splitlines()) <= 1 and message == message.encode(errors="replace").decode()


def outcome(make: Callable[[], _T]) -> tuple[str, _T | None]:
    """What `make` gives, or what the error says that it is allowed to raise."""
    try:
        return "", make()
    except EnvidError as error:
        return str(error), None


class TestRequirements:
    @given(st.data(), st.sampled_from(CATEGORIES))
    def test_a_normal_spelling_is_normal_and_every_other_leads_to_it(
        self, data: st.DataObject, category: str
    ) -> None:
        text = data.draw(BY_CATEGORY[category])
        normal = normalize(category, text)
        assert normal == text
        assert normalize(category, data.draw(respelled(category, text))) == text

    @given(st.sampled_from(CATEGORIES), st.text() | st.text(list("a1=<>!~,;[]'\"()@:/ .*|-#")))
    def test_normalising_twice_is_normalising_once_and_refusing_is_an_error_of_ours(
        self, category: str, text: str
    ) -> None:
        message, normal = outcome(lambda: normalize(category, text))
        assert is_safe(message)
        assert not normal or normalize(category, normal) == normal

    @given(st.text() | st.text(list("0123.=<>!~,* ")))
    def test_any_text_is_a_python_or_refused(self, text: str) -> None:
        message, normal = outcome(lambda: normalize_python(text))
        assert is_safe(message)
        assert not normal or normalize_python(normal) == normal


class TestReqId:
    @pytest.mark.slow
    @given(st.data(), REQUESTS)
    def test_order_repetition_and_spelling_mean_nothing(
        self, data: st.DataObject, fields: dict[str, Any]
    ) -> None:
        def shuffled(category: str, texts: list[str]) -> list[str]:
            found = [data.draw(respelled(category, text)) for text in texts]
            return data.draw(st.permutations(found + texts))

        def every(given: Asked) -> Asked:
            names = data.draw(st.permutations(sorted(given)))
            return {name: shuffled(name, given[name]) for name in names}

        other = {
            **fields,
            "requirements": every(fields["requirements"]),
            "platform_requirements": {
                name: every(given) for name, given in fields["platform_requirements"].items()
            },
            "constraints": shuffled("pypi", fields["constraints"]),
            "sources": fields["sources"] + fields["sources"],
        }
        assert EnvSpec.make(**other) == EnvSpec.make(**fields)
        assert EnvSpec.make(**other).req_id == EnvSpec.make(**fields).req_id

    @given(st.lists(BY_CATEGORY["conda"], min_size=1))
    def test_the_category_counts(self, texts: list[str]) -> None:
        ids = {
            EnvSpec.make(requirements={category: texts}, python="3.11").req_id
            for category in ("conda", "npconda")
        }
        assert len(ids) == 2

    @pytest.mark.slow
    @given(st.data(), REQUESTS)
    def test_the_order_of_sources_counts(self, data: st.DataObject, fields: dict[str, Any]) -> None:
        turned = data.draw(st.permutations(fields["sources"]))
        same = turned == fields["sources"]
        other = EnvSpec.make(**{**fields, "sources": turned})
        assert (other.req_id == EnvSpec.make(**fields).req_id) is same

    @pytest.mark.slow
    @given(SPECS, OPTIONS)
    def test_every_option_counts(self, spec: EnvSpec, options: Any) -> None:
        other = replace(spec, options=options)
        assert (other.req_id == spec.req_id) is (options == spec.options)

    @pytest.mark.slow
    @given(SPECS, ASKED)
    def test_what_is_asked_on_one_platform_only_counts(self, spec: EnvSpec, more: Asked) -> None:
        fields = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
        own = {"osx-64": more}
        assume(EnvSpec.make(**{**fields, "platform_requirements": own}).platform_requirements)
        ids = {
            EnvSpec.make(**{**fields, "platform_requirements": given}).req_id
            for given in (own, {"linux-64": more}, {})
        }
        assert len(ids) == 3

    @pytest.mark.slow
    @given(SPECS, SPECS)
    def test_different_specs_never_serialise_alike(self, one: EnvSpec, other: EnvSpec) -> None:
        assert (one == other) is (one.canonical() == other.canonical())

    @pytest.mark.slow
    @given(SPECS)
    def test_a_spec_reads_back_from_its_json(self, spec: EnvSpec) -> None:
        back = EnvSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
        assert (back, back.req_id) == (spec, spec.req_id)


def full_id(found: dict[str, Any]) -> str:
    spec = EnvSpec.make(requirements={}, python="3.11")
    return ResolvedEnv.co_resolve(spec, found, resolved_by="x")[0].full_id


class TestFullId:
    @pytest.mark.slow
    @given(st.data(), FOUND)
    def test_the_order_of_packages_and_platforms_means_nothing(
        self, data: st.DataObject, found: dict[str, Any]
    ) -> None:
        other = {
            platform: (found[platform][0], data.draw(st.permutations(found[platform][1])))
            for platform in data.draw(st.permutations(sorted(found)))
        }
        assert full_id(other) == full_id(found)

    @pytest.mark.slow
    @given(FOUND, st.sampled_from(["linux-64", "osx-64"]), packages())
    def test_every_package_and_platform_counts(
        self, found: dict[str, Any], platform: str, more: Package
    ) -> None:
        python, chosen = found.get(platform, ("3.11.7", []))
        assume(all((one.kind, one.name) != (more.kind, more.name) for one in chosen))
        assert full_id({**found, platform: (python, [*chosen, more])}) != full_id(found)

    @given(PACKAGES.filter(bool), st.sampled_from("0123456789abcdef"))
    def test_every_digit_of_every_hash_counts(self, chosen: list[Package], digit: str) -> None:
        first, *rest = chosen
        sha256 = digit + (first.hashes.sha256 or "")[1:]
        other = first._replace(hashes=first.hashes._replace(sha256=sha256))
        ids = [full_id({"linux-64": ("3.11.7", [one, *rest])}) for one in (first, other)]
        assert (ids[0] == ids[1]) is (first == other)

    @pytest.mark.slow
    @given(FOUND, FOUND)
    def test_environments_with_one_full_id_hold_the_same_artifacts(
        self, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        def artifacts(found: dict[str, Any]) -> Any:
            return {
                platform: (python[:4], sorted(map(str, (one.identity for one in chosen))))
                for platform, (python, chosen) in found.items()
            }

        assert (full_id(one) == full_id(other)) is (artifacts(one) == artifacts(other))


class TestDescription:
    @pytest.mark.slow
    @given(ENVIRONMENTS)
    def test_it_reads_back_as_the_same_environment(self, together: tuple[ResolvedEnv, ...]) -> None:
        for found in together:
            back = ResolvedEnv.from_json(found.to_json())
            assert (back, back.env_id) == (found, found.env_id)

    @given(JSON)
    def test_any_other_json_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidDescription):
            ResolvedEnv.from_json(json.dumps(value))
        with pytest.raises(InvalidDescription):
            ResolvedEnv.from_dict(value)

    @given(st.text() | st.binary())
    def test_any_text_or_bytes_are_refused(self, text: str | bytes) -> None:
        with pytest.raises(InvalidDescription):
            ResolvedEnv.from_json(text)

    @pytest.mark.slow
    @given(st.data(), ENVIRONMENTS, JSON)
    def test_any_field_replaced_or_left_out_is_read_the_same_or_refused(
        self, data: st.DataObject, together: tuple[ResolvedEnv, ...], value: Any
    ) -> None:
        found = together[0]
        document = json.loads(found.to_json())
        place = document
        while True:
            step = data.draw(
                st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
            )
            inner = place[step]
            if not inner or not isinstance(inner, (dict, list)) or data.draw(st.booleans()):
                break
            place = inner
        if data.draw(st.booleans()):
            place[step] = value
        else:
            del place[step]
        message, back = outcome(lambda: ResolvedEnv.from_dict(document))
        assert is_safe(message)
        assert not back or back.env_id == found.env_id


class TestAliases:
    @given(st.text(st.sampled_from("aB9_-. /:é\n~@")) | st.text())
    @example("~~1")
    @example(" @linux-64")
    def test_a_name_that_is_proposed_can_be_given(self, text: str) -> None:
        try:
            parse_alias(text)
        except InvalidAlias as error:
            proposed = re.search("write `([^`]*)`", error.hint or "")
            if proposed:
                parse_alias(proposed[1])

    @given(st.text() | st.text(list("ab0:/.-_Astep")) | st.text("0123456789abcdef", min_size=7))
    def test_a_name_reads_back_as_itself(self, text: str) -> None:
        message, ref = outcome(lambda: parse_ref(text))
        assert is_safe(message)
        assert not ref or parse_ref(str(ref)) == ref
