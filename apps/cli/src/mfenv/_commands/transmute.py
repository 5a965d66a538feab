"""`mfenv transmute`: conda packages in their other format."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mfenv._commands._common import current_host, json_option, print_json, settings_in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pkgcache.archives.transmute import TransmutedFile
    from pkgcache.progress import Progress, Task, Unit


@click.command(
    epilog="\b\nExamples:\n  mfenv transmute numpy-2.1.0-py312h0_0.tar.bz2\n"
    "  mfenv transmute channel/noarch/*.conda --to tar.bz2 --output old/noarch"
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--to", type=click.Choice(["conda", "tar.bz2"]), help="Format.  [default: the other one]"
)
@click.option(
    "--level",
    "transmute_level",
    type=click.IntRange(1, 19),
    metavar="N",
    help="zstd level of a .conda, 1 to 19.  [default: 3]",
)
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to write.  [default: beside each file]",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
def transmute(
    files: tuple[Path, ...],
    to: str | None,
    transmute_level: int | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Turn conda packages from .tar.bz2 into .conda, or back.

    Prints the new files. Their members are those of the old ones: every byte, mode, time and link.
    A package that could not be installed is refused.
    """
    from mfenv.settings import package_limits, transmute_memory
    from pkgcache.archives.transmute import threads_for
    from pkgcache.archives.transmute import transmute as transmute_file

    settings = settings_in_force({"transmute_level": transmute_level})
    memory, level = transmute_memory(settings), settings.transmute_level
    if output:
        output.mkdir(parents=True, exist_ok=True)
    threads = threads_for(memory, level=level)
    # Several files share the threads that fit into the memory, or one has them all.
    at_once = min(len(files), threads)
    stopped = threading.Event()
    work = partial(
        transmute_file,
        to=to,
        level=level,
        threads=threads // at_once,
        memory=memory,
        limits=package_limits(settings),
        force=force,
        progress=_Stopping(current_host().progress(), stopped),
    )
    done, errors = _all(files, lambda file: work(file, output or file.parent), at_once, stopped)
    _show(done, as_json=as_json)
    # The last one is raised, and told as every error is.
    for error in errors[:-1]:
        click.secho(f"error: {error}", err=True)
    if errors:
        raise errors[-1]


def _show(done: Sequence[tuple[Path, TransmutedFile]], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "source": str(source),
                "path": str(made.path),
                "sha256": made.sha256,
                "size": made.size,
            }
            for source, made in done
        ]
        print_json({"transmuted": rows})
        return
    for _, made in done:
        click.echo(made.path)


def _all(
    files: Sequence[Path],
    work: Callable[[Path], TransmutedFile],
    at_once: int,
    stopped: threading.Event,
) -> tuple[list[tuple[Path, TransmutedFile]], list[BaseException]]:
    """Do all that can be done, some at a time."""
    from pkgcache.threads import Threads

    with Threads(at_once) as pool:
        futures = [pool.submit(work, file) for file in files]
        try:
            errors = [error for future in futures if (error := future.exception())]
        except BaseException:  # an interruption, which only this thread gets
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    pairs = zip(files, futures, strict=True)
    return [(file, future.result()) for file, future in pairs if not future.exception()], errors


class _Stopping:
    """A progress that ends the work that it follows once it is `stopped`."""

    def __init__(self, progress: Progress | None, stopped: threading.Event) -> None:
        from pkgcache.progress import NoProgress

        self._progress, self._stopped = progress or NoProgress(), stopped

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        return _StoppingTask(self._progress.start(label, total, unit), self._stopped)

    def note(self, text: str) -> None:
        self._progress.note(text)


class _StoppingTask:
    def __init__(self, task: Task, stopped: threading.Event) -> None:
        self._task, self._stopped = task, stopped

    def advance(self, amount: int = 1) -> None:
        if self._stopped.is_set():
            # In a thread that works, where no signal ever arrives.
            raise KeyboardInterrupt
        self._task.advance(amount)

    def done(self) -> None:
        self._task.done()
