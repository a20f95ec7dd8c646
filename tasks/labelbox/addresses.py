"""Which hosts a download may reach: URLs come out of exports, and an export is not trusted.

The address is checked on the connected socket, after name resolution and for every redirect, so that neither a name
that resolves to a private address nor a redirect to one gets a single byte of a request.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection

SCHEMES: Final = frozenset({"http", "https"})


class ForbiddenAddressError(Exception):
    """A URL points where downloads must not go. The message names the host, never the whole URL."""


def host_of(url: str) -> str:
    """The URL's host in lower case. Raises ``ForbiddenAddressError`` for anything but http(s) with a host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise ForbiddenAddressError("the URL cannot be parsed") from None
    if parts.scheme.lower() not in SCHEMES:
        raise ForbiddenAddressError(f"the scheme {parts.scheme[:20]!r} is not http or https")
    if not host:
        raise ForbiddenAddressError("the URL names no host")
    return host.lower()


def same_origin(url: str, other: str) -> bool:
    """Whether two URLs share scheme, host and port."""
    return _origin(url) == _origin(other)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower(), 0)
    return parts.scheme.lower(), (parts.hostname or "").lower(), port


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """A ``requests`` adapter whose connections reach public addresses, and ``allowed`` host names, only.

    A proxy that the environment names is trusted, and then the proxy decides where it may go.
    """

    def __init__(self, *, allowed: Collection[str], connections: int) -> None:
        self._allowed = frozenset(allowed)
        super().__init__(pool_connections=connections, pool_maxsize=connections, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager, with connections that look at the address they reached."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = guarded_pools(self._allowed)


def guarded_pools(allowed: frozenset[str]) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, over connections that are closed when they reached a forbidden address."""

    class GuardedHTTPConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return checked(super()._new_conn(), self.host, allowed)

    class GuardedHTTPSConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return checked(super()._new_conn(), self.host, allowed)

    class GuardedHTTPPool(HTTPConnectionPool):
        ConnectionCls = GuardedHTTPConnection

    class GuardedHTTPSPool(HTTPSConnectionPool):
        ConnectionCls = GuardedHTTPSConnection

    return {"http": GuardedHTTPPool, "https": GuardedHTTPSPool}


def checked(connection: socket.socket, host: str, allowed: frozenset[str]) -> socket.socket:
    """The connection, when it may be used. Raises ``ForbiddenAddressError`` and closes it otherwise."""
    address = ipaddress.ip_address(connection.getpeername()[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_global or host.lower().strip("[]") in allowed:
        return connection
    connection.close()
    raise ForbiddenAddressError(f"the host {host} is at a private or loopback address")
