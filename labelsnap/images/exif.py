"""The orientation in a TIFF directory, as EXIF and TIFF files have it (TIFF 6.0, EXIF 2.3).

An entry is read as Pillow reads it where it is a whole number, else as OpenCV does, which takes the first 16 bits of
the value for the orientation whatever the type. Of several entries the first counts; all of them are set to 1.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.images.files import Edit, Found, ImageDamagedError, few, shifted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ORIENTATION: Final = 274
PREFIX: Final = b"Exif\0\0"
TURNING: Final = range(2, 9)
"""The orientations by which readers turn or flip."""
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">", b"II\0*": "<", b"MM*\0": ">"}
"""Beginnings of a TIFF structure, the misspelt ones that Pillow takes among them, and their byte orders."""
_HEADER: Final = 8
_SHORT: Final = 3
_NUMBERS: Final = {_SHORT: "H", 4: "L", 8: "h", 9: "l", 13: "L", 16: "Q"}
"""Types of entries that are whole numbers, as ``struct`` names them."""


class Entry(NamedTuple):
    """An entry of a directory: ``field`` holds its ``values``, or where they lie; ``start`` is where it begins."""

    tag: int
    kind: int
    values: int
    field: bytes
    start: int


def entry_size(*, big: bool) -> int:
    """Return the bytes of an entry, in BigTIFF or not."""
    return 20 if big else 12


def entries(block: bytes, order: str, *, big: bool = False) -> Iterator[Entry]:
    """Yield the whole entries that a block of bytes begins with; ``start`` counts from the block's beginning."""
    layout = struct.Struct(f"{order}HHQ8s" if big else f"{order}HHL4s")
    for start in range(0, len(block) - layout.size + 1, layout.size):
        yield Entry._make((*layout.unpack_from(block, start), start))


def read_entries(found: Iterable[Entry], order: str, *, big: bool = False) -> Found:
    """Read the orientation from a directory's entries. Raises ``CrowdedError``."""
    upright = struct.pack(f"{order}HHQH6x" if big else f"{order}HHLH2x", ORIENTATION, _SHORT, 1, 1)
    own = [entry for entry in found if entry.tag == ORIENTATION]
    turning = (
        entry.start for entry in own if _value(entry, order) in TURNING or entry.kind != _SHORT or entry.values != 1
    )
    edits = few(Edit(start, start + len(upright), upright) for start in turning)
    return Found(_value(own[0], order) if own else None, edits)


def read_exif(data: bytes) -> Found:
    """Read a block of EXIF, with or without ``Exif`` before it. Raises ``ImageDamagedError`` where it is none."""
    begin = 0
    for _ in range(2):
        begin += len(PREFIX) * data.startswith(PREFIX, begin)
    if begin == len(data):
        return Found()
    order = _ORDERS.get(data[begin : begin + 4])
    if order is None or len(data) < begin + _HEADER:
        raise ImageDamagedError("its EXIF has no header")
    directory = begin + struct.unpack_from(f"{order}L", data, begin + 4)[0]
    if directory + 2 > len(data):
        return Found()
    (count,) = struct.unpack_from(f"{order}H", data, directory)
    start = directory + 2
    block = data[start : start + count * entry_size(big=False)]
    found = read_entries(entries(block, order), order)
    return found._replace(edits=shifted(found.edits, start))


def _value(entry: Entry, order: str) -> int:
    """Return an entry's orientation, 1 for what none stands for."""
    kind = f"{order}{_NUMBERS.get(entry.kind, 'H')}"
    if struct.calcsize(kind) > len(entry.field):
        return 1
    value: int = struct.unpack_from(kind, entry.field)[0]
    return value if value in TURNING else 1
