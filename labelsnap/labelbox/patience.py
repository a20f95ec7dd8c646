"""The one policy for what Labelbox refuses now and allows later: it is asked again until a deadline, and that is said.

======================  ========================================================================
code                    what may pass
======================  ========================================================================
``labelbox_limit``      too many requests, or too many running exports
``labelbox_unreachable``  no connection, none that lasts, or no answer in time
``labelbox_failing``    Labelbox's own failure: HTTP's 5xx, 408 and 425, an internal error
``labelbox_answer``     an answer that is no JSON, or of which the SDK can make nothing
``export_not_found``    an export task that is not among the user's tasks (yet, or for a moment)
``export_not_listed``   an export that may have been started, its answer having been lost
======================  ========================================================================
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from labelsnap.labelbox.retry import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from labelsnap.errors import LabelboxError

Answer = TypeVar("Answer")

WAITED_OUT: Final = frozenset(
    {
        "labelbox_limit",
        "labelbox_unreachable",
        "labelbox_failing",
        "labelbox_answer",
        "export_not_found",
        "export_not_listed",
    }
)
"""The codes of what was waited for as long as it is worth waiting: whoever asks again at once waits as long again."""

log = logging.getLogger(__name__)


class HiccupError(Exception):
    """What the next attempt may not meet. ``error`` is what is raised when it lasts too long.

    ``wait`` is what Labelbox asked for, in seconds; ``undone`` says that nothing can have been done by the request.
    """

    def __init__(self, error: LabelboxError, *, wait: float | None = None, undone: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait
        self.undone = undone


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: for a place among running exports, for one question, and until a task is listed.

    ``listing`` is how long after a lost answer an export that was started may be missing from the user's tasks.
    """

    place: float = 7200
    question: float = 300
    listing: float = 10
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = log.warning

    def outlast(
        self, ask: Callable[[], Answer], *, whole: float | None = None, lasting: Container[str] = frozenset()
    ) -> Answer:
        """What ``ask`` gives once it raises no ``HiccupError``; raises the hiccup's error when that takes too long.

        ``whole`` is for how many seconds at most, by default those of one question. A hiccup whose code is not in
        ``lasting`` is waited out no longer than one question's time from when it began.
        """
        begun = since = self.clock()
        ends = begun + (self.question if whole is None else whole)
        code, attempt = "", 0
        while True:
            try:
                return ask()
            except HiccupError as hiccup:
                error, now = hiccup.error, self.clock()
                if error.code != code:
                    code, attempt, since = error.code, 0, now
                attempt += 1
                left = (ends if code in lasting else min(ends, since + self.question)) - now
                if left <= 0:
                    raise type(error)(
                        f"{error.message} It was waited for {now - begun:.0f} seconds.",
                        remedy=error.remedy,
                        code=code,
                    ) from None
                pause = min(max(self.backoff.delay(attempt), self._asked_for(hiccup)), left)
                if attempt & (attempt - 1) == 0:  # the first, second, fourth … time: an outage fills no log
                    self.say(f"{error.message} Asked again in {pause:.1f} seconds, and for {left:.0f} at most.")
            self.sleep(pause)

    def _asked_for(self, hiccup: HiccupError) -> float:
        return min(hiccup.wait or 0.0, self.backoff.longest_retry_after)


DEFAULT: Final = Patience()
