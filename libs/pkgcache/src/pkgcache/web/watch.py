"""Limits on the waits of programs that download by themselves, such as uv, git and py-rattler.

Each has limits of its own, if any, and none limits speed. So they are led through a proxy of
ours on this machine, which sees whom they ask and how fast answers come, but nothing of what TLS
hides. It closes a connection that brings too little for too long: who waits on it tries again, or
fails; to whom it was idle it is nothing.

A program can be started while the proxy is still imported: what it asks waits in the socket.
"""

from __future__ import annotations

import base64
import os
import socket
import sys
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pkgcache.web._watching import Watching
    from pkgcache.web.patience import Patience

__all__ = ["Watch"]


class Watch:
    """A proxy with the limits of `patience`, for programs that are given its `environment`.

    A context manager. It serves at once, or raises why it cannot; or `later`, once it is told to, and
    then `error` says why nobody is served. At its end all connections are closed. `faults` says of
    hosts why the last connection was given up; under TLS, it may just have been idle for long. A proxy
    that the user has is asked by this one.
    """

    def __init__(self, patience: Patience, *, later: bool = False) -> None:
        self.faults: dict[str, str] = {}
        self._patience, self._proxies = patience, _proxies()
        # Other users of the machine can reach the port, and must not get to the proxy of this
        # user, whose login is added here.
        password = os.urandom(16).hex()
        login = base64.b64encode(f"mfenv:{password}".encode()).decode()
        self._login = f"proxy-authorization: basic {login}".lower()
        # With its protocol by name: asyncio lets go of no small packet at once (TCP_NODELAY) without.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self._url = f"http://mfenv:{password}@127.0.0.1:{self._socket.getsockname()[1]}"
        self._watching: Watching | None = None
        self.error: Exception | None = None
        self._starting, self._ready = Lock(), Event()
        self._thread: Thread | None = None
        self._closed = False
        if not later:
            self.serve()
            self.wait()
            if self.error:
                raise self.error

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that lead a program here; none where the user has a SOCKS proxy."""
        if any(proxy.startswith("socks") for proxy in self._proxies.values()):
            return {}
        names = ("http_proxy", "https_proxy", "all_proxy")
        return {
            **dict.fromkeys((*names, *map(str.upper, names)), self._url),
            # Hosts that the user excepts go through here too: `_proxy` asks them directly.
            "no_proxy": "",
            "NO_PROXY": "",
        }

    def serve(self) -> None:
        """Begin; until then programs wait for it. It may have begun already."""
        with self._starting:
            if not self._thread and not self._closed:
                thread = Thread(target=self._run, daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    self._socket.close()
                    raise
                self._thread = thread

    def wait(self) -> None:
        """Wait until it serves, or cannot."""
        self._ready.wait()

    def close(self) -> None:
        """Close all connections; they may be closed already."""
        with self._starting:
            closed, self._closed = self._closed, True
        if self._thread and not closed:
            self._ready.wait()
            if self._watching:
                self._watching.close()
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            from pkgcache.web._watching import Watching

            self._watching = Watching(
                self._socket, self._login, self._patience, self._proxies, self.faults
            )
        except (OSError, RuntimeError, ImportError, MemoryError) as error:
            self.error = error
            self._socket.close()
            return
        finally:
            self._ready.set()
        self._watching.run()


def _proxies() -> Mapping[str, str]:
    """The proxies of the user, as `urllib` finds them; most have none, and wait for no import."""
    named = any(name.lower().endswith("_proxy") for name in os.environ)
    if sys.platform == "linux" and not named:
        return {}
    from urllib.request import getproxies

    return getproxies()
