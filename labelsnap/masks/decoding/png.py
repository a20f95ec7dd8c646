"""PNG bytes, checked chunk by chunk before any memory is taken for pixels.

The format: W3C, Portable Network Graphics (PNG) Specification, Third Edition.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, TypeAlias

import deflate
import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.memory import MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from labelsnap.memory import Budget

Body: TypeAlias = bytes | mmap
"""A PNG's bytes, in memory or in a file that is mapped."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BIT_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}  # by colour type
PALETTE = 3  # the colour type of pictures whose pixels are indexes into PLTE
READ = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # other ancillary chunks have no influence on a mask
ANCILLARY = 0x20  # bit 5 of a chunk name's first byte
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by colour type
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
OPAQUE = 0xFF
MOST_CHUNKS = 1 << 16  # with the 8 KiB that libpng writes at a time, these are half a GiB


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one PNG may cost: its pixels, a side's pixels, its file's bytes, and how often its columns change.

    A column of a mask changes a few times; in a photograph or in noise, which are no masks, nearly every pixel differs
    from the one above. ``memory`` is the budget that it is decoded in.
    """

    pixels: int = 200_000_000
    side: int = 1_000_000
    bytes: int = 128 * 2**20
    changes: int = 20_000_000
    memory: Budget = MEMORY


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG whose header, chunks and checksums are sound: what its pixels are made of, still compressed.

    ``palette`` has the colours that a palette picture's indexes stand for, red in the lowest byte and alpha in the
    highest; ``pieces`` are the zlib stream, in the chunks IDAT that it is cut into.
    """

    height: int
    width: int
    bit_depth: int
    colour_type: int
    interlaced: bool
    palette: NDArray[np.uint32]
    pieces: tuple[memoryview, ...]

    @property
    def data(self) -> bytes:
        """The zlib stream whole, of ``data_bytes``."""
        return b"".join(self.pieces)

    @property
    def data_bytes(self) -> int:
        """The bytes of the zlib stream."""
        return sum(map(len, self.pieces))

    @property
    def passes(self) -> tuple[tuple[int, int], ...]:
        """(rows, bytes a row, its filter type included) of each pass that has pixels: one, or up to seven of Adam7."""
        bits = SAMPLES[self.colour_type] * self.bit_depth
        if not self.interlaced:
            return ((self.height, 1 + -(-self.width * bits // 8)),)
        sizes = ((-(-(self.height - y) // down), -(-(self.width - x) // right)) for x, y, right, down in ADAM7)
        return tuple((rows, 1 + -(-columns * bits // 8)) for rows, columns in sizes if rows > 0 and columns > 0)

    @property
    def row_bytes(self) -> int:
        """The bytes of all its inflated rows."""
        return sum(rows * row_bytes for rows, row_bytes in self.passes)


def check_png(data: Body) -> None:
    """Check that bytes are one whole PNG, by its header and every chunk's checksum. Raises MaskError."""
    read_size(data)
    for _ in iterate_chunks(data):
        pass


def read_png(png: Body, *, size: tuple[int, int] | None = None, limits: Limits = DEFAULT_LIMITS) -> Png:
    """Check a PNG's structure, checksums and size against ``limits``, before any memory is taken for its pixels.

    ``size`` is the (height, width) in pixels that the picture must have. Raises MaskError.
    """
    if len(png) > limits.bytes:
        raise MaskError("too_large", f"expected a PNG of at most {limits.bytes} bytes, found {len(png)}")
    height, width = read_size(png)
    if height * width > limits.pixels or max(height, width) > limits.side:
        raise MaskError(
            "too_large", f"expected at most {limits.pixels} pixels, {limits.side} a side, found {width} × {height}"
        )
    if size is not None and size != (height, width):
        raise MaskError("size_mismatch", f"expected {size[1]} × {size[0]} pixels, found {width} × {height}")
    bodies: defaultdict[bytes, list[memoryview]] = defaultdict(list)
    for name, body in iterate_chunks(png):
        if name in {b"PLTE", b"tRNS"} and bodies[b"IDAT"]:
            raise MaskError("damaged", f"expected {name!r} before IDAT, found it after")
        bodies[name].append(body)
    for name in (b"IHDR", b"PLTE", b"tRNS"):
        if len(bodies[name]) > 1:
            raise MaskError("damaged", f"expected one chunk {name!r}, found {len(bodies[name])}")
    if not bodies[b"IDAT"]:
        raise MaskError("damaged", "expected pixels in chunks IDAT, found none")
    bit_depth, colour_type, *_, interlace = png[24:29]
    colours, alphas = (b"".join(bodies[name]) for name in (b"PLTE", b"tRNS"))
    palette = _read_palette(colours, alphas) if colour_type == PALETTE else np.empty(0, np.uint32)
    return Png(height, width, bit_depth, colour_type, bool(interlace), palette, tuple(bodies[b"IDAT"]))


def read_size(png: Body) -> tuple[int, int]:
    """Return (height, width) in pixels from a PNG's first 33 bytes. Raises MaskError."""
    if png[: len(SIGNATURE)] != SIGNATURE:
        truncated = SIGNATURE.startswith(png[: len(SIGNATURE)])
        raise MaskError("truncated" if truncated else "not_a_png", f"expected a PNG, found {_kind(png)}")
    if len(png) < 33:  # noqa: PLR2004 - signature and IHDR
        raise MaskError("truncated", f"expected a PNG header of 33 bytes, found {len(png)}")
    length, name, width, height, depth, colour, compression, filtering, interlace = struct.unpack_from(
        ">I4sII5B", png, 8
    )
    if (length, name) != (13, b"IHDR") or not height or not width:
        raise MaskError("damaged", f"expected IHDR of 13 bytes first and a size, found {name!r}, {width} × {height}")
    if depth not in BIT_DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise MaskError(
            "unsupported",
            f"expected a PNG of the specification, found colour type {colour}, bit depth {depth}, compression "
            f"{compression}, filter method {filtering}, interlace method {interlace}",
        )
    return height, width


def iterate_chunks(png: Body) -> Iterator[tuple[bytes, memoryview]]:
    """Yield name and body of each chunk that makes pixels, every chunk's CRC checked. Raises MaskError."""
    start, name = len(SIGNATURE), b""
    for _ in range(MOST_CHUNKS):
        if start + 12 > len(png):
            raise MaskError("truncated", f"expected a chunk at byte {start}, found the end of the file")
        length, name = struct.unpack_from(">I4s", png, start)
        end = start + 12 + length
        if end > len(png):
            raise MaskError("truncated", f"expected the chunk {name!r} to end at byte {end}, found {len(png)} bytes")
        body = memoryview(png)[start + 4 : end - 4]
        if deflate.crc32(body) != int.from_bytes(png[end - 4 : end], "big"):
            raise MaskError("crc", f"expected the checksum of the chunk {name!r} at byte {start}, found another")
        if name in READ:
            yield name, body[4:]
        elif not name[0] & ANCILLARY:
            raise MaskError("unsupported", f"expected only PNG's own critical chunks, found {name!r}")
        if name == b"IEND":
            return
        start = end
    raise MaskError("damaged", f"expected at most {MOST_CHUNKS} chunks, found more")


def _read_palette(colours: bytes, alphas: bytes) -> NDArray[np.uint32]:
    """Return the palette of the chunks PLTE and tRNS, red in the lowest byte and alpha in the highest."""
    entries = len(colours) // 3
    if not 0 < len(colours) == 3 * entries <= 3 * 256 or len(alphas) > entries:
        raise MaskError(
            "damaged",
            f"expected a palette of 1 to 256 colours and no more alphas, found {len(colours)} and {len(alphas)} bytes",
        )
    palette = np.full((entries, 4), OPAQUE, np.uint8)
    palette[:, :3] = np.frombuffer(colours, np.uint8).reshape(-1, 3)
    palette[: len(alphas), 3] = np.frombuffer(alphas, np.uint8)
    return palette.view(np.uint32).ravel()


def _kind(data: Body) -> str:
    """Say what bytes look like that are no PNG."""
    starts = {b"\xff\xd8\xff": "a JPEG", b"GIF8": "a GIF", b"RIFF": "a WebP", b"<": "HTML or XML", b"{": "JSON"}
    first = data[: len(SIGNATURE)]
    kind = next((kind for start, kind in starts.items() if first.startswith(start)), "other data")
    return f"{kind} ({len(data)} bytes, first {first.hex() or 'none'})"
