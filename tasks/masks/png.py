"""PNG bytes, checked before any memory is taken for pixels, then decoded by Pillow.

The format: W3C, Portable Network Graphics (PNG) Specification, Third Edition.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import PngImagePlugin

from tasks.masks.errors import MaskError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BIT_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}  # by colour type
PALETTE = 3  # the colour type of pictures whose pixels are indexes into PLTE
READ = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # other ancillary chunks have no influence on a mask
ANCILLARY = 0x20  # bit 5 of a chunk name's first byte
RGB_BITS, ALPHA_SHIFT = np.uint32(0xFFFFFF), np.uint32(24)
BYTE, BYTE_BITS, GREY_TO_RGB = np.uint32(0xFF), np.uint32(8), np.uint32(0x010101)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one PNG may cost: its pixels, a side's pixels, its file's bytes, and how often its columns change.

    A column of a mask changes a few times; in a photograph or in noise, which are no masks, nearly every pixel differs
    from the one above.
    """

    pixels: int = 200_000_000
    side: int = 1_000_000
    bytes: int = 128 * 2**20
    changes: int = 20_000_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded PNG in Pillow's memory, read by rows as raw pixel values of one unsigned integer each.

    ``palette`` has the colours that the indexes of mode P stand for, as ``rgba`` gives them.
    """

    image: PngImagePlugin.PngImageFile
    height: int
    width: int
    palette: NDArray[np.uint32]

    @property
    def pixel(self) -> np.dtype[np.unsignedinteger]:
        """The raw pixel's type: L, P and 1 take one byte, LA and I;16 two, RGB and RGBA four (red in the lowest)."""
        return np.dtype({"LA": "<u2", "I;16": "<u2", "RGB": "<u4", "RGBA": "<u4"}.get(self.image.mode, "u1"))

    def words(self, top: int, bottom: int) -> NDArray[np.unsignedinteger]:
        """Rows ``top`` to ``bottom`` (exclusive) as machine words, (rows, words a row); padding is zero."""
        raw_mode = {"1": "L", "RGB": "RGBX"}.get(self.image.mode, self.image.mode)
        row_bytes = self.width * self.pixel.itemsize
        word = 4 if self.pixel.itemsize == 4 and row_bytes % 8 else 8  # noqa: PLR2004 - bytes of a pixel and a word
        stride = -(-row_bytes // word) * word
        raw = self.image.crop((0, top, self.width, bottom)).tobytes("raw", raw_mode, stride, 1)
        return np.frombuffer(raw, dtype=f"<u{word}").reshape(bottom - top, -1)

    def rgba(self, values: NDArray[np.unsignedinteger]) -> NDArray[np.uint32]:
        """Return the colours of raw pixel values, red in the lowest byte and alpha in the highest.

        Of 16-bit samples the high byte counts, as everywhere in Pillow.
        """
        if self.image.mode == "P":
            if values.size and (highest := int(values.max())) >= self.palette.size:
                raise MaskError("damaged", f"expected palette indexes below {self.palette.size}, found {highest}")
            return self.palette.take(values)
        wide = values.astype(np.uint32, copy=False)
        if self.image.mode in {"RGB", "RGBA"}:
            return wide
        grey, alpha = wide & BYTE, np.full_like(wide, BYTE)
        if self.image.mode == "LA":
            alpha = wide >> BYTE_BITS
        elif self.image.mode == "I;16":
            grey = wide >> BYTE_BITS
        return grey * GREY_TO_RGB | alpha << ALPHA_SHIFT

    def foreground(self, values: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
        """Tell which raw pixel values are not black, alpha left aside."""
        foreground: NDArray[np.bool_] = (values if self.image.mode == "I;16" else self.rgba(values) & RGB_BITS) != 0
        return foreground


def check_png(data: bytes) -> None:
    """Check that bytes are one whole PNG, by its header and every chunk's checksum. Raises MaskError."""
    read_size(data)
    for _ in iterate_chunks(data):
        pass


def decode_png(png: bytes, *, size: tuple[int, int] | None = None, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Check a PNG's structure, checksums and size against ``limits``, then decode it.

    ``size`` is the (height, width) in pixels that the picture must have. Interlaced files, every colour type and every
    bit depth are read. Raises MaskError.
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
    bodies: defaultdict[bytes, bytearray] = defaultdict(bytearray)
    for name, body in iterate_chunks(png):
        bodies[name] += body
    if b"IDAT" not in bodies:
        raise MaskError("damaged", "expected pixels in chunks IDAT, found none")
    colours, alphas = bodies.pop(b"PLTE", bytearray()), bodies.pop(b"tRNS", bytearray())
    indexed = png[25] == PALETTE
    palette = _read_palette(colours, alphas) if indexed else np.empty(0, np.uint32)
    return Picture(_load(bodies), height, width, palette)


def read_size(png: bytes) -> tuple[int, int]:
    """Return (height, width) in pixels from a PNG's first 33 bytes. Raises MaskError."""
    if png[: len(SIGNATURE)] != SIGNATURE:
        truncated = SIGNATURE.startswith(png)
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


def iterate_chunks(png: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield name and body of each chunk that makes pixels, every chunk's CRC checked. Raises MaskError."""
    start, name = len(SIGNATURE), b""
    while name != b"IEND":
        if start + 12 > len(png):
            raise MaskError("truncated", f"expected a chunk at byte {start}, found the end of the file")
        length, name = struct.unpack_from(">I4s", png, start)
        end = start + 12 + length
        if end > len(png):
            raise MaskError("truncated", f"expected the chunk {name!r} to end at byte {end}, found {len(png)} bytes")
        body = memoryview(png)[start + 4 : end - 4]
        if zlib.crc32(body) != int.from_bytes(png[end - 4 : end], "big"):
            raise MaskError("crc", f"expected the checksum of the chunk {name!r} at byte {start}, found another")
        if name in READ:
            yield name, body[4:]
        elif not name[0] & ANCILLARY:
            raise MaskError("unsupported", f"expected only PNG's own critical chunks, found {name!r}")
        start = end


def _read_palette(colours: bytearray, alphas: bytearray) -> NDArray[np.uint32]:
    """Return the palette of the chunks PLTE and tRNS, red in the lowest byte and alpha in the highest."""
    entries = len(colours) // 3
    if not 0 < len(colours) == 3 * entries <= 3 * 256 or len(alphas) > entries:
        raise MaskError(
            "damaged",
            f"expected a palette of 1 to 256 colours and no more alphas, found {len(colours)} and {len(alphas)} bytes",
        )
    palette = np.full((entries, 4), BYTE, np.uint8)
    palette[:, :3] = np.frombuffer(colours, np.uint8).reshape(-1, 3)
    palette[: len(alphas), 3] = np.frombuffer(alphas, np.uint8)
    return palette.view(np.uint32).ravel()


def _load(bodies: dict[bytes, bytearray]) -> PngImagePlugin.PngImageFile:
    """Decode without ``Image.open``, whose limit on pixels is the process's and not ours.

    Pillow leaves rows black that a finished zlib stream does not hold. Without the last byte of its checksum the stream
    is never finished, so Pillow stops after the last row or says that rows are missing. The chunks' CRCs were checked.
    """
    unfinished = {**bodies, b"IDAT": bodies[b"IDAT"][:-1]}
    png = SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in unfinished.items()
    )
    try:
        image = PngImagePlugin.PngImageFile(io.BytesIO(png))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        code = "truncated" if "truncated" in str(error) else "damaged"
        raise MaskError(code, f"expected pixels in the PNG's data, found: {error}") from error
    return image


def _kind(data: bytes) -> str:
    """Say what bytes look like that are no PNG."""
    starts = {b"\xff\xd8\xff": "a JPEG", b"GIF8": "a GIF", b"RIFF": "a WebP", b"<": "HTML or XML", b"{": "JSON"}
    kind = next((kind for start, kind in starts.items() if data.startswith(start)), "other data")
    return f"{kind} ({len(data)} bytes, first {data[:8].hex() or 'none'})"
