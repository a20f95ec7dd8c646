"""Codes for symbols by how often they are used, as deflate has them. Format: RFC 1951, sections 3.2.2 and 3.2.7."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CODE_BITS: Final = 15
"""What a symbol's code has, at most."""
_LENGTH_BITS: Final = 7
"""What the code of a code's length has, at most."""
_LENGTH_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_REPEAT, _FEW_ZEROS, _ZEROS = 16, 17, 18  # symbols for several lengths
_MIRRORED: Final = [int(f"{byte:08b}"[::-1], 2) for byte in range(256)]
_LITERALS: Final = 257  # codes that a block has at least


def code_sizes(uses: Mapping[int, int], limit: int = CODE_BITS) -> dict[int, int]:
    """Return how many bits the code of each symbol has, at most ``limit``, by how often it is used: at least once each.

    There are at least two symbols, in ascending order.
    """
    weights = list(uses.values())
    depths = _depths(weights)
    while max(depths) > limit:
        weights = [(weight + 1) // 2 for weight in weights]
        depths = _depths(weights)
    return dict(zip(uses, depths, strict=True))


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


def codes_of(sizes: Mapping[int, int]) -> dict[int, int]:
    """Return the canonical code of each symbol, whose code has so many bits; its first bit is the lowest."""
    codes, code, before = {}, 0, 0
    for symbol, size in sorted(sizes.items(), key=itemgetter(1, 0)):
        code <<= size - before
        before = size
        codes[symbol] = (_MIRRORED[code & 0xFF] << 8 | _MIRRORED[code >> 8]) >> 16 - size
        code += 1
    return codes


def described(literals: Mapping[int, int], distances: Mapping[int, int]) -> tuple[int, int]:
    """Return the bits that say the sizes of a block's two codes, the first bit lowest, and how many they are.

    Symbols ascend.
    """
    count, far = max(_LITERALS, max(literals) + 1), max(distances) + 1
    listed = [0] * (count + far)
    for symbol, size in literals.items():
        listed[symbol] = size
    for symbol, size in distances.items():
        listed[count + symbol] = size
    lengths = list(_lengths(listed))
    uses = dict(sorted(Counter(symbol for symbol, _, _ in lengths).items()))
    sizes = code_sizes(uses, _LENGTH_BITS)
    codes = codes_of(sizes)
    ordered = [sizes.get(symbol, 0) for symbol in _LENGTH_ORDER]
    while not ordered[-1]:
        ordered.pop()
    parts = [(count - _LITERALS, 5), (far - 1, 5), (len(ordered) - 4, 4), *((size, 3) for size in ordered)]
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
