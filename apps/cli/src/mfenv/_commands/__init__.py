"""The commands, in modules that import nothing heavy, so that `--help` is quick."""

from mfenv._commands import cache, know, manage, resolve, share, transmute
from mfenv._output import output_options

__all__ = ["COMMANDS"]

COMMANDS = tuple(
    output_options(command)
    for command in (
        *resolve.COMMANDS,
        *share.COMMANDS,
        *manage.COMMANDS,
        *know.COMMANDS,
        *transmute.COMMANDS,
        *cache.COMMANDS,
    )
)
