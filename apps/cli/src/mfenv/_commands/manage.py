"""`mfenv create`, `run`, `shell`, `alias` and `rm`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mfenv._commands._common import (
    complete_env,
    current_host,
    env_argument,
    json_option,
    local_only_option,
    open_environments,
    print_json,
    say,
)
from mfenv.errors import NoProgram, NotExecutable, StillNamed
from mfenv.groups import WrongUsage

if TYPE_CHECKING:
    from mfenv.environments import Created


@click.command(
    epilog="\b\nExamples:\n  mfenv create team/etl:v1 --name etl\n"
    "  mfenv create team/etl:v1 --prefix ./env\n"
    "  mfenv create team/etl:v1 --install-notebook"
)
@env_argument()
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
    env: str,
    name: str | None,
    prefix: Path | None,
    force: bool,
    exist_ok: bool,
    notebook: bool,
    as_json: bool,
) -> Created:
    """Create the prefix of an environment.

    Prints the directory. Without --name or --prefix the environment has one place of its own,
    which is used again if it is there.
    """
    if name and prefix:
        raise click.UsageError("Give --name or --prefix, not both.")
    host = current_host()
    title = f"{host.name} {env}"
    with open_environments() as environments:
        if notebook:
            from mfenv.notebook import with_ipykernel

            chosen = with_ipykernel(environments, env)
            env = f"{chosen.req_id}:{chosen.full_id}"
        created = environments.create(
            env, as_name=name, prefix=prefix, force=force, exist_ok=exist_ok
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
    return created  # for whoever builds a command on this one


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExamples:\n  mfenv run team/etl:v1 -- python train.py --epochs 3",
)
@env_argument()
@click.argument("command", metavar="CMD [ARG]...", nargs=-1, required=True)
@local_only_option
def run(env: str, command: tuple[str, ...]) -> None:
    """Run a program in an environment.

    The environment is created if it is not there. The program takes the place of this process.
    """
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise click.UsageError("Missing argument 'CMD [ARG]...'.")
    if words is command and words[0].startswith("-"):
        hint = "options of `mfenv run` stand in front of ENV, those of a program behind its name"
        raise WrongUsage(f"`{words[0]}` stands where a program is expected", hint)
    from mfenv.activation import program

    with open_environments() as environments:
        prefix = environments.prefix_for(env)
        environment = environments.activation(prefix)
    _become(program(prefix, words[0], environment), list(words), environment)


def _become(path: str, words: list[str], environment: dict[str, str]) -> NoReturn:
    # Python ignores these, and what is ignored stays so in the program.
    for one in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(one, signal.SIG_DFL)
    try:
        os.execve(path, words, environment)  # noqa: S606 - what run is for
    except OSError as error:
        raise _not_run(path, error) from None


def _not_run(path: str, error: OSError) -> NoProgram | NotExecutable:
    if not os.path.exists(path):  # noqa: PTH110 - may hold anything
        hint = "a relative path starts in the current directory"
        return NoProgram(f"there is no program `{path}`", hint)
    reason = (error.strerror or str(error)).lower()
    if os.path.isdir(path):  # noqa: PTH112
        reason, hint = "it is a directory", "name a program in it"
    elif isinstance(error, FileNotFoundError):
        reason, hint = "the program that runs it is not there", "its first line names that program"
    elif isinstance(error, PermissionError):
        hint = "`chmod +x` makes a file a program"
    else:
        hint = "it is for another platform, or lacks a first line such as `#!/usr/bin/env python`"
    return NotExecutable(f"cannot run `{path}`: {reason}", hint)


@click.command(epilog="\b\nExamples:\n  mfenv shell team/etl:v1\n  mfenv shell etl --shell zsh")
@env_argument()
@click.option(
    "--shell",
    metavar="S",
    help="bash, zsh or fish, or the path of one.  [default: that of the user]",
)
@local_only_option
def shell(env: str, shell: str | None) -> None:
    """Start a shell in an environment; leave it with `exit`.

    The environment is created if it is not there. The user's configuration is read, and then the
    environment is put in front of everything.
    """
    from mfenv.activation import shell_command

    with open_environments() as environments:
        prefix = environments.prefix_for(env)
    chosen = shell or os.environ.get("SHELL", "bash")
    words, environment = shell_command(prefix, os.environ, shutil.which(chosen) or chosen)
    _become(words[0], words, environment)


@click.command(
    epilog="\b\nExamples:\n  mfenv alias 3f2a91bc team/etl:v1\n  mfenv alias --delete team/etl:v1"
)
@env_argument()
@click.argument("alias", metavar="[ALIAS]", required=False)
@click.option("--delete", is_flag=True, help="Take the alias ENV away; its environment stays.")
@click.option("--shared", is_flag=True, help="With --delete: in the shared store as well.")
@local_only_option
def alias(env: str, alias: str | None, delete: bool, shared: bool) -> None:
    """Give an environment a name, or take one away.

    The tags `latest`, `candidate` and `stable` can be given to another environment later; every
    other tag stays for ever.
    """
    if delete == bool(alias):
        raise click.UsageError("Give ENV and ALIAS, or --delete and an alias.")
    if shared and not delete:
        raise click.UsageError("--shared goes with --delete.")
    with open_environments() as environments:
        if alias:
            given, target = environments.alias(env, alias)
            say(f"{given} names {target}")
        elif environments.take_away(env, shared=shared):
            say(f"{env} is no name here any more; the store still has it (--shared)")
        else:
            say(f"{env} is no name any more")


@click.command(epilog="\b\nExamples:\n  mfenv rm etl\n  mfenv rm team/etl:v1")
@click.argument("env", metavar="ENV|NAME", shell_complete=complete_env)
@click.option("--force", is_flag=True, help="Also where the environment has other names.")
def rm(env: str, force: bool) -> None:
    """Delete a prefix by its name or directory, or all that this machine has of an environment.

    Only directories that mfenv created are deleted. The shared store keeps what it has. Where an
    environment has other names too, it asks first on a terminal, and needs --force without one.
    """
    with open_environments() as environments:
        try:
            removed = environments.remove(env, force=force)
        except StillNamed as error:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            click.confirm(f"{error}. Delete it?", abort=True, err=True)
            removed = environments.remove(env, force=True)
    for prefix in removed.prefixes:
        say(f"deleted {prefix}")
    if removed.forgotten:
        say(f"forgot {':'.join(removed.forgotten)}")


COMMANDS = (create, run, shell, alias, rm)
