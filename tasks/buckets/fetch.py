"""A record → a sample: its image comes down and is checked, its masks come down and are decoded to runs.

A label's masks come in one request where they share a composite. An instance mask is asked for where there is no
composite, where the composite cannot be had or does not show the instance, and where two instances share a colour.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from os import SEEK_END
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

from msgspec.structs import replace

from tasks.buckets.image import ImageError, check_image, declared_size, publishable, size_text
from tasks.buckets.reuse import Reused
from tasks.images.orientation import fits
from tasks.labelbox.failures import DownloadError
from tasks.masks.composite import decode_composite
from tasks.masks.errors import MaskError
from tasks.masks.instance import decode_instance
from tasks.masks.png import Limits, check_png
from tasks.records.carry import carry_over, lasting
from tasks.records.geometry import Mask, MaskReference
from tasks.records.model import Image, ModelRunEntry, Record, Sample
from tasks.records.names import file_name
from tasks.records.splits import Split, split_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tasks.images.orientation import Rule
    from tasks.labelbox.download import Downloader
    from tasks.records.geometry import Runs
    from tasks.records.model import Label

Size = tuple[int, int]
"""(height, width) in pixels."""
EARLIER_TYPES: Final = {"image/mpo": "image/jpeg"}
"""What earlier versions of labelsnap called a type."""
NEW: Final = Reused()
"""A row of which nothing stands."""
REFUSED: Final = "images_refused"
"""Counts the images that stand unconfirmed because their URLs were refused."""
NOT_SHOWN: Final = ("mask_not_in_composite", "its colour alone does not show it in the composite")


class RowError(Exception):
    """Something of a row cannot be had or read, so the whole row becomes a problem: JSON path, code and reason."""

    def __init__(self, path: str, code: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How the rows of a bucket get their pixels. Image bytes go to ``directory``, named by their sha256 (hex).

    ``given`` are the splits that rows were given before under the same settings, by data row id.
    """

    downloader: Downloader
    directory: Path
    images: Literal["copy", "reference"]
    split: Split
    group_by: str | None
    max_image_bytes: int
    max_image_pixels: int
    max_mask_bytes: int
    orientation: Rule = "declared"
    given: Mapping[str, str] = field(default_factory=dict)

    def fetch(self, record: Record, requests: Counter[str], reused: Reused = NEW) -> Sample:
        """Complete a record with what it takes over, and what has to be fetched. Raises ``RowError``.

        ``requests`` counts the distinct things that were asked for, by kind of ``requests`` in the result.
        """
        standing = reused.standing
        image = self._image(record, requests, reused)
        size = (image.height, image.width) if image else None
        if standing:
            record = carry_over(record, standing, size)
        labels, size = self._labels(record.entry.labels, size, requests)
        entry = replace(record.entry, labels=labels)
        if isinstance(entry, ModelRunEntry):
            predictions, size = self._labels(entry.predictions, size, requests)
            entry = replace(entry, predictions=predictions)
            labels += predictions
        image = image or _referenced(record, size)
        _check_masks(labels, image)
        split = split_of(record, image.sha256, self.group_by, self.split, self.given)
        return Sample(record=replace(record, entry=entry), image=image, split=split)

    def _image(self, record: Record, requests: Counter[str], reused: Reused) -> Image | None:
        """Take an image over, or bring it down; None where it is referenced and its size is not declared."""
        stands = _named_now(record, reused.standing.image) if reused.standing else None
        if stands and reused.image == "stands":
            return stands
        media = record.data_row.media
        if self.images == "reference":
            declared = media.height is not None and media.width is not None
            return _referenced(record, (media.height or 0, media.width or 0)) if declared else None
        path = self.directory / uuid4().hex
        try:
            with path.open("w+b") as file:
                answer = self.downloader.image(
                    record.data_row.row_data,
                    file,
                    limit=self.max_image_bytes,
                    check=partial(check_image, max_pixels=self.max_image_pixels),
                    known=reused.known,
                )
                if stands and answer.is_known:
                    path.unlink()
                    requests["images_not_modified"] += 1
                    return replace(stands, validators=answer.validators, unconfirmed=False)
                picture = publishable(file, rule=self.orientation, media=media, max_pixels=self.max_image_pixels)
                size = file.seek(0, SEEK_END)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (DownloadError, ImageError) as error:
            path.unlink()
            if stands and reused.spares and isinstance(error, DownloadError):
                requests[REFUSED] += not reused.is_unchanged and error.code.startswith("http_4")
                return replace(stands, unconfirmed=not reused.is_unchanged)
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
            validators=answer.validators,
        )

    def _labels(
        self, labels: tuple[Label, ...], size: Size | None, requests: Counter[str]
    ) -> tuple[tuple[Label, ...], Size | None]:
        finished = []
        for label in labels:
            size = size or _size_of_masks(label)
            masks = self._masks(label, size, requests)
            if masks:
                annotations = (replace(a, geometry=masks.get(a.feature_id, a.geometry)) for a in label.annotations)
                label = replace(label, annotations=tuple(annotations))  # noqa: PLW2901 - the same label, complete
            size = size or _size_of_masks(label)
            finished.append(label)
        return tuple(finished), size

    def _masks(self, label: Label, size: Size | None, requests: Counter[str]) -> dict[str, Mask]:
        """The decoded masks of a label by feature id, composites first."""
        wanted = {a.feature_id: a.geometry for a in label.annotations if isinstance(a.geometry, MaskReference)}
        masks: dict[str, Mask] = {}
        failures: dict[str, tuple[str, str]] = {}
        for url in dict.fromkeys(reference.composite_url for reference in wanted.values() if reference.composite_url):
            members = {name: reference for name, reference in wanted.items() if reference.composite_url == url}
            try:
                found = self._composite(url, members, size)
            except (DownloadError, MaskError) as error:
                failures |= dict.fromkeys(members, _unusable(error))
            else:
                requests["composite_masks"] += 1
                masks |= {name: Mask(reference=lasting(members[name]), runs=runs) for name, runs in found}
        for feature_id, reference in wanted.items():
            if feature_id in masks:
                continue
            if reference.url is None:
                code, reason = failures.get(feature_id, NOT_SHOWN)
                raise RowError(object_path(feature_id, "composite_mask"), code, reason)
            runs = self._instance(reference.url, feature_id, size)
            masks[feature_id] = Mask(reference=lasting(reference), runs=runs)
            requests["instance_masks"] += 1
        return masks

    def _composite(self, url: str, members: dict[str, MaskReference], size: Size | None) -> Iterable[tuple[str, Runs]]:
        """The instances that their colour alone shows: none that shares its colour with another."""
        body = self.downloader.mask(url, limit=self.max_mask_bytes, check=check_png)
        colours = [reference.color_rgb or (0, 0, 0) for reference in members.values()]
        composite = decode_composite(body, colours, size=size, limits=self._limits)
        shared = set(composite.duplicates)
        runs = enumerate(zip(members, composite.runs, strict=True))
        return [(name, found) for index, (name, found) in runs if found is not None and index not in shared]

    def _instance(self, url: str, feature_id: str, size: Size | None) -> Runs:
        try:
            body = self.downloader.mask(url, limit=self.max_mask_bytes, check=check_png)
            return decode_instance(body, size=size, limits=self._limits)
        except (DownloadError, MaskError) as error:
            raise RowError(object_path(feature_id, "mask.url"), f"mask_{error.code}", str(error)) from None

    @property
    def _limits(self) -> Limits:
        return Limits(pixels=self.max_image_pixels, bytes=self.max_mask_bytes)


def object_path(feature_id: str, member: str) -> str:
    """The JSONPath (RFC 9535) of a member of the object with this feature id, wherever it stands in the line."""
    quoted = feature_id.replace("\\", "\\\\").replace("'", "\\'")
    return f"$..objects[?@.feature_id=='{quoted}'].{member}"


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


def _unusable(error: DownloadError | MaskError) -> tuple[str, str]:
    """Code and reason of a row whose composite is needed and cannot be used."""
    if isinstance(error, DownloadError) and error.gone:
        reason = f"its composite is no longer served ({error}): Labelbox keeps composites for 30 days; export again"
        return "mask_composite_expired", reason
    return f"mask_{error.code}", f"its composite cannot be used: {error}"


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
