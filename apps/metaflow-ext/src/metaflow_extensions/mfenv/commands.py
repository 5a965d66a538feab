"""`metaflow environment`: mfenv's commands with Metaflow's datastore, metadata and pathspecs."""

from __future__ import annotations

import copy
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from metaflow_extensions.mfenv._configuration import unheeded
from metaflow_extensions.mfenv.asking import ask, facts
from metaflow_extensions.mfenv.command_records import UseMetadata
from metaflow_extensions.mfenv.create_into import CREATE_OPTIONS, create_into
from metaflow_extensions.mfenv.host import MetaflowHost
from metaflow_extensions.mfenv.import_netflixext import import_netflixext
from metaflow_extensions.mfenv.messages import Refused
from metaflow_extensions.mfenv.mfenv_settings import DATASTORES
from mfenv.command_line import commands, interrupted, output_options, run
from mfenv.errors import MfenvError
from mfenv.groups import Commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


__all__ = ["environment", "main"]

# What a flag of metaflow-netflixext was called where it was to be taken back.
_NEGATIVE = {
    "--dry-run": "--no-dry-run",
    "--exist-ok": "--no-exist-ok",
    "--force": "--no-force",
    "--install-notebook": "--no-install-notebook",
    "--local-only": "--non-local",
}
_PATHSPEC = click.Option(["--pathspec"], is_flag=True, help="ENV is a pathspec, `Flow/run/step`.")
_RESOLVE = (
    click.Option(["--using-pathspec"], metavar="P", help="As --using, of a step `Flow/run/step`."),
    click.Option(["--from-pathspec"], metavar="P", help="As --from, of a step `Flow/run/step`."),
    click.Option(
        ["--skip-metaflow-deps/--no-skip-metaflow-deps"],
        default=None,
        help="Leave out what Metaflow itself needs in a task.",
    ),
)


def main(words: Sequence[str]) -> int:
    """Run `metaflow environment` with these arguments; its exit status."""
    try:
        return run(environment, words, name="metaflow environment")
    except KeyboardInterrupt:
        return interrupted()


class _Commands(Commands):
    """The commands; what Metaflow refuses is an error of their user, too."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except Refused as error:
            hint = "`metaflow status` shows how Metaflow is set up"
            raise MfenvError(str(error), hint) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExamples:\n  metaflow environment resolve -r requirements.txt --alias team/train:v1"
    "\n  metaflow environment show --pathspec TrainFlow/12/train"
    "\n  metaflow environment create --pathspec TrainFlow/12/train --into-dir ./again",
)
@output_options
@click.option("--no-quiet", is_flag=True, expose_value=False, hidden=True)
@click.option("--metadata", metavar="M", help="Metadata provider to find runs with.")
@click.option(
    "--datastore",
    metavar="D",
    type=click.Choice(DATASTORES),
    help="Datastore beside which the store is.  [default: Metaflow's]",
)
@click.option("--environment", "_", type=click.Choice(["conda", "pypi"]), hidden=True)
@click.option("--conda-root", metavar="ROOT", help="Where to have the store instead.")
@click.pass_context
def environment(
    context: click.Context,
    metadata: str | None,
    datastore: str | None,
    _: str | None,
    conda_root: str | None,
) -> None:
    """Resolve, share, create and run environments of conda and PyPI packages.

    These are mfenv's own commands. Environments may also be named by the step that ran in them,
    `step:Flow/run/step`.
    """
    if metadata:
        try:
            ask(UseMetadata(text=metadata))
        except Refused as error:
            raise click.BadParameter(str(error), param_hint="--metadata") from None
    chosen = datastore or facts().default_datastore
    context.obj = MetaflowHost(datastore=chosen, root=conda_root)
    for note in () if context.obj.quiet else unheeded():
        click.echo(f"note: {note}", err=True)


def _adapted(command: click.Command) -> click.Command:
    """A command of mfenv as it is here: other names for options, pathspecs, and examples."""
    # The commands are also those of `mfenv`, for whoever has both in a process.
    adapted = copy.copy(command)
    adapted.params = [_with_other_names(parameter) for parameter in command.params]
    for attribute in ("epilog", "help"):
        text = getattr(command, attribute) or ""
        setattr(adapted, attribute, text.replace("mfenv ", "metaflow environment "))
    callback: Any = command.callback
    if any(parameter.name == "env" for parameter in command.params):
        adapted.params.append(_PATHSPEC)
        callback = _taking_pathspecs(callback)
    if command.name == "resolve":
        adapted.params += _RESOLVE
        callback = _resolving(callback)
    if command.name == "create":
        adapted.params += CREATE_OPTIONS
        callback = create_into(callback)
    adapted.callback = callback
    return adapted


def _with_other_names(parameter: click.Parameter) -> click.Parameter:
    # The commands of mfenv itself keep theirs.
    adapted = copy.copy(parameter)
    if "--platform" in adapted.opts:
        adapted.opts = [*adapted.opts, "--arch"]
    if "--lock" in adapted.opts:
        adapted.opts = [*adapted.opts, "--lockfile"]
    adapted.secondary_opts = [
        *adapted.secondary_opts,
        *(_NEGATIVE[option] for option in adapted.opts if option in _NEGATIVE),
    ]
    return adapted


def _taking_pathspecs(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def taking(*, env: Any, pathspec: bool, **options: Any) -> Any:
        if pathspec:
            env = tuple(map(_step, env)) if isinstance(env, tuple) else _step(env)
        return callback(env=env, **options)

    return taking


def _resolving(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def resolving(
        *,
        using_pathspec: str | None,
        from_pathspec: str | None,
        skip_metaflow_deps: bool | None,
        **options: Any,
    ) -> Any:
        for name, pathspec in (("using", using_pathspec), ("same_as", from_pathspec)):
            if pathspec and options[name]:
                option = name.replace("same_as", "from")
                raise click.UsageError(f"Give --{option} or --{option}-pathspec, not both.")
            options[name] = _step(pathspec) if pathspec else options[name]
        host = click.get_current_context().find_object(MetaflowHost)
        if host:
            # On the host, which makes the request: the command itself knows no such option.
            host.skip_pins = skip_metaflow_deps
        return callback(**options)

    return resolving


def _step(pathspec: str) -> str:
    return pathspec if pathspec.startswith("step:") else f"step:{pathspec}"


for command in commands().values():
    environment.add_command(_adapted(command))
environment.add_command(output_options(import_netflixext))
