"""BMP: uncompressed rows lie in the file; run lengths tell nothing but decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from labelsnap.images.files import ImageDamagedError, read_whole, size_of

if TYPE_CHECKING:
    from typing import IO

_OS2: Final = 12
"""The size of the oldest header, with 16 bits for each side and no compression."""
_UNCOMPRESSED: Final = frozenset({0, 3, 6})


def is_whole(file: IO[bytes]) -> bool | None:
    """Tell whether the file has room for its rows; None where they are compressed."""
    offset, header = struct.unpack("<10xLL", read_whole(file, 0, 18))
    if header == _OS2:
        width, height, bits = struct.unpack("<HH2xH", read_whole(file, 18, 8))
        compression = 0
    elif header > _OS2:
        width, height, bits, compression = struct.unpack("<ll2xHL", read_whole(file, 18, 16))
    else:
        raise ImageDamagedError(f"its header has {header} bytes")
    if compression not in _UNCOMPRESSED:
        return None
    stride = (abs(width) * bits + 31) // 32 * 4
    return bool(offset + stride * abs(height) <= size_of(file))
