"""The decorators by which a flow says what its steps need.

They hold attributes and check where they stand. What they say together is worked out by
`metaflow_extensions.mfenv.step_requests`, before a run.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, ClassVar

from metaflow.decorators import Decorator, FlowDecorator, StepDecorator
from metaflow.metaflow_environment import InvalidEnvironmentException

from metaflow_extensions.mfenv.conda_environment import CondaEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metaflow import FlowSpec
    from metaflow.datastore import FlowDataStore
    from metaflow.graph import FlowGraph
    from metaflow.metadata_provider import MetadataProvider
    from metaflow.metaflow_environment import MetaflowEnvironment

    Attributes = dict[str, object]

__all__ = [
    "Conda",
    "CondaBase",
    "NamedEnv",
    "NamedEnvBase",
    "Pip",
    "PipBase",
    "Pypi",
    "PypiBase",
    "ResolvedLock",
    "ResolvedLockStep",
    "ResolvedReq",
    "ResolvedReqStep",
    "ResolvedUv",
    "ResolvedUvStep",
    "SysPackages",
    "SysPackagesBase",
]

_PARAMETERS = "\n\nParameters\n"

_NAMED: Attributes = {"name": None, "pathspec": None, "fetch_at_exec": None}
_COMMON: Attributes = {**_NAMED, "python": None, "disabled": None}
_CONDA: Attributes = {
    "packages": {},
    "libraries": {},
    "channels": [],
    "pip_packages": {},
    "pip_sources": [],
    **_COMMON,
}
_PYPI: Attributes = {
    "packages": {},
    "conda_only": {},
    "extra_indices": [],
    "sources": [],
    "extras": [],
    **_COMMON,
}

_OF_REQUIREMENTS: Attributes = {"path": None, "use_flow_dir": None, "locked": False}
_CHOICES: Attributes = {
    "groups": [],
    "no_groups": [],
    "default_groups": True,
    "only_groups": [],
    "extras": [],
    "package": [],
}
_SEARCHED: Attributes = {**_OF_REQUIREMENTS, **_CHOICES}


def _check_environment(name: str, environment: MetaflowEnvironment) -> None:
    if not isinstance(environment, CondaEnvironment):
        raise InvalidEnvironmentException(f"The *@{name}* decorator requires --environment=conda")


class _Lenient(Decorator):
    """Takes any argument: one that there is not is refused before a run, by `collect`.

    While a flow is imported, Metaflow shows what is raised as a defect.
    """

    def __init__(
        self, attributes: Attributes | None = None, *arguments: object, **options: object
    ) -> None:
        given = attributes or {}
        known = {key: value for key, value in given.items() if key in self.defaults}
        super().__init__(known, *arguments, **options)
        self.attributes.update({**given, **known})


class _Step(_Lenient, StepDecorator):
    allow_multiple = True

    def step_init(
        self,
        flow: FlowSpec,
        graph: FlowGraph,
        step_name: str,
        decorators: Iterable[Decorator],
        environment: MetaflowEnvironment,
        flow_datastore: FlowDataStore,
        logger: object,
    ) -> None:
        _check_environment(self.name, environment)


class _Flow(_Lenient, FlowDecorator):
    allow_multiple = True

    def flow_init(
        self,
        flow: FlowSpec,
        graph: FlowGraph,
        environment: MetaflowEnvironment,
        flow_datastore: FlowDataStore,
        metadata: MetadataProvider,
        logger: object,
        echo: object,
        options: object,
    ) -> None:
        _check_environment(self.name, environment)


class Conda(_Step):
    """Asks for conda packages in the environment of the step, beside those of `@conda_base`.

    Parameters
    ----------
    libraries : Dict[str, str], default {}
        Packages by name, each with a version or constraint; empty for any version. A name may
        start with `channel::`.
    packages : Dict[str, str], default {}
        The same by the name that Metaflow itself uses.
    channels : List[str], default []
        Channels to look in before the usual ones, in order.
    python : str, optional, default None
        Version of Python, or a specifier; the one that starts the run by default.
    disabled : bool, optional, default None
        Run the step without an environment.
    pip_packages : Dict[str, str], default {}
        Deprecated, use `@pypi`.
    pip_sources : List[str], default []
        Deprecated, use `@pypi(extra_indices=...)`.
    name : str, optional, default None
        Deprecated, use `@named_env`.
    pathspec : str, optional, default None
        Deprecated, use `@named_env`.
    fetch_at_exec : bool, optional, default None
        Deprecated, use `@named_env`.

    """

    name = "conda"
    defaults = _CONDA


class CondaBase(_Flow):
    """Asks for conda packages in the environments of all steps; takes what `@conda` takes."""

    name = "conda_base"
    defaults = _CONDA


class Pypi(_Step):
    """Asks for PyPI packages in the environment of the step, beside those of `@pypi_base`.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        Packages by name, each with a version or constraint; empty for any version. A name may have
        extras, `name[extra]`, or be a direct reference, `name @ git+https://...`.
    conda_only : Dict[str, str], default {}
        Conda packages beside them, which must not bring Python in.
    extra_indices : List[str], default []
        Indexes to look in before the usual one, in order.
    extras : List[str], default []
        Options as in a requirements.txt, such as `--pre` or `--find-links URL`.
    python : str, optional, default None
        Version of Python, or a specifier; the one that starts the run by default.
    disabled : bool, optional, default None
        Run the step without an environment.
    sources : List[str], default []
        Deprecated, use `extra_indices`.
    name : str, optional, default None
        Deprecated, use `@named_env`.
    pathspec : str, optional, default None
        Deprecated, use `@named_env`.
    fetch_at_exec : bool, optional, default None
        Deprecated, use `@named_env`.

    """

    name = "pypi"
    defaults = _PYPI


class PypiBase(_Flow):
    """Asks for PyPI packages in the environments of all steps; takes what `@pypi` takes."""

    name = "pypi_base"
    defaults = _PYPI


class Pip(Pypi):
    """Deprecated name of `@pypi`."""

    name = "pip"


class PipBase(PypiBase):
    """Deprecated name of `@pypi_base`."""

    name = "pip_base"


class NamedEnv(_Step):
    """Runs the step in an environment that was resolved before, with what else the step asks for.

    Parameters
    ----------
    name : str, optional, default None
        Alias or id of the environment. `@{VAR}` stands for a variable of the process that starts
        the run, or the task if `fetch_at_exec` is set.
    pathspec : str, optional, default None
        `Flow/run/step` whose environment it is.
    fetch_at_exec : bool, optional, default None
        Look the name up when the task starts. Nothing can be added to the environment then.
    disabled : bool, optional, default None
        Run the step without an environment.

    """

    name = "named_env"
    defaults: ClassVar[Attributes] = {**_NAMED, "disabled": None}


class NamedEnvBase(_Flow):
    """Runs all steps in an environment that was resolved before; takes what `@named_env` takes."""

    name = "named_env_base"
    defaults = NamedEnv.defaults


class SysPackages(_Step):
    """Says what the machine of the step offers.

    Parameters
    ----------
    packages : Dict[str, str], default {}
        Versions of virtual packages, such as `{"__cuda": "12.4", "__glibc": "2.28"}`.
    disabled : bool, optional, default None
        Run the step without an environment.

    """

    name = "sys_packages"
    defaults: ClassVar[Attributes] = {"packages": {}, "disabled": None}


class SysPackagesBase(_Flow):
    """Says what the machines of all steps offer."""

    name = "sys_packages_base"
    defaults = SysPackages.defaults


class ResolvedUvStep(_Step):
    """Runs the step in what a uv.lock has, which is taken as it is.

    Parameters
    ----------
    path : str, optional, default None
        Directory that holds the uv.lock and its pyproject.toml; a relative one starts at that of
        the flow.
    use_flow_dir : bool, optional, default None
        Where no path is given, look for the two upwards from the file of the flow, the default, or
        if this is `False` from the working directory.
    groups : List[str], default []
        Dependency groups to take beside those that uv takes by itself.
    no_groups : List[str], default []
        Dependency groups not to take, though uv takes them by itself.
    default_groups : bool, default True
        Take the dependency groups that uv takes by itself.
    only_groups : List[str], default []
        Dependency groups to take alone, without what the project itself needs.
    extras : List[str], default []
        Optional dependencies to take.
    package : Union[str, List[str]], default []
        Members of the workspace to take; without it, the project at its root.
    locked : bool, default False
        Refuse to run where the lock is behind its source, or where that cannot be told; else a
        note says so.

    """

    name = "resolved_uv"
    defaults = _SEARCHED


class ResolvedUv(_Flow):
    """Runs all steps in what a uv.lock has, which is taken as it is."""

    name = "resolved_uv"
    defaults = _SEARCHED


class ResolvedReqStep(_Step):
    """Runs the step in what compiled requirements have, which are taken as they are.

    Parameters
    ----------
    path : str, optional, default None
        Directory that holds the requirements.txt and its requirements.in; a relative one starts at
        that of the flow.
    use_flow_dir : bool, optional, default None
        Where no path is given, look for the two upwards from the file of the flow, the default, or
        if this is `False` from the working directory.
    locked : bool, default False
        Refuse to run where the lock is behind its source, or where that cannot be told; else a
        note says so.

    """

    name = "resolved_req"
    defaults = _OF_REQUIREMENTS


class ResolvedReq(_Flow):
    """Runs all steps in what compiled requirements have, which are taken as they are."""

    name = "resolved_req"
    defaults = ResolvedReqStep.defaults


class ResolvedLockStep(_Step):
    """Runs the step in what a lock file of any kind has, which is taken as it is.

    Parameters
    ----------
    path : str, default None
        The lock: a pixi.lock, conda-lock.yml, pylock.toml, uv.lock, poetry.lock, Pipfile.lock,
        `@EXPLICIT` list or pinned requirements, or its URL; a relative one starts at the directory
        of the flow.
    content : str, optional, default None
        What is in the lock, in place of a path, as a `Config` with `lock_parser` gives it.
    environment : str, optional, default None
        Environment of a pixi.lock.
    groups : List[str], default []
        Dependency groups or categories to take beside those that are taken by default.
    no_groups : List[str], default []
        Dependency groups or categories not to take, though they are taken by default.
    default_groups : bool, default True
        Take the dependency groups that are taken by default.
    only_groups : List[str], default []
        Dependency groups to take alone, without what the project itself needs.
    extras : List[str], default []
        Optional dependencies to take.
    package : Union[str, List[str]], default []
        Members of the workspace of a uv.lock to take; without it, the project at its root.
    locked : bool, default False
        Refuse to run where the lock is behind its source, or where that cannot be told; else a
        note says so.

    """

    name = "resolved_lock"
    defaults: ClassVar[Attributes] = {
        "path": None,
        "content": None,
        "environment": None,
        **_CHOICES,
        "locked": False,
    }


class ResolvedLock(_Flow):
    """Runs all steps in what a lock file of any kind has, which is taken as it is."""

    name = "resolved_lock"
    defaults = ResolvedLockStep.defaults


# By which Metaflow writes stubs. Without documentation, by `python -OO`, there is none to be had.
for _named_so, _like in (
    (CondaBase, Conda),
    (PypiBase, Pypi),
    (Pip, Pypi),
    (PipBase, Pypi),
    (NamedEnvBase, NamedEnv),
    (SysPackagesBase, SysPackages),
    (ResolvedUv, ResolvedUvStep),
    (ResolvedReq, ResolvedReqStep),
    (ResolvedLock, ResolvedLockStep),
):
    # From Python 3.13 on, docstrings come without the indentation that they have before.
    _parameters = cleandoc(_like.__doc__ or "").partition(_PARAMETERS)[2]
    _named_so.__doc__ = f"{_named_so.__doc__ or ''}{_PARAMETERS}{_parameters}"
