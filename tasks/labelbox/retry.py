"""When to ask again: exponential back-off with jitter, a bounded number of attempts, and one pause for all threads."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

RETRYABLE_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before attempt n+1: up to ``base``·2ⁿ, at most ``cap``, drawn between half and the whole."""

    attempts: int = 6
    base: float = 0.5
    cap: float = 30.0
    longest_retry_after: float = 120.0

    def delay(self, attempt: int) -> float:
        """The wait after the attempt with this number, counted from 1."""
        whole = min(self.cap, self.base * 2.0 ** (attempt - 1))
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography


def retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110: seconds or a date), or None when it says nothing."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


class Gate:
    """One for all threads that talk to a service: after a 429 none of them asks before the time is over."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._open_at = 0.0
        self._lock = threading.Lock()

    def close_for(self, seconds: float) -> None:
        """Nobody passes for so many seconds from now; a longer closing that is under way stays."""
        with self._lock:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def wait(self) -> None:
        """Return when the gate is open."""
        with self._lock:
            seconds = self._open_at - time.monotonic()
        if seconds > 0:
            self._sleep(seconds)
