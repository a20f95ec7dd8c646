"""Connections to a server of S3 whose answers have a least speed, and heads and trailers that end.

A byte a minute keeps a connection alive for ever, and so does one ``100 Continue`` after another. botocore repeats what
is raised here as it repeats what a lost connection raises.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import contextmanager
from http.client import HTTPResponse, RemoteDisconnected
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from botocore.exceptions import HTTPClientError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from urllib3.connectionpool import HTTPConnectionPool

PATIENCE: Final = 120.0  # seconds that an answer may be waited for whatever its length
JOINING: Final = 900.0  # seconds for that of a POST: S3 joins an upload's parts for minutes, and sends blanks meanwhile
LEAST_SPEED: Final = 4 << 10  # bytes a second that it has after that, on average
HEAD_BYTES: Final = 1 << 20  # of all that comes before a body, and of what comes after its last chunk


class SlowAnswerError(HTTPClientError):
    """An answer comes with less than ``LEAST_SPEED``."""

    fmt = "The answer comes too slowly"


class EndlessHeadError(HTTPClientError):
    """Lines come where a body should begin or end, more than ``HEAD_BYTES`` of them."""

    fmt = "The head or the trailer of the answer does not end"


class _PacedReader(io.RawIOBase):
    """A socket's bytes. Only the time counts that was waited for them, not what their reader took.

    ``most`` is how many there may be until it is set anew, and ``patience`` how long they may be waited for.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._raw = connected.makefile("rb", 0)
        self._connected = connected
        self._waited = 0.0
        self.size = 0
        self.most = HEAD_BYTES
        self.patience = PATIENCE

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Read what there is, at least one byte unless the stream has ended."""
        if self.size >= self.most:
            raise EndlessHeadError
        left = self.patience + self.size / LEAST_SPEED - self._waited
        if left <= 0:
            raise SlowAnswerError
        usual = self._connected.gettimeout()
        began = time.monotonic()
        self._connected.settimeout(left if usual is None else min(left, usual))
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError as error:
            if usual is None or left < usual:
                raise SlowAnswerError from error
            raise
        finally:
            self._waited += time.monotonic() - began
            self._connected.settimeout(usual)
        self.size += count or 0
        return count

    def close(self) -> None:
        """Close the socket's own reader with this one."""
        self._raw.close()
        super().close()


class _PacedSocket:
    """A socket that is read by ``_PacedReader`` only; all else is the socket's own."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected

    def makefile(self, _mode: str, buffering: int = -1) -> io.RawIOBase | io.BufferedReader:
        """Open a reader of one answer."""
        reader = _PacedReader(self._connected)
        return io.BufferedReader(reader) if buffering else reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)


class _PacedResponse(HTTPResponse):
    """An answer of a ``_PacedSocket``, whose bytes are bounded but in its body."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        """Await the answer to a request with the method."""
        super().__init__(sock, debuglevel, method, url)
        if method == "POST":
            self._reader.patience = JOINING

    @property
    def _reader(self) -> _PacedReader:
        return cast("_PacedReader", self.fp.raw)

    def begin(self) -> None:
        """Read the head."""
        with self._ending():
            super().begin()

    def _read_and_discard_trailer(self) -> None:
        with self._ending():
            super()._read_and_discard_trailer()  # type: ignore[misc]

    @contextmanager
    def _ending(self) -> Iterator[None]:
        reader = self._reader
        reader.most = reader.size + HEAD_BYTES
        yield
        reader.most = sys.maxsize


class _Paced:
    """What a connection of botocore's is made from to be a paced one."""

    response_class: ClassVar = _PacedResponse
    sock: Any

    def connect(self) -> None:
        """Connect, by the pool's own class."""
        super().connect()  # type: ignore[misc]
        self.sock = _PacedSocket(self.sock)

    def _consume_headers(self, answer: io.RawIOBase) -> None:
        """Pass over what follows a ``100 Continue``; botocore's own reads an ended stream again and again."""
        while (line := answer.readline()) != b"\r\n":
            if not line:
                raise RemoteDisconnected("the connection ended after 100 Continue")


def _paced(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return a pool of botocore's with paced connections."""
    connection = type("PacedConnection", (_Paced, pool.ConnectionCls), {})
    return type("PacedPool", (pool,), {"ConnectionCls": connection})


POOLS: Final = {"http": _paced(AWSHTTPConnectionPool), "https": _paced(AWSHTTPSConnectionPool)}
"""urllib3's pools by scheme."""
