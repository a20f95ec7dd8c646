"""Where a download may go: URLs come out of exports, and an export is not trusted.

A URL is read once, by the parser of the library that connects (urllib3). What it read decides who gets the key, which
address is looked up and where the connection goes; nothing reads the URL a second time in another way.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

PORTS: Final = {"http": 80, "https": 443}
_AUTHORITY: Final = re.compile(r"[^:/?#]+://([^/?#]*)")
"""RFC 3986, appendix B."""
_PROTOCOL_ASSIGNMENTS: Final = IPv4Network("192.0.0.0/24")
"""Not of the public internet, which ``ipaddress`` knows since Python 3.11.10 only."""
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_PRIVATE_NAMES: Final = (
    *(".localhost", ".test", ".invalid"),  # RFC 6761
    *(".local", ".intranet", ".internal", ".private", ".corp", ".home", ".lan"),  # RFC 6762, 3 and appendix G
    ".home.arpa",  # RFC 8375
    *(".localdomain", ".localdomain6"),  # what /etc/hosts of Red Hat calls the machine itself
    ".svc",  # services of Kubernetes, by its resolvers' search lists
)
"""Ends of names that are of no public network: the root zone of DNS has none of them."""
_NAT64: Final = IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A URL points where downloads must not go. The message names the host, never the whole URL."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: whom a connection is to. The host is in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, read: whom to connect to, and the path and query to ask for there."""

    origin: Origin
    path: str

    @property
    def url(self) -> str:
        """The URL as it was understood, which only a proxy is told."""
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        return f"{self.origin.scheme}://{host}:{self.origin.port}{self.path}"


def read_url(url: str) -> Target:
    r"""Read an http(s) URL. Raises ``ForbiddenAddressError`` for any other, and for one that has two readings.

    A backslash ends the authority for some readers and not for others, and a user name makes it look like another
    host's: ``http://stranger\@labelbox/`` is refused, not guessed at.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme not in PORTS:
        raise ForbiddenAddressError(f"the scheme {scheme[:20]!r} is not http or https")
    authority = _AUTHORITY.match(url)
    if authority is None or re.search(r"[\\@%\s]", authority[1]) or not url.isprintable():
        raise ForbiddenAddressError(
            "the URL has a user name, a backslash, a percent sign or a blank where its host is named"
        )
    try:
        parts = parse_url(url)
    except (LocationParseError, UnicodeError):
        raise ForbiddenAddressError("the URL cannot be parsed") from None
    host = (parts.host or "").strip("[]")
    if not host or parts.port == 0:
        raise ForbiddenAddressError("the URL names no host and port")
    return Target(Origin(scheme, host, parts.port or PORTS[scheme]), parts.request_uri)


def addresses_of(host: str, port: int, *, anywhere: bool) -> list[str]:
    """The IP addresses of a host that may be connected to: public ones, or with ``anywhere`` all.

    Raises ``ForbiddenAddressError`` when the host has others only, and ``OSError`` when its name is not resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    permitted = [address for address in addresses if anywhere or is_public(address)]
    if not permitted:
        raise _private(host)
    return permitted


def check_host(host: str, *, anywhere: bool, any_name: bool = False) -> None:
    """Raise ``ForbiddenAddressError`` for a host that tells by itself that it is none of the public internet.

    That is a private or loopback address, in any spelling that a system's look-up knows, and, unless ``any_name`` may
    be asked, a name that public DNS does not have. Nothing is looked up: ``addresses_of`` judges what other names lead
    to.
    """
    if anywhere:
        return
    name = host.rstrip(".")
    try:
        permitted = is_public(name if ":" in name else socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, ValueError):
        permitted = ":" not in name and (any_name or _is_public_name(host))
    if not permitted:
        raise _private(host)


def _is_public_name(host: str) -> bool:
    """Tell whether public DNS may have a name, which one dot may end (RFC 1035: no other label is empty)."""
    name = host.removesuffix(".")
    return "." in name and all(name.split(".")) and not name.endswith(_PRIVATE_NAMES)


def _private(host: str) -> ForbiddenAddressError:
    return ForbiddenAddressError(
        f"the host {host} is at a private or loopback address (LABELSNAP_ALLOW_HOSTS can allow it)"
    )


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where an IPv6 address stands for an IPv4 one."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv4Address):
        return parsed.is_global and not parsed.is_multicast and parsed not in _PROTOCOL_ASSIGNMENTS
    inner = parsed.ipv4_mapped or parsed.sixtofour or _behind_nat64(parsed)
    if inner is not None:
        return is_public(str(inner))
    return parsed in _GLOBAL_UNICAST and parsed.is_global


def _behind_nat64(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
