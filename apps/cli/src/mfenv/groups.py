"""Groups of commands, which know what other tools call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mfenv._layout import Context
from mfenv._output import output

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Commands", "WrongUsage", "nearest"]

# What other tools call what a command does, by how it is written here.
_ELSEWHERE = {
    "alias": ("name", "rename", "tag"),
    "cache info": ("du",),
    "config": ("configure", "settings"),
    "create": ("clone", "install", "make", "new", "sync", "venv", "virtualenv"),
    "diff": ("changes", "compare"),
    "export": ("freeze", "requirements"),
    "gc": ("clean", "cleanup", "prune"),
    "get": ("download", "fetch", "pull"),
    "history": ("log", "reflog", "revisions", "versions"),
    "import": ("from-lock", "load", "read"),
    "list": ("env", "envs", "ls"),
    "publish": ("push", "upload"),
    "resolve": ("compile", "solve"),
    "resolve --update": ("update", "upgrade"),
    "resolve --using": ("add",),
    "rm": ("del", "delete", "destroy", "remove", "uninstall"),
    "run": ("exec", "python", "start"),
    "search": ("find", "grep", "query", "which"),
    "shell": ("activate",),
    "show": ("describe", "info", "inspect", "status"),
    "transmute": ("convert",),
    "tree": ("dependencies", "deps", "deptree", "graph", "pipdeptree"),
    "why": ("depends", "explain", "repoquery", "whoneeds", "whoneed"),
}
# With less, `help` is near `shell`.
_NEAR = 0.7


class WrongUsage(click.UsageError):
    """A command line that cannot be meant so, with a hint of its own."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Commands(click.Group):
    """Commands that show their help where none is named, and know what others call them."""

    context_class = Context

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            output.say(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        called = (here for here, others in _ELSEWHERE.items() if name.lower() in others)
        meant = next((name for name in called if name.split()[0] in self.commands), None)
        meant = meant or nearest(name, self.commands)
        every = f"`{ctx.command_path} --help` lists the commands"
        raise WrongUsage(
            f"there is no command `{name}`",
            f"did you mean `{ctx.command_path} {meant}`? {every}" if meant else every,
        )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a name is most like, None where none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, n=1, cutoff=_NEAR)), None)
