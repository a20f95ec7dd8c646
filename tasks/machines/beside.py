"""Few calls side by side that wait for a server each, in threads that know the run of who starts them.

``beside`` is for those whose answers the work itself needs; ``Later`` for writes that it goes on without.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answer = TypeVar("Answer")


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
        future = _started(call)
        started.append(future)
        return future

    try:
        yield start
    except Exception:
        wait(started)
        raise
    wait(started)


class Later:
    """Calls that are begun, and whose end somebody waits for later; threads may share it.

    Each may be made twice, and has to be harmless then.
    """

    def __init__(self) -> None:
        self._begun: list[tuple[Callable[[], Any], Future[Any] | None]] = []
        self._lock = Lock()

    def begin(self, call: Callable[[], Answer]) -> Future[Answer]:
        """What will come of a call that is made beside the work."""
        future = _started(call)
        with self._lock:
            self._begun.append((call, future))
        return future

    def settle(self) -> None:
        """Return when all that was begun is done. Raises what one of them raised; those are made again by the next."""
        with self._lock:
            begun, self._begun = self._begun, []
        waiting = [(call, future or _started(call)) for call, future in begun]
        wait([future for _, future in waiting])
        failed = [(call, error) for call, future in waiting if (error := future.exception()) is not None]
        with self._lock:
            self._begun += [(call, None) for call, _ in failed]
        if failed:
            raise failed[0][1]

    def rest(self) -> None:
        """Return when all that was begun has ended, whatever came of it."""
        with self._lock:
            begun = [future for _, future in self._begun if future]
        wait(begun)


def _started(call: Callable[[], Answer]) -> Future[Answer]:
    future: Future[Answer] = Future()
    Thread(target=copy_context().run, args=(_settle, future, call), name="beside", daemon=True).start()
    return future


def _settle(future: Future[Answer], call: Callable[[], Answer]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
        future.set_exception(error)
