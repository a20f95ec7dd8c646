"""TIFF 6.0 and BigTIFF: the first page's strips or tiles lie in the file; tag 274, and XMP under tag 700.

Of the many kinds of samples and compressions, those are supported that OpenCV reads as a colour image.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from labelsnap.images.exif import Entry, entries, entry_size, read_entries
from labelsnap.images.files import (
    METADATA_BYTES,
    CrowdedError,
    Edit,
    Found,
    ImageDamagedError,
    read_at,
    read_whole,
    shifted,
    size_of,
)
from labelsnap.images.xmp import read_xmp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_BIG: Final = b"+"
"""Stands in the header of a BigTIFF file."""
_ENTRIES: Final = 65_535
_XMP: Final = 700
_PARTS: Final = ((273, 279), (324, 325))
"""The tags that tell where the strips, or the tiles, lie, and how many bytes each has."""
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value, by the type of an entry."""
_BYTES: Final = frozenset({1, 7})
"""Types under which Pillow takes a packet of XMP for bytes; over others it stumbles."""
_NUMBERS: Final = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}
_AT_ONCE: Final = 8192
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _FORMAT = 258, 259, 262, 277, 339
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_VALUE: Final = 24
"""A number of two bytes is so many times larger in Python, where it is above 256."""
_UNCOMPRESSED: Final = 1
_READ: Final = frozenset({_UNCOMPRESSED, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946})
"""Compressions that the libtiff within OpenCV 5.0 decodes: fax, LZW, JPEG, deflate, PackBits."""
_NAMES: Final = {6: "old-style JPEG", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "zstd", 50001: "WebP"}
_INTEGERS: Final = frozenset({1, 2})
_FORMATS: Final = {3: "floating-point", 4: "untyped", 5: "complex integer", 6: "complex floating-point"}
_MOST_SAMPLES: Final = 4
_UNTOLD: Final = -1
_Samples: TypeAlias = dict[int, frozenset[int]]
"""How many samples a pixel may have, by the bits of a sample."""
_ONE, _THREE, _FOUR, _COLOURS, _ANY = map(frozenset, ({1}, {3}, {4}, {3, 4}, {1, 2, 3, 4}))
_GREY: Final[_Samples] = {1: _ONE, 8: _ANY, 16: _ANY}
_KINDS: Final[dict[int, _Samples]] = {
    0: _GREY,
    1: _GREY,
    2: {8: _COLOURS, 16: _COLOURS},
    3: {1: _ONE, 4: _ONE, 8: _ANY},
    5: {8: _FOUR},
    6: {8: _THREE},
    8: {8: _THREE, 16: _THREE},
}
"""What OpenCV 5.0 reads in three colours, by photometric interpretation."""
_KIND_NAMES: Final = {0: "grey", 1: "grey", 2: "RGB", 3: "a palette", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*"}
_READERS: Final = "OpenCV, by which Ultralytics and MMDetection read,"


class _Directory(NamedTuple):
    """The first page's entries, which ``struct``'s order they are in, and where the first of them begins."""

    order: str
    big: bool
    start: int
    entries: tuple[Entry, ...]

    def entry(self, tag: int) -> Entry | None:
        return next((entry for entry in self.entries if entry.tag == tag), None)

    def place(self, entry: Entry) -> tuple[int, int]:
        """Where an entry's value begins and ends."""
        size = entry.values * _SIZES.get(entry.kind, 0)
        field = len(entry.field)
        if size <= field:
            begin = self.start + entry.start + entry_size(big=self.big) - field
        else:
            begin = struct.unpack(self.order + ("Q" if self.big else "L"), entry.field)[0]
        return begin, begin + size


def is_whole(file: IO[bytes]) -> bool | None:
    """Tell whether all that the first page's directory points to lies in the file; None where it does not say so.

    Tables that strips or tiles are decoded with stand in tags too.
    """
    try:
        directory = _directory(file)
    except ImageDamagedError:
        return False
    size, told = size_of(file), False
    if any(directory.place(entry)[1] > size for entry in directory.entries):
        return None
    for offsets, lengths in _PARTS:
        starts, counts = directory.entry(offsets), directory.entry(lengths)
        if starts is None or counts is None:
            continue
        if not starts.values == counts.values > 0:
            return None
        pairs = zip(_values(file, directory, starts), _values(file, directory, counts), strict=True)
        if any(start + count > size for start, count in pairs):
            return None
        told = True
    return told or None


def orientation(file: IO[bytes]) -> Found:
    """Read the first page's tag, and XMP; a packet that cannot be read gets another tag."""
    directory = _directory(file)
    found = read_entries(directory.entries, directory.order, big=directory.big)
    edits = list(shifted(found.edits, directory.start))
    seen = found.orientation
    if packet := directory.entry(_XMP):
        of_xmp = _packet(file, directory, packet)
        if of_xmp is None:
            tag = directory.start + packet.start
            edits.append(Edit(tag, tag + 2, struct.pack(directory.order + "H", _XMP - 1)))
        else:
            edits += of_xmp.edits
            seen = of_xmp.orientation if seen is None else seen
    return Found(seen, tuple(edits))


def _packet(file: IO[bytes], directory: _Directory, packet: Entry) -> Found | None:
    """Read a packet of XMP where it lies in the file; None where it cannot be read."""
    start, end = directory.place(packet)
    if packet.kind not in _BYTES or end - start > METADATA_BYTES or end > size_of(file):
        return None
    try:
        found = read_xmp(read_at(file, start, end - start))
    except CrowdedError:
        return None
    return found._replace(edits=shifted(found.edits, start))


def is_compressed(file: IO[bytes]) -> bool:
    """Tell whether the first page's pixels must be decoded to know that they are sound."""
    return _numbers(file, _directory(file), _COMPRESSION, _UNCOMPRESSED)[0] != _UNCOMPRESSED


def bits(file: IO[bytes]) -> int:
    """Return how many bits the first page's widest sample has."""
    return max(_numbers(file, _directory(file), _BITS, 1))


def held(file: IO[bytes]) -> int:
    """Return what readers take for the first page's directory, in bytes: its values, and numbers as Python has them."""
    directory = _directory(file)
    values = sum(end - start for start, end in map(directory.place, directory.entries))
    return _VALUE * min(values, size_of(file))


def at_once(file: IO[bytes]) -> int:
    """Return the bytes of a tile of the first page, which may be larger than the page."""
    directory = _directory(file)
    width, length, samples = (_numbers(file, directory, tag, 1)[0] for tag in (_TILE_WIDTH, _TILE_LENGTH, _SAMPLES))
    return 2 * width * length * samples * max(_numbers(file, directory, _BITS, 1)) // 8


def unsupported(file: IO[bytes]) -> str | None:
    """Say what of the first page OpenCV does not read, and what it does; None where it reads all."""
    directory = _directory(file)
    compression, samples = (_numbers(file, directory, tag, 1)[0] for tag in (_COMPRESSION, _SAMPLES))
    photometric = _numbers(file, directory, _PHOTOMETRIC, _UNTOLD)[0]
    formats, widths = (_numbers(file, directory, tag, 1) for tag in (_FORMAT, _BITS))
    if compression not in _READ:
        found = _NAMES.get(compression, f"number {compression}")
        taken = "no compression, LZW, deflate, PackBits, JPEG and fax"
        return f"it is a TIFF compressed by {found}; {_READERS} takes {taken}"
    if not _INTEGERS.issuperset(formats):
        found = next(_FORMATS.get(each, f"number {each}") for each in formats if each not in _INTEGERS)
        return f"it is a TIFF of {found} samples; {_READERS} takes integers of 8 or 16 bits"
    read = _KINDS.get(photometric, {})
    if not all(samples in read.get(width, ()) for width in widths):
        kind = "an untold kind" if photometric == _UNTOLD else _KIND_NAMES.get(photometric, f"kind {photometric}")
        found = ", ".join(map(str, sorted(set(widths))))
        return (
            f"it is a TIFF of {kind}, {found} bits a sample, {samples} samples a pixel; {_READERS} takes grey and "
            "RGB of 8 or 16 bits, black and white of 1, palettes of 4 or 8, CMYK and YCbCr of 8, and 4 samples at most"
        )
    return None


def _numbers(file: IO[bytes], directory: _Directory, tag: int, default: int) -> tuple[int, ...]:
    """Return a tag's first numbers. Raises ``ImageDamagedError`` for other types and for a cut list."""
    entry = directory.entry(tag)
    found = () if entry is None else tuple(islice(_values(file, directory, entry), _MOST_SAMPLES))
    return found or (default,)


def _directory(file: IO[bytes]) -> _Directory:
    """Read the first page's directory. Raises ``ImageDamagedError`` where it is not all there."""
    head = read_whole(file, 0, 8)
    order = "<" if head.startswith(b"II") else ">"
    big = _BIG in head[2:4]
    if big:
        (offset,) = struct.unpack(order + "Q", read_whole(file, 8, 8))
        (count,) = struct.unpack(order + "Q", _at(file, offset, 8))
    else:
        (offset,) = struct.unpack_from(order + "L", head, 4)
        (count,) = struct.unpack(order + "H", _at(file, offset, 2))
    if count > _ENTRIES:
        raise ImageDamagedError(f"its directory has {count} entries")
    start = offset + (8 if big else 2)
    block = _at(file, start, count * entry_size(big=big))
    return _Directory(order, big, start, tuple(entries(block, order, big=big)))


def _at(file: IO[bytes], start: int, size: int) -> bytes:
    """Read just so many bytes from an offset that the file told."""
    if start + size > size_of(file):
        raise ImageDamagedError(f"{size} bytes at {start} lie outside of it")
    return read_whole(file, start, size)


def _values(file: IO[bytes], directory: _Directory, entry: Entry) -> Iterator[int]:
    """Yield an entry's numbers, some at a time. Raises ``ImageDamagedError`` for other types and for a cut list."""
    kind = _NUMBERS.get(entry.kind)
    if kind is None:
        raise ImageDamagedError(f"tag {entry.tag} holds no numbers")
    width = _SIZES[entry.kind]
    start, end = directory.place(entry)
    for place in range(start, end, _AT_ONCE * width):
        block = _at(file, place, min(_AT_ONCE * width, end - place))
        yield from struct.unpack(f"{directory.order}{len(block) // width}{kind}", block)
