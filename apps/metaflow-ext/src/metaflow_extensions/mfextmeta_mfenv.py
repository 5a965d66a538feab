"""What of the extension goes into code packages: what runs in mfenv's own process stays out.

So does what only commands need that are run where a flow is written.

Where that process is on another machine, this is part of the runtime: see
`metaflow_extensions.mfenv.staging`.
"""

from __future__ import annotations

__all__ = ["APART", "exclude_suffixes"]

APART = (
    *("_configuration", "_options", "_parse", "_statements", "_values", "commands", "create_into"),
    *(
        "engine",
        "environment_cli",
        "environment_commands",
        "flow_commands",
        "host",
        "import_netflixext",
        "lock_files",
        "mfenv_settings",
        "migration",
        "needs",
    ),
    *("run_report", "runner", "staging", "step_requests", "flow_lock", "locked_steps"),
)

exclude_suffixes = [f"mfenv/{name}.py" for name in APART] + ["mfenv/py.typed"]
