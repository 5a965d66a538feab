"""What the extension adds to the `metaflow` command."""

from __future__ import annotations

__all__ = ["CMDS_DESC"]

CMDS_DESC = [("environment", "metaflow_extensions.mfenv.environment_cmd.cli")]
