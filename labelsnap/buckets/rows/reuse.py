"""What a bucket's rows take over of the rows that stand: decided here for every line, and read everywhere else.

First each line is looked at as it came. Its row is taken over from table to table, and no record is made of it, unless
something speaks against that:

==================  ==================================================================================================
``otherwise``       other code, or another dataset file, wrote what stands
``several_lines``   it takes all of them to choose one
``new``             no such row stands
``changed``         the line says something else now
``url_refused``     the image is referenced by a URL that may not be published under the settings that hold now
``url_ends``        the image is referenced by a URL whose signature ends, or has ended, and may be had anew
``composite_due``   masks came whole, because their composite could not be had, and are to be what it shows
==================  ==================================================================================================

Then each record is looked at, with the row that stands of it. Of one content those masks are taken that the dataset's
rule would make again, and the URL as long as it lasts; of the image only where it lies so already as it would be
published:

========================================================  =============================================================
the row that stands                                       its image
========================================================  =============================================================
one content; image as wanted                              ``stands``: nothing is asked
one content; nobody knows whether the image was turned    ``unless_size``: stands if its source is still as long
another content, one image, as wanted                     ``unless_changed``: its source says whether it stands
… its source told no ETag, and the data row was changed   ``made``: an older file in its place counts as not modified
… its source told nothing to ask by                       ``stands`` if the data row was not changed since
another content, one image, nobody knows …                ``unless_size`` if the data row was not changed since
anything else                                             ``made``
========================================================  =============================================================

Where a snapshot's own lines are read again, nothing is asked of anybody: a row of it is of one content,
and so are rows with the record's fingerprint alone. Its image stands as above, or is made of the one that it holds.

One image is what one URL without its signature names. It also stands where its source, which was to be asked, refuses
or fails; not where that sends something else in its place, nor where the export says that it was turned wrongly.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.buckets.boundary import attempted, bounded
from labelsnap.buckets.rows.image import JPEG, declared_size
from labelsnap.buckets.rows.masks import still_made, whole_masks
from labelsnap.images.containers import NEVER_TURNED
from labelsnap.images.orientation import placed, turned_size
from labelsnap.labelbox.downloads.known import Known
from labelsnap.records.choices.numbers import numbers
from labelsnap.records.geometry import MaskReference
from labelsnap.records.lines.fingerprint import fingerprint, joint_fingerprint, same_content
from labelsnap.records.lines.moments import instant
from labelsnap.records.lines.signatures import ends_at, lasting_url, unsigned
from labelsnap.records.parsing.identity import Identity, row_id
from labelsnap.records.tables.carry import Masks, Standing, carry_over, labels_of, masks_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from labelsnap.buckets.reading import Earlier
    from labelsnap.buckets.rows.held import Held
    from labelsnap.images.orientation import Rule
    from labelsnap.labelbox.downloads.failures import DownloadError
    from labelsnap.records.geometry import MaskRule
    from labelsnap.records.image import Image, ImageRule
    from labelsnap.records.model import Problem, Record, Sample

Against: TypeAlias = Literal["otherwise", "several_lines", "new", "changed", "url_refused", "url_ends", "composite_due"]
Way: TypeAlias = Literal["stands", "unless_changed", "unless_size", "made"]
Change: TypeAlias = Literal["same", "other", "unknown"]
"""Whether a data row's own change time is the one at which its image was known to be its source's."""

TIFF: Final = "image/tiff"
_CHEAPEST: Final[tuple[Way, ...]] = ("stands", "unless_changed", "unless_size", "made")
LASTING: Final = timedelta(hours=24)
"""A URL that ends so soon after a run begins is exchanged for one that ends later."""


class Lines(NamedTuple):
    """The ids of rows that are taken over as they stand, and what speaks against that, by numbers of lines.

    ``taken`` is what was taken of each to tell.
    """

    kept: Mapping[int, str]
    against: Mapping[int, Against]
    taken: Mapping[int, Identity] = {}


class Reused(Struct, frozen=True):
    """What one record takes over of ``standing``, the row that it is made upon (None: a new one).

    ``same_content`` tells whether that has the record's content, and ``lacks_masks`` whether it has not all masks as
    they would be made now. ``before`` is the row as the version before has it, and ``is_reused`` the same of it. With
    ``spares`` the image stands where its source cannot be had; ``change`` is what the data row says.
    ``whole_masks`` are those, of one content, that stand for their instances' own images. With ``is_made_of_held`` the
    image can be made of the one that stands.
    """

    image: Way = "made"
    standing: Standing | None = None
    same_content: bool = False
    lacks_masks: bool = False
    before: Standing | None = None
    is_reused: bool = False
    spares: bool = False
    change: Change = "unknown"
    whole_masks: Masks = {}
    is_made_of_held: bool = False

    @property
    def known(self) -> Known | None:
        """What its source is told of the image that stands."""
        match self.standing, self.image:
            case Standing(image=image), "unless_changed":
                return Known(validators=image.validators)
            case Standing(image=image), "unless_size":
                return Known(size=image.size)
        return None

    @property
    def lacks_nothing(self) -> bool:
        """Whether nothing has to be asked for."""
        return self.image == "stands" and self.same_content and not self.lacks_masks

    def spared(self, error: DownloadError) -> Image | None:
        """Return the image that stands although its source could not be had; None where that is a problem.

        It is, where something else came, and either the source or the data row says that the image is another one.
        """
        if not self.spares or self.standing is None:
            return None
        image = self.standing.image
        is_another = error.told is not None and error.told.is_of_another(image.validators)
        if error.is_other and (is_another or self.change == "other"):
            return None
        unknown = _may_be_turned(image)
        unconfirmed = is_another or unknown or self.change != "same"
        return replace(image, unconfirmed=unconfirmed, orientation=None if unknown else image.orientation or 1)

    def is_before(self, sample: Sample) -> bool:
        """Whether what was made of the record is what the version before has."""
        row, record, found = self.before, sample.record, (sample.image, sample.split, sample.mask_rule)
        if row is None or (row.image, row.split, row.mask_rule) != found:
            return False
        if (row.fingerprint, row.row_data) != (record.fingerprint, record.data_row.row_data):
            return False
        return all(row.masks.get(key) == mask for key, mask in masks_in(record).items())


def digest_of(_number: int, line: bytes) -> str:
    """The fingerprint of a line whose row takes its split from nowhere else."""
    return fingerprint(line)


@dataclass(frozen=True, slots=True)
class Reuse:
    """What may be taken over in one bucket: of the version before, and of what a run ``taken`` over had fetched.

    ``images``, ``orientation`` and ``masks`` are the dataset file's; URLs that end before ``until`` are exchanged, and
    those that ``refuses`` names are looked at anew. ``held`` is the snapshot whose lines are read again, if one is.
    ``digest`` gives the fingerprint of a line by its number; ``source_of`` the name of the source that it came from,
    where there are several: a row has one line of each then.
    """

    earlier: Earlier
    taken: Earlier
    images: ImageRule
    orientation: Rule
    masks: MaskRule
    until: datetime
    refuses: Callable[[str], bool] = lambda _: False
    held: Held | None = None
    digest: Callable[[int, bytes], str] = digest_of
    source_of: Callable[[int], str] | None = None

    def of_lines(self, lines: Iterable[tuple[int, bytes]]) -> Lines:
        """Look at lines as they came: each is kept, or something speaks against it."""
        kept: dict[int, str] = {}
        if not self.earlier.whole:
            return Lines(kept, dict.fromkeys((number for number, _ in lines), "otherwise"))
        against: dict[int, Against] = {}
        taken = {number: self._taken(number, line) for number, line in lines}
        times, digests = self._told_of_rows(taken)
        urls, due = self._urls(), self.earlier.composite_due
        for number, (found, _) in taken.items():
            if found is None or found not in self.earlier.fingerprints:
                against[number] = "new"
            elif times[found] > 1:
                against[number] = "several_lines"
            elif self.earlier.fingerprints[found] != digests[found]:
                against[number] = "changed"
            elif found in urls and self.refuses(urls[found]):
                against[number] = "url_refused"
            elif found in urls and (end := ends_at(urls[found])) and end < self.until:
                against[number] = "url_ends"
            elif found in due:
                against[number] = "composite_due"
            else:
                kept[number] = found
        return Lines(kept, against, taken)

    def of_records(self, records: Mapping[int, Record], several: Collection[str] = ()) -> dict[int, Reused | Problem]:
        """Look at records, by the numbers of their lines; one that cannot be looked at is a problem.

        ``several`` are the ids of rows that have more lines than one: of which of them what is held was made is told
        by its fingerprint alone.
        """
        before, taken = (snapshot.standing(records.values()) for snapshot in (self.earlier, self.taken))
        held = self.held.standing(records.values(), several) if self.held else {}

        def of(number: int, row: str) -> Reused | Problem:
            look = partial(self.of_record, records[number], before.get(row), taken.get(row), held.get(row))
            return bounded(number, lambda: row, look)

        return {number: of(number, record.data_row.id) for number, record in records.items()}

    def of_record(
        self, record: Record, before: Standing | None, taken: Standing | None = None, held: Standing | None = None
    ) -> Reused:
        """Say what a record takes over of its row as the version before has it, or a broken-off run fetched it.

        ``held`` is the row that was made of the very same line, in the snapshot whose lines are read again.
        """
        rows = ((held, False), (before, False), (taken, True))
        found = [(self._upon(record, row), is_later) for row, is_later in rows if row]
        if self.held:
            found = [(each, is_later) for each, is_later in found if each.same_content]
        chosen, _ = min(found, key=_cost, default=(Reused(), False))
        is_reused = before is not None and before.fingerprint == record.fingerprint
        return replace(chosen, before=before, is_reused=is_reused)

    def changed(self, row_ids: Iterable[str], anew: Collection[str]) -> tuple[str, ...] | None:
        """Return which rows of the bucket are not as in the version before, or have another number; None without one.

        ``anew`` are those made records that are not what it has.
        """
        if not self.earlier.fingerprints:
            return None
        now, before = numbers(row_ids), numbers(self.earlier.fingerprints)
        return tuple(row_id for row_id in now if row_id in anew or before[row_id] != now[row_id])

    def _taken(self, number: int, line: bytes) -> Identity:
        """The row that a line is about, and the fingerprint where such a row stands."""
        found = attempted(partial(row_id, line))
        stands = found in self.earlier.fingerprints
        return Identity(found, attempted(partial(self.digest, number, line)) if stands else None)

    def _told_of_rows(self, taken: Mapping[int, Identity]) -> tuple[Mapping[str, int], Mapping[str, str | None]]:
        """How often each row comes, of one source at most, and the fingerprint of what comes, by data row id."""
        lines: defaultdict[str, defaultdict[str, list[str | None]]] = defaultdict(lambda: defaultdict(list))
        for number, each in taken.items():
            if each.row_id is not None:
                lines[each.row_id][self.source_of(number) if self.source_of else ""].append(each.fingerprint)
        times = {row: max(map(len, of_sources.values())) for row, of_sources in lines.items()}
        return times, {row: self._fingerprint(of_sources) for row, of_sources in lines.items()}

    def _fingerprint(self, of_sources: Mapping[str, Sequence[str | None]]) -> str | None:
        last = {name: found[-1] for name, found in of_sources.items()}
        if self.source_of is None:
            return last[""]
        told = {name: found for name, found in last.items() if found is not None}
        return joint_fingerprint(told) if len(told) == len(last) else None

    def _urls(self) -> dict[str, str]:
        """By what URLs rows of the version before refer to their images, by data row id."""
        if self.images == "copy":
            return {}
        rows = self.earlier.tables["data_rows"]
        return dict(zip(rows["data_row_id"].to_pylist(), rows["row_data"].to_pylist(), strict=True))

    def _upon(self, record: Record, row: Standing) -> Reused:
        as_wanted = self._as_wanted(record, row.image)
        exported = record.data_row.row_data
        if same_content(row.fingerprint, record.fingerprint):
            url = lasting_url(row.row_data, exported, self.until) if self.images == "reference" else row.row_data
            standing = replace(row, row_data=url, masks=still_made(row, self.masks))
            return Reused(
                image="stands" if as_wanted else "unless_size" if as_wanted is None else "made",
                standing=standing,
                same_content=True,
                lacks_masks=_lacks_masks(record, standing),
                whole_masks=whole_masks(row.masks),
                spares=not as_wanted and self._spares(record, row.image),
                change=_change(record, row),
                is_made_of_held=self._is_made_of(record, row.image),
            )
        spares = as_wanted or self._spares(record, row.image)
        if not spares or self.images == "reference" or unsigned(exported) != unsigned(row.row_data):
            return Reused("made", row)
        change = _change(record, row)
        return Reused(_way(row.image, as_wanted, change), row, spares=True, change=change)

    def _spares(self, record: Record, standing: Image) -> bool:
        """Whether an image whose orientation is not known may stand: nothing says that it was turned wrongly."""
        if standing.sha256 is None or not self._is_of_type(standing) or not _may_be_turned(standing):
            return False
        media, size = record.data_row.media, (standing.width, standing.height)
        is_level = self.orientation == "upright" or media.exif_rotation in {None, 1}
        return is_level and placed(self.orientation, 1, size, declared_size(media)) == "stored"

    def _as_wanted(self, record: Record, standing: Image) -> bool | None:
        """Tell whether an image that stands is what would be published now; None: its source must be asked.

        An image whose orientation is not known may have been turned by it; then it was encoded anew, and is not as long
        as its source. Of TIFF that is not certain, so it is made again; some types are never turned.
        """
        if standing.sha256 is None or self.images == "reference":
            return standing.sha256 is None and self.images == "reference"
        if not self._is_of_type(standing):
            return False
        if _may_be_turned(standing):
            return False if standing.mime_type == TIFF else None
        return self._is_placed(record, standing)

    def _is_placed(self, record: Record, standing: Image) -> bool:
        """Whether an image, whose orientation is known, was turned where it would be turned now, and nowhere else."""
        orientation = standing.orientation or 1
        size = standing.width, standing.height
        stored = turned_size(size, orientation) if standing.turned else size
        place = placed(self.orientation, orientation, stored, declared_size(record.data_row.media))
        return place == ("turned" if standing.turned else "stored")

    def _is_made_of(self, record: Record, held: Image) -> bool:
        """Whether what would be published now can be made of an image that is held: it has all that its source had.

        It has not, where its pixels were turned and are not to be, or it was made a JPEG and is not to be one.
        """
        if held.sha256 is None or _may_be_turned(held) or (self.images == "copy" and held.converted_from is not None):
            return False
        return not held.turned or self._is_placed(record, held)

    def _is_of_type(self, standing: Image) -> bool:
        """Whether a copied image is of the type that would be published now: any that came, or a JPEG."""
        match self.images:
            case "copy":
                return standing.converted_from is None
            case "jpg":
                return standing.mime_type == JPEG
            case "reference":
                return False


def _may_be_turned(image: Image) -> bool:
    """Whether nobody knows the orientation of an image of a type that has one."""
    return image.orientation is None and image.mime_type not in NEVER_TURNED


def _way(image: Image, as_wanted: bool | None, change: Change) -> Way:
    """Say what becomes of an image that may stand in a row of another content."""
    if not as_wanted:
        return "unless_size" if as_wanted is None and change == "same" else "made"
    told = image.validators
    if told.etag or (told.last_modified and change != "other"):
        return "unless_changed"
    return "stands" if change == "same" else "made"


def _cost(found: tuple[Reused, bool]) -> tuple[bool, bool, bool, int, bool]:
    """Order rows by how much has to be asked for; of other content the later one goes first, as its image is later."""
    reused, is_later = found
    cost = _CHEAPEST.index(reused.image), reused.lacks_masks
    if reused.same_content:
        return False, False, False, *cost
    return True, not reused.spares, not is_later, *cost


def _lacks_masks(record: Record, row: Standing) -> bool:
    """Whether a mask of the record is not among those of the row, or not of the size of its image."""
    carried = carry_over(record, row, (row.image.height, row.image.width))
    labels = (label for entry in carried.entries for _, found in labels_of(entry) for label in found)
    return any(isinstance(each.geometry, MaskReference) for label in labels for each in label.annotations)


def _change(record: Record, row: Standing) -> Change:
    details = record.data_row.details
    now, before = instant(details and details.updated_at), instant(row.updated_at)
    if now is None and before is None:
        return "unknown"
    return "same" if now == before and not row.image.unconfirmed else "other"
