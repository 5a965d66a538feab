"""What a notebook shows of an environment."""

from __future__ import annotations

import pytest

from envid.sizes import size_text

from .helpers import package, resolved, spec
from .test_markup import Seen


def test_an_environment_shows_what_was_asked_for_and_found() -> None:
    asked = spec("flask>=3", python="3.11")
    env = resolved(
        package("flask", size=1500),
        package("idna", kind="conda", build="h0_1"),
        spec=asked,
        origins={"linux-64": {"pypi": {"flask>=3": "<b>.txt:2"}}},
        notes={"linux-64": ["<i>mind</i>"]},
    )
    seen = Seen(env._repr_html_())
    assert f"{env.req_id[:12]}:{env.full_id[:12]}" in seen.text
    for text in ("flask>=3 (<b>.txt:2)", "<i>mind</i>", "2 packages, 1.5 kB+", "h0_1", "==3.11.*"):
        assert text in seen.text, text
    assert {"b", "i"}.isdisjoint(tag for tag, _ in seen.tags)
    # Neither a style nor a colour: it looks like the page around it.
    assert {name for _, attributes in seen.tags for name, _ in attributes} == {"scope"}


def test_what_the_target_has_is_one_row() -> None:
    target = {"linux-64": {"sys": ["__glibc==2.36=0", "__linux==6.1=0"]}}
    seen = Seen(resolved(spec=spec(platform_requirements=target))._repr_html_())
    assert seen.text.count("target") == 1
    assert "target__glibc=2.36, __linux=6.1" in seen.text
    assert "sys" not in seen.text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (10**16, "10000.0 TB")],
)
def test_numbers_of_bytes(count: int, text: str) -> None:
    assert size_text(count) == text
