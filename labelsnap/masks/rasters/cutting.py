"""Where a mask begins and ends → what the filter Up leaves of the rows of its box: the compiled loop."""

from __future__ import annotations

from typing import Any

from labelsnap.masks.decoding.compiling import compiled, int64


@compiled
def filter_box(toggles: Any, pixels: int, height: int, corner: Any, rows: Any) -> bool:
    """Write what the filter leaves of a mask of 0 and 1 into the rows of its box; say whether all of it lies there.

    ``toggles`` are where the mask begins and ends in turn, ascending, down columns of ``height`` pixels; what does not
    end there ends with the image, behind so many ``pixels``. ``corner`` is the box's left and top. ``rows`` are signed
    bytes, zero but for the first of each row; a run of no pixels leaves nothing.
    """
    left, top = corner
    box_height, box_width = int64(rows.shape[0]), int64(rows.shape[1]) - 1
    for index in range(0, toggles.size, 2):
        begin, end = int64(toggles[index]), int64(toggles[index + 1]) if index + 1 < toggles.size else int64(pixels)
        while begin < end:
            column = begin // height
            stop = min(end, (column + 1) * height)
            x, first, last = column - left, begin - column * height - top, stop - column * height - top
            if x < 0 or x >= box_width or first < 0 or last > box_height:
                return False
            rows[first, 1 + x] += 1
            if last < box_height:
                rows[last, 1 + x] -= 1
            begin = stop
    return True
