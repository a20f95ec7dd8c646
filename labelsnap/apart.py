"""A call in a thread of its own, which the end of the process does not wait for."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


def apart(call: Callable[[], Answer], name: str) -> Future[Answer]:
    """Begin a call in a thread of this name, and give what will come of it."""
    answer: Future[Answer] = Future()

    def settle() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            answer.set_exception(error)

    Thread(target=settle, name=name, daemon=True).start()
    return answer
