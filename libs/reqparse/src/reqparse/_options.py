"""The options of a requirements file, split and read as pip does: with shlex and optparse."""

from __future__ import annotations

import optparse
import re
import shlex
from functools import cache
from typing import Any, NoReturn

from reqparse._flaw import Flaw

__all__ = ["PER_REQUIREMENT", "SPELLING", "LineOptions", "split_options"]

PER_REQUIREMENT = ("hashes", "config_settings", "global_options", "install_options")

_START = re.compile(r"(?:^|[ \t])-")
# To optparse, the `;` behind `-e PATH` is an argument too many.
_EDITABLE_MARKER = re.compile(r"((?:-e|--editable)(?:\s+|=)?\S.*?)\s+;(.*)")

# These take the rest of the line, since a MatchSpec may hold spaces and quotes.
_OURS = re.compile(r"--(conda-pkg|conda-channel|sys-pkg)(?:[ \t=]\s*(.*))?")

_FLAGS = {
    "--no-index": "no_index",
    "--pre": "prereleases",
    "--prefer-binary": "prefer_binary",
    "--require-hashes": "require_hashes",
}
_LISTS: dict[tuple[str, ...], str] = {
    ("-i", "--index-url", "--pypi-url"): "index",
    ("--extra-index-url",): "extra_index",
    ("-f", "--find-links"): "find_links",
    ("--no-binary",): "no_binary",
    ("--only-binary",): "only_binary",
    ("--trusted-host",): "trusted_hosts",
    ("--use-feature",): "features",
    ("--all-releases",): "all_releases",
    ("--only-final",): "only_final",
    ("-r", "--requirement", "--requirements"): "include",
    ("-c", "--constraint", "--constraints"): "constrain",
    ("-e", "--editable"): "editable",
    ("--hash",): "hashes",
    ("-C", "--config-settings", "--config-setting"): "config_settings",
    ("--global-option",): "global_options",
    ("--install-option",): "install_options",
}

SPELLING = {name: flag for flag, name in _FLAGS.items()} | {
    name: next(s for s in spellings if s.startswith("--")) for spellings, name in _LISTS.items()
}
"""How an option is written, by the name it has in LineOptions."""


class LineOptions:
    """The options of a line: lists of values and flags, empty or False where not given."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = {name: value for name, value in values.items() if value}

    def many(self, name: str) -> list[str]:
        return list(self.values.get(name, ()))

    def flag(self, name: str) -> bool:
        return name in self.values


class _Parser(optparse.OptionParser):
    # optparse would print it and end the process.
    def error(self, msg: str) -> NoReturn:
        raise Flaw(msg.replace("'", "`"))


# Building it takes longer than parsing a line with it.
@cache
def _parser() -> _Parser:
    parser = _Parser(prog="", usage=optparse.SUPPRESS_USAGE, add_help_option=False)
    for flag, name in _FLAGS.items():
        parser.add_option(flag, dest=name, action="store_true")
    for spellings, name in _LISTS.items():
        parser.add_option(*spellings, dest=name, action="append")
    return parser


def split_options(line: str) -> tuple[str, LineOptions]:
    """A line's requirement, and its options; Flaw for an unknown or incomplete option.

    The requirement ends where a word starts with `-`. A marker after `-e PATH ;` stays with it.
    """
    dash = _START.search(line)
    if not dash:
        return line, LineOptions({})
    requirement, text = line[: dash.start()].strip(), line[dash.end() - 1 :]
    if not requirement and (ours := _OURS.fullmatch(text)):
        if not ours[2]:
            raise Flaw(f"`--{ours[1]}` requires 1 argument")
        return "", LineOptions({ours[1].replace("-", "_"): [ours[2]]})
    marker = None
    if not requirement and (editable := _EDITABLE_MARKER.fullmatch(text)):
        marker, dashes, rest = editable[2].partition(" --")
        text = editable[1] + dashes + rest
    try:
        # shlex is slow, and has something to do on few lines.
        words = shlex.split(text) if re.search(r"[\"'\\]", text) else text.split()
    except ValueError as error:
        raise Flaw(f"cannot split the options: {str(error).lower()}", "close the quotes") from None
    values, trailing = _parser().parse_args(words)
    if trailing:
        rest = " ".join(trailing)
        raise Flaw(f"`{rest}` after an option means nothing", "put it on a line of its own")
    options = LineOptions(vars(values))
    for name, given in options.values.items():
        if isinstance(given, list) and not all(value.strip() for value in given):
            raise Flaw(f"`{SPELLING[name]}` has no value")
    if marker:
        options.values["editable"][-1] += f" ; {marker.strip()}"
    return requirement, options
