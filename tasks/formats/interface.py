"""What a training format is: frozen options that turn one split of a dataset into files, and say what they hold.

A format never sees a disk, a store or a clock. It is given samples that can be read again, and gives files whose bytes
are made while they are read, so that memory does not grow with the dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from tasks.records.model import ModelRunEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.records.classes import ClassRegistry
    from tasks.records.model import Label, Sample


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the tree that ``pull`` lays out: its POSIX path below the root, and its bytes, readable once."""

    path: str
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a format is written from.

    ``samples(split)`` begins a new pass over that split's samples, in the same canonical order each time. ``model_run``
    is true where the rows are of a model run, whose predictions are written apart from its labels.
    """

    name: str
    registry: ClassRegistry
    splits: tuple[str, ...]
    samples: Callable[[str], Iterator[Sample]]
    model_run: bool = False


@dataclass(frozen=True, slots=True)
class Holdings:
    """Which annotations a file can hold, by kind: objects, relationships, and answers by what they are about.

    ``answers`` are about an object or a relationship, and held only where that is; ``image_answers`` are about the
    whole image.
    """

    objects: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    image_answers: frozenset[str] = frozenset()
    relationships: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that are held at least somewhere."""
        relationships = {"relationship"} if self.relationships else frozenset()
        return self.objects | self.answers | self.image_answers | relationships


class Format(Protocol):
    """One training format with its options: a frozen ``msgspec.Struct`` whose fields are the options."""

    __struct_fields__: ClassVar[tuple[str, ...]]

    @property
    def name(self) -> str:
        """The name in the dataset file and on the command line."""

    @property
    def holds(self) -> Holdings:
        """What is held of labels."""

    @property
    def holds_of_predictions(self) -> Holdings:
        """What is held of a model run's predictions."""

    def image_path(self, split: str, file_name: str) -> str | None:
        """Where ``pull`` puts an image, below the tree's root; None where the artifacts hold the images themselves."""

    def write(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give the files of one split, the same bytes for the same samples; a split without samples has files too.

        Files that belong to no split come with the first of ``dataset.splits``.
        """


def predicted_labels(sample: Sample) -> tuple[Label, ...]:
    """Give the predictions of a model run's sample; a project's has none."""
    entry = sample.record.entry
    return entry.predictions if isinstance(entry, ModelRunEntry) else ()
