"""Groups of commands, which know what other tools call them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mfenv._layout import Context
from mfenv._output import output

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from click.shell_completion import CompletionItem

__all__ = ["Commands", "WrongUsage", "nearest"]

# What conda, mamba, pixi, uv, pip, poetry and others call what a command does, by how it is written
# here; of two words, the first is a group of theirs.
_ELSEWHERE = {
    "activate": ("shell-hook", "shellenv"),
    "alias": ("name", "rename", "tag"),
    "audit": ("pip-audit", "safety", "scan", "security", "vulnerabilities"),
    "cache info": ("cache dir", "cache list", "cache show", "cache size", "du"),
    "cache verify": ("hash", "validate", "verify"),
    "completion install": ("autocomplete", "completions", "generate-shell-completion"),
    "config": ("configure", "project", "settings", "workspace"),
    "create": (
        *("clone", "global", "make", "new", "reinstall", "sync", "tool", "venv"),
        "virtualenv",
    ),
    "diff": ("changes", "compare"),
    "doctor": ("about", "check", "debug", "diagnose", "health", "info"),
    "export": ("freeze", "requirements"),
    "gc": (
        *("cache clean", "cache clear", "cache prune", "cache purge", "cache remove"),
        *("clean", "cleanup", "prune"),
    ),
    "get": ("download", "fetch", "pull"),
    "history": ("log", "reflog", "revisions", "versions"),
    "import": ("from-lock", "load", "read"),
    "list": ("env", "envs", "ls", "ps"),
    "outdated": ("check-updates", "newer", "outdate"),
    "pack": ("archive", "bundle"),
    "publish": ("push", "upload"),
    "remove": ("uninstall",),
    "report": ("html", "licenses", "licences", "treemap", "visualize"),
    "resolve": ("compile", "pip", "solve"),
    "resolve --update": ("update", "upgrade"),
    "rm": ("del", "delete", "destroy", "env remove", "envs remove"),
    "run": ("exec", "python", "start", "task", "tool run", "uvx"),
    "search": ("find", "grep", "index", "query", "which"),
    "shell": ("reinit",),
    "show": ("describe", "inspect", "metadata", "status"),
    "transmute": ("convert",),
    "tree": ("dependencies", "deps", "deptree", "graph", "pipdeptree"),
    "unpack": ("extract", "unarchive"),
    "why": ("depends", "explain", "repoquery", "whoneeds", "whoneed"),
}
# Groups of theirs that say no more than what is meant anyway: `env list`, `pip install`.
_GROUPS = ("conda", "env", "envs", "mamba", "pip", "pixi", "poetry", "project", "uv", "workspace")
# What there is nothing for, by what to do instead.
_OTHERWISE = {
    "`exit` leaves the shell that `mfenv shell` started": ("deactivate",),
    "`mfenv --version` says which one this is": ("version",),
    "`mfenv resolve -r FILE` or `--pypi PACKAGE` finds packages, `mfenv create` makes what was found, "
    "and `mfenv run -r FILE -- CMD` does both": ("install",),
    "mfenv is upgraded by what installed it: `pip install --upgrade mfenv`": (
        "self",
        "self-update",
    ),
    "logins stand in URLs, netrc, the keyring: `mfenv doctor` says which are found": (
        *("auth", "content-trust", "login", "logout", "token"),
    ),
    "sources are settings: `mfenv config` shows them": ("channel", "channels", "source", "sources"),
    "mfenv builds wheels where a request needs them, and packages of your own are built elsewhere": (
        *("build", "constructor", "develop", "metapackage", "package", "render", "skeleton"),
        "wheel",
    ),
    "for that there are other tools": ("format", "notices", "server"),
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click has it, but with whole sentences: a shell cuts what its window has no room for."""
        items = super().shell_complete(ctx, incomplete)
        for item in items:
            if command := self.get_command(ctx, item.value):
                item.help = command.get_short_help_str(sys.maxsize)
        return items

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        root = ctx.find_root()
        known = root.command.commands if isinstance(root.command, click.Group) else self.commands
        group = ctx.command_path.removeprefix(root.command_path).split()
        every = f"`{ctx.command_path} --help` lists the commands"
        hint = _hint([*group, *args], known)
        if hint in _OTHERWISE:
            raise WrongUsage(f"there is no command `{name}`", f"{hint}; {every}")
        meant = f"{root.command_path} {hint}" if hint else None
        if near := None if hint else nearest(name, self.commands):
            meant = f"{ctx.command_path} {near}"
        raise WrongUsage(
            f"there is no command `{name}`", f"did you mean `{meant}`? {every}" if meant else every
        )


def _hint(words: Sequence[str], known: Container[str]) -> str | None:
    """What a command line of another tool is called here, or what to do instead; None: neither."""
    first, *rest = (word.lower() for word in words)
    ours = {here: others for here, others in _ELSEWHERE.items() if here.split()[0] in known}
    meant = {other: here for here, others in {**ours, **_OTHERWISE}.items() for other in others}
    # What is said of two words goes before what is said of the first, and of their group.
    if both := meant.get(" ".join((first, *rest[:1]))):
        return both
    if first in _GROUPS and rest:
        inner = rest[0] if rest[0] in known else _hint(rest, known)
        if inner:
            return inner
    return meant.get(first)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a name is most like, None where none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, n=1, cutoff=_NEAR)), None)
