"""Lists of frozen values ↔ Arrow arrays, column by column: a struct column has the fields of the value's type."""

from __future__ import annotations

from functools import partial
from itertools import accumulate, chain, pairwise, repeat
from operator import attrgetter, is_
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
        return partial(_structs_array, write_items=_struct_writer(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return partial(_tuples_array, kind=kind)
    return partial(pa.array, type=kind)


def _structs_array(values: Sequence[Sequence[Any] | None], write_items: Write) -> pa.Array:
    """Return an array of lists of structs; a null for each None."""
    lengths = [len(value) if value else 0 for value in values]
    return list_array(lengths, write_items(list(chain.from_iterable(filter(None, values)))), _nulls(values))


def _tuples_array(values: Sequence[tuple[float, ...] | None], kind: pa.FixedSizeListType) -> pa.Array:
    """Return an array of tuples of as many numbers; a null for each None."""
    absent = (0,) * kind.list_size
    numbers = np.fromiter(chain.from_iterable([value or absent for value in values]), kind.value_type.to_pandas_dtype())
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), type=kind, mask=pa.array(_nulls(values)))


def _struct_writer(kind: pa.StructType) -> Write:
    children = [(attrgetter(field.name), writer(field.type)) for field in kind]

    def write(values: Sequence[Any]) -> pa.Array:
        present = [value for value in values if value is not None]
        if not present:
            return pa.nulls(len(values), kind)
        arrays = [write_child(list(map(get, present))) for get, write_child in children]
        dense = pa.StructArray.from_arrays(arrays, type=kind)
        return dense if len(present) == len(values) else spread(dense, ~_nulls(values))

    return write


def spread(dense: pa.Array, where: NDArray[np.bool_]) -> pa.Array:
    """Return an array with the values of ``dense`` in turn where ``where`` is true, and nulls elsewhere."""
    if not len(dense):
        return pa.nulls(len(where), dense.type)
    return dense.take(pa.array(np.cumsum(where, dtype=np.int32) - np.int32(1), mask=~where))


def list_array(lengths: Sequence[int] | NDArray[np.int32], items: pa.Array, absent: NDArray[np.bool_]) -> pa.Array:
    """Return an array of lists of so many of the items each, in turn; a null where ``absent`` is true."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=pa.list_(items.type), mask=pa.array(absent))


def _nulls(values: Sequence[Any]) -> NDArray[np.bool_]:
    return np.fromiter(map(is_, values, repeat(None)), np.bool_, len(values))


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
