"""Programs that are run for an environment: they get no secret of ours, and no answer."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from pkgcache.errors import PrefixError
from pkgcache.web.credentials import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_log = logging.getLogger(__name__)


class Program:
    """A program that runs while the body does; it is over at the end of that.

    It gets `environ`, and our variables without secrets. Raises `PrefixError`.
    """

    def __init__(
        self,
        command: Sequence[str],
        prefix: Path,
        failure: str,
        *,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._name, self._prefix, self._failure = command[0], prefix, failure
        self._started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command,
                # A program that asks for something gets no answer, and so does not wait for it.
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=without_secrets(os.environ) | dict(environ),
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PrefixError(str(prefix), f"{failure}: {reason}") from error

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error:
            self._process.kill()
        self._process.__exit__(kind, error, trace)

    def said(self) -> str:
        """What it prints until it ends. Raises `PrefixError` with its last words."""
        out, err = self._process.communicate()
        status = self._process.returncode
        took = time.monotonic() - self._started
        _log.info("%s: ended with %d after %.3f s", self._name, status, took)
        if status:
            said = (err or out).strip().splitlines()
            last = said[-1] if said else status
            raise PrefixError(str(self._prefix), f"{self._failure}: {last}")
        return out


def run(
    command: Sequence[str],
    prefix: Path,
    failure: str,
    *,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What a program prints; see `Program`."""
    with Program(command, prefix, failure, environ=environ) as program:
        return program.said()
