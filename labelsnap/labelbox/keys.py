"""Whether Labelbox takes the key of this machine: what costs least of all that needs it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.labelbox.client import Client

TRUSTED_FOR: Final = 60.0
"""Seconds for which a key that was taken is not asked about again."""


def check_key(client: Client) -> None:
    """Raise ``LabelboxRefusedError`` (``key_refused``) where Labelbox knows no user of the key."""
    client.asked("its own user", lambda sdk: sdk.get_user())


class KeyCheck:
    """Asks about the key where a mask was refused, by one thread for all, and not again within a minute."""

    def __init__(self, ask: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: float | None = None

    def __call__(self) -> None:
        """Return where the key is taken, so that what was refused is refused for itself; raise what asking raises."""
        with self._lock:
            now = self._clock()
            if self._taken is None or now - self._taken > TRUSTED_FOR:
                self._ask()
                self._taken = self._clock()
