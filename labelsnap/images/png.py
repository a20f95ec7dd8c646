"""PNG (third edition): chunks to the last; EXIF in ``eXIf``, and the texts in which readers look for it and for XMP."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.images.exif import PREFIX, read_exif
from labelsnap.images.files import (
    METADATA_BYTES,
    Edit,
    Found,
    ImageDamagedError,
    check_blocks,
    edited,
    read_at,
    read_whole,
    shifted,
    size_of,
)
from labelsnap.images.xmp import read_xmp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

_SIGNATURE: Final = 8
_FRAME: Final = 12
"""Length, type and checksum of a chunk, in bytes."""
_BIT_DEPTH: Final = 24
"""Where ``IHDR`` tells the bits of a sample."""
_CHUNKS: Final = 1 << 16
"""Chunks of a file at most: with the 8 KiB that libpng writes at a time, these are half a GiB."""
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_HEXADECIMAL: Final = frozenset({b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp"})
_XMP: Final = b"XML:com.adobe.xmp"
_MISPLACED: Final = frozenset({b"exif", b"xmp"})
"""Keywords under which Pillow takes a text for EXIF or XMP, which no writer means."""
_METADATA: Final = _HEXADECIMAL | _MISPLACED | {b"eXIf", _XMP}
"""What a block of EXIF or XMP is called: a chunk, or the keyword of a text."""
_PROFILE_LINES: Final = 3
"""An empty line, a name and a length stand before a profile's hexadecimal digits."""
_DIGITS: Final = 72
"""Digits a line, as ImageMagick writes them."""
_KEYWORD: Final = 81
"""Bytes that a keyword, the zero after it and a flag take at most."""
_DEFLATE: Final = 1032
"""Deflate makes of one byte no more than so many."""
_PILLOWS_TEXT, _PILLOWS_TEXTS = 1 << 20, 64 << 20
"""What Pillow unpacks of one chunk, and of all texts, in bytes."""
_KEPT: Final = 160
"""What Pillow takes for a chunk that it keeps beside the chunk's content, in bytes."""
_PROFILE: Final = 8
"""How often a text is there while it is read and written anew."""


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + _FRAME + self.length


class _Text(NamedTuple):
    """A text chunk's content: what stands before the text, the text (bytes), and how it is written again."""

    keyword: bytes
    head: bytes
    content: bytes
    pack: Callable[[bytes], bytes]


def is_whole(file: IO[bytes]) -> bool:
    """Tell whether the last chunk, ``IEND``, is all there; checksums are not looked at."""
    last = None
    for last in _chunks(file):  # noqa: B007 - the last one is looked at
        pass
    return last is not None and last.kind == b"IEND" and last.end <= size_of(file)


def orientation(file: IO[bytes]) -> Found:
    """Read every block of EXIF and XMP. As Pillow does, it takes ``eXIf`` first, then a profile, then XMP."""
    seen: dict[bytes, int | None] = {}
    edits: list[Edit] = []
    blocks = 0
    size = size_of(file)
    for chunk in _chunks(file):
        if chunk.end > size:
            raise ImageDamagedError(f"the chunk at {chunk.start} is not all there")
        if chunk.kind == b"eXIf":
            name, found = b"eXIf", _exif(file, chunk)
        elif chunk.kind in _TEXTS:
            name, found = _text(file, chunk)
        else:
            continue
        blocks += name in _METADATA
        check_blocks(blocks)
        if found.orientation is not None:
            seen[name] = found.orientation
        edits += found.edits
    order = (b"eXIf", b"Raw profile type exif", b"Raw profile type APP1", _XMP)
    return Found(next((seen[name] for name in order if name in seen), None), tuple(edits))


def held(file: IO[bytes]) -> int:
    """Return what readers take for its chunks, in bytes.

    Pillow reads chunk after chunk to check them, which takes a chunk twice; it keeps those that are no pixels, and what
    compressed ones hold within its own limits. Here one text is read after another.
    """
    size, largest, kept, unpacked, text = size_of(file), 0, 0, 0, 0
    for chunk in _chunks(file):
        length = min(chunk.length, size)
        largest = max(largest, length)
        if chunk.kind == b"IDAT":
            continue
        kept += length + _KEPT
        factor = _DEFLATE if _is_compressed(file, chunk) else 1
        if factor > 1:
            unpacked += min(factor * length, _PILLOWS_TEXT)
        if chunk.kind in _TEXTS:
            text = max(text, min(factor * length, METADATA_BYTES))
    return 2 * largest + kept + 2 * min(unpacked, _PILLOWS_TEXTS) + _PROFILE * text


