"""What the code package of a task says of environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["DESCRIPTIONS", "description", "descriptions", "environment_info"]

DESCRIPTIONS = "mfenv.json"
"""The file in the code package: the answer of `metaflow_extensions.mfenv.engine.resolve`."""

_ENDINGS = (".conda", ".tar.bz2", ".whl")


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


def environment_info(found: dict[str, Any]) -> dict[str, Any]:
    """A description with what metaflow-netflixext has in its place, which flows read.

    That is beside `req_id` and `full_id` the `type`, which is `conda` for all of them, and as texts
    with `; ` in between: `user_deps`, what was asked for, each `CATEGORY::REQUIREMENT`, and
    `all_packages`, the files without their endings.
    """
    spec = found["spec"]
    asked = [f"conda::python{spec['python']}"]
    for one in (spec["requirements"], spec["platform_requirements"].get(found["platform"], {})):
        asked += [f"{category}::{text}" for category, texts in one.items() for text in texts]
    names = sorted(one["filename"] for one in found["packages"])
    return {
        **found,
        "type": "conda",
        "user_deps": "; ".join(sorted(asked)),
        "all_packages": "; ".join(_stem(name) for name in names),
    }


def _stem(filename: str) -> str:
    ending = next((one for one in _ENDINGS if filename.endswith(one)), "")
    return filename[: len(filename) - len(ending)]
