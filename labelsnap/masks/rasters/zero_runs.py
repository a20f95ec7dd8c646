"""Bytes that are mostly zero, as a zlib stream: only those that are not are looked at.

Formats: RFC 1950 and RFC 1951. Matches are zeros, and pixels that are as the one before; a general encoder, which looks
at every byte, makes about the same of such rows. The same bytes come out on every machine, whatever is installed there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.masks.rasters.token_codes import LONGEST, TOKENS, codes_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ALONE: Final = 1 << 24
"""Marks a residual of one byte."""
_HEADER: Final = b"\x78\x01"
_MODULUS: Final = 65521  # of Adler-32
_ENOUGH: Final = 1 << 16
"""Tokens of a block, which has codes of its own."""
_BESIDE: Final = 24
"""Tokens of a residual and of the last zeros, at most, beside matches."""
_KEPT: Final = _ENOUGH + 4096


class _Buffer(threading.local):
    """A thread's room for tokens, kept from picture to picture: the pages of new memory cost more than the work in it.

    What rows of a quarter of a million pixels need above that is taken for their picture alone.
    """

    def __init__(self) -> None:
        self.tokens = np.empty(_KEPT, np.int16)


_BUFFER: Final = _Buffer()


@dataclass(frozen=True, slots=True)
class Residuals:
    """The bytes that are not zero in rows of ``row_bytes``: pixels of at most three bytes, some row after row.

    ``places`` are where they begin, ascending, each row's first byte among them; ``values`` have a pixel's bytes, the
    first one lowest, or ``ALONE`` and one byte.
    """

    places: NDArray[np.int64]
    values: NDArray[np.uint32]
    pixel_bytes: int
    row_bytes: int
    size: int


def compressed(residuals: Residuals) -> bytes:
    """Write the bytes as a zlib stream."""
    return b"".join([_HEADER, *_blocks(residuals), _adler(residuals).to_bytes(4, "big")])


def _adler(residuals: Residuals) -> int:
    """Return the Adler-32: of its two sums one has each byte once, the other as often as bytes come from it on."""
    once, as_often = 1, residuals.size
    behind = (residuals.size - residuals.places) % _MODULUS
    for byte in range(residuals.pixel_bytes):
        values = (residuals.values >> 8 * byte & 0xFF).astype(np.int64)
        total = int(values.sum())
        once += total
        as_often += int(behind @ values) - byte * total
    return as_often % _MODULUS << 16 | once % _MODULUS


def _blocks(residuals: Residuals) -> Iterator[bytes]:
    """Yield the stream of deflate, block by block."""
    from labelsnap.masks.rasters import tokens  # noqa: PLC0415 - numba takes a fifth of a second to load

    count = residuals.places.size
    room = _ENOUGH + 2 * (residuals.row_bytes // LONGEST) + _BESIDE
    found = _BUFFER.tokens if room <= _KEPT else np.empty(room, np.int16)
    following, at, held, bits = 0, 0, 0, 0
    while following < count:
        uses = np.zeros(TOKENS, np.int64)
        told = tokens.list_tokens(
            residuals.places,
            residuals.values,
            residuals.pixel_bytes,
            residuals.size,
            following,
            at,
            _ENOUGH,
            found,
            uses,
        )
        listed, following, at = map(int, told)
        codes = codes_for(uses, residuals.pixel_bytes)
        held |= (codes.head << 1 | (following == count)) << bits
        whole, bits = divmod(bits + 1 + codes.head_bits, 8)
        yield (held & (1 << 8 * whole) - 1).to_bytes(whole, "little")
        written = np.empty((bits + int(codes.sizes @ uses)) // 8, np.uint8)
        held >>= 8 * whole
        told = tokens.write_tokens(found[:listed], codes.codes, codes.sizes, held, bits, written)
        size, held, bits = map(int, told)
        yield written[:size].tobytes()
    yield held.to_bytes(1, "little") if bits else b""
