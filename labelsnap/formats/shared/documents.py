"""JSON documents that are written while they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Encoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.formats.shared.extras import JsonObject

encode = Encoder().encode
"""Write a value as JSON, without white space."""


def array(items: Iterable[JsonObject]) -> Iterator[bytes]:
    """Give a JSON array with one item a line."""
    return array_of(map(encode, items))


def array_of(items: Iterable[bytes]) -> Iterator[bytes]:
    """Give a JSON array of encoded items, one a line."""
    before = b"[\n"
    for item in items:
        yield before + item
        before = b",\n"
    yield b"[]" if before == b"[\n" else b"\n]"
