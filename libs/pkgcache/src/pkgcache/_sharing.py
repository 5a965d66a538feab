"""Work on very many files in two processes: link(2) and lstat(2) take a processor each.

Threads take turns at every file, and whoever computes meanwhile keeps them from it. So the process
is forked, where it is certain that no other thread of it is in the middle of something.
"""

from __future__ import annotations

import errno
import gc
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pkgcache._files import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_T = TypeVar("_T")

# To fork costs as much as to link a thousand files, of which the other process takes half away.
_FEW = 3000
# Whoever has done one takes the next, so that all are done at the same time; a byte tells them apart.
_PARTS = 64
_BEGUN, _DONE = b"begun\n", "done"


def parts(items: Sequence[_T], *, least: int = 100) -> list[Sequence[_T]]:
    """The items in parts of one size, `least` or more, as many as `shared` can deal out."""
    step = max(-(-len(items) // _PARTS), least)
    return [items[at : at + step] for at in range(0, len(items), step)]


@contextmanager
def shared(
    dealt: Sequence[Sequence[_T]],
    work: Callable[[Sequence[_T]], int],
    *,
    files: int,
    first: Callable[[], None] = lambda: None,
    told: Callable[[int], None] = lambda _: None,
) -> Iterator[Shared]:
    """Do `first`, and then `work` on all that is `dealt`, another process while the body runs.

    `files` says how much it is, in files that are linked: for little there is no other process.
    `work` gives how many items of a part it has done. Only what is done to files counts: what is
    done to objects may be lost with the other process. `told` is called with how many items were
    done here. Raises what `first` and `work` raise here, and `ChildProcessError`.
    """

    def do(number: int) -> None:
        done = work(dealt[number])
        told(done)
        if done < len(dealt[number]):
            state.undone.append((number, done))

    def all_of(numbers: Iterable[int]) -> None:
        for number in numbers:
            do(number)

    helper = _Helper.start(dealt, work, first) if files >= _FEW else None
    state = Shared(helper, first)
    if not helper:
        yield state
        state.begin()
        few = len(dealt) if files < _FEW else _PARTS // 2
        in_threads(range(len(dealt)), all_of, few=few)
        return
    try:
        yield state
        state.begin()
        all_of(helper.numbers())
    finally:
        # Before anybody deletes what it works on.
        helper.end()
    if not helper.has_begun():
        all_of(range(len(dealt)))
    state.undone += helper.undone


class Shared:
    """Work that is shared.

    At its end `undone` has the parts of which not all is done, by number, each with how many items are.
    """

    def __init__(self, helper: _Helper | None, first: Callable[[], None]) -> None:
        self._helper, self._first, self._begun = helper, first, False
        self.undone: list[tuple[int, int]] = []

    def begin(self) -> None:
        """Have it done what comes first, if it is not yet, by whichever process."""
        if self._begun:
            return
        if not (self._helper and self._helper.has_begun()):
            self._first()  # what was not to be done there says here why
        self._begun = True


class _Helper:
    """The other process: it writes a number for each part into a pipe, and both read from that."""

    def __init__(self, pid: int, numbers: int, report: int) -> None:
        self._pid, self._numbers, self._report = pid, numbers, report
        self._begun: bool | None = None
        self.undone: list[tuple[int, int]] = []

    @classmethod
    def start(
        cls,
        dealt: Sequence[Sequence[_T]],
        work: Callable[[Sequence[_T]], int],
        first: Callable[[], None],
    ) -> _Helper | None:
        """Fork, where that is safe and there is a processor for it."""
        from pkgcache._forking import is_alone

        if not is_alone() or (os.cpu_count() or 1) < 2:  # noqa: PLR2004
            return None
        numbers, report = os.pipe(), os.pipe()
        try:
            pid = os.fork()
        except OSError:  # as many processes as may be
            for descriptor in (*numbers, *report):
                os.close(descriptor)
            return None
        if not pid:
            _help(dealt, work, first, numbers, report[1])
        os.close(numbers[1])
        os.close(report[1])
        return cls(pid, numbers[0], report[0])

    def numbers(self) -> Iterator[int]:
        """The parts that are ours, one at a time."""
        while number := os.read(self._numbers, 1):
            yield number[0]

    def has_begun(self) -> bool:
        """Whether it has done what comes first; that, or its end, is waited for."""
        if self._begun is None:
            self._begun = os.read(self._report, len(_BEGUN)) == _BEGUN
        return self._begun

    def end(self) -> None:
        """Let it begin nothing more, and wait for its end."""
        begun = self.has_begun()
        # It stops where the pipe has no number left for it.
        while os.read(self._numbers, _PARTS):
            pass
        said = b""
        while more := os.read(self._report, 4096):
            said += more
        os.close(self._numbers)
        os.close(self._report)
        with suppress(ChildProcessError):  # where nobody wants to know how children end
            os.waitpid(self._pid, 0)
        lines = said.decode().splitlines()
        if begun and lines[-1:] != [_DONE]:
            raise ChildProcessError(
                errno.ECHILD, "the process that did half of the work was killed"
            )
        for line in lines[:-1]:
            number, _, done = line.partition(" ")
            self.undone.append((int(number), int(done)))


def _help(
    dealt: Sequence[Sequence[_T]],
    work: Callable[[Sequence[_T]], int],
    first: Callable[[], None],
    numbers: tuple[int, int],
    report: int,
) -> NoReturn:
    """What the other process does. It leaves hard: all that it has is its parent's."""
    try:
        # Objects of the parent's must not be finished here: they close and delete what it still has.
        gc.disable()
        parent = os.getppid()
        first()
        os.write(report, _BEGUN)
        # Not before: whoever has a number may build upon what comes first.
        os.write(numbers[1], bytes(range(len(dealt))))
        os.close(numbers[1])
        # If the parent was killed, nobody wants the rest.
        while (number := os.read(numbers[0], 1)) and os.getppid() == parent:
            part = dealt[number[0]]
            if (done := work(part)) < len(part):
                os.write(report, f"{number[0]} {done}\n".encode())
        os.write(report, _DONE.encode())
    finally:
        os._exit(0)
