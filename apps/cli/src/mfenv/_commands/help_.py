"""`mfenv help`."""

from __future__ import annotations

import click


def _names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    group = _inner(ctx, ctx.params.get("words") or ())[0]
    known = group.commands if isinstance(group, click.Group) else ()
    return [name for name in known if name.startswith(incomplete)]


@click.command(
    "help",
    epilog="\b\nExamples:\n  mfenv help tree\n  mfenv help cache verify\n  mfenv help install",
)
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=_names)
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show what a command does, as its --help.

    Of a word of conda, mamba, pixi, pip, poetry or uv it says what that is called here.
    """
    click.echo(_inner(ctx, words)[1].get_help())


def _inner(ctx: click.Context, words: tuple[str, ...]) -> tuple[click.Command, click.Context]:
    """The command that words lead to from the group that has `help`, and a context of it."""
    context = ctx.parent or ctx
    command = context.command
    for at, word in enumerate(words):
        if not isinstance(command, click.Group):
            raise click.UsageError(f"`{context.command_path}` has no command `{word}`.", context)
        name, inner, _ = command.resolve_command(context, list(words[at:]))
        command = inner or command
        context = command.context_class(command, info_name=name, parent=context)
    return command, context
