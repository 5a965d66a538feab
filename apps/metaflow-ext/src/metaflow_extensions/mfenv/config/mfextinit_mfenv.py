"""Settings of the extension that Metaflow hands to the containers of a run.

They are read, and checked, where they are used: `metaflow_extensions.mfenv._configuration`. A value
that cannot be read must not keep Metaflow from being imported.
"""

from __future__ import annotations

from metaflow_extensions.mfenv import releases

# Nothing of the extension is loaded before this, and old releases lack what comes next.
releases.check()

from metaflow.metaflow_config_funcs import from_conf  # noqa: E402

__all__ = ["CONDA_SKIP_METAFLOW_DEPS", "CONDA_SYS_DEFAULT_GPU_PACKAGES"]

CONDA_SKIP_METAFLOW_DEPS = from_conf("CONDA_SKIP_METAFLOW_DEPS")

try:
    CONDA_SYS_DEFAULT_GPU_PACKAGES = from_conf("CONDA_SYS_DEFAULT_GPU_PACKAGES", {})
except ValueError:
    CONDA_SYS_DEFAULT_GPU_PACKAGES = None
