"""What a snapshot whose lines are read again holds of one bucket's rows: it takes the place of every download.

A row of it is known by its id alone, whatever its fingerprint: its line is the very one that it was made of. Where
there are several lines of a row, the fingerprint tells of which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from labelsnap.labelbox.downloads.known import ImageAnswer
from labelsnap.labelbox.downloads.nothing import not_held
from labelsnap.records.choices.splits import SPLITS
from labelsnap.snapshots.layout import OBJECT
from labelsnap.snapshots.manifest import Part, damaged, digest
from labelsnap.snapshots.reading.ranges import merged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path
    from typing import IO

    from labelsnap.buckets.reading import Earlier, ImageLocation
    from labelsnap.records.image import Image
    from labelsnap.records.model import Record
    from labelsnap.records.tables.carry import Standing
    from labelsnap.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Held:
    """The part of that snapshot which concerns one bucket.

    ``is_here`` tells that it is a version of the dataset that is made, so that its packs may be pointed into;
    ``splits_stand`` that its rows were given their splits under the settings that hold now.
    """

    store: ObjectStore
    rows: Earlier
    is_here: bool
    splits_stand: bool

    def standing(self, records: Iterable[Record], several: Collection[str]) -> dict[str, Standing]:
        """Return what it has of the rows of records, by data row id, as rows of the records' content.

        Of rows that have ``several`` lines that is so where it has the record's fingerprint.
        """
        fingerprints = {each.data_row.id: each.fingerprint for each in records}
        found = self.rows.rows(fingerprints.keys(), fingerprints.keys())
        return {
            row_id: replace(row, fingerprint=fingerprints[row_id])
            for row_id, row in found.items()
            if row_id not in several or row.fingerprint == fingerprints[row_id]
        }

    @property
    def given(self) -> dict[str, str]:
        """Which splits its rows have, by data row id, where they count."""
        tables = self.rows.tables
        if not (self.splits_stand and tables):
            return {}
        rows = zip(*(tables["data_rows"][name].to_pylist() for name in ("data_row_id", "split")), strict=True)
        return {row_id: split for row_id, split in rows if split in SPLITS}

    @property
    def locations(self) -> Mapping[str, ImageLocation]:
        """Where images lie that may be pointed to, by sha256."""
        return self.rows.locations if self.is_here else {}

    def image(self, image: Image, file: IO[bytes]) -> ImageAnswer:
        """Write an image to a file. Raises ``DownloadError`` where it is not held, StorageRefusedError for damage."""
        part = self._part(image)
        file.write(self._checked(image, self.store.get(part.key, offset=part.offset, length=part.size)))
        return ImageAnswer(is_known=False, validators=image.validators)

    def bring(self, images: Iterable[Image], directory: Path) -> None:
        """Put those images into a directory, under their sha256, that cannot be pointed to and are not there.

        A few are in memory at a time. Raises StorageRefusedError for what is missing or damaged.
        """
        there, known = self.rows.places, self.locations
        wanted = {
            each.sha256: each
            for each in images
            if each.sha256 in there and each.sha256 not in known and not (directory / str(each.sha256)).exists()
        }
        of_part = {self._part(image): image for image in wanted.values()}
        for run in merged(of_part):
            for part, body in run.read(self.store):
                image = of_part[part]
                (directory / str(image.sha256)).write_bytes(self._checked(image, body))

    def _part(self, image: Image) -> Part:
        key, offset = self.rows.places.get(image.sha256 or "", ("", 0))
        if not key:
            raise not_held("the snapshot refers to the image, and does not hold it")
        if OBJECT.match(key) is None:
            raise damaged("a table of images", f"an image in {key!r}, which is no object's key")
        return Part(key, offset, image.size or 0)

    def _checked(self, image: Image, body: bytes | None) -> bytes:
        if body is None or digest(body) != image.sha256:
            key, _ = self.rows.places[str(image.sha256)]
            found = "nothing" if body is None else f"{len(body)} other bytes"
            raise damaged(f"the image {image.file_name!r} in {key!r} of {self.store.url}", found)
        return body
