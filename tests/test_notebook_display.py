"""What a notebook shows of the objects of the Python API, asked for as IPython asks."""

from __future__ import annotations

import warnings
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from envid.platforms import host_platform
from mfenv.environments import Environments
from mfenv.request import Request
from mfenv.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .helpers import Machine

pytest.importorskip("IPython")


@pytest.fixture
def environments(machine: Machine) -> Iterator[Environments]:
    settings = Settings.load({}, environ=machine.environ, directory=machine.work)
    with Environments(settings) as found:
        yield found


class Shown(HTMLParser):
    """Elements with their attributes, and texts."""

    def __init__(self, thing: Any) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # IPython's own
            from IPython.core.formatters import DisplayFormatter

            data, _ = DisplayFormatter().format(thing)
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.texts: list[str] = []
        self.feed(data["text/html"])
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_an_environment_shows_itself(environments: Environments, machine: Machine) -> None:
    resolved = environments.resolve(Request(pypi=("app",), platforms=(host_platform(),)))
    (env,) = resolved.envs
    shown = Shown(env)
    for text in (env.platform, env.python, "app", "dep", "2 packages, "):
        assert any(one.startswith(text) for one in shown.texts), text
    assert f"{env.req_id[:12]}:{env.full_id[:12]}" in shown.texts
    # Nothing of its own decides what is light and what is dark.
    names = {name for _, attributes in shown.elements for name, _ in attributes}
    assert names == {"scope"}
    assert {name for name, _ in shown.elements} == {
        *("table", "thead", "tbody", "tr", "th", "td", "details", "summary")
    }
    assert Shown(resolved).texts == shown.texts
    created = environments.create(env, as_name="x")
    told = Shown(created).texts
    assert {str(created.prefix), "x", env.platform} <= {*told}


def test_no_text_of_a_request_becomes_html(environments: Environments, machine: Machine) -> None:
    path = machine.file("<img src=x onerror=alert(1)>.txt", "app\n")
    resolved = environments.resolve(Request(files=(path,)))
    for thing in (resolved, resolved.envs[0]):
        shown = Shown(thing)
        assert "img" not in {name for name, _ in shown.elements}
        assert any("<img src=x onerror=alert(1)>.txt:1" in text for text in shown.texts)
