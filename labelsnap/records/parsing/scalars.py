"""What a JSON value says that is of another type than its field: one reader a type of field.

Each raises ``UnreadableError`` for a value that says nothing that the field could hold.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Final

from labelsnap.records.parsing.refusal import canonical_json

_LARGEST_SIZE: Final = 2**31 - 1
_LARGEST_ROTATION: Final = 8
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?P<fraction>(?:\.\d+)?(?:[eE][+-]?\d+)?)", re.ASCII)
_TRUTH: Final = {"true": True, "false": False, "1": True, "0": False}
_LARGEST_BYTE: Final = 255
_CHANNELS: Final = (3, 4)


class UnreadableError(Exception):
    """A value says nothing that its field could hold. It never leaves this package."""

    def __init__(self, code: str = "wrong_type") -> None:
        super().__init__(code)
        self.code = code


def text_alone(found: Any) -> str:
    """Return text as it is."""
    if isinstance(found, str):
        return found
    raise UnreadableError


def text(found: Any) -> str:
    """Return text, or a number as JSON spells it."""
    return canonical_json(number(found)) if not isinstance(found, str) else found


def number(found: Any) -> int | float:
    """Return a number, or the one that a text is as a whole."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        return found
    spelled = _NUMBER.fullmatch(found) if isinstance(found, str) else None
    if spelled is None:
        raise UnreadableError
    real = float(spelled[0])
    if not isfinite(real):
        raise UnreadableError("out_of_range")
    return real if spelled["fraction"] else int(spelled[0])


def real(found: Any) -> float:
    """Return a number as a double."""
    try:
        return float(number(found))
    except OverflowError:
        raise UnreadableError("out_of_range") from None


def integer(found: Any, least: int, greatest: int) -> int:
    """Return a whole number from ``least`` to ``greatest``."""
    found = number(found)
    if found != found // 1:
        raise UnreadableError
    if not least <= found <= greatest:
        raise UnreadableError("out_of_range")
    return int(found)


def truth(found: Any) -> bool:
    """Return true or false, or what a text or a number means by it."""
    meant = _TRUTH.get(str(found).lower()) if isinstance(found, str | int) else None
    if meant is None:
        raise UnreadableError
    return meant


def pixels(found: Any) -> int:
    """Return the length of an image's side."""
    try:
        return integer(found, 1, _LARGEST_SIZE)
    except UnreadableError:
        raise UnreadableError("bad_size") from None


def rotation(found: Any) -> int | None:
    """Return an EXIF orientation, None for an empty text."""
    try:
        return None if found == "" else integer(found, 1, _LARGEST_ROTATION)
    except UnreadableError:
        raise UnreadableError("bad_exif_rotation") from None


def author(found: Any) -> str:
    """Return who made something: text, or canonical JSON of an object or a list."""
    return canonical_json(found) if isinstance(found, dict | list) else text(found)


def reference(found: Any) -> bool | str:
    """Return a mark, or a label's id."""
    return found if isinstance(found, bool) else text(found)


def colour(found: Any) -> list[int]:
    """Return red, green and blue, 0 to 255 each; a fourth value, how opaque they are, says nothing about a mask."""
    if not isinstance(found, list) or len(found) not in _CHANNELS:
        raise UnreadableError("bad_color")
    try:
        return [integer(each, 0, _LARGEST_BYTE) for each in found[:3]]
    except UnreadableError:
        raise UnreadableError("bad_color") from None
