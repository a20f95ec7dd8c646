"""Codes for symbols by how often they are used, as deflate has them. Format: RFC 1951, sections 3.2.2 and 3.2.7."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CODE_BITS: Final = 15
"""What a symbol's code has, at most."""
_LENGTH_BITS: Final = 7
"""What the code of a code's length has, at most."""
_LENGTH_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_REPEAT, _FEW_ZEROS, _ZEROS = 16, 17, 18  # symbols for several lengths
_LITERALS: Final = 257  # codes that a block has at least


def code_sizes(uses: Sequence[int], limit: int = CODE_BITS) -> list[int]:
    """Return how many bits the code of each symbol has, by how often it is used: 0 where never, at most ``limit``.

    At least two symbols are used.
    """
    used = [symbol for symbol, times in enumerate(uses) if times]
    weights = [uses[symbol] for symbol in used]
    depths = _depths(weights)
    while max(depths) > limit:
        weights = [(weight + 1) // 2 for weight in weights]
        depths = _depths(weights)
    sizes = [0] * len(uses)
    for symbol, depth in zip(used, depths, strict=True):
        sizes[symbol] = depth
    return sizes


def _depths(weights: Sequence[int]) -> list[int]:
    """Return how deep each leaf lies in Huffman's tree: of two of one weight the earlier one is the lighter."""
    leaves = sorted(range(len(weights)), key=weights.__getitem__)
    sums = [weights[leaf] for leaf in leaves]
    above = [0] * (2 * len(weights) - 1)
    leaf, inner = 0, len(weights)
    for made in range(len(weights), len(above)):
        weight = 0
        for _ in range(2):
            if leaf < len(weights) and (inner == made or sums[leaf] <= sums[inner]):
                lightest, leaf = leaf, leaf + 1
            else:
                lightest, inner = inner, inner + 1
            above[lightest] = made
            weight += sums[lightest]
        sums.append(weight)
    depths = [0] * len(above)
    for node in reversed(range(len(above) - 1)):
        depths[node] = depths[above[node]] + 1
    by_leaf = sorted(zip(leaves, depths[: len(leaves)], strict=True))
    return [depth for _, depth in by_leaf]


def codes_of(sizes: Sequence[int]) -> list[int]:
    """Return the canonical code of each symbol whose code has so many bits, its first bit lowest."""
    codes, code, before = [0] * len(sizes), 0, 0
    for size, symbol in sorted((size, symbol) for symbol, size in enumerate(sizes) if size):
        code <<= size - before
        before = size
        codes[symbol] = int(f"{code:0{size}b}"[::-1], 2)
        code += 1
    return codes


def described(literals: Sequence[int], distances: Sequence[int]) -> tuple[int, int]:
    """Return the bits that say the sizes of a block's two codes, the first bit lowest, and how many they are."""
    count = max(_LITERALS, *(symbol + 1 for symbol, size in enumerate(literals) if size))
    lengths = list(_lengths([*literals[:count], *distances]))
    uses = [0] * len(_LENGTH_ORDER)
    for symbol, _, _ in lengths:
        uses[symbol] += 1
    sizes = code_sizes(uses, _LENGTH_BITS)
    codes = codes_of(sizes)
    listed = max(4, *(place + 1 for place, symbol in enumerate(_LENGTH_ORDER) if sizes[symbol]))
    parts = [(count - _LITERALS, 5), (len(distances) - 1, 5), (listed - 4, 4)]
    parts += [(sizes[symbol], 3) for symbol in _LENGTH_ORDER[:listed]]
    for symbol, extra, extra_bits in lengths:
        parts += [(codes[symbol], sizes[symbol]), (extra, extra_bits)]
    written = bits = 0
    for part, part_bits in parts:
        written |= part << bits
        bits += part_bits
    return written, bits


def _lengths(sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield a symbol, what follows its code, and in how many bits, for each size and each row of equal ones."""
    for size, row in groupby(sizes):
        left = len(list(row))
        if size:
            yield size, 0, 0
            left -= 1
        most = 6 if size else 138
        while left >= 3:  # noqa: PLR2004 - fewer are said one by one
            times = min(left, most)
            left -= times
            if size:
                yield _REPEAT, times - 3, 2
            elif times <= 10:  # noqa: PLR2004 - what three bits say
                yield _FEW_ZEROS, times - 3, 3
            else:
                yield _ZEROS, times - 11, 7
        yield from [(size, 0, 0)] * left
