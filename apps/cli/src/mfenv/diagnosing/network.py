"""The network: proxies, certificates, the servers of the settings, and what time they have."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mfenv.diagnosing.findings import failure, ok, skipped, warning
from mfenv.wording import words
from pkgcache.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mfenv.diagnosing.findings import Finding
    from mfenv.diagnosing.subject import ServerAnswer, Subject

__all__ = ["check_certificates", "check_clock", "check_proxy", "check_servers"]

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# Of the first three, the first that is set counts for downloads.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_CERTIFICATES = (*_BUNDLES, "SSL_CERT_DIR", "AWS_CA_BUNDLE")
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# Seconds: what S3 bears is 15 minutes, tokens of other services 5.
_SKEW = 300.0
_NOT_FOUND, _REFUSED = (404, 410), (401, 403, 407)


def check_proxy(subject: Subject) -> Iterator[Finding]:
    """Name the variables, try the proxies, and say who is asked through them."""
    environ = {name: text for name, text in os.environ.items() if name.lower() in _PROXIES and text}
    if not environ:
        yield ok("no variable names one")
        return
    for name in _PROXIES:
        lower, upper = environ.get(name), environ.get(name.upper())
        if lower and upper and lower != upper:
            yield warning(
                f"{name} and {name.upper()} differ: {lower}, {upper}",
                "programs choose differently: give both the same value",
            )
    yield ok(", ".join(f"{name}={text}" for name, text in sorted(environ.items())))
    if subject.offline:
        yield skipped(f"not tried: {subject.offline}")
        return
    through: dict[str, list[str]] = {}
    for answer in subject.network.answers:
        if answer.proxy:
            through.setdefault(answer.proxy, []).append(_host(answer.server.url))
    for name, text in sorted(environ.items()):
        if name.lower() != "no_proxy" and (refusal := _refusal(text, subject.silence)):
            yield failure(f"the proxy of {name} does not answer: {refusal}", f"correct {name}")
    for proxy, hosts in through.items():
        yield ok(f"{proxy} is asked for {', '.join(dict.fromkeys(hosts))}")


def _refusal(proxy: str, silence: float) -> str | None:
    """Why no connection to a proxy is to be had, None where one is."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        port = parts.port or _PORTS.get(parts.scheme, 80)
    except ValueError:
        return "its address is not a URL"
    if not parts.hostname:
        return "its address has no host"
    try:
        # That somebody listens there. Whether it passes anything on, `servers` tells.
        socket.create_connection((parts.hostname, port), silence).close()
    except OSError as error:
        return words(error)[0]
    return None


def check_certificates(_: Subject) -> Iterator[Finding]:
    """Read the certificates that variables name; whose are not trusted, `servers` says."""
    named = {name: os.environ[name] for name in _CERTIFICATES if os.environ.get(name)}
    wrong = []
    for name, text in named.items():
        if not Path(text).exists():
            wrong.append(failure(f"{name} names `{text}`, which is not there", f"correct {name}"))
        elif Path(text).is_file() and (reason := _unread(text)):
            wrong.append(
                failure(
                    f"{name} names `{text}`, which has no certificates: {reason}", f"correct {name}"
                )
            )
    yield from wrong
    bundles = [name for name in _BUNDLES if name in named]
    if len({named[name] for name in bundles}) > 1:
        first, *others = bundles
        yield warning(
            f"{first} counts for downloads, {', '.join(others)} for other programs, and they differ",
            "give them the same value",
        )
    elif not wrong:
        told = ", ".join(f"{name}={text}" for name, text in named.items())
        yield ok(told or "no variable names any: those that the libraries bring count")


def _unread(path: str) -> str | None:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        return (error.reason or "unreadable").lower().replace("_", " ")
    except OSError as error:
        return words(error)[0]
    return None


def check_servers(subject: Subject) -> Iterator[Finding]:
    """Ask each channel and each index, once."""
    for source in subject.network.of_programs:
        yield skipped(
            f"{source.kind} `{source.url}`: where it is, the configuration of the resolver says"
        )
    for server in subject.network.servers:
        if server.page.startswith("file:"):
            there = Path(unquote(urlsplit(server.url).path)).exists()
            told = f"{server.kind} {server.url}"
            yield ok(told) if there else failure(f"{told} is not there", "correct its URL")
    if subject.offline:
        yield skipped(f"none is asked: {subject.offline}")
    for answer in subject.network.answers:
        if answer.server.kind != "store":
            yield _judged(answer)


def _judged(answer: ServerAnswer) -> Finding:
    server = answer.server
    way = f" through {answer.proxy}" if answer.proxy else ""
    told = f"{server.kind} {server.url}{way}"
    if answer.status is None:
        error = answer.error
        if isinstance(error, DownloadError):
            return failure(f"{told}: {error.reason}", error.hint or "check the URL and the network")
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return failure(f"{told}: {reason}", "check the URL and the network")
    told = f"{told}: answered {answer.status} in {answer.seconds:.1f} s"
    if answer.status in _REFUSED:
        hint = f"give a login for `{_host(server.url)}`, in netrc or in the settings, or correct it"
        return failure(told, hint)
    if answer.status in _NOT_FOUND:
        # Not every index has a page of all names.
        verdict = warning if server.kind == "index" else failure
        return verdict(told, f"there may be no {server.kind} at this URL")
    if answer.status >= 500:  # noqa: PLR2004
        return failure(told, "the server itself fails: ask who runs it")
    return ok(told)


def check_clock(subject: Subject) -> Iterator[Finding]:
    """Compare the clock of this machine with those of the servers."""
    clocks = [
        (abs(answer.skew), answer) for answer in subject.network.answers if answer.skew is not None
    ]
    if not clocks:
        why = subject.offline or "no server said what time it is"
        yield skipped(f"not compared: {why}")
        return
    # A server's own clock may be wrong: this machine's is where no server agrees with it.
    least, nearest = min(clocks, key=lambda clock: clock[0])
    if least > _SKEW:
        side = "behind" if (nearest.skew or 0) > 0 else "ahead of"
        yield failure(
            f"the clock of this machine is {least / 60:.0f} minutes {side} that of"
            f" {_host(nearest.server.url)}: signatures and certificates do not hold",
            "set it, such as by NTP",
        )
        return
    for skew, answer in clocks:
        if skew > _SKEW:
            verdict = failure if answer.server.kind == "store" else warning
            yield verdict(
                f"the clock of {_host(answer.server.url)} is {skew / 60:.0f} minutes off, and that"
                f" of {_host(nearest.server.url)} is not",
                "a store refuses signatures of another time: ask who runs it",
            )
    yield ok(f"within {max(1, round(least))} s of {_host(nearest.server.url)}")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
