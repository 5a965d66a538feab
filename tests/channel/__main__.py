"""`python -m tests.channel DIR`: make both channels in a directory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from .builder import build


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: python -m tests.channel DIR", file=sys.stderr)
        return 2
    started = time.monotonic()
    channels = build(Path(sys.argv[1]).absolute())
    for channel in (channels.main, channels.second):
        count = len(list(channel.glob("*/*.conda"))) + len(list(channel.glob("*/*.tar.bz2")))
        print(f"{channel.as_uri()}  {count} packages")
    print(f"made in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
