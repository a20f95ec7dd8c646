"""WebDataset: tar shards in which the files of a sample stand one after another and share a key.

Format: https://github.com/webdataset/webdataset. Of each sample there are ``KEY.jpg`` (or what the image is),
``KEY.json`` and ``KEY.mask.png``. A key is the image's name without its extension, with ``_`` for dots:
no dots, no slashes. Time, owner and
mode in the tar are fixed, so equal samples give equal bytes.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from msgspec import Struct

from labelsnap.formats.interface import (
    EVERYTHING,
    Artifact,
    Dataset,
    Holdings,
    NotThereError,
    Span,
    no_files,
    predicted_labels,
)
from labelsnap.formats.shared.attributes import distinct_name
from labelsnap.formats.shared.documents import encode
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.extras import JsonObject, image_answers, object_keys, row_keys
from labelsnap.formats.shared.label_maps import instance_map, semantic_map, void_of
from labelsnap.formats.shared.names import stem
from labelsnap.formats.shared.objects import objects_of
from labelsnap.formats.shared.sizes import parse_size
from labelsnap.records.choices.names import undotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from labelsnap.formats.interface import Shard, Standing
    from labelsnap.formats.shared.objects import Found
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Label, Sample


_END: Final = bytes(2 * tarfile.BLOCKSIZE)


class WebDataset(Struct, frozen=True, forbid_unknown_fields=True):
    """Shards of about ``shard_size`` bytes of images; ``mask`` is what the pixels of ``KEY.mask.png`` are."""

    name: ClassVar[str] = "webdataset"
    readable: ClassVar[frozenset[str]] = PICTURES
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = EVERYTHING
    holds_of_predictions: ClassVar[Holdings] = EVERYTHING
    spelled = staticmethod(distinct_name)
    shard_size: str = "256MB"
    mask: Literal["semantic", "instance", "none"] = "semantic"

    def __post_init__(self) -> None:
        parse_size(self.shard_size)

    def image_path(self, split: str, file_name: str) -> None:  # noqa: ARG002 - the shards hold the images
        """Put images nowhere: the shards hold them."""
        return

    def files(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give ``SPLIT-000000.tar`` and so on; a split without rows has none.

        Raises ConfigurationError where a class id does not fit 16 bits.
        """
        if split not in dataset.filled:
            return
        names, void = dataset.registry.unique_names(), void_of(dataset.registry)

        def of_row(sample: Sample) -> Iterator[bytes]:
            return chain.from_iterable(
                _member(name, body) for name, body in self._files_of(sample, dataset, names, void)
            )

        for shard in dataset.shards(split, parse_size(self.shard_size)):
            path, renewed = f"{split}-{shard.index:06}.tar", partial(_renewed, of_row, with_map=self.mask != "none")
            yield Artifact(path, _whole(of_row, shard), shard=shard, renewed=renewed)

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:  # noqa: ARG002 - it has none
        """Give nothing: rows stand in shards."""
        return no_files

    def _files_of(
        self, sample: Sample, dataset: Dataset, names: Mapping[int, str], void: int
    ) -> Iterator[tuple[str, bytes]]:
        key = undotted(stem(sample.image))
        if (body := dataset.read_image(sample)) is not None:
            yield f"{key}{PurePosixPath(sample.image.file_name).suffix}", body
        yield f"{key}.json", encode(_document(dataset, sample, names)) + b"\n"
        if self.mask == "semantic":
            yield f"{key}.mask.png", semantic_map(sample, dataset.registry, void, memory=dataset.memory)
        elif self.mask == "instance":
            yield f"{key}.mask.png", instance_map(sample, memory=dataset.memory)


def _member(name: str, body: bytes) -> Iterator[bytes]:
    """Give a file as it stands in a POSIX.1-2001 tar: time, owner and group 0, mode 0644."""
    member = tarfile.TarInfo(name)
    member.size = len(body)
    yield member.tobuf(tarfile.PAX_FORMAT)
    yield body
    yield bytes(_padding(len(body)))


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


def _whole(of_row: Callable[[Sample], Iterator[bytes]], shard: Shard) -> Iterator[bytes]:
    for sample in shard.samples():
        yield from of_row(sample)
    yield _END


def _renewed(
    of_row: Callable[[Sample], Iterator[bytes]], standing: Standing, *, with_map: bool
) -> Iterator[bytes | Span]:
    """Give a shard of which the members of rows that stand are spans of the one before. Raises NotThereError."""
    places = _places(standing.file)
    for row in standing.rows:
        if row.sample is not None:
            yield from of_row(row.sample)
            continue
        name = PurePosixPath(row.file_name)
        key = undotted(name.stem)
        labels = [f"{key}.json", *([f"{key}.mask.png"] if with_map else [])]
        place = places.get(key)
        if place is None or place.names not in (labels, [f"{key}{name.suffix}", *labels]):
            raise NotThereError(f"not the members of the row {row.id!r}")
        yield Span(place.start, place.end - place.start)
    yield _END


@dataclass(slots=True)
class _Place:
    """Where the members of a key stand, one behind another, and their names."""

    start: int
    end: int
    names: list[str]

    def take(self, member: tarfile.TarInfo) -> None:
        """Put a member behind those that are here. Raises NotThereError for one that no shard has."""
        if member.size < 0 or not member.isreg() or member.offset != self.end:
            raise NotThereError("a member that is no file, or has members of another key before it")
        self.end = member.offset_data + member.size + _padding(member.size)
        self.names.append(member.name)


def _places(tar: BinaryIO) -> dict[str, _Place]:
    """Return where the members of each key stand. Raises NotThereError."""
    found: dict[str, _Place] = {}
    try:
        with tarfile.open(fileobj=tar, mode="r:") as members:
            while (member := members.next()) is not None:
                members.members = []  # type: ignore[attr-defined]  # they are not held
                found.setdefault(member.name.partition(".")[0], _Place(member.offset, member.offset, [])).take(member)
    except (tarfile.TarError, OSError, ValueError, RecursionError) as error:
        if isinstance(error, NotThereError):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NotThereError(f"what is no tar ({error})") from error
    return found


def _document(dataset: Dataset, sample: Sample, names: Mapping[int, str]) -> JsonObject:
    image, data_row, registry = sample.image, sample.record.data_row, dataset.registry
    predicted = predicted_labels(sample)
    return {
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        **({"image_url": data_row.row_data} if image.sha256 is None else {}),
        **row_keys(data_row),
        **_holdings(sample.record.entry.labels, registry, names),
        **({"predictions": _holdings(predicted, registry, names)} if dataset.model_run else {}),
    }


def _holdings(labels: Iterable[Label], registry: ClassRegistry, names: Mapping[int, str]) -> JsonObject:
    """Give everything of some labels: objects, answers about the image, and relationships."""
    found = list(labels)
    return {"objects": [_object(each, names) for each in objects_of(found, registry)], **image_answers(found)}


def _object(found: Found, names: Mapping[int, str]) -> JsonObject:
    place, annotation = found.place, found.annotation
    runs = place.runs
    return {
        "kind": found.kind,
        "category_id": found.category.id,
        "category": names[found.category.id],
        "bbox": place.box,
        "area": place.area,
        **({"vertices": place.vertices} if place.vertices else {}),
        **({"rle": {"size": (runs.height, runs.width), "counts": runs.counts.decode("ascii")}} if runs else {}),
        **({} if annotation.confidence is None else {"score": annotation.confidence}),
        **object_keys(found.label, annotation),
    }
