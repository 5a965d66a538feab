"""Settings of the extension among Metaflow's own, `METAFLOW_<NAME>` or in its profile."""

from __future__ import annotations

from metaflow.metaflow_config_funcs import from_conf

__all__ = ["CONDA_SKIP_METAFLOW_DEPS", "CONDA_SYS_DEFAULT_GPU_PACKAGES"]

# Leave out what Metaflow itself needs in a task; the task must bring it.
CONDA_SKIP_METAFLOW_DEPS = from_conf("CONDA_SKIP_METAFLOW_DEPS", False)

# Virtual packages, with their versions, of steps that ask for a GPU.
CONDA_SYS_DEFAULT_GPU_PACKAGES = from_conf("CONDA_SYS_DEFAULT_GPU_PACKAGES", {})
