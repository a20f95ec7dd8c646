"""How fast a process may ask: one budget of requests a minute, and pauses that hold for all of its threads."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.labelbox.downloads.addresses import Origin

MINUTE: Final = 60.0
FAILING_AFTER: Final = 3
"""After so many bodies in a row that an origin could not serve, it is asked once a body until it serves one."""


class Pace:
    """Never more than ``requests_per_minute`` counted requests in any 60 seconds, and none to an origin that pauses."""

    def __init__(
        self,
        requests_per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self._sent: deque[float] = deque(maxlen=requests_per_minute)
        self._paused: dict[Origin, float] = {}
        self._failed: Counter[Origin] = Counter()
        self._lock = threading.Lock()

    def pause(self, origin: Origin, seconds: float) -> None:
        """Nobody asks the origin for so many seconds from now; a longer pause that is under way stays."""
        now = self.clock()
        with self._lock:
            standing = {each: until for each, until in self._paused.items() if until > now}
            self._paused = standing | {origin: max(standing.get(origin, now), now + seconds)}

    def wait(self, origin: Origin, *, counted: bool) -> float:
        """Return when one request may be sent: the seconds that it took. ``counted`` ones take from the budget."""
        begin = self.clock()
        while (seconds := self._blocked_for(origin, counted=counted)) > 0:
            self.sleep(seconds)
        return self.clock() - begin

    def _blocked_for(self, origin: Origin, *, counted: bool) -> float:
        with self._lock:
            now = self.clock()
            seconds = self._paused.get(origin, now) - now
            if counted and len(self._sent) == self._sent.maxlen:
                seconds = max(seconds, self._sent[0] + MINUTE - now)
            if counted and seconds <= 0:
                self._sent.append(now)
            return seconds

    def note(self, origin: Origin, *, failed: bool) -> None:
        """Remember how a body ended: with an answer of any kind, or with failures in all attempts."""
        with self._lock:
            if failed:
                self._failed[origin] += 1
            else:
                self._failed.pop(origin, None)

    def is_failing(self, origin: Origin) -> bool:
        """Whether an origin has failed so many bodies in a row that one attempt is enough for the next."""
        with self._lock:
            return self._failed[origin] >= FAILING_AFTER


_SHARED: Final[dict[int, Pace]] = {}
_SHARING: Final = threading.Lock()


def shared_pace(requests_per_minute: int) -> Pace:
    """The pace that all threads of this process keep together."""
    with _SHARING:
        return _SHARED.setdefault(requests_per_minute, Pace(requests_per_minute))
