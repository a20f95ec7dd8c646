"""A label's masks: they come down and are decoded to runs, by the dataset's rule.

``composite``: a pixel belongs to the instance that the label's composite shows there. One request brings all instances
that their colour alone shows. One whose colour is not there, or is another's too, is asked for by its own URL, and has
those pixels of its own image where the composite shows no other instance: none, where it lies under others wholly, and
all, where the composite lacks it. Colours that no object of the label has cover nothing. Where an instance is in no
composite it comes whole by its own URL, and also where its composite cannot be had or used: then what others cover of
it is not known, and every run asks for the composite again, but not for the instance.

``instance``: every instance comes whole by its own URL; only one that has none is what the composite shows.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from labelsnap.buckets.errors import RowError, object_path
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.decoding.png import check_png
from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.overlaps import remainder, shared_areas, union
from labelsnap.memory import BeyondBudgetError
from labelsnap.records.geometry import Mask, MaskReference, Overlap
from labelsnap.records.tables.carry import lasting

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from labelsnap.labelbox.downloads.download import Downloader
    from labelsnap.masks.decoding.composite import Colour, Composite
    from labelsnap.masks.decoding.png import Body, Limits
    from labelsnap.records.geometry import MaskRule, Runs
    from labelsnap.records.model import Label
    from labelsnap.records.tables.carry import Masks, Size, Standing

BLACK: Final = (0, 0, 0)
NOT_SHOWN: Final = ("mask_not_in_composite", "its colour alone does not show it in the composite")


COMPARED: Final = 128
"""Bytes that it takes to compare masks, a character of their counts, at most (measured, and rounded up)."""


class _Refused(NamedTuple):
    """Why a composite cannot be used: code and reason of a row that needs it."""

    code: str
    reason: str


@dataclass(slots=True)
class _Shown:
    """A composite that was decoded, and the place of each object of the label among its colours."""

    composite: Composite
    places: Mapping[str, int]
    _several: frozenset[int] = field(init=False)
    _all: Runs | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._several = frozenset(self.composite.duplicates)

    def alone(self, feature_id: str) -> Runs | None:
        """Return what the composite shows of an instance that has its colour for itself."""
        place = self.places[feature_id]
        return None if place in self._several else self.composite.runs[place]

    def left_to(self, feature_id: str, own: Runs) -> Runs:
        """Return the pixels of an instance's own image where no other instance is shown; all if sizes differ."""
        composite = self.composite
        if (own.height, own.width) != (composite.height, composite.width):
            return own
        if self._all is None:
            distinct = {runs for runs in composite.runs if runs is not None}
            self._all = union(list(distinct), composite.height, composite.width)
        return remainder(own, self._all, composite.runs[self.places[feature_id]])


@dataclass(frozen=True, slots=True)
class MaskFetcher:
    """How the masks of a label are had: over which connections, by which rule, and how large each may be.

    Long files lie in ``directory`` while they are read.
    """

    downloader: Downloader
    rule: MaskRule
    limits: Limits
    directory: Path

    def complete(self, label: Label, size: Size | None, requests: Counter[str], whole: Mapping[str, Mask]) -> Label:
        """Return a label with all its masks decoded. ``size``, where it is known, is what each must have.

        ``whole`` are masks that stand, by feature id, each its instance's own image: those are not asked for.
        ``requests`` counts the distinct masks that were downloaded. Raises ``RowError``.
        """
        references = {each.feature_id: each.geometry for each in label.annotations}
        wanted = {name: found for name, found in references.items() if isinstance(found, MaskReference)}
        standing = {name: _told(found) for name, found in references.items() if isinstance(found, Mask)}
        shown = self._composites(label, wanted, size, requests)

        def own(feature_id: str, url: str) -> Runs:
            stands = whole.get(feature_id)
            if stands and size in {None, (stands.runs.height, stands.runs.width)}:
                return stands.runs
            came = self._instance(url, feature_id, size)
            requests["instance_masks"] += 1
            return came

        try:
            made = {name: self._made(name, reference, shown, own) for name, reference in wanted.items()}
            masks = {**standing, **made}
            if any(mask.overlap for mask in masks.values()):
                with self._claim(mask.runs for mask in masks.values()):
                    masks = _with_shared(masks)
        except MaskError as error:
            raise RowError("$..objects", f"mask_{error.code}", f"a mask that stands cannot be read: {error}") from None
        annotations = [replace(each, geometry=masks.get(each.feature_id, each.geometry)) for each in label.annotations]
        return replace(label, annotations=tuple(annotations), beside=())

    def _composites(
        self, label: Label, wanted: Mapping[str, MaskReference], size: Size | None, requests: Counter[str]
    ) -> dict[str, _Shown | _Refused]:
        """The label's composites, by their lasting address; by ``instance`` those alone that nothing stands in for.

        Each is read for the colours of all objects of the label, whether they are wanted or not.
        """
        of_objects = [(each.feature_id, _reference(each.geometry)) for each in label.annotations]
        beside = [(None, reference) for reference in label.beside if any(reference.color_rgb or ())]
        members: defaultdict[str | None, list[tuple[str | None, Colour]]] = defaultdict(list)
        for name, reference in (*of_objects, *beside):
            if reference:
                members[lasting(reference).composite_url].append((name, reference.color_rgb or BLACK))
        asked = {
            address: url
            for found in wanted.values()
            if (url := found.composite_url) and (address := lasting(found).composite_url)
            if self.rule == "composite" or found.url is None
        }
        shown: dict[str, _Shown | _Refused] = {}
        for address, url in asked.items():
            inside = members[address]
            try:
                body = self._body(url)
                composite = decode_composite(body, [colour for _, colour in inside], size=size, limits=self.limits)
            except (DownloadError, MaskError) as error:
                shown[address] = _unusable(error)
            else:
                requests["composite_masks"] += 1
                shown[address] = _Shown(composite, {name: at for at, (name, _) in enumerate(inside) if name})
        return shown

    def _made(
        self,
        feature_id: str,
        reference: MaskReference,
        shown: Mapping[str, _Shown | _Refused],
        own_image: Callable[[str, str], Runs],
    ) -> Mask:
        """The mask of one instance, by its own image where the composite alone does not tell it."""
        kept = lasting(reference)
        found = shown.get(kept.composite_url or "")
        by_composite = self.rule == "composite" or reference.url is None
        if isinstance(found, _Shown) and by_composite and (runs := found.alone(feature_id)) is not None:
            return Mask(kept, runs)
        if reference.url is None:
            code, reason = found if isinstance(found, _Refused) else NOT_SHOWN
            raise RowError(object_path(feature_id, "composite_mask"), code, reason)
        own = own_image(feature_id, reference.url)
        if found is None or not by_composite:
            return Mask(kept, own, Overlap(covered=0, shared=0))
        if isinstance(found, _Refused):
            return Mask(kept, own, Overlap(covered=None, shared=0))
        with self._claim((own, *(runs for runs in found.composite.runs if runs))):
            left = found.left_to(feature_id, own)
        return Mask(kept, left, Overlap(covered=own.area - left.area, shared=0))

    @contextmanager
    def _claim(self, masks: Iterable[Runs]) -> Iterator[None]:
        """Claim the memory that it takes to compare masks. Raises MaskError."""
        needed = COMPARED * sum(len(runs.counts) for runs in masks)
        try:
            with self.limits.memory.claim(needed):
                yield
        except BeyondBudgetError as error:
            raise MaskError("too_large", str(error)) from None

    def _body(self, url: str) -> Body:
        return self.downloader.mask(url, limit=self.limits.bytes, check=check_png, directory=self.directory)

    def _instance(self, url: str, feature_id: str, size: Size | None) -> Runs:
        try:
            body = self._body(url)
            return decode_instance(body, size=size, limits=self.limits)
        except (DownloadError, MaskError) as error:
            raise RowError(object_path(feature_id, "mask.url"), f"mask_{error.code}", str(error)) from None


