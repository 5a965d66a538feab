"""Write the `top_level.txt` by which Metaflow finds its extensions, which hatchling does not."""

import os
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TopLevelHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        handle, self._path = tempfile.mkstemp(suffix=".txt")
        with os.fdopen(handle, "w") as file:
            file.write("metaflow_extensions\n")
        key = "force_include_editable" if version == "editable" else "force_include"
        project = self.build_config.builder.project_id
        build_data[key][self._path] = f"{project}.dist-info/top_level.txt"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        Path(self._path).unlink()
