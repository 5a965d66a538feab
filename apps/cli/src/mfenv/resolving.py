"""From a prepared request to resolved environments: the resolver for it, and what it may use."""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from envid.requirements import normal_name
from envid.resolved import ResolvedEnv
from mfenv.errors import InvalidRequest
from mfenv.user import user_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envid.spec import EnvSpec
    from mfenv.request import Prepared
    from mfenv.site import Site
    from resolvers.ahead import Ahead
    from resolvers.request import ResolveContext, Resolver

__all__ = [
    "all_but",
    "channel_alias",
    "context_of",
    "find_packages",
    "foresee",
    "names_there",
    "pypi_table",
    "start_uv",
]


_REFERENCE = re.compile(r" @ |^\w+\+")
_CHANNEL = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_USER = re.compile(r"://[^/@\s]+@")


def all_but(names: Sequence[str], envs: Sequence[ResolvedEnv] | None) -> tuple[ResolvedEnv, ...]:
    """A known answer without the packages to update."""
    if envs is None:
        raise InvalidRequest(
            "there is nothing to update: this request was not resolved for these platforms",
            "leave out `--update`",
        )
    freed = names_there(names, envs)
    return tuple(
        replace(
            env, packages=tuple(package for package in env.packages if package.name not in freed)
        )
        for env in envs
    )


def names_there(names: Iterable[str], envs: Iterable[ResolvedEnv]) -> tuple[str, ...]:
    """The packages to update by their names in environments, which may be spelt as on an index.

    Raises `InvalidRequest` for what is in none of them.
    """
    there = {package.name for env in envs for package in env.packages}
    spelt = []
    for name in names:
        called = there & {name, name.lower(), normal_name(name)}
        if not called:
            from difflib import get_close_matches

            near = get_close_matches(normal_name(name), sorted(there), n=1)
            raise InvalidRequest(
                f"there is no package `{name}` to update",
                f"did you mean `{near[0]}`?" if near else "name one that is there already",
            )
        spelt += sorted(called)
    return tuple(spelt)


def foresee(site: Site, prepared: Prepared) -> None:
    """Start the process of conda's solver, if a request is for that, while all else is made ready."""
    conda = prepared.spec.options.python_provider == "conda" and not prepared.pins
    if conda and site.settings.conda_resolver == "rattler":
        from resolvers.engines import prepare

        prepare(site.worker)


def start_uv(site: Site, prepared: Prepared, preferred: Sequence[ResolvedEnv]) -> Ahead | None:
    """Start uv, if a request is for that, while all else is made ready; it asks no server yet.

    None for a request that is for another engine.
    """
    if prepared.spec.options.python_provider != "system" or prepared.pins:
        return None
    from resolvers.ahead import Ahead

    return Ahead(prepared.spec, prepared.platforms, context_of(site, prepared, preferred))


def find_packages(
    site: Site,
    prepared: Prepared,
    *,
    preferred: Sequence[ResolvedEnv],
    dry_run: bool,
    ahead: Ahead | None = None,
) -> tuple[ResolvedEnv, ...]:
    """Resolve a spec for all its platforms, holding the packages of its bases.

    The packages of `preferred`, and its Python, are kept where that is possible. Wheels that had to
    be built are kept in the cache and, unless it is a `dry_run`, in the store. `ahead` is a uv that
    was started for it, if it was.
    """
    if ahead and ahead.is_about(prepared.spec, prepared.platforms):
        # It is at work while what takes its answer is imported.
        ahead.ask()
    else:
        ahead = None
        foresee(site, prepared)
    from mfenv.building import keep_built
    from resolvers.errors import IndexUnreachable, PythonNotFound, ResolveError, UnknownChannel

    store, resolved_by = site.store, user_name()
    context = context_of(site, prepared, preferred)
    label = f"resolving for {', '.join(prepared.platforms)}"
    task = site.progress.start(label, None, "packages")
    try:
        resolver = _resolver(site, prepared, context, ahead)
        resolutions = resolver.resolve(prepared.spec, prepared.platforms, context)
    # Engines know URLs; which file or option named one is known here.
    except (IndexUnreachable, UnknownChannel) as error:
        error.origin = _origin(error.where, prepared, channel_alias(site))
        channels = [source.url for source in prepared.spec.sources if source.kind == "channel"]
        # Whoever asks for wheels alone may need nothing of conda at all.
        if _only_python(prepared.spec) and any(channel in str(error) for channel in channels):
            other = (
                "a Python of this machine needs no channel: the setting `python_provider = system`,"
                " or `--python-provider system`"
            )
            error.hint = f"{error.hint}; {other}"
        raise
    except PythonNotFound as error:
        if error.specifier == prepared.spec.python:
            error.origin = prepared.origins.get(f"python {error.specifier}")
        raise
    except ResolveError as error:
        if error.python:
            other = f"`--python {error.python}` may do: the lock is for it, too"
            error.hint = f"{error.hint}; {other}" if error.hint else other
        raise
    finally:
        task.done()
    # Before the description, which must not name a wheel that nobody has.
    for resolution in resolutions.values():
        if resolution.artifacts:
            keep_built(resolution.artifacts, site.cache, None if dry_run else store)
    return ResolvedEnv.co_resolve(
        prepared.spec,
        {
            name: (resolution.python, resolution.packages)
            for name, resolution in resolutions.items()
        },
        resolved_by=resolved_by,
        notes={name: resolution.notes for name, resolution in resolutions.items()},
        origins=prepared.places,
    )