def still_made(standing: Standing, rule: MaskRule) -> Masks:
    """Return those masks of a row that stands which the rule would make again, as long as the row's line is the same.

    One that is in no composite comes whole by either rule, and one that is there alone is what that shows. One that
    came whole because its composite could not be had is made again. Where no rule is noted, masks were made by
    ``composite``, but for instances that were fetched whole although others lie over them: there two masks of one
    composite overlap.
    """
    by_rule = standing.mask_rule == rule or (
        standing.mask_rule is None and rule == "composite" and not _composites_overlap(standing.masks)
    )
    return {
        key: mask
        for key, mask in standing.masks.items()
        if (by_rule and not (mask.overlap and mask.overlap.covered is None))
        or mask.reference.composite_url is None
        or mask.reference.url is None
    }


def whole_masks(masks: Masks) -> Masks:
    """Return those masks that are known to be the whole of their instance's own image."""
    return {key: mask for key, mask in masks.items() if mask.overlap and not mask.overlap.covered}


def _composites_overlap(masks: Masks) -> bool:
    """Whether two masks of one composite have a pixel in common; also where that cannot be told."""
    groups: dict[tuple[str, str, str], list[Runs]] = {}
    for (origin, label_id, _), mask in masks.items():
        if mask.reference.composite_url is not None:
            groups.setdefault((origin, label_id, mask.reference.composite_url), []).append(mask.runs)
    try:
        return any(not _of_one_size(found) or any(shared_areas(found)) for found in groups.values())
    except MaskError:
        return True


def _told(mask: Mask) -> Mask:
    """Say of a mask that is in no composite that it came whole; tables did not always say so."""
    return mask if mask.overlap or mask.reference.composite_url else replace(mask, overlap=Overlap(0, 0))


def _with_shared(masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """Count what masks of one label share, where any has come by its own image; not if their sizes differ.

    What composites show alone is disjoint.
    """
    runs = [mask.runs for mask in masks.values()]
    if not any(mask.overlap for mask in masks.values()) or not _of_one_size(runs):
        return dict(masks)
    counted = zip(masks.items(), shared_areas(runs), strict=True)
    return {
        name: replace(mask, overlap=replace(mask.overlap, shared=shared)) if mask.overlap else mask
        for (name, mask), shared in counted
    }


def _of_one_size(masks: Iterable[Runs]) -> bool:
    return len({(runs.height, runs.width) for runs in masks}) <= 1


def _reference(geometry: object) -> MaskReference | None:
    return (
        geometry.reference if isinstance(geometry, Mask) else geometry if isinstance(geometry, MaskReference) else None
    )


def _unusable(error: DownloadError | MaskError) -> _Refused:
    """Code and reason of a row whose composite is needed and cannot be used."""
    if isinstance(error, DownloadError) and error.gone:
        reason = f"its composite is no longer served ({error}): Labelbox keeps composites for 30 days; export again"
        return _Refused("mask_composite_expired", reason)
    return _Refused(f"mask_{error.code}", f"its composite cannot be used: {error}")
