"""Lists of frozen values ↔ Arrow arrays, column by column: a struct column has the fields of the value's type."""

from __future__ import annotations

from functools import partial
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Value = TypeVar("Value", bound=Struct)
Write: TypeAlias = "Callable[[Sequence[Any]], pa.Array]"


def writer(kind: pa.DataType) -> Write:
    """Return what makes an array of a type: of anything with attributes for a struct, of sequences of it for a list.

    A type is looked into once, when its writer is made.
    """
    if pa.types.is_struct(kind):
        return _struct_writer(kind)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        write_items = _struct_writer(kind.value_type)
        return lambda values: list_array(values, write_items(list(chain.from_iterable(filter(None, values)))), kind)
    return partial(pa.array, type=kind)


def _struct_writer(kind: pa.StructType) -> Write:
    children = [(attrgetter(field.name), writer(field.type)) for field in kind]

    def write(values: Sequence[Any]) -> pa.Array:
        present = [value for value in values if value is not None]
        arrays = [write_child(list(map(get, present))) for get, write_child in children]
        dense = pa.StructArray.from_arrays(arrays, type=kind)
        return dense if len(present) == len(values) else spread(dense, ~_nulls(values))

    return write


def spread(dense: pa.Array, where: NDArray[np.bool_]) -> pa.Array:
    """Return an array with the values of ``dense`` in turn where ``where`` is true, and nulls elsewhere."""
    return dense.take(pa.array(np.cumsum(where) - 1, mask=~where))


def list_array(values: Sequence[Any], items: pa.Array, kind: pa.ListType) -> pa.Array:
    """Return a list array from all items in one array, divided as ``values`` are; a null for each None."""
    offsets = list(accumulate([len(value) if value else 0 for value in values], initial=0))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, type=kind, mask=pa.array(_nulls(values)))


def _nulls(values: Sequence[Any]) -> NDArray[np.bool_]:
    return np.fromiter((value is None for value in values), np.bool_, len(values))


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