def context_of(
    site: Site, prepared: Prepared, preferred: Sequence[ResolvedEnv] = ()
) -> ResolveContext:
    """What resolvers may use of this machine for a request."""
    from mfenv.building import builder_python, known_wheel, shared_wheel
    from resolvers.request import ResolveContext

    return ResolveContext(
        cache_dir=site.home / "engines",
        local_paths=prepared.local_paths,
        credentials=site.credentials,
        origins=prepared.origins,
        held={base.platform: base.packages for base in prepared.bases},
        preferred={env.platform: env.packages for env in preferred},
        preferred_python=_preferred_python(prepared, preferred),
        built_wheel=lambda key: shared_wheel(key, site.cache, site.store),
        # The cache is made by its first use: conda's solver alone needs none.
        listing=lambda package: site.cache.listing(package),  # noqa: PLW0108
        wheel=lambda package: known_wheel(package, site.cache, site.store),
        keep=lambda package, wheel: site.cache.add(wheel, package.filename),
        builder_python=lambda packages: builder_python(packages, site),
        patience=site.patience,
        progress=site.progress,
        offline=site.settings.offline or site.settings.local_only,
        clobber=site.settings.clobber,
        joint_rounds=site.settings.joint_rounds,
        conda_engine=site.settings.conda_resolver,
        pypi_engine=site.settings.pypi_resolver,
    )


def _preferred_python(prepared: Prepared, preferred: Sequence[ResolvedEnv]) -> str:
    """The version of Python to stay with, where several of this machine will do.

    A lock that leaves it open is for the one that runs us, as one that has the files of wheels is.
    """
    if preferred:
        return preferred[0].python
    return platform.python_version() if prepared.pins else ""


def _only_python(spec: EnvSpec) -> bool:
    """Whether nothing but Python is asked of conda."""
    asked = (spec.requirements, *spec.platform_requirements.values())
    return not any({"conda", "npconda"} & by_category.keys() for by_category in asked)


def _origin(where: str, prepared: Prepared, alias: str) -> str | None:
    """Who names the source that a URL or a path lies in."""
    # With a slash at its end, so that `/a/bc` does not lie in `/a/b`.
    path = f"{unquote(where.removeprefix('file://'))}/"
    for text, origin in prepared.origins.items():
        if _REFERENCE.search(text):
            # A requirement with a URL asks for that alone, and a revision may stand behind it.
            whole = rf"(?<![^\s+]){re.escape(where)}(?=[@#;\s]|$)"
            if re.search(whole, _USER.sub("://", text)):
                return origin
        elif any(
            path.startswith(f"{unquote(url.removeprefix('file://')).rstrip('/')}/")
            for url in _urls(text, alias)
        ):
            return origin
    return None


def _urls(text: str, alias: str) -> tuple[str, ...]:
    """A source that a request names, or the channel of a conda requirement, as engines have it."""
    from resolvers.channels import channel_urls, split_channel, with_channel_urls

    if _CHANNEL.fullmatch(text):  # or the name of a package, which no URL of a source is of
        return (text, *channel_urls(text, alias))
    # A channel within a requirement; the URL of a package lies in one.
    channel, _ = split_channel(with_channel_urls(text, alias))
    return (channel,) if "://" in channel else (text,)


def channel_alias(site: Site) -> str:
    """Where a channel is that has no URL."""
    from resolvers.channels import CHANNEL_ALIAS

    return site.credentials.add(site.settings.channel_alias) or CHANNEL_ALIAS


def pypi_table(site: Site) -> Path | None:
    """The table of PyPI names that is to be used, if one is set."""
    table = site.settings.pypi_names
    return Path(table).expanduser() if table else None


def _resolver(
    site: Site, prepared: Prepared, context: ResolveContext, ahead: Ahead | None
) -> Resolver:
    spec, alias = prepared.spec, channel_alias(site)
    if prepared.pins:
        from resolvers.pinned import PinnedResolver

        return PinnedResolver(site.worker, prepared.pins, channel_alias=alias)
    # Before conda's own: such a spec counts as `pypi-only`, which would ask conda for Python.
    if spec.options.python_provider == "system":
        if not ahead:
            from resolvers.ahead import Ahead

            ahead = Ahead(spec, prepared.platforms, context)
            ahead.ask()
        from resolvers.pypi import PypiResolver

        return PypiResolver(ahead)
    if spec.env_type == "conda-only":
        from resolvers.conda import CondaResolver

        return CondaResolver(site.worker, channel_alias=alias)
    if spec.env_type == "mixed" and site.settings.mixed_resolver == "conda-lock":
        from mfenv.importing.conda_lock import pins_of
        from resolvers.conda_lock import CondaLockResolver

        return CondaLockResolver(
            site.worker,
            lambda path, platform: pins_of(path, platform, site.credentials),
            channel_alias=alias,
            pypi_names=pypi_table(site),
        )
    from resolvers.mixed import MixedResolver

    return MixedResolver(
        site.worker,
        channel_alias=alias,
        pypi_names=pypi_table(site),
    )
