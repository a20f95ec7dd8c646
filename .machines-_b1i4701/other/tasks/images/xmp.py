"""The orientation in XMP: ``tiff:Orientation``, attribute or element, which Pillow heeds where EXIF has none."""

from __future__ import annotations

import re
from typing import Final

from tasks.images.exif import TURNING
from tasks.images.files import Edit, Found

_ORIENTATION: Final = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9])")


def read_xmp(data: bytes) -> Found:
    """Read a packet of XMP: its first orientation counts, and every digit that turns gives way to 1."""
    digits = [(int(match[1]), match.start(1)) for match in _ORIENTATION.finditer(data)]
    edits = tuple(Edit(start, start + 1, b"1") for digit, start in digits if digit in TURNING)
    if not digits:
        return Found()
    return Found(digits[0][0] if digits[0][0] in TURNING else 1, edits)
