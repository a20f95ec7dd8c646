"""A sheet of thumbnails: one picture in SVG that needs nothing around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelsnap.formats.report.thumbnails import SIDE
from labelsnap.shown import line, markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelsnap.formats.report.thumbnails import Thumbnail

GAP: Final = 12
CAPTION: Final = 22
LETTERS: Final = 48
"""More of a caption is not shown."""


def sheet(thumbnails: Sequence[Thumbnail]) -> str:
    """Thumbnails side by side in one row, each with its caption below; lengths are in pixels."""
    height = max((seen.size[1] for seen in thumbnails), default=0)
    cells = "".join(
        f'<svg x="{number * (SIDE + GAP)}" width="{SIDE}" height="{height}">{seen.svg}</svg>'
        f'<text x="{number * (SIDE + GAP)}" y="{height + CAPTION - 6}">{markup(line(seen.caption)[:LETTERS])}</text>'
        for number, seen in enumerate(thumbnails)
    )
    width = max(0, len(thumbnails) * (SIDE + GAP) - GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + CAPTION}"'
        f' width="{width}" height="{height + CAPTION}"'
        f' font-family="system-ui, sans-serif" font-size="13" fill="gray">{cells}</svg>'
    )
