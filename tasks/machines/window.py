"""Windowed submission: the next item is handed out only when one of the running ones is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from prefect.futures import as_completed

from tasks.run.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prefect.futures import PrefectFuture

Item = TypeVar("Item")
Receipt = TypeVar("Receipt")


def windowed(submit: Callable[[Item], PrefectFuture[Receipt]], items: Iterable[Item], window: int) -> Iterator[Receipt]:
    """Submit items while fewer than ``window`` are pending; yield receipts as they come.

    A failure raises, as does a run that is not wanted any more.
    """
    pending: list[PrefectFuture[Receipt]] = []
    wanted = Wanted()
    for item in items:
        wanted.check()
        pending.append(submit(item))
        if len(pending) >= window:
            yield _next(pending)
    while pending:
        yield _next(pending)


def _next(pending: list[PrefectFuture[Receipt]]) -> Receipt:
    done = next(as_completed(pending))
    pending.remove(done)
    return done.result()
