"""`mfenv pack`."""

from __future__ import annotations

from pathlib import Path

import click

from envid.sizes import size_text
from mfenv._commands._common import (
    check_one,
    env_argument,
    json_option,
    local_only_option,
    lock_options,
    open_environments,
    platform_option,
    print_json,
    say,
)


@click.command(
    epilog="\b\nExamples:\n  mfenv pack team/etl:v1 -o etl.tar.zst\n"
    "  mfenv pack team/etl:v1 -o etl.tar.gz --platform linux-aarch64\n"
    "  mfenv pack --lock mfenv.lock -o etl.tar.gz\n\n"
    "\b\nOn the other machine:\n  mkdir etl && tar -xf etl.tar.gz -C etl && etl/bin/mfenv-unpack"
)
@env_argument(required=False)
@lock_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="Archive to write: .tar.zst, smaller and quicker, or .tar.gz, which every tar reads.",
)
@platform_option("Platform of the machine that it is for.  [default: this machine's]")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@local_only_option
@json_option
def pack(
    env: str | None,
    lock: Path | None,
    environment: str | None,
    output: Path,
    platforms: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Write an environment to one archive that needs neither mfenv nor a store.

    Prints the file. Where it is unpacked, bin/mfenv-unpack in it sets the prefix, and does so
    again when it was moved; `mfenv unpack` does both and compares every file. The same
    environment gives the same bytes.
    """
    check_one(env, lock, environment)
    if len(platforms) > 1:
        raise click.UsageError("An archive is for one platform: give --platform once.")
    from envid.platforms import host_platform

    wanted = platforms or (host_platform(),)
    with open_environments() as environments:
        envs = (
            environments.locked(lock, environment, wanted)
            if lock
            else environments.find(env or "", wanted)
        )
        packed = environments.pack(envs[0], output, force=force)
    sizes = f"{size_text(packed.unpacked_size)} in {size_text(packed.size)}"
    say(f"{packed.files} files, {sizes}")
    if packed.needs:
        say(f"note: where it is unpacked without mfenv, there must be {packed.needs}")
    if output.name.endswith(".zst"):
        say("note: tar reads a .tar.zst where `zstd` is installed, and .tar.gz everywhere")
    if as_json:
        print_json(
            {
                "path": str(packed.path),
                "sha256": packed.sha256,
                "size": packed.size,
                "unpacked_size": packed.unpacked_size,
                "files": packed.files,
                "needs": packed.needs or None,
            }
        )
    else:
        click.echo(packed.path)
