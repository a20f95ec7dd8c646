"""WebP (RFC 9649): RIFF chunks to the end that its header tells, with EXIF and XMP among them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.images.exif import read_exif
from labelsnap.images.files import (
    METADATA_BYTES,
    Edit,
    Found,
    ImageDamagedError,
    check_blocks,
    read_at,
    read_whole,
    shifted,
    size_of,
)
from labelsnap.images.xmp import read_xmp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_HEADER: Final = 12
_CHUNK: Final = 8
_CHUNKS: Final = 1 << 20
_FRAME: Final = 16
"""Bytes of a frame's own header."""
_EXTENDED: Final = b"VP8X"
"""The header of a file that has more than pixels."""
_LOSSLESS: Final = b"VP8L"
_PIXELS: Final = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
_FLAGS: Final = {b"EXIF": 0x08, b"XMP ": 0x04}
"""The bits of ``VP8X`` that say that there is such a chunk."""


class _Chunk(NamedTuple):
    """``start`` is the header's; ``end`` is after the payload, before the byte that pads it to an even length."""

    kind: bytes
    start: int
    end: int

    @property
    def next(self) -> int:
        return self.end + (self.end - self.start) % 2


def is_whole(file: IO[bytes]) -> bool:
    """Tell whether the file has every byte that its header tells, and each chunk its own."""
    told, end, pixels = _told(file), 0, False
    for chunk in _chunks(file):
        end = chunk.end
        pixels = pixels or chunk.kind in _PIXELS
    return size_of(file) >= told >= end and pixels


def orientation(file: IO[bytes]) -> Found:
    """Read EXIF and XMP; Pillow heeds the first chunk of each. A chunk that cannot be read is taken out."""
    seen: dict[bytes, int | None] = {}
    edits: list[Edit] = []
    headers: list[_Chunk] = []
    removed: list[_Chunk] = []
    blocks = 0
    if not is_whole(file):
        raise ImageDamagedError("its chunks are not all there")
    for chunk in _chunks(file):
        if chunk.kind != _EXTENDED and chunk.kind not in _FLAGS:
            continue
        blocks += 1
        check_blocks(blocks)
        if chunk.kind == _EXTENDED:
            headers.append(chunk)
            continue
        found = _read(file, chunk)
        if found is None:
            removed.append(chunk)
            continue
        seen.setdefault(chunk.kind, found.orientation)
        edits += shifted(found.edits, chunk.start + _CHUNK)
    of_exif, of_xmp = seen.get(b"EXIF"), seen.get(b"XMP ")
    return Found(of_xmp if of_exif is None else of_exif, (*edits, *_without(file, headers, removed, kept=set(seen))))


def held(file: IO[bytes]) -> int:
    """Return what readers take to open it, in bytes: the whole file, and their own copy of it."""
    return 2 * size_of(file)


def is_lossless(file: IO[bytes]) -> bool:
    """Tell whether the pixels, or those of the first frame, are stored as they are."""
    for chunk in _chunks(file):
        if chunk.kind == b"ANMF":
            return read_at(file, chunk.start + _CHUNK + _FRAME, 4) == _LOSSLESS
        if chunk.kind in _PIXELS:
            return chunk.kind == _LOSSLESS
    return False


def _told(file: IO[bytes]) -> int:
    """Return where the header says that the file ends."""
    size: int = struct.unpack("<4xL4x", read_whole(file, 0, _HEADER))[0]
    return size + 8


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """Yield the chunks whose headers are there. Raises ``ImageDamagedError`` for too many of them."""
    position, end = _HEADER, min(_told(file), size_of(file))
    for _ in range(_CHUNKS):
        if position + _CHUNK > end:
            return
        kind, length = struct.unpack("<4sL", read_at(file, position, _CHUNK))
        chunk = _Chunk(kind, position, position + _CHUNK + length)
        yield chunk
        position = chunk.next
    raise ImageDamagedError(f"it has more than {_CHUNKS} chunks")


def _read(file: IO[bytes], chunk: _Chunk) -> Found | None:
    """Return what a chunk of metadata says; None where it cannot be read."""
    start = chunk.start + _CHUNK
    if chunk.end - start > METADATA_BYTES:
        return None
    content = read_at(file, start, chunk.end - start)
    try:
        return read_exif(content) if chunk.kind == b"EXIF" else read_xmp(content)
    except ImageDamagedError:
        return None


def _without(file: IO[bytes], headers: list[_Chunk], removed: list[_Chunk], kept: set[bytes]) -> Iterator[Edit]:
    """Yield what takes chunks out: they go, the header tells the new size, and flags that stand for none go too."""
    if not removed:
        return
    size = size_of(file)
    gone = sum(min(chunk.next, size) - chunk.start for chunk in removed)
    yield Edit(4, 8, struct.pack("<L", _told(file) - 8 - gone))
    cleared = sum(_FLAGS[kind] for kind in {chunk.kind for chunk in removed} - kept)
    for chunk in headers:
        place = chunk.start + _CHUNK
        flags = read_whole(file, place, 1)[0]
        yield Edit(place, place + 1, bytes([flags & ~cleared]))
    for chunk in removed:
        yield Edit(chunk.start, min(chunk.next, size), b"")
