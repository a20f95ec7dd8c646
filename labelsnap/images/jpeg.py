"""JPEG (ITU T.81), and the first picture of a multi-picture JPEG (MPO): segments up to the end of its image."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.images.exif import PREFIX, read_exif
from labelsnap.images.files import BLOCK, CrowdedError, Edit, Found, ImageDamagedError, check_blocks, read_at, shifted
from labelsnap.images.xmp import read_xmp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""In compressed pixels: neither a stuffed 0xFF nor a restart."""
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_ALONE: Final = frozenset({0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
"""Markers that no length follows."""
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_SEGMENTS: Final = 65_536
_EXIF_SEGMENTS: Final = 256
"""So many hold as much metadata as is read of any other container."""


class _Segment(NamedTuple):
    """A marker (its second byte) and where the payload after its length begins and ends."""

    marker: int
    start: int
    end: int


def is_whole(file: IO[bytes]) -> bool | None:
    """Tell whether an end follows the scans of the image; None where none does: then only decoding tells."""
    scans = 0
    for segment in _segments(file):
        scans += segment.marker == _SCAN
        if scans and segment.marker == _END:
            return True
    return None if scans else False


def orientation(file: IO[bytes]) -> Found:
    """Read every APP1 before the first scan; several of EXIF are one block, as for Pillow, and each its own as well.

    One with more orientations than a block may have is blanked.
    """
    blocks: list[tuple[_Segment, bytes]] = []
    of_xmp: int | None = None
    edits: set[Edit] = set()
    changed = 0
    for segment in _before_scan(file):
        if segment.marker != _APP1:
            continue
        payload = read_at(file, segment.start, segment.end - segment.start)
        packet = _packet(payload)
        changed += bool(packet.edits)
        check_blocks(changed)
        edits |= set(shifted(packet.edits, segment.start))
        if payload.startswith(_XMP):
            of_xmp = packet.orientation
        elif payload.startswith(PREFIX):
            blocks.append((segment, payload))
    joined = _joined([segment for segment, _ in blocks], [payload for _, payload in blocks])
    seen = of_xmp if joined.orientation is None else joined.orientation
    return Found(seen, tuple(sorted(edits | set(joined.edits))))


def held(file: IO[bytes]) -> int:
    """Return what readers keep of the segments before the first scan, in bytes: each, and copies that are joined."""
    return 3 * sum(segment.end - segment.start for segment in _before_scan(file))


def _before_scan(file: IO[bytes]) -> Iterator[_Segment]:
    """Yield the segments before the first scan. Raises ``ImageDamagedError`` for more EXIF than readers can join."""
    of_exif = 0
    for segment in takewhile(lambda segment: segment.marker != _SCAN, _segments(file)):
        of_exif += segment.marker == _APP1 and read_at(file, segment.start, len(PREFIX)) == PREFIX
        if of_exif > _EXIF_SEGMENTS:
            raise ImageDamagedError(f"it has more than {_EXIF_SEGMENTS} segments of EXIF")
        yield segment


def _joined(segments: Sequence[_Segment], payloads: Sequence[bytes]) -> Found:
    """Read segments of EXIF as one block; where it is none, all of them are blanked."""
    tails = [payloads[index][len(PREFIX) if index else 0 :] for index in range(len(payloads))]
    try:
        found = read_exif(b"".join(tails))
    except ImageDamagedError:
        blank = [Edit(start, end, bytes(end - start)) for _, start, end in segments]
        return Found(None, tuple(blank))
    starts = list(accumulate(map(len, tails), initial=0))

    def placed(position: int) -> int:
        index = bisect_right(starts, position) - 1
        return segments[index].end - (starts[index + 1] - position)

    edits = [
        Edit(placed(start + index), placed(start + index) + 1, content[index : index + 1])
        for start, _, content in found.edits
        for index in range(len(content))
    ]
    return Found(found.orientation, tuple(edits))


def _packet(payload: bytes) -> Found:
    """Read an APP1 by itself; one that has too many orientations is blanked."""
    try:
        return read_xmp(payload) if payload.startswith(_XMP) else _alone(payload)
    except CrowdedError:
        return Found(None, (Edit(0, len(payload), bytes(len(payload))),))


def _alone(payload: bytes) -> Found:
    """Read a segment as a block of its own, whatever it calls itself; nothing where it is none.

    Raises ``CrowdedError``.
    """
    try:
        found = read_exif(payload[len(PREFIX) :])
    except CrowdedError:
        raise
    except ImageDamagedError:
        return Found()
    return Found(None, shifted(found.edits, len(PREFIX)))


def _segments(file: IO[bytes]) -> Iterator[_Segment]:
    """Yield the segments from the image's start to its end, or to the file's.

    Bytes that are no marker are passed over, as libjpeg does. Raises ``ImageDamagedError`` for more segments than an
    image can need, and for a length that is none.
    """
    position, scanned = 2, False
    for _ in range(_SEGMENTS):
        place = _next_marker(file, position)
        if place is None:
            return
        marker = read_at(file, place + 1, 1)[0]
        position = place + 2
        if marker in _ALONE:
            yield _Segment(marker, position, position)
            if marker == _END and scanned:
                return
            continue
        head = read_at(file, position, 2)
        length = int.from_bytes(head)
        end = position + length
        if len(head) < len(b"\0\0") or not read_at(file, end - 1, 1):
            return
        if length < len(head):
            raise ImageDamagedError(f"a segment at {place} has no length")
        yield _Segment(marker, position + 2, end)
        scanned |= marker == _SCAN
        position = end
    raise ImageDamagedError(f"it has more than {_SEGMENTS} segments")


def _next_marker(file: IO[bytes], position: int) -> int | None:
    """Find where the next marker begins; None where none does."""
    size = 64  # between segments the marker is the next byte
    while True:
        block = read_at(file, position, size)
        if match := _MARKER.search(block):
            return position + match.start()
        if len(block) < size:
            return None
        position += size - 1
        size = min(4 * size, BLOCK)
