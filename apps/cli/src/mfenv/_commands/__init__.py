"""The commands, in modules that import nothing heavy, so that `--help` is quick."""

from mfenv._commands import cache, know, manage, resolve, share, transmute

__all__ = ["COMMANDS"]

COMMANDS = (
    *resolve.COMMANDS,
    *share.COMMANDS,
    *manage.COMMANDS,
    *know.COMMANDS,
    *transmute.COMMANDS,
    *cache.COMMANDS,
)
