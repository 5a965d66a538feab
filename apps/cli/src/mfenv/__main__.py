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
    try:
        _open_streams()
        # A command is over before cycles pile up; looking for them takes a tenth of a creation.
        gc.disable()
        from mfenv._cli import cli
        from mfenv.command_line import run

        status = run(cli, None, name="mfenv")
    except KeyboardInterrupt:
        from mfenv.command_line import interrupted

        status = interrupted()
    except MemoryError:  # not even enough to say it as everything else is said
        os.write(2, b"error: there is not enough memory\nhint: raise the limits: `ulimit -v`\n")
        status = 1
    # Whoever presses Ctrl-C now wants the end at once, without a word of the interpreter.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


def _open_streams() -> None:
    """Give closed standard streams to the null device, or a file of ours gets their number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - standard error's
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    main()
