"""Which connections the listener keeps: each has so many seconds for its request, and there are so many at once.

uvicorn waits for ever for a request that is begun. Here each connection has one request, whose head and body come in
time or not at all. Where too many wait for the rest of theirs, the one that has waited longest makes room: an honest
request is whole within milliseconds, so that those that wait are never it, and a probe always gets in. The newest,
dropped instead, would be the probe. Who has most connections loses one first.
"""

from __future__ import annotations

import logging
import resource
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from config.settings import Settings

CLOSING_SECONDS: Final = 5.0
"""How long a client may take to read an answer that is sent."""
TOLD_SECONDS: Final = 60.0
"""One line of the log at most in so many seconds about what was dropped."""
SHARE_OF_FILES: Final = 4
"""Connections that wait take a quarter of the files that a process may open; as many may be answered at once."""

log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.requests")
_quiet.setLevel(logging.ERROR)  # uvicorn's warning about each request that is none would fill the log


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections may wait for the rest of their request, in all and of one client, and for how many seconds.

    ``body_seconds`` begin when the head has come.
    """

    connections: int
    of_client: int
    head_seconds: float
    body_seconds: float


def limits_of(settings: Settings) -> Limits:
    """The limits of the environment; fewer connections where the process may open few files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = settings.listen_connections if files == resource.RLIM_INFINITY else max(1, files // SHARE_OF_FILES)
    return Limits(
        connections=min(settings.listen_connections, room),
        of_client=settings.listen_client_connections,
        head_seconds=settings.listen_head_seconds,
        body_seconds=settings.listen_body_seconds,
    )


@dataclass
class Crowd:
    """The connections that wait for the rest of their request, by client, the oldest first."""

    limits: Limits
    dropped: int = 0
    _told: float = float("-inf")
    _waiting: dict[str, dict[Connection, None]] = field(default_factory=dict)

    def enter(self, client: str, connection: Connection) -> Connection | None:
        """Let one in; gives the one that has to go for it, which has left."""
        own = self._waiting.setdefault(client, {})
        own[connection] = None
        if len(own) <= self.limits.of_client:
            if sum(map(len, self._waiting.values())) <= self.limits.connections:
                return None
            client = max(self._waiting, key=lambda name: len(self._waiting[name]))
        oldest = next(iter(self._waiting[client]))
        self.leave(client, oldest)
        return oldest

    def leave(self, client: str, connection: Connection) -> None:
        """Its request is whole, or it is gone; it may have left before."""
        own = self._waiting.get(client, {})
        own.pop(connection, None)
        if not own:
            self._waiting.pop(client, None)

    def note_dropped(self) -> None:
        """Count a connection whose request did not come, and say so, though not of each."""
        self.dropped += 1
        if time.monotonic() - self._told >= TOLD_SECONDS:
            self.tell_dropped()

    def tell_dropped(self) -> None:
        """Say how many were dropped since it was said last, if any were."""
        if self.dropped:
            log.warning(
                "Connections without a whole request that were dropped: %d (too slow, too many at once, or no HTTP)",
                self.dropped,
            )
        self.dropped, self._told = 0, time.monotonic()


class Connection(H11Protocol):
    """uvicorn's protocol for one connection, with a deadline for each step. Its answer says that it is closed."""

    def __init__(self, crowd: Crowd, **given: Any) -> None:
        super().__init__(**given)
        self.logger = _quiet
        self._crowd = crowd
        self._deadline: asyncio.TimerHandle | None = None
        self._has_head = False

    @property
    def _name(self) -> str:
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the time for the head, and make room."""
        super().connection_made(transport)
        self._within(self._crowd.limits.head_seconds)
        if oldest := self._crowd.enter(self._name, self):
            oldest.drop()

    def handle_events(self) -> None:
        """Take what came; a head begins the time for the body, and a whole request ends its wait."""
        super().handle_events()
        if self.transport.is_closing() or self.conn.their_state is h11.IDLE:
            return
        if self.conn.their_state is not h11.SEND_BODY:
            self._crowd.leave(self._name, self)
            self._cancel()
        elif not self._has_head:
            self._within(self._crowd.limits.body_seconds)
        self._has_head = True

    def on_response_complete(self) -> None:
        """An answer that is not read does not keep its connection."""
        super().on_response_complete()
        self._within(CLOSING_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._crowd.note_dropped()
        super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._crowd.leave(self._name, self)
        self._cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End the connection, whatever is still to be read or sent."""
        self._crowd.note_dropped()
        self.transport.abort()

    def _within(self, seconds: float) -> None:
        self._cancel()
        self._deadline = self.loop.call_later(seconds, self.drop)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
