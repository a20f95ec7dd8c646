"""The sparse way: a mask's runs out of its inflated rows, without un-filtering the pixels that do not change."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from labelsnap.masks.decoding import encode, unfilter
from labelsnap.masks.decoding.inflate import inflate
from labelsnap.masks.decoding.pixels import Pixels
from labelsnap.masks.decoding.png import SAMPLES
from labelsnap.masks.decoding.scan import Found, too_many_changes
from labelsnap.memory import Turns
from labelsnap.records.geometry import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from labelsnap.masks.decoding.png import Limits, Png
    from labelsnap.masks.decoding.scan import Label

Number = TypeVar("Number", bound=np.number)
MODES: Final = {0: "L", 2: "RGBX", 3: "P", 4: "LA", 6: "RGBA"}  # Pillow's, of pictures of 8 bits a sample
BITS = 8
VALUES = 2**12  # distinct ones; a composite has one an instance
KEPT_COLUMNS, KEPT_EVENTS, KEPT_CHARACTERS = 2**13, 2**19, 2**20  # 10 MB a desk; masks seldom need more
GROWTH = 8
RUN_CHARACTERS = 2 * encode.NUMBER_BYTES


class Desk:
    """Working memory, kept from picture to picture: the pages of new memory cost more than the work in it.

    What a picture needs above that is taken for it alone.
    """

    def __init__(self) -> None:
        self.keys, self.numbers = np.empty(unfilter.SLOTS, np.int64), np.empty(unfilter.SLOTS, np.int32)
        self.values, self.uses = np.empty(VALUES, np.uint32), np.empty(VALUES, np.int64)
        self.row = np.empty(KEPT_COLUMNS, np.uint32)
        self.changed, self.residuals = np.empty(KEPT_COLUMNS, np.int32), np.empty(KEPT_COLUMNS, np.int32)
        self.columns = np.empty(KEPT_COLUMNS, np.int64)
        self.events, self.ordered = np.empty(KEPT_EVENTS, np.int64), np.empty(KEPT_EVENTS, np.int64)
        self.characters = np.empty(KEPT_CHARACTERS, np.uint8)


class Desks:
    """Desks for those threads that have a turn; one is made when there are too few, and is ``left`` to the next."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.left: list[Desk] = []

    @contextmanager
    def one(self) -> Iterator[Desk]:
        """Sit at a desk, once it is this thread's turn."""
        with self.turns.one():
            try:
                desk = self.left.pop()
            except IndexError:
                desk = Desk()
            try:
                yield desk
            finally:
                self.left.append(desk)


DESKS: Final = Desks(Turns())


@dataclass(frozen=True, slots=True)
class Events:
    """Where columns begin and change, row after row, as ``unfilter.find_events`` packs it; valid while its desk is had.

    ``columns`` has the number of each column's events, ``values`` the pixel values by their numbers, ``uses`` how many
    events each value has.
    """

    packed: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.uint32]
    uses: NDArray[np.int64]


def is_for_sparse(png: Png) -> bool:
    """Tell whether this way may read a picture: one of 8 bits a sample, not interlaced, and not too large for it."""
    small = max(png.height, png.width) <= unfilter.FIELD and png.height * png.width <= encode.MAX_PIXELS
    return png.bit_depth == BITS and not png.interlaced and small


def find_runs_sparse(png: Png, label: Label, instances: int, limits: Limits) -> Found | None:
    """Do what ``find_runs`` does, for a picture that ``is_for_sparse``; None where it has 4,096 distinct values.

    Raises MaskError.
    """
    with DESKS.one() as desk:
        events = _find_events(desk, png, limits)
        if events is None:
            return None
        pixels = Pixels(MODES[png.colour_type], events.values, png.palette)
        labels = label(pixels)
        return Found(_encode(desk, png, events, labels, instances), pixels.choose(labels < 0))


def _find_events(desk: Desk, png: Png, limits: Limits) -> Events | None:
    rows = np.frombuffer(inflate(png), np.uint8)
    row, columns = _take(desk.row, png.width), _take(desk.columns, png.width)
    # one column more: a pixel's second and third byte are written behind its first, and then are not counted
    changed, residuals = _take(desk.changed, png.width + 1), _take(desk.residuals, png.width + 1)
    numbering = desk.keys, desk.numbers, desk.values, desk.uses
    most = limits.changes + 2 * png.width  # of all rows but the first, and room for one row more
    events = _take(desk.events, min(KEPT_EVENTS, most))
    while True:
        count, known = unfilter.find_events(
            rows, png.height, SAMPLES[png.colour_type], row, changed, residuals, *numbering, columns, events
        )
        if count != unfilter.TOO_MANY_EVENTS or events.size == most:
            break
        events = np.empty(min(most, GROWTH * events.size), np.int64)
    if count == unfilter.TOO_MANY_VALUES:
        return None
    if count == unfilter.TOO_MANY_EVENTS or count - png.width > limits.changes:
        raise too_many_changes(limits)
    return Events(events[:count], columns, desk.values[:known], desk.uses[:known])


def _encode(
    desk: Desk, png: Png, events: Events, labels: NDArray[np.signedinteger], instances: int
) -> tuple[Runs | None, ...]:
    """Return each instance's runs, None where it has no pixel."""
    labels = labels.astype(np.int32)  # the narrowest type that holds them may not hold one more
    most = np.bincount(labels + 1, events.uses, instances + 1)[1:].astype(np.int64)  # runs: an event begins one at most
    ends = (RUN_CHARACTERS * (most + 1)).cumsum()
    table = np.zeros((instances, encode.FIELDS), np.int64)
    table[1:, encode.CURSOR] = ends[:-1]
    characters = _take(desk.characters, int(ends[-1]) if instances else 0)
    ordered = _take(desk.ordered, events.packed.size)
    encode.order_events(events.packed, events.columns, ordered)
    encode.encode_instances(ordered, labels, png.height, png.width, table, characters)
    starts = [0, *ends[:-1].tolist()]
    return tuple(
        None
        if not area
        else Runs(png.height, png.width, characters[start:end].tobytes(), area, (x, y, right - x, bottom - y))
        for start, (end, *_, area, x, y, right, bottom) in zip(starts, table.tolist(), strict=False)
    )


def _take(kept: NDArray[Number], size: int) -> NDArray[Number]:
    """Return so much of a buffer, or new memory where the buffer is smaller."""
    return kept[:size] if size <= kept.size else np.empty(size, kept.dtype)
