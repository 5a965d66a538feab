"""`mfenv create`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mfenv._commands._common import (
    check_one,
    current_host,
    env_argument,
    json_option,
    local_only_option,
    lock_options,
    named,
    open_environments,
    print_json,
    say,
)

if TYPE_CHECKING:
    from mfenv.results import Created


@click.command(
    epilog="\b\nExamples:\n  mfenv create team/etl:v1 --name etl\n"
    "  mfenv create team/etl:v1 --prefix ./env\n"
    "  mfenv create team/etl:v1 --install-notebook\n"
    "  mfenv create --lock mfenv.lock --prefix ./env"
)
@env_argument(required=False)
@lock_options
@click.option("--name", metavar="N", help="Name for the prefix, kept under MFENV_HOME.")
@click.option(
    "--prefix", metavar="DIR", type=click.Path(path_type=Path), help="Directory of the prefix."
)
@click.option("--force", is_flag=True, help="Replace a prefix that mfenv created there.")
@click.option("--exist-ok", is_flag=True, help="Keep a prefix that holds this very environment.")
@click.option(
    "--install-notebook",
    "notebook",
    is_flag=True,
    help="Make it a kernel of Jupyter, with ipykernel added if it lacks that.",
)
@local_only_option
@json_option
def create(
    env: str | None,
    lock: Path | None,
    environment: str | None,
    name: str | None,
    prefix: Path | None,
    force: bool,
    exist_ok: bool,
    notebook: bool,
    as_json: bool,
) -> Created:
    """Create the prefix of an environment.

    Prints the directory. Without --name or --prefix the environment has one place of its own,
    which is used again if it is there. With --lock it is one of a lock file, and nothing is resolved.
    """
    check_one(env, lock, environment)
    if name and prefix:
        raise click.UsageError("Give --name or --prefix, not both.")
    host = current_host()
    # As the user wrote it: further down `env` may become ids.
    title = f"{host.name} {env or environment or lock}"
    with open_environments() as environments:
        chosen = named(environments, env, lock, environment)
        if notebook:
            from mfenv.notebook import with_ipykernel

            ref = chosen if isinstance(chosen, str) else str(chosen.env_id.ref)
            chosen = with_ipykernel(environments, ref)
        created = environments.create(
            chosen, as_name=name, prefix=prefix, force=force, exist_ok=exist_ok
        )
    if notebook:
        from mfenv.notebook import install_kernel

        kernel = install_kernel(created.prefix, title, variables=host.kernel_variables)
        say(f"Jupyter knows it as `{kernel.name}`")
    if not created.new:
        say("there already")
    for phase, seconds in created.seconds.items():
        say(f"{phase} took {seconds:.2f} s")
    if as_json:
        print_json(
            {
                "prefix": str(created.prefix),
                "name": created.name,
                "created": created.new,
                **created.env_id._asdict(),
            }
        )
    else:
        click.echo(created.prefix)
    return created  # for whoever builds a command on this
