"""A record → a sample: its image comes down and is checked, its masks come down and are decoded to runs.

How masks are had is told in ``masks.py``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from os import SEEK_END
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from msgspec.structs import replace

from labelsnap.buckets.errors import RowError, object_path
from labelsnap.buckets.rows.image import ImageError, check_image, declared_size, publishable, size_text
from labelsnap.buckets.rows.masks import MaskFetcher
from labelsnap.buckets.rows.reuse import Reused
from labelsnap.images.orientation import fits
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.nothing import not_held
from labelsnap.masks.decoding.png import Limits
from labelsnap.masks.shapes.polygons import columns_crossed
from labelsnap.memory import MEMORY
from labelsnap.records.choices.names import Naming, file_name, key_name
from labelsnap.records.choices.split_sources import SplitNameError, named_by
from labelsnap.records.choices.splits import Split, split_of
from labelsnap.records.geometry import Mask, Polygon
from labelsnap.records.image import Image
from labelsnap.records.lines.fingerprint import fingerprint_with_split
from labelsnap.records.model import ModelRunEntry, Record, Sample
from labelsnap.records.tables.carry import carry_over, labels_of, masks_of, with_shared

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import IO

    from labelsnap.buckets.rows.held import Held
    from labelsnap.images.orientation import Rule
    from labelsnap.labelbox.downloads.download import Downloader
    from labelsnap.labelbox.downloads.known import ImageAnswer
    from labelsnap.memory import Budget
    from labelsnap.records.choices.names import NameRule
    from labelsnap.records.choices.split_sources import Names, SplitSource
    from labelsnap.records.geometry import MaskRule
    from labelsnap.records.image import ImageRule
    from labelsnap.records.model import Entry, Label, Row
    from labelsnap.records.tables.carry import Masks, Origin, Size

    _OfLabels = Mapping[str, Mapping[str, Mask]]
    """Masks by feature id, by label id."""
    NameOf = Callable[[str], str]
    """The name of a row's file, by the type of its image."""

