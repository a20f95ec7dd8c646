"""Ids in Labelbox's two shapes, from which the row and the part they name can be read back.

A stand-in that answers for any row without holding a table needs ids that carry their own address. A cuid is ``c`` + 6
base-36 digits of the row's index + 3 of the part's number + 15 hexadecimal digits of a hash; a UUID is 8 hexadecimal
digits of the index + 4 of the part + 20 of a hash. The hash makes ids of two projects differ and made-up ids
recognisable.
"""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

THIS_TASK = "{task}"
"""What stands in a line for the id of its export task, until there is one; no other text of the sandbox has it."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CUID_LENGTH = 25
_UUID_LENGTH = 36


def digest(*parts: object) -> int:
    """A stable 128-bit number from any values that print the same everywhere."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest())


def _base36(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def cuid(seed: int, kind: str, index: int = 0, part: int = 0) -> str:
    """A cuid-like id of 25 characters for part ``part`` (< 46,656) of row ``index``."""
    return "c" + _base36(index, 6) + _base36(part, 3) + f"{digest(seed, kind, index, part):032x}"[:15]


def uuid(seed: int, kind: str, index: int = 0, part: int = 0) -> str:
    """A UUID for part ``part`` (< 65,536) of row ``index``."""
    return str(UUID(f"{index:08x}{part:04x}{digest(seed, kind, index, part):032x}"[:32]))


def decode(seed: int, kind: str, identifier: str) -> tuple[int, int] | None:
    """The row index and part number of an id made by ``cuid`` or ``uuid``; None for an id that neither made."""
    try:
        if len(identifier) == _CUID_LENGTH:
            index, part = int(identifier[1:7], 36), int(identifier[7:10], 36)
            return (index, part) if cuid(seed, kind, index, part) == identifier else None
        if len(identifier) == _UUID_LENGTH:
            index, part = int(identifier[:8], 16), int(identifier[9:13], 16)
            return (index, part) if uuid(seed, kind, index, part) == identifier else None
    except ValueError:
        return None
    return None


def colours(seed: int, index: int, count: int) -> list[tuple[int, int, int]]:
    """``count`` distinct RGB colours for one composite mask, none of them black."""
    step = digest(seed, "colour", index) % 0xFFFFFF | 1
    while step % 3 == 0 or step % 5 == 0 or step % 7 == 0 or step % 13 == 0 or step % 17 == 0 or step % 241 == 0:
        step += 2  # coprime to 2**24 - 1 = 3² · 5 · 7 · 13 · 17 · 241: no colour comes twice
    values = [1 + (number + 1) * step % 0xFFFFFF for number in range(count)]
    return [(value >> 16, value >> 8 & 0xFF, value & 0xFF) for value in values]
