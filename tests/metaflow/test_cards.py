"""Environments of runs as cards of Metaflow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .helpers import Pad, Ran

pytestmark = pytest.mark.slow


def run_id(ran: Ran) -> str:
    found = re.search(r"run-id (\d+)", ran.out)
    assert found
    return found[1]


def card(pad: Pad, flow: str, pathspec: str, path: Path) -> str:
    """The card of a step or a task, as Metaflow's own command gives it."""
    pad.ok(flow, pathspec, str(path), command="card get")
    return path.read_text()


def data_of(page: str) -> Any:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(data)


def test_a_card_shows_the_environments_of_a_run_and_what_differs(pad: Pad, tmp_path: Path) -> None:
    ran = pad.ok("carded", env={"DEP": "1.0"})
    assert "Card render failed" not in ran.out
    first = run_id(ran)
    page = card(pad, "carded", f"{first}/end", tmp_path / "first.html")
    assert f"<title>Carded/{first}</title>" in page
    assert "Step `middle` has no environment of mfenv." in page
    assert "No earlier run of this flow is known here." in page
    (env,) = data_of(page)["environments"]
    assert env["name"] == "start, end"
    assert "dep" in {package["name"] for package in env["packages"]}
    assert env["asked"][0]["place"] == "@pypi_base of flow `Carded`"

    second = run_id(pad.ok("carded", env={"DEP": "2.0"}))
    page = card(pad, "carded", f"{second}/start", tmp_path / "second.html")
    told = data_of(page)
    # What had not begun yet is not there.
    assert [one["name"] for one in told["environments"]] == ["start"]
    (difference,) = told["differences"]
    assert difference["before"]["name"] == f"start in run {first}"
    (change,) = difference["changes"]
    assert (change["name"], change["before"], change["after"]) == ("dep", "1.0", "2.0")
    assert change["cause"]["differs"]

    third = run_id(pad.ok("carded", env={"DEP": "2.0"}))
    page = card(pad, "carded", f"{third}/end", tmp_path / "third.html")
    assert f"Step `end` has the environment that it had in run {second}." in page
    assert data_of(page)["differences"] == []


def test_a_step_that_did_not_begin_is_not_said_to_have_had_none(pad: Pad, tmp_path: Path) -> None:
    failed = pad.run("carded", env={"FAILS": "1"})
    assert failed.status == 1, failed.out
    second = run_id(pad.ok("carded"))
    page = card(pad, "carded", f"{second}/end", tmp_path / "card.html")
    said = f"Step `end` did not run in an environment of mfenv in run {run_id(failed)}."
    assert said in page


def test_a_card_of_a_run_without_environments_says_so(pad: Pad, tmp_path: Path) -> None:
    flow = pad.flows / "plain_card.py"
    flow.write_text(
        "from metaflow import FlowSpec, card, step\n"
        "class PlainCard(FlowSpec):\n"
        "    @card(type='environment')\n"
        "    @step\n"
        "    def start(self): self.next(self.end)\n"
        "    @step\n"
        "    def end(self): pass\n"
        "if __name__ == '__main__': PlainCard()\n"
    )
    words = ("plain_card.py", "--no-pylint")
    ran = pad.python(*words, "run")
    assert ran.status == 0, ran.out
    path = tmp_path / "card.html"
    assert pad.python(*words, "card", "get", f"{run_id(ran)}/start", str(path)).status == 0
    said = f"No step of PlainCard/{run_id(ran)} ran in an environment of mfenv so far."
    assert said in path.read_text()
