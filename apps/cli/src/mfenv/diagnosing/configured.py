"""The settings: whether they can be read, and what in them means nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mfenv.diagnosing.findings import failure, ok, warning
from mfenv.settings import ALL_SETTINGS, Settings, project_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import Subject

__all__ = ["check_settings"]


class _Idle(NamedTuple):
    """Settings that mean nothing under a condition; `by` is the setting that says so."""

    names: tuple[str, ...]
    by: str
    holds: Callable[[Settings], bool]
    why: str


_IDLE = (
    _Idle(
        ("index_url", "extra_index_url", "index_strategy"),
        "no_index",
        lambda settings: settings.no_index,
        "no index is asked",
    ),
    _Idle(
        ("store", "use_remote_latest"),
        "local_only",
        lambda settings: settings.local_only,
        "no store is asked",
    ),
    _Idle(
        ("use_remote_latest", "preferred_format"),
        "store",
        lambda settings: not settings.store,
        "there is no store",
    ),
    _Idle(
        ("joint_rounds",),
        "mixed_resolver",
        lambda settings: settings.mixed_resolver != "joint",
        "it chooses by itself",
    ),
    _Idle(
        ("joint_rounds",),
        "conda_resolver",
        lambda settings: settings.conda_resolver != "rattler",
        "it does not tell what else there would be",
    ),
    _Idle(
        ("joint_rounds",),
        "pypi_resolver",
        lambda settings: settings.pypi_resolver != "uv",
        "it does not tell what else there would be",
    ),
    _Idle(
        (
            *("channels", "channel_priority", "channel_alias", "conda_resolver", "joint_rounds"),
            *("mixed_resolver", "pypi_names"),
        ),
        "python_provider",
        lambda settings: settings.python_provider == "system",
        "nothing comes from conda where Python is the system's",
    ),
)
_USUAL = {setting.name: setting.default for setting in ALL_SETTINGS.values()}


def check_settings(subject: Subject) -> Iterator[Finding]:
    """Read them, and look for what contradicts itself or is not there."""
    settings = subject.settings
    wrong = [*_unheeded(settings), *_idle(settings), *_lost(settings)]
    yield from wrong
    if not wrong:
        places = dict.fromkeys(origin.rpartition(":")[0] or origin for origin in _origins(settings))
        yield ok(f"from {', '.join(places)}" if places else "all are the default ones")


def _origins(settings: Settings) -> Iterator[str]:
    yield from settings.origins.values()


def _unheeded(settings: Settings) -> Iterator[Finding]:
    for note in settings.notes:
        text, _, hint = note.partition(": ")
        yield warning(text, hint)
    files = [path for path, _ in project_files()]
    for other in files[1:]:
        yield warning(f"`{other}` is not read: of a project's files `{files[0]}` is nearer")


def _idle(settings: Settings) -> Iterator[Finding]:
    for rule in _IDLE:
        for name in rule.names if rule.holds(settings) else ():
            if name in settings.origins and getattr(settings, name) != _USUAL[name]:
                by = settings.origins.get(rule.by, "the default")
                yield warning(
                    f"{settings.origins[name]}: `{name}` means nothing: {rule.why}"
                    f" (`{rule.by}`: {by})",
                    "leave one of them out",
                )


def _lost(settings: Settings) -> Iterator[Finding]:
    origins = settings.origins
    for name, path, what in (
        ("home", settings.home, "directory"),
        ("conda_resolver", "/" in settings.conda_resolver and settings.conda_resolver, "program"),
    ):
        if path and not Path(path).expanduser().is_absolute():
            yield warning(
                f"{origins[name]}: `{name}` is another {what} wherever mfenv is started",
                "write it as an absolute path",
            )
    if settings.pypi_names and not Path(settings.pypi_names).expanduser().is_file():
        yield failure(f"{origins['pypi_names']}: there is no file `{settings.pypi_names}`")
    for place in settings.find_links:
        if "://" not in place and not Path(place).expanduser().is_dir():
            yield failure(f"{origins['find_links']}: there is no directory `{place}`")
