"""What the code package of a task says of environments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_extensions.mfenv import encoding

if TYPE_CHECKING:
    from metaflow_extensions.mfenv.documents import Description, EnvironmentInfo
    from metaflow_extensions.mfenv.records import EnvId
    from metaflow_extensions.mfenv.run_records import FlowEnvironments

__all__ = ["DESCRIPTIONS", "description", "descriptions", "environment_info"]

DESCRIPTIONS = "mfenv.json"
"""The file in the code package: `FlowEnvironments` as `encoding` writes them."""

_ENDINGS = (".conda", ".tar.bz2", ".whl")


def descriptions() -> FlowEnvironments | None:
    """What the code package around this process says, if there is one that does."""
    # Metaflow loads all of the extension when it is imported, and this must be there by then.
    from metaflow.packaging_sys import ContentType, MetaflowCodeContent

    path = MetaflowCodeContent.get_filename(DESCRIPTIONS, ContentType.OTHER_CONTENT)
    if not path:
        return None
    from metaflow_extensions.mfenv.run_records import FlowEnvironments  # seldom asked for in tasks

    return encoding.read(Path(path).read_text(encoding="utf-8"), FlowEnvironments)


def description(env_id: EnvId) -> Description | None:
    """The description of an environment by its ids; None if the code package has none."""
    package = descriptions()
    return package.environments.get(str(env_id)) if package else None


def environment_info(env: Description) -> EnvironmentInfo:
    """A description with what metaflow-netflixext has in its place, which flows read.

    That is beside `req_id` and `full_id` the `type`, which is `conda` for all of them, and as texts
    with `; ` in between: `user_deps`, what was asked for, each `CATEGORY::REQUIREMENT`, and
    `all_packages`, the files without their endings.
    """
    spec = env["spec"]
    asked = [f"conda::python{spec['python']}"]
    for by_category in (
        spec["requirements"],
        spec["platform_requirements"].get(env["platform"], {}),
    ):
        asked += [
            f"{category}::{text}" for category, texts in by_category.items() for text in texts
        ]
    names = sorted(package["filename"] for package in env["packages"])
    return {
        **env,
        "type": "conda",
        "user_deps": "; ".join(sorted(asked)),
        "all_packages": "; ".join(_stem(name) for name in names),
    }


def _stem(filename: str) -> str:
    ending = next((ending for ending in _ENDINGS if filename.endswith(ending)), "")
    return filename[: len(filename) - len(ending)]
