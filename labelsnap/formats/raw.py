"""The export's own lines as a format: every snapshot keeps them, byte for byte, refused lines included.

Nothing is written: ``pull`` joins the chunks that were kept to ``export.ndjson`` and ``errors.ndjson``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec import Struct

from labelsnap.formats.interface import EVERYTHING, Artifact, Dataset, Holdings, no_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelsnap.records.model import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines(Holdings):
    """An answer stands in its line whether the pixels of what it is about do or not."""

    def holds(self, kind: str, about: str, question: str = "", *, flat: bool = False) -> bool:  # noqa: ARG002 - whatever it is about
        return kind != "mask"


LINES: Final = _Lines(**asdict(replace(EVERYTHING, mask=False)))


class Raw(Struct, frozen=True, forbid_unknown_fields=True):
    """Labelbox's lines, with the URLs of masks and not their pixels. It has no options."""

    name: ClassVar[str] = "raw"
    readable: ClassVar[None] = None
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = LINES
    holds_of_predictions: ClassVar[Holdings] = LINES

    def image_path(self, split: str, file_name: str) -> None:  # noqa: ARG002 - lines only
        """Put images nowhere."""
        return

    def files(self, dataset: Dataset, split: str) -> Iterator[Artifact]:  # noqa: ARG002 - they are there already
        """Give nothing: the lines are the snapshot's own."""
        yield from ()

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:  # noqa: ARG002 - as above
        """Give nothing, as of a split."""
        return no_files
