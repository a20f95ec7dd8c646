"""How long each part of a run took."""

from __future__ import annotations

import time


class Stopwatch:
    """Seconds by part, one after another."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """End a part: its time is what has passed since the one before it ended, each time that it ends."""
        now = time.monotonic()
        self.seconds[part] = round(self.seconds.get(part, 0.0) + now - self._last, 3)
        self._last = now
