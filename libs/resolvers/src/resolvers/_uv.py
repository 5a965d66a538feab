"""uv as a process: hermetic, with a cache of its own."""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pkgcache.lacking import lacking
from pkgcache.lazy import lazy
from pkgcache.web.watch import Watch
from resolvers._network import named
from resolvers._processes import Processes
from resolvers.errors import EngineFailed, MachineLacks

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from resolvers.errors import ResolveError
    from resolvers.request import ResolveContext

__all__ = ["Uv"]

# How uv is told to start as few threads as it can.
_FEW = {
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "UV_CONCURRENT_BUILDS": "1",
    "UV_CONCURRENT_DOWNLOADS": "1",
    "UV_CONCURRENT_INSTALLS": "1",
}
# What uv itself says; the build that it has started may say what it likes.
_OWN = re.compile(
    r"^error: .*|^ *cause: .*|^thread .* panicked at .*\n.*|^memory allocation of .*", re.MULTILINE
)
# What a process cannot say any more: a kernel that is short of memory kills it, a stack does not
# grow, a file may not.
_ENDED_BY: dict[int, int] = {
    signal.SIGKILL: errno.ENOMEM,
    signal.SIGSEGV: errno.ENOMEM,
    signal.SIGXFSZ: errno.EFBIG,
}
# Before Python 3.12, the first look at its configuration must not be two threads'.
_FINDING = threading.Lock()


class Uv:
    """Runs uv; its processes end when the `with` block does.

    Whatever they ask a server is held to the patience of the context.
    """

    def __init__(self, context: ResolveContext) -> None:
        self._context = context
        self._cache = context.cache_dir / "uv"
        self._offline = context.offline
        self.processes = Processes(context.on_process)

    def __enter__(self) -> Uv:
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.close()
        if watch := self.__dict__.get("_watch"):
            watch.close()

    @lazy
    def _watch(self) -> Watch:
        return Watch(self._context.telling_patience)

    @property
    def network(self) -> Mapping[str, str]:
        """The variables for whatever asks a server."""
        patience = self._context.patience
        return {
            **self._watch.environment,
            # Ours come first, and know why; these are for where a proxy is in the way.
            "UV_HTTP_TIMEOUT": str(math.ceil(2 * patience.silence)),
            "UV_HTTP_RETRIES": str(patience.tries - 1),
        }

    def named(self, error: ResolveError) -> ResolveError:
        """The error, or what a server did that it comes of."""
        watch = self.__dict__.get("_watch")
        return named(error, self._context, watch.faults if watch else {})

    def run(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        text: str = "",
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        offline: bool = False,
        config: str = "",
        git: bool = False,
        keep: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run uv with the arguments that keep it hermetic.

        Without `keep` it goes without its cache where nothing can be written there.

        `config` is a uv.toml. uv alone reads it, once: no process that it starts finds it anywhere.
        Raises `MachineLacks`, also where uv would leave out what it could not look at, and
        `OSError` for a cache that cannot be written.
        """
        common = ("--color", "never", *self._cache_options(needed=keep))
        offline = offline or self._offline
        network = ("--offline",) if offline else ()
        reaching = {} if offline else self.network
        # Once more with few threads, where the machine let it start no more of them.
        for more in ({}, _FEW):
            with _told(config) as end:
                told = ("--no-config",) if end is None else ("--config-file", f"/dev/fd/{end}")
                done = self.processes.run(
                    name,
                    (_program(), *arguments, *common, *network, *told),
                    text=text,
                    environment={**reaching, **(environment or {}), **more},
                    directory=directory,
                    git=git,
                    pass_fds=() if end is None else (end,),
                )
            lack = lacking("\n".join(_OWN.findall(done.stderr))) or _ENDED_BY.get(-done.returncode)
            if lack != errno.EAGAIN:
                break
        if lack:
            raise MachineLacks("uv", lack, str(self._cache), done.stderr)
        return done

    def _cache_options(self, *, needed: bool) -> tuple[str | Path, ...]:
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            if not os.access(self._cache, os.W_OK | os.X_OK):
                os.utime(self._cache)  # tells why, but for an owner
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self._cache))
        except OSError:
            if needed:
                raise
            return ("--no-cache",)
        return ("--cache-dir", self._cache)


@contextmanager
def _told(text: str) -> Iterator[int | None]:
    """The end of a pipe where `text` can be read once, None for no text."""
    if not text:
        yield None
        return
    read, write = os.pipe()
    writer = threading.Thread(target=_tell, args=(write, text), daemon=True)
    writer.start()
    try:
        yield read
    finally:
        # Before the writer is waited for: where uv has not read all of it, that waits for ever.
        os.close(read)
        writer.join()


def _tell(write: int, text: str) -> None:
    with suppress(BrokenPipeError), os.fdopen(write, "w", encoding="utf-8") as file:
        file.write(text)


def _program() -> str:
    try:
        import uv

        with _FINDING:
            return uv.find_uv_bin()
    except (FileNotFoundError, ImportError):
        raise EngineFailed(
            "uv", "its program is missing", hint="install the package `uv`"
        ) from None
