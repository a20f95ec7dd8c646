"""A mask as runs down its columns: COCO's compressed RLE, with the area and box that follow from it.

The format is that of ``cocoapi/common/maskApi.c`` (rleToString, rleFrString, rleToBbox): run lengths in column-major
order, the first one of zeros; from the fourth on as the difference to the one two before; each as little-endian groups
of five bits in two's complement, bit 5 set where more follow, written as the character of that value plus 48.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.records.geometry import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Measure(NamedTuple):
    """How many pixels a mask has, and its tight box [x, y, width, height], in pixels."""

    area: int
    bounding_box: tuple[int, int, int, int]


GROUP_BITS, GROUP, MORE, SIGN, FIRST_CHARACTER = 5, 0x1F, 0x20, 0x10, 48
MAX_GROUPS = 12  # 60 bits, which are an int64's at most; a run of 200 million pixels takes 6
GROUP_LIMITS = [1 << (GROUP_BITS * groups - 1) for groups in range(1, MAX_GROUPS)]  # magnitudes that need a group more
MAX_PIXELS = (1 << (GROUP_BITS * MAX_GROUPS - 1)) - 1  # the longest run that can be written


def count_pixels(height: int, width: int) -> int:
    """Return how many pixels an image has. Raises MaskError where its runs could not be written."""
    if height * width > MAX_PIXELS:
        raise MaskError("too_large", f"expected at most {MAX_PIXELS} pixels, found {width} × {height}")
    return height * width


def encode_counts(lengths: NDArray[np.integer]) -> bytes:
    """Write one mask's run lengths, zeros first, as COCO's compressed string. Raises MaskError for one too long."""
    return _encode(np.asarray(lengths, np.int64), np.zeros(1, np.int64))[0]


def decode_counts(counts: bytes) -> NDArray[np.int64]:
    """Read COCO's compressed string as run lengths, zeros first. Raises MaskError."""
    groups = np.frombuffer(counts, np.uint8).astype(np.int64) - FIRST_CHARACTER
    if groups.size == 0:
        return groups
    ends = np.flatnonzero(groups & MORE == 0)
    if groups.min() < 0 or groups.max() > (MORE | GROUP) or ends.size == 0 or ends[-1] != groups.size - 1:
        raise MaskError(
            "bad_counts", f"expected characters from '0' to 'o' and a finished last number, found {counts[:20]!r}"
        )
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    if sizes.max() > MAX_GROUPS:
        raise MaskError("bad_counts", f"expected numbers of at most {MAX_GROUPS} characters, found {sizes.max()}")
    shifts = GROUP_BITS * (np.arange(groups.size) - np.repeat(starts, sizes))
    lengths = np.add.reduceat((groups & GROUP) << shifts, starts)
    lengths -= np.where(groups[ends] & SIGN, 1 << (GROUP_BITS * sizes), 0)
    lengths[1::2] = lengths[1::2].cumsum()
    lengths[2::2] = lengths[2::2].cumsum()
    if lengths.min() < 0:
        raise MaskError("bad_counts", f"expected run lengths from 0 up, found {lengths.min()}")
    return lengths


def empty_runs(height: int, width: int) -> Runs:
    """Return the runs of a mask without pixels. Raises MaskError for too many."""
    counts = encode_counts(np.array([count_pixels(height, width)]))
    return Runs(height, width, counts, area=0, bounding_box=(0, 0, 0, 0))


def group_runs(
    height: int, width: int, positions: NDArray[np.int64], labels: NDArray[np.signedinteger], instances: int
) -> tuple[Runs | None, ...]:
    """Turn labelled stretches of a picture into one ``Runs`` an instance, None where an instance has no pixel.

    A stretch begins at its column-major position, ends where the next one begins, and belongs to the instance of its
    label from 0 up, or with -1 to none. Positions ascend from 0; neighbours of one label are merged here. Raises
    MaskError for a picture of too many pixels.
    """
    found: list[Runs | None] = [None] * instances
    pixels = count_pixels(height, width)
    starts, ends, first, of_instances = _by_instance(positions, labels, pixels)
    strings = _encode(*_alternate(starts, ends, first, pixels)) if first.size else []
    measures = _measures(starts, ends, first, height)
    for instance, counts, (area, box) in zip(of_instances, strings, measures, strict=True):
        found[instance] = Runs(height, width, counts, area, box)
    return tuple(found)


