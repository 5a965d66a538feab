"""What the extension adds to Metaflow, and what it puts in the place of Metaflow's own."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = [
    "CLIS_DESC",
    "ENVIRONMENTS_DESC",
    "FLOW_DECORATORS_DESC",
    "RUNNER_CLIS_DESC",
    "STEP_DECORATORS_DESC",
    "TL_PLUGINS_DESC",
]

_HERE = "metaflow_extensions.mfenv"

# The commands are not in code packages, and neither is what runs them: see `mfextmeta_mfenv`.
_AT_HOME = find_spec(f"{_HERE}.runner") is not None

CLIS_DESC = [("environment", f"{_HERE}.environment_cli.cli")] if _AT_HOME else []

RUNNER_CLIS_DESC = [("environment", f"{_HERE}.runner.EnvironmentRunner")] if _AT_HOME else []

STEP_DECORATORS_DESC = [
    ("conda", f"{_HERE}.decorators.Conda"),
    ("pypi", f"{_HERE}.decorators.Pypi"),
    ("pip", f"{_HERE}.decorators.Pip"),
    ("named_env", f"{_HERE}.decorators.NamedEnv"),
    ("sys_packages", f"{_HERE}.decorators.SysPackages"),
    ("resolved_uv", f"{_HERE}.decorators.ResolvedUvStep"),
    ("resolved_req", f"{_HERE}.decorators.ResolvedReqStep"),
    ("resolved_lock", f"{_HERE}.decorators.ResolvedLockStep"),
    ("conda_env_internal", f"{_HERE}.task.TaskEnvironment"),
]

FLOW_DECORATORS_DESC = [
    ("conda_base", f"{_HERE}.decorators.CondaBase"),
    ("pypi_base", f"{_HERE}.decorators.PypiBase"),
    ("pip_base", f"{_HERE}.decorators.PipBase"),
    ("named_env_base", f"{_HERE}.decorators.NamedEnvBase"),
    ("sys_packages_base", f"{_HERE}.decorators.SysPackagesBase"),
    ("resolved_uv", f"{_HERE}.decorators.ResolvedUv"),
    ("resolved_req", f"{_HERE}.decorators.ResolvedReq"),
    ("resolved_lock", f"{_HERE}.decorators.ResolvedLock"),
]

ENVIRONMENTS_DESC = [
    ("conda", f"{_HERE}.conda_environment.CondaEnvironment"),
    ("pypi", f"{_HERE}.conda_environment.PypiEnvironment"),
    ("locked", f"{_HERE}.conda_environment.LockedEnvironment"),
]

TL_PLUGINS_DESC = [
    ("lock_parser", f"{_HERE}.parsers.lock_parser"),
    ("req_parser", f"{_HERE}.parsers.req_parser"),
    ("yml_parser", f"{_HERE}.parsers.yml_parser"),
    ("toml_parser", f"{_HERE}.parsers.toml_parser"),
]
