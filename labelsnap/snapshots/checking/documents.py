"""Whether a file is one JSON document, looked at some lines at a time: memory does not grow with the file."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, Final

import msgspec

from labelsnap.snapshots.manifest import NOT_SUCH_JSON

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_PIECE: Final = 1 << 20
_LONGEST: Final = 1 << 24
"""Bytes of a piece that begins with a long line."""
_BETWEEN: Final = b",\n"
"""What stands between two items of an array that has one a line."""
_OPENING, _CLOSING = b'{"":[', b"]}"
"""What is inside an array inside an object is a document between these, and one between others is none."""


def check_json(path: Path) -> None:
    """Check the syntax of a document. No value is built. Raises what ``NOT_SUCH_JSON`` has.

    One that has arrays with one item a line inside an object, such as COCO's, is looked at in pieces. What is none by
    its pieces may be another document, and is mapped into memory and looked at whole.
    """
    with path.open("rb") as file:
        if _is_by_pieces(file):
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            raw: Any = msgspec.json.decode(mapped, type=msgspec.Raw)
            del raw  # it points into the map


def _is_by_pieces(file: BinaryIO) -> bool:
    """Tell whether pieces that end between items make a document: each does with the brackets that are cut off."""
    opening = b""
    while piece := _piece(file):
        ends_between = piece.endswith(_BETWEEN)
        inside = piece.removesuffix(_BETWEEN) if ends_between else piece
        begins_without = opening == _OPENING and inside.lstrip().startswith(b"]")
        ends_without = ends_between and inside.rstrip().endswith(b"[")
        if begins_without or ends_without or not _is_json(opening + inside + (_CLOSING if ends_between else b"")):
            return False
        if not ends_between:
            return not file.read(1)
        opening = _OPENING
    return False


def _piece(file: BinaryIO) -> bytes:
    """Read on to where a line ends between items, to the end, or to a line that is very long."""
    piece = bytearray(file.read(_PIECE))
    while piece and not piece.endswith(_BETWEEN) and len(piece) < _LONGEST and (line := file.readline(_PIECE)):
        piece += line
    return bytes(piece)


def _is_json(document: bytes) -> bool:
    try:
        msgspec.json.decode(document, type=msgspec.Raw)
    except NOT_SUCH_JSON:
        return False
    return True
