"""JSON, as all documents have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Encoder

from labelsnap.formats.interface import Rows, array_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labelsnap.formats.shared.extras import JsonObject
    from labelsnap.records.model import Sample

encode = Encoder().encode
"""Write a value as JSON, without white space."""


def array(items: Iterable[JsonObject]) -> bytes:
    """Give a JSON array with one item a line."""
    return b"".join(array_of(map(encode, items)))


def rows(make: Callable[[int, Sample], Iterable[JsonObject]]) -> Rows:
    """Give the place of an array in a document, of whose items ``make`` gives those of one row."""
    return Rows(lambda number, sample: map(encode, make(number, sample)))
