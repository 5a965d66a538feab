"""Progress on a terminal: one bar per piece of work; elsewhere only what is waited for."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from mfenv._output import output

if TYPE_CHECKING:
    from pkgcache.progress import Progress, Task, Unit


def progress() -> Progress:
    """What shows progress on standard error: bars on a terminal that can move its cursor."""
    return _Bars() if output.bars and output.escapes and sys.stderr.isatty() else _Lines()


_WITH_BAR = 70


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


class _Lines:
    """Says what is waited for; a log wants no bars."""

    def start(self, label: str, total: int | None, unit: Unit) -> Task:  # noqa: ARG002 - Protocol
        return _NoTask()

    def note(self, text: str) -> None:
        output.say(text)


class _Bars:
    """Bars that go away when their work is done. Starts with the first piece of work."""

    def __init__(self) -> None:
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
            live.console.print(output.words(text), highlight=False, markup=False)
        else:
            output.say(text)

    def advance(self, task: Any, amount: int) -> None:
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
    from rich.filesize import decimal
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    class Amount(ProgressColumn):
        def render(self, task: Any) -> Text:
            unit = task.fields["unit"]

            def shown(n: float) -> str:
                return decimal(int(n)) if unit == "bytes" else str(int(n))

            total = f" of {shown(task.total)}" if task.total else ""
            return Text(f"{shown(task.completed)}{total}{'' if unit == 'bytes' else f' {unit}'}")

    console = Console(stderr=True)
    bar = [BarColumn(bar_width=30)] if console.width >= _WITH_BAR else []
    columns = (TextColumn("{task.description}"), *bar, Amount())
    return Progress(*columns, console=console, transient=True)
