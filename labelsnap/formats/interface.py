"""What a training format is: frozen options that turn rows into files, and say what these hold.

A format never sees a disk, a store or a clock. It says what of each file one row makes, and what stands around that:
so every row is decoded once for all formats, wherever a worker is free, and what did not change is not made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from labelsnap.memory import MEMORY
from labelsnap.records.model import ModelRunEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from labelsnap.memory import Budget
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Label, Sample


OPENING, BETWEEN, CLOSING, EMPTY = b"[\n", b",\n", b"\n]", b"[]"
"""What a JSON array with one item a line has before, between and behind its items, and what it is without any."""


@dataclass(frozen=True, slots=True)
class Only:
    """Of the questions about images one is held, by its name in ``attributes``, where a row has one answer to it."""

    question: str


Answers: TypeAlias = Literal["nowhere", "objects", "images", "everywhere"] | Only
"""About what an answered question is held: objects and relationships that are held, whole images, or both."""


@dataclass(frozen=True, slots=True)
class Span:
    """``size`` bytes, from ``offset``, of a shard as the version before has it."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Told:
    """A row of a shard by its id and the name of its image's file; it stands where there is no ``sample``."""

    id: str
    file_name: str
    sample: Sample | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A shard as the version before has it, to be read in any order, and the rows that there are now, in theirs.

    What stands of them is there, in the same order.
    """

    file: BinaryIO
    rows: Iterable[Told]


class NotThereError(ValueError):
    """A shard of the version before has not what should stand in it: it is made anew as a whole."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the tree that ``pull`` lays out: its POSIX path below the root, and its bytes.

    The bytes are readable once, and before the next artifact is asked for. ``small`` marks one of many, such as a file
    an image: the store keeps a thousand of them as one object, and their bytes are held in memory. One with a sample as
    ``image`` is that sample's image byte for byte: who has stored it need not read it. One with a ``shard`` is made of
    its rows alone, which are not asked for before the bytes are: it is made apart, and stands while they do.

    ``renewed`` gives the very bytes of a shard where some rows stand: what it makes of the others, and what it takes
    over of the version before, as spans wherever they can be told. It raises NotThereError.
    """

    path: str
    chunks: Iterator[bytes]
    small: bool = False
    image: Sample | None = None
    shard: Shard | None = None
    renewed: Callable[[Standing], Iterator[bytes | Span]] | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The place in a document where all rows of its split stand, in their order.

    ``make`` gives the items of one row, encoded, of its number and sample: a function of nothing else. As an ``array``
    they are a JSON array with one item a line; else they stand there as they are.
    """

    make: Callable[[int, Sample], Iterable[bytes]]
    array: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """A file of the tree that is joined from what each row makes of it: its path, and its bytes and rows in order."""

    path: str
    pieces: tuple[bytes | Rows, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a split, with a number of its own (see ``labelsnap.records.choices.numbers``)."""

    number: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Shard:
    """Some of a split's samples, chosen by hash of the row's id: a changed row changes the bytes of one shard only.

    ``index`` counts from 0 to ``count`` - 1; ``count`` is a power of two. ``samples`` begins a new pass each time.
    """

    index: int
    count: int
    samples: Callable[[], Iterator[Sample]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a format is written from.

    ``rows(split)`` begins a new pass over that split's rows, in the same canonical order each time: by bucket first.
    ``shards(split, size)`` divides the same rows so that a shard has about ``size`` bytes of images; a split always
    has a shard, and the shards come in the order in which they are cheapest to read. ``read_image`` gives the bytes of
    a sample's image, in the order of a pass without reading any twice; None where the dataset refers to images.
    ``model_run`` is true where the rows are of a model run, whose predictions are written apart from its labels.
    ``counts`` is how many rows of it the format has in each split; empty where the dataset has no rows at all.
    ``choices()`` are the answers that these rows, in all splits, have to each radio question about the image that any
    of them was asked: those of rows that have one answer to it. ``memory`` is the budget that pictures are made in.
    """

    name: str
    registry: ClassRegistry
    splits: tuple[str, ...]
    rows: Callable[[str], Iterator[Row]]
    shards: Callable[[str, int], Iterator[Shard]]
    read_image: Callable[[Sample], bytes | None]
    counts: Mapping[str, int]
    choices: Callable[[], Mapping[str, frozenset[str]]]
    model_run: bool = False
    memory: Budget = MEMORY

    @property
    def filled(self) -> tuple[str, ...]:
        """The splits that have rows; all of a dataset that has none at all.

        Files that readers take for a split are written for these only: one that holds nothing stops some readers.
        """
        return tuple(split for split in self.splits if self.counts.get(split)) if self.counts else self.splits


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a file can hold, kind by kind: one field for each of ``labelsnap.records.counts.KINDS``, and ``flat``.

    ``flat`` says whether it holds objects that have no area (see ``labelsnap.records.extent``), of the kinds that have
    one otherwise. None has a default, so that a new kind fails the type check of every format until it says whether it
    holds it. What is not held is declared lost, and counted as such.
    """

    bounding_box: bool
    polygon: bool
    polyline: bool
    point: bool
    mask: bool
    relationship: bool
    radio: Answers
    checklist: Answers
    text: Answers
    flat: bool

    def holds(self, kind: str, about: str, question: str = "", *, flat: bool = False) -> bool:
        """Say whether something of a kind is held; ``about`` is what a question is about: a kind of object or "image".

        ``flat`` is true of an object without an area, and of a question about one.
        An answer about something that is lost is lost with it. Of an object or relationship, ``about`` is its own kind.
        ``question`` is the name of one about the image, if its row has one answer to it.
        """
        if flat and not self.flat:
            return False
        held: bool | Answers = getattr(self, kind)
        if isinstance(held, bool):
            return held
        if isinstance(held, Only):
            return about == "image" and question == held.question
        where: Answers = "images" if about == "image" else "objects"
        return held in {where, "everywhere"} and (about == "image" or getattr(self, about))


EVERYTHING = Holdings(
    bounding_box=True,
    polygon=True,
    polyline=True,
    point=True,
    mask=True,
    relationship=True,
    radio="everywhere",
    checklist="everywhere",
    text="everywhere",
    flat=True,
)
NOTHING = Holdings(
    bounding_box=False,
    polygon=False,
    polyline=False,
    point=False,
    mask=False,
    relationship=False,
    radio="nowhere",
    checklist="nowhere",
    text="nowhere",
    flat=False,
)


class Format(Protocol):
    """One training format with its options: a frozen ``msgspec.Struct`` whose fields are the options."""

    __struct_fields__: ClassVar[tuple[str, ...]]

    @property
    def name(self) -> str:
        """The name in the dataset file and on the command line."""

    @property
    def readable(self) -> frozenset[str] | None:
        """The endings of image files that the format's readers take, in lower case; None where they go by none."""

    @property
    def takes_references(self) -> bool:
        """Whether it can be made of a dataset that refers to its images; False where it lays them out itself."""

    @property
    def holds(self) -> Holdings:
        """What is held of labels; it may depend on the options."""

    @property
    def holds_of_predictions(self) -> Holdings:
        """What is held of a model run's predictions."""

    def image_path(self, split: str, file_name: str) -> str | None:
        """Where ``pull`` puts an image, below the tree's root; None where the artifacts hold the images themselves."""

    def files(self, dataset: Dataset, split: str) -> Iterator[Document | Artifact]:
        """Give the files of one split, the same bytes for the same rows: documents, shards, and what names no row.

        Files that belong to no split come with the first of ``dataset.splits``, whether that has rows or not.
        """

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:
        """Give what gives the files of one row, all of them small: the same bytes for the same sample."""


@runtime_checkable
class OfAllRows(Protocol):
    """A format of which what one row makes depends on other rows too."""

    @property
    def decided_by(self) -> str:
        """The path of the file, given with the first split, that says all that rows depend on beside classes.

        Rows of an earlier version are taken over where that has the same bytes; "": no row depends on others.
        """


def written(each: Format, dataset: Dataset, split: str) -> Iterator[Artifact]:
    """Give all files of one split: those of the split, and then those of its rows, one row after another."""
    for file in each.files(dataset, split):
        yield file if isinstance(file, Artifact) else Artifact(file.path, _bytes_of(file, dataset, split))
    of_row = each.files_of_row(dataset)
    yield from chain.from_iterable(of_row(row.sample) for row in dataset.rows(split))


def _bytes_of(document: Document, dataset: Dataset, split: str) -> Iterator[bytes]:
    for piece in document.pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        items = chain.from_iterable(piece.make(row.number, row.sample) for row in dataset.rows(split))
        yield from array_of(items) if piece.array else items


def array_of(items: Iterable[bytes]) -> Iterator[bytes]:
    """Give a JSON array of encoded items, one a line."""
    before = OPENING
    for item in items:
        yield before + item
        before = BETWEEN
    yield EMPTY if before == OPENING else CLOSING


def no_files(_: Sample) -> Iterator[Artifact]:
    """Give no file of a row. Of a format that has this, and no document, no row is decoded for anything but shards."""
    return iter(())


def predicted_labels(sample: Sample) -> tuple[Label, ...]:
    """Give the predictions of a model run's sample; a project's has none."""
    entry = sample.record.entry
    return entry.predictions if isinstance(entry, ModelRunEntry) else ()


def shard_count(image_bytes: int, size: int) -> int:
    """The smallest power of two that keeps a shard at ``size`` bytes of images on average; at least 1."""
    needed = -(-image_bytes // size)
    return 1 << max(0, needed - 1).bit_length()
