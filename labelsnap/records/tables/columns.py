"""Lists of frozen values ↔ Arrow arrays, column by column: a struct column has the fields of the value's type."""

from __future__ import annotations

from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
    """Return a struct array as values of a type, None for each null; see ``present``."""
    values = iter(present(column, cls, **nested))
    return [next(values) if valid else None for valid in column.is_valid().to_pylist()]


def present(column: pa.Array, cls: type[Value], **nested: type[Struct]) -> list[Value]:
    """Return the structs of an array that are not null as values of a type.

    The struct's fields are the type's first ones, in order; a field of bytes is ASCII text in the array. ``nested`` are
    the types of lists of structs.
    """
    found = column.drop_null() if column.null_count else column
    children = [
        _child(found.field(index), kind, nested.get(field.name))
        for index, (field, kind) in enumerate(zip(column.type, _kinds(cls), strict=False))
    ]
    return list(map(cls, *children))


@cache
def _kinds(cls: type[Struct]) -> tuple[Any, ...]:
    return tuple(field.type for field in fields(cls))


def _child(column: pa.Array, kind: Any, nested: type[Struct] | None) -> list[Any]:
    if nested:
        return lists(column, nested)
    return plain(column.cast(pa.binary()) if kind is bytes else column)


def lists(column: pa.Array, cls: type[Struct]) -> list[Any]:
    """Return an array of lists of structs as tuples of values, None for each null."""
    return divided(column, present(column.flatten(), cls))


def divided(column: pa.Array, items: Sequence[Any]) -> list[Any]:
    """Return the items of a list array's flat values as one tuple a list, None for each null."""
    lengths = pc.list_value_length(column).to_pylist()
    ends = accumulate([length or 0 for length in lengths], initial=0)
    return [
        None if length is None else tuple(items[start:end])
        for length, (start, end) in zip(lengths, pairwise(ends), strict=True)
    ]


def plain(column: pa.Array) -> list[Any]:
    """Return an array's values, with a tuple for each list."""
    if pa.types.is_nested(column.type):
        return divided(column, plain(column.flatten()))
    found: list[Any] = column.to_pylist()
    return found
