"""Images with their annotations drawn over them: a small JPEG, and shapes as SVG on top."""

from __future__ import annotations

import io
from base64 import b64encode
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image

from labelsnap.formats.shared.colours import class_colours
from labelsnap.formats.shared.objects import objects_of
from labelsnap.formats.shared.segments import shown_of
from labelsnap.images.cost import decoded_bytes
from labelsnap.images.files import UNREADABLE
from labelsnap.memory import MEMORY, BeyondBudgetError
from labelsnap.shown import markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from labelsnap.formats.shared.colours import Colour
    from labelsnap.formats.shared.objects import Found
    from labelsnap.memory import Budget
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Sample

SIDE: Final = 360
"""The longer side of a thumbnail, in pixels."""
PIXELS: Final = 100_000_000
"""A larger image is not decoded for a thumbnail."""
COPIED: Final = 4
"""Bytes of a pixel that is converted, and of one in a picture of classes."""
LOOKED_AT: Final = 256
SHARE_OF_COLOUR: Final = 0.5


class Thumbnail(NamedTuple):
    """A picture in SVG with its width and height, its caption as text, and the row it shows."""

    svg: str
    size: tuple[int, int]
    caption: str
    data_row_id: str

    @property
    def html(self) -> str:
        """A figure for a page."""
        return f"<figure>{self.svg}<figcaption>{markup(self.caption)}</figcaption></figure>"


def choose(rows: Iterable[tuple[str, Sequence[str]]], count: int) -> list[str]:
    """Choose what shows most of a dataset: many kinds, then many objects; in the order of the rows.

    Rows are given by data row id, with the kind of each of their objects; so are those that are chosen.
    """
    found = list(islice(rows, LOOKED_AT))
    richest = sorted(found, key=lambda row: (len(set(row[1])), len(row[1])), reverse=True)[:count]
    chosen = {row_id for row_id, _ in richest}
    return [row_id for row_id, _ in found if row_id in chosen]


def thumbnail(sample: Sample, body: bytes, registry: ClassRegistry, memory: Budget = MEMORY) -> Thumbnail | None:
    """Draw a sample, in what is claimed of ``memory``.

    None for an image that cannot be decoded here, or not within the budget: that is no reason to have no report.
    """
    image = sample.image
    if image.width * image.height > PIXELS:
        return None
    scale = min(1, SIDE / max(image.width, image.height))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    try:
        with Image.open(io.BytesIO(body)) as opened:
            whole = opened.size
            opened.draft("RGB", (SIDE, SIDE))
            decoded = whole if opened.info.get("progressive") else opened.size
            needed = decoded_bytes(opened.format, opened.mode, decoded) + COPIED * decoded[0] * decoded[1]
            with memory.claim(needed):
                picture = opened.convert("RGB").resize(size, Image.Resampling.BOX)
    except UNREADABLE:
        return None
    of_class = class_colours(registry)
    try:
        with memory.claim(COPIED * image.width * image.height):
            blended = Image.fromarray(_with_masks(np.asarray(picture), sample, registry, of_class))
    except BeyondBudgetError:
        return None
    jpeg = io.BytesIO()
    blended.save(jpeg, "JPEG", quality=80)
    source = f"data:image/jpeg;base64,{b64encode(jpeg.getvalue()).decode('ascii')}"
    stroke = max(image.width, image.height) / 240
    shapes = "".join(_shape(found, stroke, of_class) for found in objects_of(sample.record.entry.labels, registry))
    row = sample.record.data_row
    return Thumbnail(
        svg=f'<svg viewBox="0 0 {image.width} {image.height}" role="img">'
        f'<image href="{source}" width="{image.width}" height="{image.height}"/>'
        f'<g fill="none" stroke-width="{stroke:.2f}">{shapes}</g></svg>',
        size=size,
        caption=f"{row.key} · {sample.split}",
        data_row_id=row.id,
    )


def _with_masks(
    pixels: NDArray[np.uint8], sample: Sample, registry: ClassRegistry, of_class: Mapping[int, Colour]
) -> NDArray[np.uint8]:
    """Blend the regions of classes into a picture that may be smaller than the image."""
    segments, shown = shown_of(sample)
    ids = np.array([registry.class_of(segment.annotation).id for segment in segments], np.uint32)
    painted = shown.paint(ids)
    rows, columns = (np.arange(seen) * full // seen for seen, full in zip(pixels.shape[:2], painted.shape, strict=True))
    of_pixels = painted[np.ix_(rows, columns)]
    palette = np.zeros((max(of_class, default=0) + 1, 3), np.uint8)
    for number, colour in of_class.items():
        palette[number] = colour
    mixed = pixels * (1 - SHARE_OF_COLOUR) + palette[of_pixels] * SHARE_OF_COLOUR
    return np.where(of_pixels[..., np.newaxis] > 0, mixed, pixels).astype(np.uint8)


def _shape(found: Found, stroke: float, of_class: Mapping[int, Colour]) -> str:
    red, green, blue = of_class[found.category.id]
    colour = f'stroke="rgb({red},{green},{blue})"'
    name = f"<title>{markup(found.annotation.name)}</title>"
    left, top, width, height = found.place.box
    match found.kind:
        case "bounding_box":
            return f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" {colour}>{name}</rect>'
        case "point":
            return f'<circle cx="{left:g}" cy="{top:g}" r="{2 * stroke:.2f}" fill="white" {colour}>{name}</circle>'
        case "polygon" | "polyline":
            points = " ".join(f"{x:g},{y:g}" for x, y in found.place.vertices)
            return f'<{found.kind} points="{points}" {colour}>{name}</{found.kind}>'
        case _:
            return ""
