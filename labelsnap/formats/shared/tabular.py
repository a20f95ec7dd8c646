"""Formats whose files are tables: Croissant describes their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from labelsnap.records.choices.classes import ClassRegistry


class TableFiles(NamedTuple):
    """The Parquet files of one table: a glob below the tree's root, and their schema."""

    includes: str
    schema: pa.Schema


@runtime_checkable
class Tabular(Protocol):
    """A format that can say which tables its tree has."""

    def tables(self, registry: ClassRegistry, *, model_run: bool) -> Mapping[str, TableFiles]:
        """Give the tables by name."""
