"""Stretches of what is seen → what the filter Up leaves of a picture's rows: the compiled loops."""

from __future__ import annotations

from typing import Any

from labelsnap.masks.decoding.compiling import compiled, int64

HIGHEST = 0x80808080  # the highest bit of each of four bytes


@compiled
def list_residuals(
    positions: Any,
    labels: Any,
    words: Any,
    width: int,
    height: int,
    pixel_bytes: int,
    places: Any,
    values: Any,
    ends: Any,
) -> None:
    """List the residuals of a picture behind the first one of each row, which is listed already.

    Positions and labels are an overlay's, ``words`` the pixels by label, the last one that of -1. ``places`` and
    ``values`` are the residuals, row by row; ``ends`` says of each row where its next one goes. Without places they are
    counted there.
    """
    x, above, begins = int64(-1), int64(0), int64(0)  # the column before the one that begins next, and where that does
    for index in range(positions.size):
        begin, word = int64(positions[index]), int64(words[labels[index]])
        end = int64(positions[index + 1]) if index + 1 < positions.size else int64(width) * height
        value = ((word | HIGHEST) - (above & ~HIGHEST)) ^ ((word ^ ~above) & HIGHEST)  # each byte for itself
        above = word
        if value and begin < begins:
            y = begin - begins + height
            if places.size:
                places[ends[y]] = y * (1 + width * pixel_bytes) + 1 + x * pixel_bytes
                values[ends[y]] = value
            ends[y] += 1
        while begins < end:
            x, begins = x + 1, begins + height
            if word:
                if places.size:
                    places[ends[0]] = 1 + x * pixel_bytes
                    values[ends[0]] = word
                ends[0] += 1
