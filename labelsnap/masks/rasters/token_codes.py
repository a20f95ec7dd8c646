"""The tokens of a stream of deflate, and the codes that they are written in.

A token is one number: a literal byte, ``END``, or a match's length with how far back its bytes are: ``ZEROS`` + length
for those of the byte before, ``PIXELS`` + length for those of the pixel before. Format: RFC 1951.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.masks.rasters.huffman import code_sizes, codes_of, described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SHORTEST: Final = 3
LONGEST: Final = 258
"""Of a match, in bytes."""
END: Final = 256
ZEROS: Final = END + 1
PIXELS: Final = ZEROS + LONGEST + 1
TOKENS: Final = PIXELS + LONGEST + 1
_FIXED: Final = 1
_DYNAMIC: Final = 2
"""Types of a block: in codes that the format says, or in those that the block says itself."""
_FIXED_SIZES: Final = dict(enumerate([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8))
_FIXED_DISTANCES: Final = dict.fromkeys(range(32), 5)
_SYMBOLS: Final = 288
_EXTRA_BITS: Final = np.array([0] * 8 + [bits for bits in range(1, 6) for _ in range(4)] + [0])
_BEGINS: Final = np.append(SHORTEST + np.cumsum(1 << _EXTRA_BITS[:-1]) - (1 << _EXTRA_BITS[:-1]), LONGEST)
"""Of each symbol for a match's length: the bits that follow its code, and the length that it begins with."""
_LENGTHS: Final = np.arange(SHORTEST, LONGEST + 1)
_PLACES: Final = np.searchsorted(_BEGINS, _LENGTHS, side="right") - 1
_SYMBOL_OF_LENGTH: Final = END + 1 + _PLACES
_EXTRA_OF_LENGTH: Final = _LENGTHS - _BEGINS[_PLACES]
_EXTRA_BITS_OF_LENGTH: Final = _EXTRA_BITS[_PLACES]


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of a block's tokens, and how many bits each has.

    ``head`` are the ``head_bits`` that come before: the block's type, and what says its codes. A code's and the head's
    first bit are the lowest.
    """

    head: int
    head_bits: int
    codes: NDArray[np.int64]
    sizes: NDArray[np.int64]


def codes_for(uses: NDArray[np.int64], pixel_bytes: int) -> Codes:
    """Choose the codes for tokens that are used so often: the block's own, or the format's where these take less."""
    matches = uses[ZEROS + SHORTEST : PIXELS] + uses[PIXELS + SHORTEST :]
    of_symbols = np.bincount(_SYMBOL_OF_LENGTH, matches, _SYMBOLS).astype(np.int64)
    of_symbols[: END + 1] = uses[: END + 1]
    used = np.flatnonzero(of_symbols)
    sizes = code_sizes(dict(zip(used.tolist(), of_symbols[used].tolist(), strict=True)))
    distances = {0: 1, max(1, pixel_bytes - 1): 1}
    head, head_bits = described(sizes, distances)
    own = _codes(sizes, distances, pixel_bytes, head << 2 | _DYNAMIC, head_bits + 2)
    return min(own, _fixed_codes(pixel_bytes), key=lambda codes: codes.head_bits + int(codes.sizes @ uses))


@cache
def _fixed_codes(pixel_bytes: int) -> Codes:
    return _codes(_FIXED_SIZES, _FIXED_DISTANCES, pixel_bytes, _FIXED, 2)


def _codes(
    sizes: Mapping[int, int], distances: Mapping[int, int], pixel_bytes: int, head: int, head_bits: int
) -> Codes:
    """Return the codes of tokens, by how many bits those of symbols and distances have."""
    of_symbols, bits = np.zeros((2, _SYMBOLS), np.int64)
    codes = codes_of(sizes)
    symbols = list(codes)
    of_symbols[symbols] = list(codes.values())
    bits[symbols] = [sizes[symbol] for symbol in symbols]
    length_bits = bits[_SYMBOL_OF_LENGTH] + _EXTRA_BITS_OF_LENGTH
    lengths = of_symbols[_SYMBOL_OF_LENGTH] | _EXTRA_OF_LENGTH << bits[_SYMBOL_OF_LENGTH]
    of_tokens, token_bits = np.zeros((2, TOKENS), np.int64)
    of_tokens[: END + 1], token_bits[: END + 1] = of_symbols[: END + 1], bits[: END + 1]
    of_distances = codes_of(distances)
    for first, distance in ((ZEROS, 0), (PIXELS, pixel_bytes - 1)):
        place = slice(first + SHORTEST, first + LONGEST + 1)
        of_tokens[place] = lengths | of_distances[distance] << length_bits
        token_bits[place] = length_bits + distances[distance]
    return Codes(head, head_bits, of_tokens, token_bits)
