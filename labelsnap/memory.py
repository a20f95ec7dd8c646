"""Memory as a budget: what is decoded says first how much it needs, and waits until that is free.

There is one budget a process, for all its threads. A thread has at most one claim at a time, and holds nothing while
it waits, so that no two can wait for each other. Claims are met in the order in which they came: a large one is not
passed by small ones. A child that is forked begins with the whole budget, but for what the thread that forked holds.

Work that takes a core is done by turns: each of more threads than there are cores would hold memory, and gain nothing.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")

BLOCK: Final = 1 << 19
"""Bytes of a longer file or body that are held at a time.

A buffer of twice as many has pages of its own, which the system makes anew each time (see ``MALLOC`` in
``flows/commands/process.py``): reading by such ones takes twice as long.
"""

SHARE: Final = 4
"""The budget is one part of so many of the memory that the process may use."""
LEAST: Final = 256 << 20
"""No budget is smaller, in bytes: an ordinary image needs some of it."""
ROOT: Final = Path("/")
_NUMBER: Final = 20
"""Digits of a limit, at most."""


class BeyondBudgetError(ValueError):
    """A claim is larger than the whole budget; ``needed`` and ``budget`` are bytes."""

    def __init__(self, needed: int, budget: int) -> None:
        super().__init__(
            f"decoding it takes some {needed >> 20} MiB, and all memory for that is {budget >> 20} MiB "
            "(LABELSNAP_MEMORY_BYTES)"
        )
        self.needed, self.budget = needed, budget


_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""What the C library of Linux (glibc) has for it."""
_ALL: Final[WeakSet[Budget | Turns]] = WeakSet()


class Budget:
    """So many bytes, for which the threads of a process take turns."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._own = threading.local()
        self._begin()
        _ALL.add(self)

    def _begin(self) -> None:
        """Begin with what this thread holds: in a child that is forked it is the only one."""
        self._taken: int = getattr(self._own, "held", 0)
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def taken(self) -> int:
        """The bytes that are claimed at the moment."""
        return self._taken

    @contextmanager
    def claim(self, size: int) -> Iterator[None]:
        """Hold ``size`` bytes of the budget, once they are free and whoever came before has had its turn.

        Raises BeyondBudgetError, without waiting, for more than the whole budget; RuntimeError for a second claim of
        one thread.
        """
        if size > self.size:
            raise BeyondBudgetError(size, self.size)
        if hasattr(self._own, "held"):
            raise RuntimeError("expected one claim of a thread at a time, found a second")
        self._take(size)
        self._own.held = size
        try:
            yield
        finally:
            del self._own.held
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    def _take(self, size: int) -> None:
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is turn and self._taken + size <= self.size)
                self._taken += size
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()


class Turns:
    """So many threads of a process at once: one a core, and one more, for one may wait for the interpreter's lock.

    A thread has one turn at a time, for which it may hold a claim, and waits for neither while it has it. A child that
    is forked begins with all turns free.
    """

    def __init__(self, count: int = 1 + (os.cpu_count() or 1)) -> None:
        self.count = count
        self._begin()
        _ALL.add(self)

    def _begin(self) -> None:
        self._free = threading.Semaphore(self.count)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a turn, once there is one."""
        with self._free:
            yield


def _begin_all() -> None:
    for each in _ALL:
        each._begin()  # noqa: SLF001 - of the classes above


os.register_at_fork(after_in_child=_begin_all)


def give_back() -> None:
    """Give what this process has freed back to the system: glibc by itself does so at the end of a heap alone.

    For between two steps of which each takes much: what the next takes would else lie beside what this one has left.
    """
    if _TRIM is not None:
        _TRIM(0)


def usable_memory(root: Path = ROOT) -> int:
    """Return the bytes that this process may use: the machine's, or less where its control groups say so (v1, v2).

    ``root`` is the folder that ``proc`` and ``sys`` lie in.
    """
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    """Yield each limit of the process's control groups and of those above them, in bytes."""
    groups = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top, name = groups, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = Path(path.lstrip("/"))
        for folder in (top, *(top / each for each in (own, *own.parents))):
            told = _read(folder / name).strip()
            if told.isascii() and told.isdigit() and len(told) <= _NUMBER:
                yield int(told)


def _read(path: Path) -> str:
    """Return a file of the system, empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


DEFAULT: Final = max(LEAST, usable_memory() // SHARE)
_SHARED: Final[dict[int, Budget]] = {}


def shared_budget(size: int = DEFAULT) -> Budget:
    """Return the one budget that all threads of this process share, of so many bytes."""
    return _SHARED.setdefault(size, Budget(size))


MEMORY: Final = shared_budget()
"""The budget where no other is set."""


def held_at_once(
    items: Iterable[Item], size: Callable[[Item], int], most_bytes: int, most: int
) -> Iterator[list[Item]]:
    """Divide items, in their order: so many together at most, and bytes; one that is larger is alone."""
    some: list[Item] = []
    held = 0
    for item in items:
        more = size(item)
        if some and (len(some) == most or held + more > most_bytes):
            yield some
            some, held = [], 0
        some.append(item)
        held += more
    if some:
        yield some
