"""Lists of frozen values ↔ Arrow arrays, column by column: a struct column has the fields of the value's type."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import astuple, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Value = TypeVar("Value", bound=Struct)


def tuples(values: Sequence[Struct | None]) -> list[tuple[Any, ...] | None]:
    """Return the fields of each value, as an array of structs is made of; None for each None."""
    return [None if value is None else astuple(value) for value in values]


def list_array(lengths: NDArray[np.int32], items: pa.Array, absent: NDArray[np.bool_]) -> pa.Array:
    """Return an array of lists of so many of the items each, in turn; a null where ``absent`` is true."""
    ends = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    return pa.ListArray.from_arrays(pa.array(ends), items, type=pa.list_(items.type), mask=pa.array(absent))


def structs(column: pa.Array, cls: type[Value], **nested: type[Struct]) -> list[Value | None]:
    """Return a struct array as values of a type, None for each null; ``nested`` are the types of lists of structs.

    The struct's fields are the type's first ones, in order; a field of bytes is ASCII text in the array.
    """
    kinds = [field.type for field in fields(cls)]
    children = [
        _child(column.field(index), kinds[index], nested.get(field.name)) for index, field in enumerate(column.type)
    ]
    valid = column.is_valid().to_pylist()
    return [cls(*row) if present else None for present, row in zip(valid, zip(*children, strict=True), strict=True)]


def _child(column: pa.Array, kind: Any, nested: type[Struct] | None) -> list[Any]:
    if nested:
        return lists(column, nested)
    return plain(column.cast(pa.binary()) if kind is bytes else column)


def lists(column: pa.Array, cls: type[Struct]) -> list[Any]:
    """Return an array of lists of structs as tuples of values, None for each null."""
    return divided(column, structs(column.flatten(), cls))


def divided(column: pa.Array, items: Sequence[Any]) -> list[Any]:
    """Return the items of a list array's flat values as one tuple a list, None for each null."""
    ends = list(accumulate([length or 0 for length in column.value_lengths().to_pylist()], initial=0))
    found = [tuple(items[start:end]) for start, end in pairwise(ends)]
    return [item if valid else None for item, valid in zip(found, column.is_valid().to_pylist(), strict=True)]


def plain(column: pa.Array) -> list[Any]:
    """Return an array's values, with a tuple for each list."""
    if pa.types.is_nested(column.type):
        return [None if value is None else tuple(value) for value in column.to_pylist()]
    found: list[Any] = column.to_pylist()
    return found
