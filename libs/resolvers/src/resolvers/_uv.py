"""uv as a process: hermetic, with a cache of its own."""

from __future__ import annotations

import errno
import math
import os
import re
import select
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from pkgcache.lacking import lacking
from pkgcache.lazy import lazy
from pkgcache.web.watch import Watch
from resolvers._processes import Processes
from resolvers.errors import EngineFailed, MachineLacks

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from resolvers._processes import Started
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


class _Question(NamedTuple):
    """What uv is asked with; `text` is on its standard input."""

    name: str
    arguments: tuple[str, ...]
    text: str
    config: str
    git: bool = False
    offline: bool = False


class Uv:
    """Runs uv; its processes end when the `with` block does.

    Whatever they ask a server is held to the patience of the context.
    """

    def __init__(self, context: ResolveContext) -> None:
        self._context = context
        self._cache = context.cache_dir / "uv"
        self._offline = context.offline
        self.processes = Processes(context.on_process)
        self._begun: dict[_Question, Started] = {}

    def __enter__(self) -> Uv:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its processes; it may be closed already."""
        self.processes.close()
        while self._begun:
            self._begun.popitem()[1].close()
        if watch := self.__dict__.get("_watch"):
            watch.close()

    @lazy
    def _watch(self) -> Watch:
        return Watch(self._context.telling_patience, later=True)

    @lazy
    def _path(self) -> str:
        return _program()

    @property
    def network(self) -> Mapping[str, str]:
        """The variables for whatever asks a server."""
        self._watch.serve()
        return self._reaching

    @property
    def _reaching(self) -> Mapping[str, str]:
        patience = self._context.patience
        return {
            **self._watch.environment,
            # Ours come first, and know why; these are for where a proxy is in the way.
            "UV_HTTP_TIMEOUT": str(math.ceil(2 * patience.silence)),
            "UV_HTTP_RETRIES": str(patience.tries - 1),
        }

    def named(self, error: ResolveError) -> ResolveError:
        """The error, or what a server did that it comes of."""
        from resolvers._network import named

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
        on_log: Callable[[str], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run uv with the arguments that keep it hermetic.

        Without `keep` it goes without its cache where nothing can be written there. `on_log` is given
        each line of its log, which then is not among what it said.

        `config` is a uv.toml. uv alone reads it, once: no process that it starts finds it anywhere.
        Raises `MachineLacks`, also where uv would leave out what it could not look at, and
        `OSError` for a cache that cannot be written.
        """
        asked = _Question(name, tuple(map(str, arguments)), text, config, git, offline)
        begun = self._begun.pop(asked, None)
        # Once more with few threads, where the machine let it start no more of them.
        for more in ({}, _FEW):
            with begun or self._start(
                name,
                arguments,
                environment={**(environment or {}), **more},
                directory=directory,
                offline=offline,
                config=config,
                git=git,
                keep=keep,
                logs=on_log is not None,
            ) as started:
                if not (offline or self._offline):
                    # Now that it has started, which takes as long as to be ready for it.
                    self._watch.serve()
                done = started.result(text, on_log=on_log)
            begun = None
            lack = lacking("\n".join(_OWN.findall(done.stderr))) or _ENDED_BY.get(-done.returncode)
            if lack != errno.EAGAIN:
                break
        watch = self.__dict__.get("_watch")
        if done.returncode and watch and watch.error:
            raise watch.error
        if lack:
            raise MachineLacks("uv", lack, str(self._cache), done.stderr)
        return done

    def begin(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        text: str,
        environment: Mapping[str, str],
        config: str,
        logs: bool,
    ) -> None:
        """Start what will be asked by `run` with the same words, online; it waits for its text."""
        asked = _Question(name, tuple(map(str, arguments)), text, config)
        self._begun[asked] = self._start(
            name, arguments, environment=environment, config=config, logs=logs
        )

    def ask(self) -> None:
        """Let what was begun go on, and reach its servers before this process does anything else."""
        if not self._begun:
            return
        self._watch.serve()
        for question, started in self._begun.items():
            started.tell(question.text)
        self._watch.wait()

    def _start(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        directory: Path | None = None,
        offline: bool = False,
        config: str = "",
        git: bool = False,
        keep: bool = True,
        logs: bool = False,
    ) -> Started:
        common = ("--color", "never", *self._cache_options(needed=keep))
        offline = offline or self._offline
        network = ("--offline",) if offline else ()
        reaching = {} if offline else self._reaching
        with ExitStack() as stack:
            end = stack.enter_context(_told(config))
            told = ("--no-config",) if end is None else ("--config-file", f"/dev/fd/{end}")
            started = self.processes.start(
                name,
                (self._path, *arguments, *common, *network, *told),
                environment={**reaching, **environment},
                directory=directory,
                git=git,
                pass_fds=() if end is None else (end,),
                logs=logs,
            )
            # What it reads is there as long as it runs.
            started.end_with(stack.pop_all())
            return started

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
    data, writer = text.encode(), None
    # What is short an empty pipe takes at once.
    if len(data) <= select.PIPE_BUF:
        _tell(write, data)
    else:
        writer = threading.Thread(target=_tell, args=(write, data), daemon=True)
        writer.start()
    try:
        yield read
    finally:
        # Before the writer is waited for: where uv has not read all of it, that waits for ever.
        os.close(read)
        if writer:
            writer.join()


def _tell(write: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
        file.write(data)


def _program() -> str:
    try:
        import uv

        with _FINDING:
            return uv.find_uv_bin()
    except (FileNotFoundError, ImportError):
        raise EngineFailed(
            "uv", "its program is missing", hint="install the package `uv`"
        ) from None
