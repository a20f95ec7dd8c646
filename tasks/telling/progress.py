"""How far a run is, told to whoever listens in this process: the command line draws bars from it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Stage = Literal["windows", "export", "chunks", "rows", "files", "gate", "gc"]
"""Windows of a backfill, per cent of the export, bytes of its chunks, rows of buckets, parts of formats, and objects
that are read back and deleted."""

Item = TypeVar("Item")


Listener: TypeAlias = "Callable[[Stage, int, int], None]"
"""Takes a stage, how much of it is done, and the whole: per cent, bytes, rows, or files."""

_listeners: list[Listener] = []


def report(stage: Stage, done: int, total: int) -> None:
    """Tell every listener; without one this costs nothing."""
    for listener in _listeners:
        listener(stage, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call ``listener`` for every report, from any thread, while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def counted(
    stage: Stage, items: Iterable[Item], total: int, size: Callable[[Item], int] = lambda _: 1
) -> Iterator[Item]:
    """The items, each reported with its size as it passes."""
    done = 0
    report(stage, done, total)
    for item in items:
        done += size(item)
        report(stage, done, total)
        yield item
