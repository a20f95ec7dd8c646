"""What steps give to others and to the result: counts, classes, and what they put into the store."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from labelsnap.buckets.parts.work import Conversion
from labelsnap.buckets.receipt import Tally
from labelsnap.formats.description.census import Census
from labelsnap.records.choices.classes import ClassRegistry, OfferedClass
from labelsnap.snapshots.checking.measures import Measure
from labelsnap.snapshots.manifest import File, Pack
from labelsnap.snapshots.writing.draft import Uploads
from tasks.run.span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelsnap.snapshots.manifest import Contents


class StreamReceipt(Struct, frozen=True):
    """One stream of one export, whole: its chunks' files in order, its bytes, and its lines as they were counted.

    Of a stream with a ``span`` only the rows that are in it count. ``part`` is which of ``parts_of`` the dataset it has
    all rows of; ``source`` is the name of the one that it came from, where there are several.
    """

    files: tuple[File, ...]
    packs: tuple[Pack, ...]
    size: int
    lines: int
    retries: int
    uploads: Uploads
    span: Span | None = None
    part: int | None = None
    source: str = ""


class OntologyReceipt(Struct, frozen=True):
    """The file of a project's ontology, the classes that it offers in its order, and what the result tells of it.

    ``archived`` are the names of classes that it offers no more, and that objects may have. ``choices`` are the options
    of each radio question about the image, by its path with slashes. ``reason`` is why it was not read; then the file
    is that of the base, or there is none.
    """

    files: tuple[File, ...] = ()
    offered: tuple[OfferedClass, ...] = ()
    archived: tuple[str, ...] = ()
    choices: dict[str, tuple[str, ...]] = {}
    questions: int = 0
    unreadable: int = 0
    uploads: Uploads = Uploads()
    reason: str | None = None


class Origin(Struct, frozen=True):
    """The snapshot whose lines are read again: of which dataset it is, and which version."""

    url: str
    version: int

    @property
    def ref(self) -> str:
        """The reference that will always mean it."""
        return f"{self.url}@{self.version}"


class Exported(Struct, frozen=True):
    """What a run has of Labelbox: its RESULT and ERRORS streams, and the project's ontology.

    Where they are those that a snapshot keeps, that is the ``origin``.
    """

    results: tuple[StreamReceipt, ...]
    errors: tuple[StreamReceipt, ...]
    ontology: OntologyReceipt
    origin: Origin | None = None


class Settlement(Struct, frozen=True):
    """Counts over all buckets, measures of each, the classes with their ids, and every file and pack that stands.

    ``conversion`` is what formats have to make anew.

    ``behind`` are the manifests behind the base whose classes are not among these: all of them where the buckets are as
    they were, so that nothing has to be published, or none. ``left_out`` is the list of lines that are of no use to a
    later version, where there are any.
    """

    lines: int
    tally: Tally
    census: Census
    measures: dict[int, tuple[Measure, ...]]
    conversion: Conversion
    registry: ClassRegistry
    behind: tuple[str, ...]
    ontology: OntologyReceipt
    tables: tuple[File, ...]
    problems: File
    left_out: tuple[File, ...]
    packs: tuple[Pack, ...]
    uploads: Uploads


class FormatReceipt(Struct, frozen=True):
    """The files that a format has of one split, or (``name`` is "") those of no single format; the packs of small ones.

    Where it failed at rows there are no files, and ``unwritable`` are their ids, with what each met.
    """

    name: str
    files: tuple[File, ...]
    packs: tuple[Pack, ...]
    uploads: Uploads
    unwritable: dict[str, str] = {}


class Publication(Struct, frozen=True):
    """Which version holds what the run made: a new one, or (``published`` false) the one that stood already."""

    version: int
    published: bool


class Content(Struct, frozen=True):
    """Every file of a snapshot, and the packs that some of them lie in or are joined from."""

    files: tuple[File, ...]
    packs: tuple[Pack, ...]


def content_of(settlement: Settlement, written: Sequence[Contents]) -> Content:
    """Put together what a run has made; ``written`` are its streams and formats."""
    alone = settlement.tables, settlement.ontology.files, (settlement.problems,), settlement.left_out
    return Content(
        files=tuple(chain(*alone, *(each.files for each in written))),
        packs=tuple(chain(settlement.packs, *(each.packs for each in written))),
    )
