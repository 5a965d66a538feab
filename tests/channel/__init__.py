"""Real conda channels, made on this machine in seconds.

`build` makes two of them, `main` and `second`, from the machine's own Python interpreters, from
wheels and from packages written on the spot; `python -m tests.channel DIR` does it by hand.
`ChannelServer` serves one over HTTP, with a login and with faults where a test asks for them.
"""

from __future__ import annotations

from .builder import Channels, build, cached
from .package import Entry, Recipe, pack, write_channel
from .server import ChannelServer
from .shards import write_shards

__all__ = [
    "ChannelServer",
    "Channels",
    "Entry",
    "Recipe",
    "build",
    "cached",
    "pack",
    "write_channel",
    "write_shards",
]
