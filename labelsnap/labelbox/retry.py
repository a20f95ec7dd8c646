"""When to ask again: exponential back-off with full jitter, and what a server's ``Retry-After`` says."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait before attempt n+1: anything up to ``base``·2ⁿ⁻¹ and never above ``cap``.

    ``attempts`` is how often one body is asked for at most, and ``wrong_bodies`` how often when it arrives whole and is
    not what it should be. A server that asks for more than ``longest_retry_after`` is not waited for.
    """

    attempts: int = 10
    wrong_bodies: int = 4
    base: float = 0.5
    cap: float = 30.0
    longest_retry_after: float = 120.0

    def delay(self, attempt: int) -> float:
        """The wait after the attempt with this number, counted from 1."""
        return random.uniform(0, min(self.cap, self.base * 2.0 ** min(attempt - 1, 60)))  # noqa: S311 - jitter


def retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, or None when it says nothing.

    RFC 9110 has whole seconds or a date; some servers send decimals.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
