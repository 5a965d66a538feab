"""The commands, each in a module that is imported when the command is asked for.

So what one command needs costs no other anything: `--help` alone, and completion, import them all.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

from mfenv._layout import Context
from mfenv._output import output_options

__all__ = ["COMMANDS"]

# By the name of the command, its module here and what that calls it.
_WHERE = {
    "resolve": "resolve.resolve",
    "add": "add.add",
    "remove": "remove.remove",
    "import": "import_.import_",
    "lock": "lock.lock",
    "get": "get.get",
    "publish": "publish.publish",
    "create": "create.create",
    "pack": "pack.pack",
    "unpack": "unpack.unpack",
    "run": "run.run",
    "shell": "shell.shell",
    "activate": "activate.activate",
    "alias": "alias.alias",
    "rm": "rm.rm",
    "show": "show.show",
    "tree": "tree.tree",
    "why": "why.why",
    "diff": "diff.diff",
    "history": "history.history",
    "outdated": "outdated.outdated",
    "audit": "audit.audit",
    "report": "report.report",
    "export": "export.export",
    "list": "list_.list_",
    "search": "search.search",
    "config": "config.config",
    "doctor": "doctor.doctor",
    "init": "init.init",
    "completion": "completion.completion",
    "transmute": "transmute.transmute",
    "gc": "gc.gc",
    "cache": "cache.cache",
    "help": "help_.help_",
}


class _Commands(MutableMapping[str, click.Command]):
    """Commands by name, as `click.Group` takes them; their names are known without an import."""

    def __init__(self) -> None:
        self._known: dict[str, click.Command | None] = dict.fromkeys(_WHERE)

    def __getitem__(self, name: str) -> click.Command:
        command = self._known[name]
        if command is None:
            module, _, attribute = _WHERE[name].partition(".")
            command = getattr(import_module(f"{__name__}.{module}"), attribute)
            self._known[name] = command = _with_output_options(command)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _with_output_options(command: click.Command) -> click.Command:
    for subcommand in command.commands.values() if isinstance(command, click.Group) else ():
        _with_output_options(subcommand)
    output_options(command)
    command.context_class = Context
    return command


COMMANDS = _Commands()
