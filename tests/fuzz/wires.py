"""Connections that lead nowhere: each answers with bytes that are given beforehand, and no name is looked up."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import urllib3.util.connection

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "93.184.216.34"
"""What every name leads to: an address that downloads may reach."""
LONGEST = 1 << 16
"""Bytes of an answer; a socket holds more."""


class Wire:
    """What every connection answers, whatever is asked; connections that nobody closed are closed by the next one."""

    def __init__(self) -> None:
        self.answer = b""
        self._far: list[socket.socket] = []

    def connect(self, *_arguments: Any, **_options: Any) -> socket.socket:
        """Make a connection."""
        self.close()
        near, far = socket.socketpair()
        near.settimeout(1)
        far.sendall(self.answer[:LONGEST])
        far.shutdown(socket.SHUT_WR)
        self._far.append(far)
        return near

    def close(self) -> None:
        """End the far sides of connections."""
        while self._far:
            self._far.pop().close()


def looked_up(host: Any, port: Any, *_arguments: Any, **_options: Any) -> list[Any]:
    """Answer for the name service: literal addresses are themselves."""
    try:
        return _by_system(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ADDRESS, port))]


_by_system: Callable[..., list[Any]] = socket.getaddrinfo


def wired() -> Wire:
    """Let all connections of this process lead nowhere."""
    wire = Wire()
    urllib3.util.connection.create_connection = wire.connect
    socket.getaddrinfo = looked_up  # type: ignore[assignment]
    return wire


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    """Write an answer of HTTP/1.1."""
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode("latin-1") + body
