"""Residuals → tokens → bits: the compiled loops. What they are is said in ``zero_runs`` and ``token_codes``."""

from __future__ import annotations

from typing import Any

from labelsnap.masks.decoding.compiling import compiled, inlined, int64
from labelsnap.masks.rasters.token_codes import END, LONGEST, PIXELS, SHORTEST, ZEROS

BYTE, BYTE_BITS = 0xFF, 8


@inlined
def list_matches(tokens: Any, count: int, first: int, size: int) -> int:
    """List matches over so many bytes, none or at least three; return how many tokens there are.

    ``first`` is what the tokens of their kind begin with.
    """
    while size:
        length = min(size, LONGEST)
        if 0 < size - length < SHORTEST:
            length -= SHORTEST
        tokens[count] = first + length
        count += 1
        size -= length
    return count


@inlined
def list_zeros(tokens: Any, count: int, size: int) -> int:
    """List so many zeros, the first one as a literal, or all where they are few; return how many tokens there are."""
    literals = size if size <= SHORTEST else 1
    tokens[count : count + literals] = 0
    return list_matches(tokens, count + literals, ZEROS, size - literals)


@compiled
def list_tokens(
    places: Any, values: Any, pixel_bytes: int, size: int, index: int, at: int, enough: int, tokens: Any, uses: Any
) -> Any:
    """List the tokens of a block: of ``size`` bytes those from ``at`` on, until there are ``enough`` or all is listed.

    ``index`` is that of the first residual from ``at`` on, ``uses`` counts each token, from 0. Returns how many tokens
    there are, and the index and byte to go on with.
    """
    count, index, at = 0, int64(index), int64(at)
    while index < places.size and count < enough:
        value, place = int64(values[index]), int64(places[index])
        width = 1 if value >> 3 * BYTE_BITS else pixel_bytes
        following = index + 1
        while (
            following < places.size
            and int64(values[following]) == value
            and int64(places[following]) == place + (following - index) * width
        ):
            following += 1
        copied = (following - index - 1) * width
        if copied < SHORTEST:
            copied, following = int64(0), index + 1
        for byte in range(width):
            literal = value >> BYTE_BITS * byte & BYTE
            if literal or (copied and byte == width - 1):  # what is copied begins behind the whole pixel
                count = list_zeros(tokens, count, place + byte - at)
                tokens[count] = literal
                count += 1
                at = place + byte + 1
        count = list_matches(tokens, count, PIXELS, copied)
        at += copied
        index = following
    if index == places.size:
        count = list_zeros(tokens, count, size - at)
    tokens[count] = END
    count += 1
    for token in tokens[:count]:
        uses[token] += 1
    return count, index, at


@compiled
def write_tokens(tokens: Any, codes: Any, sizes: Any, held: int, bits: int, written: Any) -> Any:
    """Write the tokens' codes behind ``bits`` that are ``held``; return how many bytes are written, and what is left.

    That is what is held, and how many bits it has, less than eight.
    """
    count, held, bits = 0, int64(held), int64(bits)
    for token in tokens:
        held |= int64(codes[token]) << bits
        bits += int64(sizes[token])
        while bits >= BYTE_BITS:
            written[count] = held & BYTE
            held >>= BYTE_BITS
            bits -= BYTE_BITS
            count += 1
    return count, held, bits