EARLIER_TYPES: Final = {"image/mpo": "image/jpeg"}
"""What earlier versions of labelsnap called a type."""
NEW: Final = Reused()
"""A row of which nothing stands."""
UNNAMED: Final = Naming()
"""A row that has no claim to a name, and that no file was called by."""
MOST_CROSSED: Final = 20_000_000
"""Columns of pixels that the outlines of a row's polygons cross, one again for each time: what drawing them takes.

A thousand polygons that are each as wide as an image of ten thousand pixels cross as many.
"""
REFUSED: Final = "images_refused"
"""Counts the images that stand unconfirmed because their URLs were refused."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How the rows of a bucket get their pixels. Image bytes go to ``directory``, named by their sha256 (hex).

    ``split_from`` is where splits are taken from that exist already, and ``split_names`` what it calls them;
    ``given`` are the splits that rows were given before under the same settings, by data row id. ``memory`` is what
    images and masks are decoded in. ``held`` is the snapshot whose lines are read again: images come of it.
    """

    downloader: Downloader
    directory: Path
    images: ImageRule
    split: Split
    group_by: str | None
    max_image_bytes: int
    max_image_pixels: int
    max_mask_bytes: int
    orientation: Rule = "declared"
    masks: MaskRule = "composite"
    given: Mapping[str, str] = field(default_factory=dict)
    memory: Budget = MEMORY
    held: Held | None = None
    split_from: SplitSource | None = None
    split_names: Names = field(default_factory=dict)
    file_names: NameRule = "unique"

    def fetch(
        self,
        record: Record,
        requests: Counter[str],
        reused: Reused = NEW,
        listed: str = "",
        naming: Naming = UNNAMED,
    ) -> Sample:
        """Complete a record with what it takes over, and what has to be fetched. Raises ``RowError``.

        ``requests`` counts the distinct things that were asked for, by kind of ``requests`` in the result. ``listed``
        is the split that a list of ids has for the row, if any, and ``naming`` what decides its file's name.
        """
        name = partial(self._name, record, naming)
        named = listed or self._named(record)
        standing = reused.standing
        image = self._image(record, requests, reused, name)
        size = (image.height, image.width) if image else None
        if standing:
            record = carry_over(record, standing, size)
        if self.images == "reference":
            self._check_reference(record.data_row.row_data)
        labels: list[Label] = []
        entries: list[Entry] = []
        for each in record.entries:
            made = masks_of(entries)
            entry, size = self._entry(with_shared(each, made), size, requests, reused.whole_masks)
            entries.append(entry)
            labels += chain.from_iterable(found for _, found in labels_of(entry))
        first, *others = entries
        apart = tuple([replace(each, entry=entry) for each, entry in zip(record.others, others, strict=True)])
        image = image or _referenced(record, size, self.max_image_pixels, name)
        _check_masks(labels, image)
        _check_polygons(labels, image)
        split = named or split_of(record, image.sha256, self.group_by, self.split, self.given)
        return Sample(record=replace(record, entry=first, others=apart), image=image, split=split, mask_rule=self.masks)

    def digest(self, line: bytes, listed: str) -> str:
        """Return the fingerprint of a line, in which is what the row's split is taken from."""
        in_run = self.split_from is not None and self.split_from.kind == "model_run"
        return fingerprint_with_split(line, in_run=in_run, named=listed)

    def with_split(self, row: Row, line: bytes, listed: str) -> Row:
        """Return the row of a line under that fingerprint."""
        return replace(row, fingerprint=self.digest(line, listed)) if self.split_from else row

    def _named(self, record: Record) -> str | None:
        """The split that the dataset's source names for a row; None: it says nothing, or there is none."""
        try:
            return named_by(record, self.split_from, self.split_names) if self.split_from else None
        except SplitNameError as error:
            raise RowError(error.path, error.code, str(error)) from None

    def refuses(self, url: str) -> bool:
        """Tell whether an image is referenced by what may not be published."""
        try:
            self._check_reference(url)
        except RowError:
            return True
        return False

    def _check_reference(self, url: str) -> None:
        try:
            self.downloader.check_reference(url)
        except DownloadError as error:
            raise RowError("$.data_row.row_data", error.code, error.reason) from None

    def _image(self, record: Record, requests: Counter[str], reused: Reused, name: NameOf) -> Image | None:
        """Take an image over, or bring it down; None where it is referenced and its size is not declared."""
        stands = _named_now(reused.standing.image, name) if reused.standing else None
        if stands and reused.image == "stands":
            return stands
        media = record.data_row.media
        if self.images == "reference":
            declared = media.height is not None and media.width is not None
            as_declared = (media.height or 0, media.width or 0)
            return _referenced(record, as_declared, self.max_image_pixels, name) if declared else None
        path = self.directory / uuid4().hex
        made_of = stands if self.held else None
        try:
            with path.open("w+b") as file:
                answer = self._came(record, file, reused)
                if stands and answer.is_known:
                    path.unlink()
                    requests["images_not_modified"] += 1
                    return replace(stands, validators=answer.validators, unconfirmed=False)
                picture = publishable(
                    file,
                    rule=self.orientation,
                    media=media,
                    max_pixels=self.max_image_pixels,
                    as_jpeg=self.images == "jpg",
                    memory=self.memory,
                    was=made_of.orientation or 1 if made_of and not made_of.turned else None,
                )
                size = file.seek(0, SEEK_END)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (DownloadError, ImageError) as error:
            path.unlink()
            if stands and isinstance(error, DownloadError) and (spared := reused.spared(error)):
                requests[REFUSED] += spared.unconfirmed and error.code.startswith("http_4")
                return replace(stands, unconfirmed=spared.unconfirmed, orientation=spared.orientation)
            raise RowError("$.data_row.row_data", error.code, str(error)) from None
        except Exception:
            path.unlink()
            raise
        path.replace(self.directory / digest)
        requests["images"] += made_of is None
        is_turned = made_of is not None and made_of.turned
        return Image(
            file_name=name(picture.mime_type),
            width=picture.width,
            height=picture.height,
            mime_type=picture.mime_type,
            sha256=digest,
            size=size,
            orientation=made_of.orientation if made_of and is_turned else picture.orientation,
            turned=picture.turned or is_turned,
            converted_from=picture.converted_from or (made_of.converted_from if made_of else None),
            validators=answer.validators,
            unconfirmed=bool(made_of and made_of.unconfirmed),
        )

    def _came(self, record: Record, file: IO[bytes], reused: Reused) -> ImageAnswer:
        """Have an image come from its source, or from the snapshot whose lines are read again. Raises DownloadError."""
        if self.held is None:
            return self.downloader.image(
                record.data_row.row_data,
                file,
                limit=self.max_image_bytes,
                check=partial(check_image, max_pixels=self.max_image_pixels, memory=self.memory),
                known=reused.known,
            )
        if reused.standing is None:
            raise not_held("the snapshot has no such row, and so no image of it")
        if not reused.is_made_of_held:
            raise not_held(
                "the snapshot holds the image turned, made a JPEG, or not at all, and it is asked for otherwise"
            )
        return self.held.image(reused.standing.image, file)

    def _name(self, record: Record, naming: Naming, mime_type: str) -> str:
        of_type = self.images == "jpg"
        if self.file_names == "key":
            return key_name(record.data_row, mime_type, naming, of_type=of_type)
        return file_name(record.data_row, mime_type, of_type=of_type)

    def _entry(
        self, entry: Entry, size: Size | None, requests: Counter[str], whole: Masks
    ) -> tuple[Entry, Size | None]:
        """Complete what one source has of a row; ``whole`` are masks that stand for their instances' own images."""
        labels, size = self._labels(entry.labels, size, requests, _of_labels(whole, "label"))
        if not isinstance(entry, ModelRunEntry):
            return replace(entry, labels=labels), size
        predictions, size = self._labels(entry.predictions, size, requests, _of_labels(whole, "prediction"))
        return replace(entry, labels=labels, predictions=predictions), size

    def _labels(
        self, labels: tuple[Label, ...], size: Size | None, requests: Counter[str], whole: _OfLabels
    ) -> tuple[tuple[Label, ...], Size | None]:
        finished = []
        for label in labels:
            size = size or _size_of_masks(label)
            complete = self._masks.complete(label, size, requests, whole.get(label.id, {}))
            size = size or _size_of_masks(complete)
            finished.append(complete)
        return tuple(finished), size

    @property
    def _masks(self) -> MaskFetcher:
        limits = Limits(pixels=self.max_image_pixels, bytes=self.max_mask_bytes, memory=self.memory)
        return MaskFetcher(self.downloader, self.masks, limits, self.directory)


