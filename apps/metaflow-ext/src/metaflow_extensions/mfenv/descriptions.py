"""What the code package of a task says of environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["DESCRIPTIONS", "description", "descriptions"]

DESCRIPTIONS = "mfenv.json"
"""The file in the code package: the answer of `metaflow_extensions.mfenv.engine.resolve`."""


def descriptions() -> dict[str, Any]:
    """What the code package around this process says; empty for nothing."""
    # Metaflow loads all of the extension when it is imported, and this must be there by then.
    from metaflow.packaging_sys import ContentType, MetaflowCodeContent

    path = MetaflowCodeContent.get_filename(DESCRIPTIONS, ContentType.OTHER_CONTENT)
    if not path:
        return {}
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def description(env_id: list[str]) -> dict[str, Any] | None:
    """The description of an environment by its ids; None if the code package has none."""
    result: dict[str, Any] | None
    result = descriptions().get("environments", {}).get("{}:{}@{}".format(*env_id))
    return result
