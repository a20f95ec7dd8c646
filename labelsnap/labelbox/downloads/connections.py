"""Connections that go where they may, stay open for the next request, and end in time.

Addresses are looked up here, and the connection goes to an address that was looked at: there is no second look-up that
could answer something else. Redirects are never followed here, so each hop is checked like the first request.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import ssl
import time
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

import urllib3
from requests import Session
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from labelsnap.labelbox.downloads.addresses import addresses_of, check_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from labelsnap.labelbox.downloads.addresses import Origin, Target

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its debug log has whole URLs, signatures included

CONNECT_SECONDS: Final = 10.0
_READING: Final = Lock()
HOSTS: Final = 32
"""How many origins keep their idle connections."""


class Connections:
    """A bounded pool of connections to each origin.

    ``allowed`` hosts and ``trusted`` origins may be at private addresses, all others must be at public ones. ``size``
    is how many threads use the pool, ``stall`` the seconds without a byte after which an answer is given up. A proxy
    that the environment names (``HTTPS_PROXY``, ``NO_PROXY``, …) is trusted: it decides where names lead, and
    is asked for no private address.
    """

    def __init__(self, *, allowed: frozenset[str], trusted: frozenset[Origin], size: int, stall: float) -> None:
        self._allowed = allowed
        self._trusted = frozenset((origin.host, origin.port) for origin in trusted)
        self._connect = min(CONNECT_SECONDS, stall)
        self._options: dict[str, Any] = {
            "num_pools": HOSTS,
            "maxsize": size,
            "block": True,
            "ssl_context": _trusting(_certificates()),
        }
        self._direct = urllib3.PoolManager(**self._options)
        self._direct.pool_classes_by_scheme = _pools(stall, self._may_be_private)
        self._proxied_pools = _pools(stall, lambda _host, _port: True)
        self._proxies: dict[str, urllib3.ProxyManager] = {}
        self._routes: dict[Origin, urllib3.ProxyManager | None] = {}

    def get(self, target: Target, headers: dict[str, str], *, seconds: float) -> BaseHTTPResponse:
        """Ask, and return when the answer's headers are here; its body must have come ``seconds`` from now.

        Raises ``ForbiddenAddressError`` and what urllib3 raises.
        """
        options: dict[str, Any] = {
            "headers": headers,
            "timeout": urllib3.Timeout(connect=min(self._connect, seconds), total=seconds),
            "retries": False,
            "redirect": False,
            "preload_content": False,
        }
        origin = target.origin
        proxy = self._proxy(origin)
        if proxy is not None:
            self._check(origin, any_name=True)
            return proxy.urlopen("GET", target.url, **options)
        self._check(origin)
        pool = self._direct.connection_from_host(origin.host, origin.port, origin.scheme)
        return pool.urlopen("GET", target.path, **options)

    def check(self, target: Target) -> None:
        """Raise ``ForbiddenAddressError`` for a host that others may not ask either, as far as it tells by itself."""
        self._check(target.origin)

    def close(self) -> None:
        """Close what is open."""
        self._direct.clear()
        for proxy in self._proxies.values():
            proxy.clear()

    def _check(self, origin: Origin, *, any_name: bool = False) -> None:
        check_host(origin.host, anywhere=self._may_be_private(origin.host, origin.port), any_name=any_name)

    def _may_be_private(self, host: str, port: int) -> bool:
        return host in self._allowed or (host, port) in self._trusted

    def _proxy(self, origin: Origin) -> urllib3.ProxyManager | None:
        """The proxy that the environment names for an origin, looked up once."""
        if origin not in self._routes:
            host = f"[{origin.host}]" if ":" in origin.host else origin.host
            url = f"{origin.scheme}://{host}:{origin.port}"
            named = select_proxy(url, get_environ_proxies(url))
            if named and named not in self._proxies:
                self._proxies[named] = urllib3.ProxyManager(named, **self._options)
                self._proxies[named].pool_classes_by_scheme = self._proxied_pools
            self._routes[origin] = self._proxies[named] if named else None
        return self._routes[origin]


def _certificates() -> str:
    """Whom to trust: what ``requests`` finds in ``REQUESTS_CA_BUNDLE`` and the like, else certifi's list."""
    found: str | bool | None = Session().merge_environment_settings("", {}, None, None, None)["verify"]
    return found if isinstance(found, str) else DEFAULT_CA_BUNDLE_PATH


def _trusting(certificates: str) -> ssl.SSLContext:
    """One context a process, whichever thread asks first: reading the list takes longer than a request."""
    with _READING:
        return _read(certificates)


@lru_cache(maxsize=2)
def _read(certificates: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates)


def _pools(stall: float, may_be_private: Callable[[str, int], bool]) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, over connections that look at addresses and at the clock."""

    class Response(TimedResponse):
        stall_seconds = stall

    class CarefulHTTPConnection(HTTPConnection):
        response_class = Response

        def _new_conn(self) -> socket.socket:
            return _connected(self, anywhere=may_be_private(self.host.strip("[]"), self.port))

    class CarefulHTTPSConnection(HTTPSConnection):
        response_class = Response

        def _new_conn(self) -> socket.socket:
            return _connected(self, anywhere=may_be_private(self.host.strip("[]"), self.port))

    class CarefulHTTPPool(HTTPConnectionPool):
        ConnectionCls = CarefulHTTPConnection

    class CarefulHTTPSPool(HTTPSConnectionPool):
        ConnectionCls = CarefulHTTPSConnection

    return {"http": CarefulHTTPPool, "https": CarefulHTTPSPool}


def _connected(connection: HTTPConnection, *, anywhere: bool) -> socket.socket:
    """A socket to the first of the host's permitted addresses that answers; raises as urllib3's own does."""
    host = connection.host.strip("[]")
    seconds = connection.timeout or CONNECT_SECONDS
    deadline = time.monotonic() + seconds
    try:
        addresses = addresses_of(host, connection.port, anywhere=anywhere)
    except (socket.gaierror, UnicodeError) as error:
        reason = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
        raise NameResolutionError(host, connection, reason) from error
    failure: OSError = TimeoutError()
    for address in addresses:
        if (left := deadline - time.monotonic()) <= 0:
            break
        try:
            return create_connection((address, connection.port), left, socket_options=connection.socket_options)
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"{host} did not answer for {seconds} s") from failure
    raise NewConnectionError(connection, f"{host}: {failure.strerror}") from failure


class TimedResponse(http.client.HTTPResponse):
    """An answer that must be whole in the time that the socket's time-out gives when it begins, and never stalls."""

    stall_seconds: ClassVar[float]

    def __init__(self, connected: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connected, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, connected, self.stall_seconds))


class _TimedReader(io.RawIOBase):
    """A socket's bytes, each piece waited for until the answer's deadline and no longer than ``stall`` seconds."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket, stall: float) -> None:
        self._raw = raw
        self._connected = connected
        self._stall = stall
        self._deadline = time.monotonic() + (connected.gettimeout() or stall)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Read what there is, at least one byte unless the stream has ended."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not whole in its time")
        self._connected.settimeout(min(left, self._stall))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the socket's own reader with this one."""
        self._raw.close()
        super().close()
