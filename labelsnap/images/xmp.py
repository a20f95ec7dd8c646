"""The orientation in XMP: ``tiff:Orientation``, attribute or element, which Pillow heeds where EXIF has none."""

from __future__ import annotations

import re
from typing import Final

from labelsnap.images.exif import TURNING
from labelsnap.images.files import Edit, Found, few

_ORIENTATION: Final = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9])")


def read_xmp(data: bytes) -> Found:
    """Read a packet of XMP: its first orientation counts, and every digit that turns gives way to 1.

    Raises ``CrowdedError``.
    """
    first = _ORIENTATION.search(data)
    if first is None:
        return Found()
    turning = (match.start(1) for match in _ORIENTATION.finditer(data) if int(match[1]) in TURNING)
    edits = few(Edit(start, start + 1, b"1") for start in turning)
    return Found(int(first[1]) if int(first[1]) in TURNING else 1, edits)
