"""Cards that are made on other machines, which have nothing but the store."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from .flows import PLAIN

if TYPE_CHECKING:
    from .helpers import Cloud

pytestmark = [pytest.mark.network, pytest.mark.slow]

CARDED = (
    PLAIN.replace("import FlowSpec,", "import FlowSpec, card,")
    .replace("    @step\n    def start", '    @card(type="environment")\n    @step\n    def start')
    .replace("PlainFlow", "CardedFlow")
)


def test_a_card_of_a_task_in_a_container(cloud: Cloud) -> None:
    container = cloud.of_argo(CARDED, "start")
    ended = cloud.run(container)
    ended.ok()
    assert "Card render failed" not in ended.log
    cards = [
        key for key in cloud.objects(cloud.root.name) if re.search(r"CardedFlow.*\.html$", key)
    ]
    pages = {cloud.objects("")[key].decode() for key in cards}
    (page,) = pages
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    (env,) = json.loads(data)["environments"]
    assert [env["req_id"], env["full_id"]] == cloud.environments(container)["steps"]["start"][
        "env_id"
    ][:2]
    idna = next(package for package in env["packages"] if package["name"] == "idna")
    assert idna["version"] == "3.7"
    # What a package states is known where it lies unpacked, be it nothing.
    assert None not in {package["licence"] for package in env["packages"]}
    assert "No earlier run of this flow is known here." in page
