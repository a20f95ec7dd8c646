"""What the sandbox has been asked: bounded counters for tests to look at."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock


@dataclass(frozen=True, slots=True)
class ForeignRequest:
    """A request that came to another host name than Labelbox's, as after a redirect."""

    host: str
    path: str
    headers: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Traffic:
    """Requests by kind.

    Kinds are ``graphql:OPERATION``, ``chunk``, ``composite_mask``, ``instance_mask``, ``image``, ``admin``, and
    ``unknown``; what comes to another host name has ``foreign:`` before its kind. ``leaks`` counts, by kind, the
    requests that carried an ``Authorization`` header where none belongs.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    leaks: Counter[str] = field(default_factory=Counter)
    foreign: deque[ForeignRequest] = field(default_factory=lambda: deque(maxlen=100))
    _lock: Lock = field(default_factory=Lock)

    def record(self, kind: str, *, leak: bool = False, foreign: ForeignRequest | None = None) -> None:
        """Counts one request."""
        with self._lock:
            self.kinds[kind] += 1
            if leak:
                self.leaks[kind] += 1
            if foreign is not None:
                self.foreign.append(foreign)

    def answered(self, kind: str, status: int) -> None:
        """Counts the status that a request was answered with."""
        with self._lock:
            self.statuses[kind, status] += 1

    def count(self, pattern: str = "*") -> int:
        """How many requests were of a kind that matches the glob ``pattern``."""
        with self._lock:
            return sum(number for kind, number in self.kinds.items() if fnmatchcase(kind, pattern))

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self.kinds.clear()
            self.statuses.clear()
            self.leaks.clear()
            self.foreign.clear()