def group_measures(
    height: int, width: int, positions: NDArray[np.int64], labels: NDArray[np.signedinteger], instances: int
) -> tuple[Measure | None, ...]:
    """Return the area and box of each of the instances that ``group_runs`` gives of the same. Raises MaskError."""
    found: list[Measure | None] = [None] * instances
    starts, ends, first, of_instances = _by_instance(positions, labels, count_pixels(height, width))
    for instance, measure in zip(of_instances, _measures(starts, ends, first, height), strict=True):
        found[instance] = measure
    return tuple(found)


def _by_instance(
    positions: NDArray[np.int64], labels: NDArray[np.signedinteger], pixels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Return where stretches start and end, those of an instance together; which are first of one, and of which."""
    begins = np.concatenate([[True], labels[1:] != labels[:-1]])
    starts, labels = positions[begins], labels[begins]
    ends = np.append(starts[1:], pixels)
    narrow = labels.astype(np.min_scalar_type(-1 - labels.max(initial=0)))  # numbers of 16 bits are sorted sooner
    order = np.argsort(narrow, kind="stable")[np.count_nonzero(labels < 0) :]
    labels = labels[order]
    first = np.flatnonzero(np.diff(labels, prepend=-1))
    return starts[order], ends[order], first, labels[first].tolist()


def _measures(
    starts: NDArray[np.int64], ends: NDArray[np.int64], first: NDArray[np.int64], height: int
) -> Iterator[Measure]:
    """Give each instance's area and box."""
    if not first.size:
        return iter(())
    areas = np.add.reduceat(ends - starts, first).tolist()
    return map(Measure, areas, _bounding_boxes(starts, ends, first, height))


def _alternate(
    starts: NDArray[np.int64], ends: NDArray[np.int64], first: NDArray[np.int64], pixels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all instances' run lengths, zeros and ones in turn, and where each instance's begin.

    ``first`` is where an instance's ``starts`` and ``ends`` begin. The zeros after its last run are left out where
    there are none.
    """
    last = np.append(first[1:], starts.size) - 1
    gaps = starts.copy()
    gaps[1:] -= ends[:-1]
    gaps[first] = starts[first]
    lengths = np.stack([gaps, ends - starts], axis=1).ravel()
    rest = pixels - ends[last]
    lengths = np.insert(lengths, 2 * (last[rest > 0] + 1), rest[rest > 0])
    return lengths, 2 * first + np.cumsum(rest > 0) - (rest > 0)


def _bounding_boxes(
    starts: NDArray[np.int64], ends: NDArray[np.int64], first: NDArray[np.int64], height: int
) -> list[tuple[int, int, int, int]]:
    """Return each instance's tight [x, y, width, height]."""
    left, right = starts // height, (ends - 1) // height  # numpy's divmod takes thrice as long
    top, bottom = starts - left * height, ends - 1 - right * height
    over_border = left != right
    top[over_border], bottom[over_border] = 0, height - 1
    x, y = left[first], np.minimum.reduceat(top, first)
    width = np.maximum.reduceat(right, first) - x + 1
    tall = np.maximum.reduceat(bottom, first) - y + 1
    return list(zip(x.tolist(), y.tolist(), width.tolist(), tall.tolist(), strict=True))


def _encode(lengths: NDArray[np.int64], first: NDArray[np.int64]) -> list[bytes]:
    """Write the run lengths of several masks, of which each begins at its place in ``first``."""
    differences = lengths.copy()
    differences[2:] -= lengths[:-2]
    plain = (first[:, np.newaxis] + np.arange(3)).ravel()
    plain = plain[plain < np.repeat(np.append(first[1:], lengths.size), 3)]
    differences[plain] = lengths[plain]
    magnitudes = differences ^ (differences >> 63)
    sizes = np.ones(lengths.size, np.int8)
    for limit in GROUP_LIMITS:
        larger = magnitudes >= limit
        if not larger.any():
            break
        sizes += larger
    else:
        if magnitudes.max() > MAX_PIXELS:
            raise MaskError("too_large", f"expected runs of at most {MAX_PIXELS} pixels, found {lengths.max()}")
    begins = sizes.cumsum(dtype=np.int64) - sizes
    characters = np.empty(sizes.sum(dtype=np.int64), np.uint8)
    places, rest = begins, differences
    for group in range(1, MAX_GROUPS + 1):
        more = sizes > group
        characters[places] = (rest & GROUP).astype(np.uint8) + (more * np.uint8(MORE) + np.uint8(FIRST_CHARACTER))
        longer = np.flatnonzero(more)
        if not longer.size:
            break
        places, rest, sizes = places[longer] + 1, rest[longer] >> GROUP_BITS, sizes[longer]
    text = characters.tobytes()
    borders = [*np.append(begins, len(text))[first].tolist(), len(text)]
    return [text[begin:end] for begin, end in pairwise(borders)]
