"""Few calls side by side that wait for a server each, in threads that know the run of who starts them."""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from threading import Thread
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
        future: Future[Answer] = Future()
        started.append(future)
        Thread(target=copy_context().run, args=(_settle, future, call), name="beside", daemon=True).start()
        return future

    try:
        yield start
    except Exception:
        wait(started)
        raise
    wait(started)


def _settle(future: Future[Answer], call: Callable[[], Answer]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
        future.set_exception(error)
