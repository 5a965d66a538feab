"""Progress: on a terminal a bar per piece of work, elsewhere a line for each that takes long."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mfenv._output import output
from mfenv._setting_values import truth
from pkgcache.progress import NoProgress

if TYPE_CHECKING:
    from pkgcache.progress import Progress, Task, Unit


# Seconds, after which a person wonders.
_PATIENCE = 2.0
# What says for all commands what `--no-progress` says for the one that has it.
_VARIABLE = "MFENV_NO_PROGRESS"


def progress() -> Progress:
    """What shows progress on standard error: bars on a terminal that can move its cursor.

    Raises `mfenv.errors.InvalidSetting` for a variable that is neither true nor false.
    """
    if not output.progress or truth(os.environ.get(_VARIABLE, ""), _VARIABLE):
        return _Notes()
    return _Bars() if output.bars and output.escapes and sys.stderr.isatty() else _Lines()


class _Notes(NoProgress):
    """Says what is waited for, and nothing else."""

    def note(self, text: str) -> None:
        output.say(text)


class _Lines(_Notes):
    """A log wants no bars: what takes more than a moment gets a line, once."""

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        return _LineTask(label, total, unit)


class _LineTask:
    def __init__(self, label: str, total: int | None, unit: Unit) -> None:
        self._label, self._total, self._unit, self._done = label, total, unit, 0
        self._timer = threading.Timer(_PATIENCE, self._say)
        # Else it would keep an interrupted command from ending.
        self._timer.daemon = True
        with suppress(RuntimeError):  # no thread is to be had
            self._timer.start()

    def advance(self, amount: int = 1) -> None:
        self._done += amount

    def done(self) -> None:
        self._timer.cancel()

    def _say(self) -> None:
        amount = _amount(self._done, self._total, self._unit)
        output.say(": ".join(filter(None, (self._label, amount))))


class _Bars:
    """Bars that go away when their work is done. Starts with the first piece of work."""

    def __init__(self) -> None:
        # Resolves, downloads and unpacking start and end in threads of their own.
        self._lock = threading.Lock()
        self._live: Any = None
        self._running = 0

    def start(self, label: str, total: int | None, unit: Unit) -> Task:
        with self._lock:
            if self._live is None:
                self._live = _bars()
            if not self._running:
                self._live.start()
            self._running += 1
            task = self._live.add_task(label, total=total, unit=unit)
        return _BarTask(self, task)

    def note(self, text: str) -> None:
        with self._lock:
            live = self._live if self._running else None
        if live:
            # By way of the bars, which go on below it.
            live.console.print(output.words(text), highlight=False, markup=False)
        else:
            output.say(text)

    def advance(self, task: Any, amount: int) -> None:
        # Without our lock, which is about starting and ending: rich has one of its own.
        self._live.advance(task, amount)

    def end(self, task: Any) -> None:
        with self._lock:
            self._live.remove_task(task)
            self._running -= 1
            if not self._running:
                self._live.stop()


class _BarTask:
    def __init__(self, bars: _Bars, task: Any) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)

    def done(self) -> None:
        self._bars.end(self._task)


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    class Amount(ProgressColumn):
        def render(self, task: Any) -> Text:
            amount = _amount(task.completed, task.total, task.fields["unit"])
            return Text(amount or f"{int(task.elapsed or 0)} s")

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), Amount())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _amount(done: float, total: float | None, unit: Unit) -> str:
    """How much is done of a piece of work; nothing where it is not counted."""
    from rich.filesize import decimal

    def shown(number: float) -> str:
        return decimal(int(number)) if unit == "bytes" else str(int(number))

    if not total:
        return shown(done) if done else ""
    return f"{shown(done)} of {shown(total)}{'' if unit == 'bytes' else f' {unit}'}"
