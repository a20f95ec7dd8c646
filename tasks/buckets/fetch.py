"""A record → a sample: its image comes down and is checked, its masks come down and are decoded to runs.

How masks are had is told in ``masks.py``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from os import SEEK_END
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

from msgspec.structs import replace

from tasks.buckets.errors import RowError, object_path
from tasks.buckets.image import ImageError, check_image, declared_size, publishable, size_text
from tasks.buckets.masks import MaskFetcher, still_made
from tasks.images.containers import NEVER_TURNED
from tasks.images.orientation import fits, placed, turned_size
from tasks.labelbox.failures import DownloadError
from tasks.masks.png import Limits
from tasks.records.carry import carry_over
from tasks.records.geometry import Mask, MaskReference
from tasks.records.model import Image, ModelRunEntry, Record, Sample
from tasks.records.names import file_name
from tasks.records.splits import Split, assign, split_key

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable
    from pathlib import Path

    from tasks.images.orientation import Rule
    from tasks.labelbox.download import Downloader
    from tasks.records.carry import Size, Standing
    from tasks.records.geometry import MaskRule
    from tasks.records.model import Label

TIFF: Final = "image/tiff"
EARLIER_TYPES: Final = {"image/mpo": "image/jpeg"}
"""What earlier versions of labelsnap called a type."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How the rows of a bucket get their pixels. Image bytes go to ``directory``, named by their sha256 (hex)."""

    downloader: Downloader
    directory: Path
    images: Literal["copy", "reference"]
    split: Split
    group_by: str | None
    max_image_bytes: int
    max_image_pixels: int
    max_mask_bytes: int
    orientation: Rule = "declared"
    masks: MaskRule = "composite"

    def fetch(self, record: Record, requests: Counter[str], standing: Standing | None = None) -> Sample:
        """Complete a record; ``standing`` is the same row where an earlier snapshot holds it. Raises ``RowError``.

        ``requests`` counts the distinct things that were downloaded, by kind of ``requests`` in the result.
        """
        earlier = standing.image if standing else None
        as_wanted = self.as_wanted(record, earlier) if earlier else False
        if earlier and as_wanted:
            image: Image | None = _named_now(record, earlier)
        else:
            image = self._image(record, requests, earlier if as_wanted is None else None)
        size = (image.height, image.width) if image else None
        if standing:
            record = self._carried(record, standing, size)
        labels, size = self._labels(record.entry.labels, size, requests)
        entry = replace(record.entry, labels=labels)
        if isinstance(entry, ModelRunEntry):
            predictions, size = self._labels(entry.predictions, size, requests)
            entry = replace(entry, predictions=predictions)
            labels += predictions
        image = image or _referenced(record, size)
        _check_masks(labels, image)
        key = split_key(record, image.sha256, self.group_by)
        finished = replace(record, entry=entry)
        return Sample(record=finished, image=image, split=assign(key, self.split), mask_rule=self.masks)

    def at_hand(self, record: Record, standing: Standing) -> tuple[bool, bool]:
        """Tell of an unchanged record whether its image and its masks stand as they would be made now."""
        image = standing.image
        carried = self._carried(record, standing, (image.height, image.width))
        entry = carried.entry
        labels = entry.labels + (entry.predictions if isinstance(entry, ModelRunEntry) else ())
        missing = (isinstance(each.geometry, MaskReference) for label in labels for each in label.annotations)
        return self.as_wanted(record, image) is True, not any(missing)

    def _carried(self, record: Record, standing: Standing, size: Size | None) -> Record:
        return carry_over(record, replace(standing, masks=still_made(standing, self.masks)), size)

    def as_wanted(self, record: Record, standing: Image) -> bool | None:
        """Tell whether an image of an earlier snapshot is what would be published now; None: its source must be asked.

        An image whose orientation is not known may have been turned by it; then it was encoded anew, and is not as long
        as its source. Of TIFF that is not certain, so it is made again; some types are never turned.
        """
        if standing.sha256 is None or self.images == "reference":
            return standing.sha256 is None and self.images == "reference"
        if standing.orientation is None and standing.mime_type not in NEVER_TURNED:
            return False if standing.mime_type == TIFF else None
        orientation = standing.orientation or 1
        size = standing.width, standing.height
        stored = turned_size(size, orientation) if standing.turned else size
        place = placed(self.orientation, orientation, stored, declared_size(record.data_row.media))
        return place == ("turned" if standing.turned else "stored")

    def _image(self, record: Record, requests: Counter[str], unsure: Image | None) -> Image | None:
        """Bring an image down; ``unsure`` is the one that stands where its source is still as long.

        None where it is referenced and its size is not declared.
        """
        media = record.data_row.media
        if self.images == "reference":
            declared = media.height is not None and media.width is not None
            return _referenced(record, (media.height or 0, media.width or 0)) if declared else None
        path = self.directory / uuid4().hex
        try:
            with path.open("w+b") as file:
                came = self.downloader.image(
                    record.data_row.row_data,
                    file,
                    limit=self.max_image_bytes,
                    check=partial(check_image, max_pixels=self.max_image_pixels),
                    unless_size=unsure.size if unsure else None,
                )
                if unsure and not came:
                    path.unlink()
                    return _named_now(record, unsure)
                picture = publishable(file, rule=self.orientation, media=media, max_pixels=self.max_image_pixels)
                size = file.seek(0, SEEK_END)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (DownloadError, ImageError) as error:
            path.unlink()
            raise RowError("$.data_row.row_data", error.code, str(error)) from None
        path.replace(self.directory / digest)
        requests["images"] += 1
        return Image(
            file_name=file_name(record.data_row, picture.mime_type),
            width=picture.width,
            height=picture.height,
            mime_type=picture.mime_type,
            sha256=digest,
            size=size,
            orientation=picture.orientation,
            turned=picture.turned,
        )

    def _labels(
        self, labels: tuple[Label, ...], size: Size | None, requests: Counter[str]
    ) -> tuple[tuple[Label, ...], Size | None]:
        finished = []
        for label in labels:
            size = size or _size_of_masks(label)
            complete = self._masks.complete(label, size, requests)
            size = size or _size_of_masks(complete)
            finished.append(complete)
        return tuple(finished), size

    @property
    def _masks(self) -> MaskFetcher:
        return MaskFetcher(self.downloader, self.masks, Limits(pixels=self.max_image_pixels, bytes=self.max_mask_bytes))


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


def _named_now(record: Record, image: Image) -> Image:
    """Return an image that stands under the type and the name that it would get today."""
    mime_type = EARLIER_TYPES.get(image.mime_type, image.mime_type)
    name = file_name(record.data_row, mime_type)
    orientation = None if image.sha256 is None else image.orientation or 1
    return replace(image, mime_type=mime_type, file_name=name, orientation=orientation)


def _referenced(record: Record, size: Size | None) -> Image:
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
    mime_type = record.data_row.media.mime_type or "application/octet-stream"
    return Image(
        file_name=file_name(record.data_row, mime_type),
        width=size[1],
        height=size[0],
        mime_type=mime_type,
        sha256=None,
        size=None,
    )
