"""HTTP by `requests`: redirects, ranges and failures. Imported by what downloads, not before."""

from __future__ import annotations

import http.client
import logging
import os
import re
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from envid.redaction import redact
from pkgcache.__about__ import __version__
from pkgcache.errors import DownloadError
from pkgcache.lacking import lacking
from pkgcache.web._pages import is_page
from pkgcache.web.credentials import split_userinfo
from pkgcache.web.patience import Pace, waiting
from pkgcache.web.receiving import Body, Looked

if TYPE_CHECKING:
    import io
    import socket
    from collections.abc import Callable, Iterator

    from pkgcache.web.credentials import Credentials
    from pkgcache.web.patience import Patience
    from pkgcache.web.receiving import Partial, T

_log = logging.getLogger(__name__)
_CHUNK = 1 << 18
_REDIRECTS = 10
# Many servers call these encoded, and send them as they are; other things are decoded.
_PACKED = (".bz2", ".conda", ".gz", ".tgz", ".whl", ".zip", ".zst")
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError)
_HEADERS = {"User-Agent": f"pkgcache/{__version__}", "Accept-Encoding": "identity"}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class Client:
    """One pool of connections."""

    def __init__(self, credentials: Credentials, *, pool: int, patience: Patience) -> None:
        self._credentials, self._patience = credentials, patience
        self._session = requests.Session()
        # The variables of requests itself, then that of OpenSSL, which uv goes by as well.
        named = map(os.environ.get, ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"))
        self._session.verify = next(filter(None, named), True)
        # For each request, it would look through all variables. Logins are ours to find.
        self._session.trust_env = False
        self._proxies: dict[str, Any] = {}
        # Those of `requests` itself ask for encoded answers; bytes are hashed, so they must come as
        # they are.
        self._session.headers.clear()
        self._session.headers.update(_HEADERS)
        # A cookie that some portal sets must not be sent to anybody else, nor change what is asked
        # next.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool))

    def close(self) -> None:
        self._session.close()

    def fetch(self, url: str, partial: Partial) -> None:
        """Receive what is missing of `url` in a single attempt; raises `DownloadError`."""
        if partial.complete:
            return
        span = f"bytes={partial.size}-" if partial.size else None
        try:
            with self._open(url, span) as response:
                # The file at the URL is shorter than what is here, which then is of another file.
                if response.status_code == requests.codes.requested_range_not_satisfiable:
                    partial.restart()
                    raise _failure(url, "the server has less than was received", retryable=True)
                _check_status(url, response)
                # All of it, since the server knows no ranges, is good from the start on; another
                # part is not.
                if _offset(response) != partial.size:
                    partial.restart()
                    if _offset(response):
                        raise _failure(url, "the server sent another range", retryable=True)
                for data in self._pieces(url, response):
                    partial.write(data)
        except _BROKEN as error:
            raise self._explain(url, error) from None

    def read(
        self,
        url: str,
        start: int,
        stop: int | None,
        reader: Callable[[Body], T],
        *,
        page: bool = False,
        accept: str | None = None,
    ) -> T:
        """Give a part of `url` to `reader` in a single attempt; raises `DownloadError`."""
        span = None
        if start < 0:
            span = f"bytes={start}"
        elif start or stop:
            span = f"bytes={start}-{'' if stop is None else stop - 1}"
        try:
            with self._open(url, span, accept=accept) as response:
                _check_status(url, response)
                # Later nothing tells a part that was not asked for from the whole.
                if span is None and response.status_code == requests.codes.partial_content:
                    reason = "the server sent a part, and all of it was asked for"
                    raise _failure(url, reason, retryable=True)
                decode = not urlsplit(url).path.endswith(_PACKED)
                pieces = self._pieces(url, response, page=page, decode=decode)
                return reader(Body(_offset(response), _total(response), pieces))
        except _BROKEN as error:
            raise self._explain(url, error) from None

    def look(self, url: str) -> Looked:
        """What the server answers about `url`, in a single attempt; raises `DownloadError`."""
        try:
            # Some servers refuse what only asks for the head of an answer.
            for method in ("HEAD", "GET"):
                with self._open(url, None, method) as response:
                    if response.status_code not in (405, 501):
                        break
        except _BROKEN as error:
            raise self._explain(url, error) from None
        return Looked(status=response.status_code, date=_date(response.headers.get("Date")))

    def _pieces(
        self,
        url: str,
        response: requests.Response,
        *,
        page: bool = False,
        decode: bool = False,
    ) -> Iterator[bytes]:
        pace, at_start = Pace(self._patience), not page and not _offset(response)
        while True:
            with waiting(self._patience, _host(url)):
                # What is there, however little: to wait for more would bear a server that drips.
                data = response.raw.read1(_CHUNK, decode_content=decode)
            if not data:
                return
            if at_start and _is_page(data, response, url):
                raise _failure(url, "the server sent a web page instead", retryable=True)
            yield data
            at_start = False
            if not pace.keeps(len(data)):
                reason = f"the server sent less than {self._patience.speed} bytes per second"
                raise DownloadError(redact(url), reason, retry_after=0.0, slow=True)

    def _open(
        self, url: str, span: str | None, method: str = "GET", accept: str | None = None
    ) -> requests.Response:
        wanted = {"Range": span, "Accept": accept}
        headers = {name: value for name, value in wanted.items() if value}
        here = split_userinfo(url)[0]
        for _ in range(_REDIRECTS):
            login, started = self._credentials.find(here), time.monotonic()
            try:
                with waiting(self._patience, _host(here)):
                    response = self._session.request(
                        method,
                        self._credentials.with_token(here),
                        headers=headers,
                        auth=(login.user, login.password) if login else _nobody,
                        stream=True,
                        timeout=self._patience.silence,
                        proxies=self._proxies_for(here),
                        # Each hop is a request of its own, with its own host's login or none.
                        allow_redirects=False,
                    )
            except ValueError as error:
                if isinstance(error, _BROKEN):
                    raise
                # `requests` looks at where a redirect leads also where it need not follow it.
                raise _failure(url, "the server redirects to what is not a URL") from None
            took = time.monotonic() - started
            _log.info("%s %s: %d, %.3f s", method, redact(here), response.status_code, took)
            if not response.is_redirect:
                return response
            response.close()
            here = _next(here, response.headers["Location"])
        raise _failure(url, f"the server redirected more than {_REDIRECTS} times")

    def _proxies_for(self, url: str) -> Any:
        """The proxies of the environment that are for the host of `url`."""
        place = urlsplit(url).netloc
        if place not in self._proxies:
            self._proxies[place] = requests.utils.get_environ_proxies(url)
        return self._proxies[place]

    def _explain(self, url: str, error: Exception) -> DownloadError:
        headers = (requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader)
        if isinstance(error, headers):
            return _failure(url, "the headers of the server's answer contradict each other")
        hint: str | None
        if isinstance(error, requests.exceptions.InvalidSchema):
            hint = "install the package `pysocks`, or give the address of an HTTP proxy"
            return _failure(url, "a SOCKS proxy cannot be used as it is", hint=hint)
        proxy = (requests.exceptions.InvalidProxyURL, urllib3.exceptions.ProxySchemeUnknown)
        if any(isinstance(cause, proxy) for cause in _causes(error)):
            hint = "check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
            return _failure(url, "the address of the proxy is not a URL", hint=hint)
        if isinstance(error, ValueError):  # what `requests` says of URLs that are none
            return _failure(url, "it is not a URL that can be fetched")
        reason, hint = why_broken(error, self._patience.silence)
        _log.info("GET %s: %s", redact(url), reason)
        return _failure(url, reason, retryable=hint is None, hint=hint)


class _Head:
    """The lines of an answer's head, all of which must be there in so many seconds."""

    def __init__(self, file: io.BufferedReader, seconds: float) -> None:
        # `http.client` takes the head by `readline` alone, and may `close` it.
        self._file, self._end = file, time.monotonic() + seconds

    def readline(self, size: int) -> bytes:
        line = b""
        while len(line) < size and not line.endswith(b"\n"):
            if time.monotonic() > self._end:
                raise TimeoutError
            # At most a single read of the socket: `readline` would go on for as long as bytes come.
            there = self._file.peek(1)
            line += self._file.read(min(there.find(b"\n") + 1 or len(there), size - len(line)))
            if not there:
                break
        return line

    def close(self) -> None:
        self._file.close()


class _Response(http.client.HTTPResponse):
    """One whose head does not drip: a socket's own limit is for each byte."""

    fp: Any

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._seconds = sock.gettimeout()

    def begin(self) -> None:
        file = self.fp
        if self._seconds:
            self.fp = _Head(file, self._seconds)
        try:
            super().begin()
        finally:
            # The body must be read from the buffered file itself, and has been closed if the
            # answer has none.
            if self.fp:  # there is more than a head
                self.fp = file


class _Adapter(HTTPAdapter):
    def __init__(self, pool: int) -> None:
        super().__init__(pool_connections=pool, pool_maxsize=pool)
        self._reading = threading.Lock()
        self._trusted: dict[tuple[Any, ...], ssl.SSLContext] = {}

    def _trusting(self, *place: Any) -> ssl.SSLContext:
        if place not in self._trusted:
            context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
            try:
                context.load_verify_locations(*place)
            except OSError as error:
                raise requests.exceptions.SSLError(error) from error
            self._trusted[place] = context
        return self._trusted[place]

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Read what to trust once: for each connection it takes longer than all else of TLS."""
        # `conn` is a pool that threads share: what is set here by one, another would take away.
        with self._reading:
            if conn.conn_kw.get("ssl_context"):  # as it was for the first request
                return
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            # A proxy that is itself spoken to by TLS is shown to the same certificates by `urllib3`.
            if conn.scheme == "https" and not (conn.proxy and conn.proxy.scheme == "https"):
                conn.conn_kw["ssl_context"] = self._trusting(conn.ca_certs, conn.ca_cert_dir)
                conn.ca_certs = conn.ca_cert_dir = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        # `requests` makes a pool for each host and way of TLS, so it is not enough to set this
        # once.
        pool.ConnectionCls = _limited(pool.ConnectionCls)
        return pool


@cache
def _limited(connection: type) -> type:
    # The pool was asked for before.
    if getattr(connection, "response_class", None) is _Response:
        return connection
    return type(connection.__name__, (connection,), {"response_class": _Response})


def why_broken(error: Exception, timeout: float) -> tuple[str, str | None]:
    """Why a connection failed, and a hint where another attempt cannot help.

    The texts of these exceptions are long, differ between versions, and may hold a proxy's
    password: it is said in our own words.
    """
    causes = _causes(error)
    timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError)
    said = (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror)

    def caused(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    # What this machine lacks looks like a broken connection, and no other server would help.
    local = (cause for cause in causes if isinstance(cause, OSError) and cause.errno)
    if lack := next(filter(None, map(lacking, local)), None):
        return os.strerror(lack).lower(), None
    # Before the proxy: where that is spoken to by TLS, the error about it holds another about TLS.
    if caused(requests.exceptions.SSLError, ssl.SSLError):
        hint = "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names the certificates to trust"
        return "the TLS handshake failed", hint
    if caused(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        reason = "the proxy cannot be used"
    elif caused(urllib3.exceptions.DecodeError):
        reason = "the server sent what is not encoded as it says"
    elif caused(urllib3.exceptions.NameResolutionError):
        reason = "the host name is not known"
    elif text := next(said, None):
        reason = text.lower()
    elif caused(*timeouts):
        reason = f"no answer for {timeout:g} seconds"
    else:
        reason = "the connection broke off"
    return reason, None


def proxy_of(url: str) -> str | None:
    """The proxy that the environment has for `url`, as `requests` chooses it, without its login."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    return redact(proxy) if proxy else None


def _host(url: str) -> str:
    return f"`{urlsplit(url).hostname}`"


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No login; without this, `requests` looks for one itself."""
    return request


def _check_status(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status in (requests.codes.ok, requests.codes.partial_content):
        return
    host = urlsplit(url).hostname
    hint = None
    if status in (401, 403):
        # A login that was refused needs another hint than a login that was not given.
        sent = "Authorization" in response.request.headers
        hint = (
            f"it refuses the user name and password for `{host}`: correct them, or ask for the right"
            if sent
            else f"give a user name and a password for `{host}`, in netrc or in the settings"
        )
    worth_it = status in (408, 425, 429) or status >= 500  # noqa: PLR2004
    wait = retry_after(response.headers.get("Retry-After")) if worth_it else None
    reason = f"the server answered {status}"
    if status in (301, 302, 303, 307, 308):
        reason += " and did not say where to go"
    if wait and wait >= 1:
        reason += f" and asked to wait for {wait:.0f} s"
    raise DownloadError(redact(url), reason, status=status, retry_after=wait, hint=hint)


def retry_after(text: str | None) -> float:
    """The seconds that a Retry-After (RFC 9110, 10.2.3) means; 0 if it makes no sense."""
    text = (text or "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text):
        return float(text)
    moment = _date(text)
    return 0.0 if moment is None else max(moment - time.time(), 0.0)


def _date(text: str | None) -> float | None:
    """The moment of a Date header (RFC 9110, 6.6.1); None if it makes no sense."""
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _is_page(data: bytes, response: requests.Response, url: str) -> bool:
    """Whether a page came in place of a file, as captive portals and login forms have it."""
    asked = urlsplit(url).path.endswith((".html", "/"))
    kind = response.headers.get("Content-Type", "")
    return not asked and kind.lower().startswith("text/html") and is_page(data)


def _offset(response: requests.Response) -> int:
    if response.status_code != requests.codes.partial_content:
        return 0
    span = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(span[1]) if span else -1


def _total(response: requests.Response) -> int | None:
    """The size of the whole file, where the server says it."""
    if response.status_code == requests.codes.partial_content:
        span = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        text = span[2] if span else ""
    else:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _next(here: str, location: str) -> str:
    try:
        there = split_userinfo(urljoin(here, location))[0]
        old, new = urlsplit(here).scheme, urlsplit(there).scheme
    except ValueError:
        raise _failure(here, "the server redirects to what is not a URL") from None
    # From `https` to `http` all would be shown to the net; of other schemes a server has no say.
    if new not in ("http", "https") or (old, new) == ("https", "http"):
        raise _failure(here, f"it redirects from `{old}` to `{new}`")
    return there


def _failure(
    url: str, reason: str, *, retryable: bool = False, hint: str | None = None
) -> DownloadError:
    return DownloadError(redact(url), reason, retry_after=0.0 if retryable else None, hint=hint)


def _causes(failure: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    # `urllib3` and `requests` pack what happened into arguments and `reason`, not into causes
    # alone.
    todo: list[object] = [failure]
    while todo:
        error = todo.pop()
        if isinstance(error, BaseException) and error not in causes:
            causes.append(error)
            todo += [
                *error.args,
                error.__cause__,
                error.__context__,
                getattr(error, "reason", None),
            ]
    return causes
