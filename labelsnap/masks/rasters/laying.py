"""Masks laid over each other: the compiled loops, from counts strings to stretches of what is seen."""

from __future__ import annotations

from typing import Any

from labelsnap.masks.decoding.compiling import compiled, int64

GROUP_BITS, GROUP, MORE, SIGN, FIRST_CHARACTER = 5, 0x1F, 0x20, 0x10, 48  # of a counts string, as in ``runs``
NUMBER_BITS = 60
BLOCK_BITS = 6  # masks are counted by the block
BLOCK = 1 << BLOCK_BITS
UNSOUND = -1


@compiled
def list_toggles(characters: Any, ends: Any, pixels: int, shift: int, toggles: Any) -> int:
    """List where masks of so many ``pixels`` begin and end, in any order; return how many places there are.

    ``characters`` are the masks' counts strings, which stop before ``ends``. A place is its position, ``shift`` bits to
    the left, and the mask's index. A mask that ends where it begins again has the place twice. Returns UNSOUND where a
    string is none, or its runs do not fill the image.
    """
    count, at = 0, int64(0)
    for mask in range(ends.size):
        position, before, two_before, run = int64(0), int64(0), int64(0), 0
        while at < ends[mask]:
            number, bits, more = int64(0), int64(0), True
            while more:
                group = int64(characters[at]) - FIRST_CHARACTER if at < ends[mask] else int64(UNSOUND)
                if group < 0 or group > MORE | GROUP or bits == NUMBER_BITS:
                    return UNSOUND
                number |= (group & GROUP) << bits
                bits += GROUP_BITS
                at += 1
                more = group & MORE != 0
                if group & SIGN and not more:
                    number -= int64(1) << bits
            if run > 2:  # noqa: PLR2004 - from the fourth on it is the difference to the one two before
                number += two_before
            position += number
            if number < 0 or position > pixels:
                return UNSOUND
            two_before, before, run = before, number, run + 1
            if position < pixels:
                toggles[count] = position << shift | mask
                count += 1
        if position != pixels:
            return UNSOUND
    return count


@compiled
def lay(toggles: Any, shift: int, active: Any, blocks: Any, positions: Any, labels: Any) -> int:
    """Turn ascending toggles into stretches, of which each shows the highest mask; return how many there are.

    ``active`` says of each mask whether it is at the position, ``blocks`` of each block of masks how many are: all
    zero. The first stretch begins at 0, and neighbours have different ``labels``; -1 is none.
    """
    positions[0], labels[0] = 0, -1
    count, top, index = 1, int64(-1), 0
    while index < toggles.size:
        position = toggles[index] >> shift
        highest = top
        while index < toggles.size and toggles[index] >> shift == position:
            mask = toggles[index] & ((int64(1) << shift) - 1)
            active[mask] ^= 1
            blocks[mask >> BLOCK_BITS] += 2 * int64(active[mask]) - 1
            highest = max(highest, mask)
            index += 1
        block = highest >> BLOCK_BITS
        while block >= 0 and blocks[block] == 0:
            block -= 1
        seen = int64(-1)
        if block >= 0:
            seen = min(highest, (block << BLOCK_BITS) + BLOCK - 1)
            while active[seen] == 0:
                seen -= 1
        if seen != top:
            count += position > 0
            positions[count - 1], labels[count - 1] = position, seen
            top = seen
    return count
