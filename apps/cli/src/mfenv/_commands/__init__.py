"""The commands, in modules that import nothing heavy, so that `--help` is quick."""

from __future__ import annotations

import click

from mfenv._commands import (
    activate,
    add,
    alias,
    audit,
    cache,
    completion,
    config,
    create,
    diff,
    doctor,
    export,
    gc,
    get,
    help_,
    history,
    import_,
    init,
    list_,
    lock,
    outdated,
    pack,
    publish,
    report,
    resolve,
    rm,
    run,
    search,
    shell,
    show,
    transmute,
    tree,
    why,
)
from mfenv._layout import Context
from mfenv._output import output_options

__all__ = ["COMMANDS"]


def _with_output_options(command: click.Command) -> click.Command:
    for subcommand in command.commands.values() if isinstance(command, click.Group) else ():
        _with_output_options(subcommand)
    output_options(command)
    command.context_class = Context
    return command


COMMANDS = tuple(
    _with_output_options(command)
    for command in (
        resolve.resolve,
        add.add,
        add.remove,
        import_.import_,
        lock.lock,
        get.get,
        publish.publish,
        create.create,
        pack.pack,
        pack.unpack,
        run.run,
        shell.shell,
        activate.activate,
        alias.alias,
        rm.rm,
        show.show,
        tree.tree,
        why.why,
        diff.diff,
        history.history,
        outdated.outdated,
        audit.audit,
        report.report,
        export.export,
        list_.list_,
        search.search,
        config.config,
        doctor.doctor,
        init.init,
        completion.completion,
        transmute.transmute,
        gc.gc,
        cache.cache,
        help_.help_,
    )
)
