"""HTTP for servers that must be no part of what is measured: one asyncio process, whole answers, a settable latency."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SENT_AT_ONCE: Final = 1 << 20
"""Bytes that a socket takes without the loop having to come back for the rest."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; ``target`` is its path with the query."""

    method: str
    target: str
    body: bytes = b""


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """One HTTP answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


class Connection(asyncio.Protocol):
    """One connection; a subclass's ``asked`` calls ``reply`` for each whole request."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection, and send whole answers."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AT_ONCE)

    def data_received(self, data: bytes) -> None:
        """Hand on each request that has come whole."""
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, begin = self.received[:end], end + len(b"\r\n\r\n")
            size = _length(head)
            if len(self.received) < begin + size:
                return
            method, target, _ = head.split(b" ", 2)
            body, self.received = self.received[begin : begin + size], self.received[begin + size :]
            self.asked(Request(method.decode(), target.decode(), body))

    def asked(self, request: Request) -> None:
        """Answer one request, now or later."""
        raise NotImplementedError

    def reply(self, seconds: float, made: Callable[[], bytes]) -> None:
        """Send what is made, after so many seconds; nothing on a connection that has been closed by then."""
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.reply, 0, made)
        elif not self.transport.is_closing():
            self.transport.write(made())


def _length(head: bytes) -> int:
    """The size of the body that follows a head."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
