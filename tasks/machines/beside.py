"""Few calls side by side that wait for a server each, in threads that know the run of who starts them.

``beside`` is for those whose answers the work itself needs; ``Later`` for writes that it goes on without.
"""

from __future__ import annotations

import time
from concurrent.futures import wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from labelsnap.apart import apart
from labelsnap.errors import StorageOutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

Answer = TypeVar("Answer")

PAUSES: Final = (2.0, 10.0)
"""Seconds until a call of which no answer came is made again, as tasks are."""


class Start(Protocol):
    """Starts a call in a thread of its own."""

    def __call__(self, call: Callable[[], Answer]) -> Future[Answer]:
        """What will come of the call."""


@contextmanager
def beside() -> Iterator[Start]:
    """Give what starts calls; the block ends when all of them have ended, whatever came of them.

    A process that is told to end, or a run that is cancelled, waits for none of them.
    """
    started: list[Future[Any]] = []

    def start(call: Callable[[], Answer]) -> Future[Answer]:
        future = started_beside(call)
        started.append(future)
        return future

    try:
        yield start
    except Exception:
        wait(started)
        raise
    wait(started)


@dataclass(eq=False, slots=True)
class _Begun:
    """A call that was begun, what will come of it, and whether somebody was told that it failed."""

    call: Callable[[], Any]
    future: Future[Any]
    told: bool = False


class Later:
    """Calls that are begun, and whose end somebody waits for later; threads may share it.

    One of which no answer came is made again, after so many seconds (``pauses``), and has to be harmless then.
    """

    def __init__(self, pauses: tuple[float, ...] = PAUSES) -> None:
        self._begun: list[_Begun] = []
        self._lock = Lock()
        self._pauses = pauses

    def begin(self, call: Callable[[], Answer]) -> Future[Answer]:
        """What will come of a call that is made beside the work."""
        each = partial(_made, call, self._pauses)
        future = started_beside(each)
        with self._lock:
            self._begun.append(_Begun(each, future))
        return future

    def settle(self) -> None:
        """Return when all that was begun is done, whoever began it. Raises what one of them raised.

        What one was told of before is made again.
        """
        with self._lock:
            begun = list(self._begun)
            for each in begun:
                if each.told:
                    each.future, each.told = started_beside(each.call), False
            waiting = [(each, each.future) for each in begun]
        wait([future for _, future in waiting])
        failed = {each: error for each, future in waiting if (error := future.exception()) is not None}
        done = {each for each, _ in waiting if each not in failed}
        with self._lock:
            self._begun = [each for each in self._begun if each not in done]
            for each in failed:
                each.told = True
        for error in failed.values():
            raise error

    def rest(self) -> None:
        """Return when all that was begun has ended, whatever came of it."""
        with self._lock:
            begun = [each.future for each in self._begun]
        wait(begun)


def _made(call: Callable[[], Answer], pauses: tuple[float, ...]) -> Answer:
    for pause in pauses:
        try:
            return call()
        except StorageOutcomeUnknownError:
            time.sleep(pause)
    return call()


def started_beside(call: Callable[[], Answer]) -> Future[Answer]:
    """What will come of a call that knows the run, in a thread that the end of the process does not wait for."""
    return apart(partial(copy_context().run, call), "beside")