def _is_compressed(file: IO[bytes], chunk: _Chunk) -> bool:
    """Tell whether a chunk's content is compressed; of ``iTXt`` a flag after the keyword does."""
    if chunk.kind != b"iTXt":
        return chunk.kind in {b"zTXt", b"iCCP"}
    head = read_at(file, chunk.start + 8, min(chunk.length, _KEYWORD))
    return not head.partition(b"\0")[2].startswith(b"\0")


def bits(file: IO[bytes]) -> int:
    """Return how many bits a sample has."""
    return read_whole(file, _BIT_DEPTH, 1)[0]


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """Yield the chunks up to ``IEND`` whose headers are there. Raises ``ImageDamagedError`` for too many of them."""
    position = _SIGNATURE
    for _ in range(_CHUNKS):
        head = read_at(file, position, 8)
        if len(head) < len(b"LLLLTYPE"):
            return
        length, kind = struct.unpack(">L4s", head)
        chunk = _Chunk(kind, position, length)
        yield chunk
        if kind == b"IEND":
            return
        position = chunk.end
    raise ImageDamagedError(f"it has more than {_CHUNKS} chunks")


def _written(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def _without(chunk: _Chunk) -> Found:
    return Found(None, (Edit(chunk.start, chunk.end, b""),))


def _content(file: IO[bytes], chunk: _Chunk) -> bytes | None:
    """Return what a chunk holds; None where that is too much to be read."""
    return read_at(file, chunk.start + 8, chunk.length) if chunk.length <= METADATA_BYTES else None


def _exif(file: IO[bytes], chunk: _Chunk) -> Found:
    content = _content(file, chunk)
    if content is None:
        return _without(chunk)
    try:
        found = read_exif(PREFIX + content)
    except ImageDamagedError:
        return _without(chunk)
    return _rewritten(chunk, found, lambda: edited(content, shifted(found.edits, -len(PREFIX))))


def _rewritten(chunk: _Chunk, found: Found, content: Callable[[], bytes]) -> Found:
    """Return what was found, with one edit for the whole chunk where there is anything to change."""
    if not found.edits:
        return found
    return Found(found.orientation, (Edit(chunk.start, chunk.end, _written(chunk.kind, content())),))


def _text(file: IO[bytes], chunk: _Chunk) -> tuple[bytes, Found]:
    """Read a text chunk that readers take for EXIF or XMP: its keyword, and what was found there."""
    keyword = read_at(file, chunk.start + 8, min(chunk.length, _KEYWORD)).partition(b"\0")[0]
    if keyword in _MISPLACED:
        return keyword, _without(chunk)
    if keyword not in _HEXADECIMAL and keyword != _XMP:
        return keyword, Found()
    content = _content(file, chunk)
    text = None if content is None else _unpacked(chunk.kind, keyword, content)
    if text is None:
        return keyword, _without(chunk)
    try:
        found, new = _read_profile(text.content) if keyword in _HEXADECIMAL else _read_packet(text.content)
    except ImageDamagedError:
        return keyword, _without(chunk)
    return keyword, _rewritten(chunk, found, lambda: text.head + text.pack(new))


def _unpacked(kind: bytes, keyword: bytes, content: bytes) -> _Text | None:
    """Take a text chunk apart; None for one that cannot be read."""
    begin = len(keyword) + 1
    compressed = kind == b"zTXt"
    if kind == b"zTXt":
        begin += 1
    elif kind == b"iTXt":
        compressed = content[begin : begin + 1] != b"\0"
        parts = content[begin + 2 :].split(b"\0", 2)
        begin = len(content) - len(parts[-1]) if len(parts) == len(("language", "translated", "text")) else len(content)
    head, rest = content[:begin], content[begin:]
    if not compressed:
        return _Text(keyword, head, rest, bytes)
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(rest, METADATA_BYTES)
    except zlib.error:
        return None
    return None if inflater.unconsumed_tail else _Text(keyword, head, text, zlib.compress)


def _read_packet(text: bytes) -> tuple[Found, bytes]:
    found = read_xmp(text)
    return found, edited(text, found.edits)


def _read_profile(text: bytes) -> tuple[Found, bytes]:
    """Read a profile in hexadecimal digits; return it anew too. Raises ``ImageDamagedError`` for other text."""
    lines = text.split(b"\n", _PROFILE_LINES)
    try:
        data = bytes.fromhex(b"".join(lines[_PROFILE_LINES:]).replace(b"\n", b"").decode("ascii"))
    except ValueError:
        raise ImageDamagedError("a profile is not in hexadecimal digits") from None
    found = read_exif(data) if data.startswith(PREFIX) or not _is_xmp(data) else read_xmp(data)
    digits = edited(data, found.edits).hex().encode()
    rows = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)]
    return found, b"\n".join([*lines[:_PROFILE_LINES], *rows, b""])


def _is_xmp(data: bytes) -> bool:
    return data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<", b"http://ns.adobe.com/xap/"))
