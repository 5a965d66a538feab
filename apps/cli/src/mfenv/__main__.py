"""The `mfenv` command.

Everything else is imported inside, so that Ctrl-C is answered from the first moment.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; every error that a user can cause is one line and a hint."""
    sys.unraisablehook = _unraisable
    try:
        _open_streams()
        # A command is over before cycles pile up; looking for them takes a tenth of a creation.
        gc.disable()
        from mfenv._cli import cli
        from mfenv.command_line import run
        from mfenv.host import Host

        status = run(cli, None, name="mfenv", host=Host(may_fork=True))
    except KeyboardInterrupt:
        from mfenv.command_line import interrupted

        status = interrupted()
    except MemoryError:  # not even enough to say it as everything else is said
        status = _no_memory()
    # Whoever presses Ctrl-C now wants the end at once, without a word of the interpreter.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0)  # nor one that was to come once more
    # Nor does the interpreter look for them when it ends: all is written and closed.
    gc.freeze()
    sys.exit(status)


def _unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """Deal with what came where nothing can be raised, such as in the end of an object."""
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        # By a signal, as soon as we are out of here, where something can be raised again.
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    elif not issubclass(dropped.exc_type, MemoryError):
        sys.__unraisablehook__(dropped)
    # What needs memory for what was asked says so by itself, but for a thread: whoever starts one
    # waits for ever for its first line.
    # (Which thread it was is told in `object` or, since Python 3.13, in these words.)
    elif "in thread started by" in (dropped.err_msg or ""):
        os._exit(_no_memory())


def _no_memory() -> int:
    os.write(2, b"error: there is not enough memory\nhint: raise the limits: `ulimit -v`\n")
    return 1


def _open_streams() -> None:
    """Give closed standard streams to the null device, or a file of ours gets their number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error's
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    main()
