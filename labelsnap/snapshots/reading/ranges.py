"""Ranges of objects, read by few requests: neighbours come together, and requests go side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.storage import ObjectStore

READ_BYTES: Final = 4 << 20  # neighbours in an object are read at once up to this size
GAP_BYTES: Final = 64 << 10  # and over what lies between them up to this size
PARALLEL: Final = 16


class Range(Protocol):
    """``size`` bytes of an object from ``offset`` (None: 0): a part of a joined file, or a file in a pack."""

    @property
    def key(self) -> str:
        """The object's."""

    @property
    def offset(self) -> int | None:
        """Where it begins."""

    @property
    def size(self) -> int:
        """How many bytes it has."""


R = TypeVar("R", bound=Range)


@dataclass(frozen=True, slots=True)
class Run(Generic[R]):
    """Neighbouring ranges of one object, in the order of their offsets, to be read by one request."""

    key: str
    offset: int
    length: int
    members: tuple[R, ...]

    def read(self, store: ObjectStore) -> Iterator[tuple[R, bytes | None]]:
        """Give each range with its bytes, unchecked, fewer where the object ends; None: there is none."""
        body = store.get(self.key, offset=self.offset, length=self.length) if self.length else b""
        for each in self.members:
            start = (each.offset or 0) - self.offset
            yield each, None if body is None else body[start : start + each.size]


def merged(ranges: Iterable[R]) -> Iterator[Run[R]]:
    """Group ranges into reads of neighbours."""
    ordered = sorted(ranges, key=lambda each: (each.key, each.offset or 0))
    for key, of_object in groupby(ordered, key=lambda each: each.key):
        members: list[R] = []
        start = end = 0
        for each in of_object:
            offset = each.offset or 0
            longest = max(end, offset + each.size) - start
            if members and (offset - end > GAP_BYTES or longest > READ_BYTES):
                yield Run(key, start, end - start, tuple(members))
                members = []
            if not members:
                start = end = offset
            members.append(each)
            end = max(end, offset + each.size)
        yield Run(key, start, end - start, tuple(members))


def read_ranges(store: ObjectStore, ranges: Iterable[R]) -> list[tuple[R, bytes | None]]:
    """Read ranges like ``Run.read``, in no order; all of them are held."""
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="ranges") as pool:
        return [each for run in pool.map(lambda run: [*run.read(store)], merged(ranges)) for each in run]