def _named_now(image: Image, name: NameOf) -> Image:
    """Return an image that stands under the type and the name that it would get today."""
    mime_type = EARLIER_TYPES.get(image.mime_type, image.mime_type)
    orientation = None if image.sha256 is None else image.orientation or 1
    return replace(image, mime_type=mime_type, file_name=name(mime_type), orientation=orientation)


def _of_labels(masks: Masks, wanted: Origin) -> _OfLabels:
    """Part the masks of one origin by label."""
    parted: defaultdict[str, dict[str, Mask]] = defaultdict(dict)
    for (origin, label_id, feature_id), mask in masks.items():
        if origin == wanted:
            parted[label_id][feature_id] = mask
    return parted


def _size_of_masks(label: Label) -> Size | None:
    """The size of the first decoded mask of a label."""
    masks = (each.geometry for each in label.annotations if isinstance(each.geometry, Mask))
    return next(((mask.runs.height, mask.runs.width) for mask in masks), None)


def _check_masks(labels: Iterable[Label], image: Image) -> None:
    """Raise ``RowError`` for a mask of another size than its image, wherever either came from."""
    for each in (annotation for label in labels for annotation in label.annotations):
        if not isinstance(each.geometry, Mask):
            continue
        runs, reference = each.geometry.runs, each.geometry.reference
        if (runs.height, runs.width) != (image.height, image.width):
            path = object_path(each.feature_id, "mask.url" if reference.url else "composite_mask")
            reason = f"the mask has {runs.width}×{runs.height} pixels, its image {image.width}×{image.height}"
            raise RowError(path, "mask_size_mismatch", reason)


def _check_polygons(labels: Iterable[Label], image: Image) -> None:
    """Raise ``RowError`` for polygons that go to and fro so often that no format could draw them in bounded time."""
    objects = (each.geometry for label in labels for each in label.annotations)
    rings = [each.vertices for each in objects if isinstance(each, Polygon)]
    if sum(map(len, rings)) * image.width <= MOST_CROSSED:
        return
    crossed = sum(columns_crossed(ring, image.width) for ring in rings)
    if crossed > MOST_CROSSED:
        reason = f"the outlines of its polygons cross {crossed} columns of pixels, more than {MOST_CROSSED}"
        raise RowError("$..objects", "polygons_too_long", reason)


def _referenced(record: Record, size: Size | None, max_pixels: int, name: NameOf) -> Image:
    if size is None:
        raise RowError(
            "$.media_attributes",
            "image_size_unknown",
            "the export declares no width and height, and images are referenced, not copied",
        )
    declared = declared_size(record.data_row.media)
    if not fits(size[::-1], declared):
        reason = f"the export declares {size_text(declared)}, its masks have {size_text(size[::-1])} pixels"
        raise RowError("$.media_attributes", "image_size_mismatch", reason)
    if size[0] * size[1] > max_pixels:
        reason = f"the {size_text(size[::-1])} pixels that are declared are more than {max_pixels}"
        raise RowError("$.media_attributes", "image_too_large", reason)
    mime_type = record.data_row.media.mime_type or "application/octet-stream"
    return Image(
        file_name=name(mime_type),
        width=size[1],
        height=size[0],
        mime_type=mime_type,
        sha256=None,
        size=None,
    )
