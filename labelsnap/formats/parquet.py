"""The canonical tables as a format: every snapshot has them, and every other format is written from them.

``labelsnap/records/README.md`` describes the columns. Nothing is written: ``pull`` lays the snapshot's own tables out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from labelsnap.formats.interface import EVERYTHING, Artifact, Dataset, Holdings, no_files
from labelsnap.formats.shared.tabular import TableFiles
from labelsnap.records.tables.schema import SCHEMAS
from labelsnap.records.tables.tables import classes_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Sample


class Parquet(Struct, frozen=True, forbid_unknown_fields=True):
    """The canonical tables. It has no options."""

    name: ClassVar[str] = "parquet"
    readable: ClassVar[None] = None
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = EVERYTHING
    holds_of_predictions: ClassVar[Holdings] = EVERYTHING

    def image_path(self, split: str, file_name: str) -> None:  # noqa: ARG002 - a tree of tables
        """Put images nowhere: the table ``images`` says where in the store they lie."""
        return

    def files(self, dataset: Dataset, split: str) -> Iterator[Artifact]:  # noqa: ARG002 - they are there already
        """Give nothing: the tables are the snapshot's own."""
        yield from ()

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:  # noqa: ARG002 - as above
        """Give nothing, as of a split."""
        return no_files

    def tables(self, registry: ClassRegistry, *, model_run: bool) -> Mapping[str, TableFiles]:  # noqa: ARG002
        """Give every table, in bucket files of its own folder."""
        schemas = {**SCHEMAS, "classes": classes_schema(registry)}
        return {name: TableFiles(f"{name}/*.parquet", schema) for name, schema in schemas.items()}
