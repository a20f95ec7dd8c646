"""What an unchanged row takes over from an earlier snapshot: its masks, and the spelling of what only ages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.records.geometry import Mask, MaskReference, MaskRule
from labelsnap.records.image import Image
from labelsnap.records.lines.fingerprint import same_content
from labelsnap.records.model import ModelRunEntry

if TYPE_CHECKING:
    from labelsnap.records.model import Annotation, Entry, Label, Record

_EXPORT_TASK = re.compile(r"(?<=/tasks/)[^/?]+(?=/masks/)")

Origin = Literal["label", "prediction"]
Size = tuple[int, int]
"""(height, width) in pixels."""
MaskKey: TypeAlias = tuple[Origin, str, str]
"""Where a mask comes from: label or prediction, the label's id, the object's feature id."""
Masks: TypeAlias = Mapping[MaskKey, Mask]


class Standing(Struct, frozen=True):
    """A row as an earlier snapshot has it: what a refresh may reuse of it.

    ``updated_at`` is when the data row itself was changed last, as its line told then. ``mask_rule`` is None where the
    snapshot does not tell: it was written before there was a choice.
    """

    fingerprint: str
    row_data: str
    split: str
    image: Image
    masks: Masks
    updated_at: str | None = None
    mask_rule: MaskRule | None = None


def carry_over(record: Record, standing: Standing, size: Size | None) -> Record:
    """Return a record with what ``standing``, the same row of an earlier snapshot, holds already.

    Where both have one content by their fingerprints: the decoded masks are taken from there, and so are
    the values that every export spells anew (the signature of ``row_data``, the URLs of composite masks), so that an
    unchanged row gives unchanged bytes. A mask that does not stand there, or not with the ``size`` of the image that is
    published now (None: any), stays a reference. Where fingerprints differ, the record is returned as it is.
    """
    if not same_content(record.fingerprint, standing.fingerprint):
        return record
    masks = {key: mask for key, mask in standing.masks.items() if size in {None, (mask.runs.height, mask.runs.width)}}
    if masks:
        others = tuple([replace(each, entry=_entry(each.entry, masks)) for each in record.others])
        record = replace(record, entry=_entry(record.entry, masks), others=others)
    return replace(record, data_row=replace(record.data_row, row_data=standing.row_data))


def with_shared(entry: Entry, made: Masks) -> Entry:
    """Return what a source has of a row with those masks that were made for another one: of the same labels' objects.

    They are the same where they were to be had of the same place, but for the export's own id.
    """
    wanted = {
        (origin, label.id, each.feature_id): lasting(each.geometry)
        for origin, labels in labels_of(entry)
        for label in labels
        for each in label.annotations
        if isinstance(each.geometry, MaskReference)
    }
    shared = {key: mask for key, mask in made.items() if wanted.get(key) == mask.reference}
    return _entry(entry, shared) if shared else entry


def labels_of(entry: Entry) -> tuple[tuple[Origin, tuple[Label, ...]], ...]:
    """Return the labels of an entry, and its predictions, if any."""
    predictions = entry.predictions if isinstance(entry, ModelRunEntry) else ()
    return ("label", entry.labels), ("prediction", predictions)


def masks_in(record: Record) -> Masks:
    """Return the decoded masks of a record."""
    return masks_of(record.entries)


def masks_of(entries: Iterable[Entry]) -> Masks:
    """Return the decoded masks of what sources have of a row."""
    return told_apart(
        ((origin, label.id, each.feature_id), each.geometry)
        for entry in entries
        for origin, labels in labels_of(entry)
        for label in labels
        for each in label.annotations
        if isinstance(each.geometry, Mask)
    )


def told_apart(masks: Iterable[tuple[MaskKey, Mask]]) -> dict[MaskKey, Mask]:
    """Return masks by what tells them apart, without those of which there are two that differ.

    A label that several sources bring is the same in each as a rule; where it was edited in between, none is taken for
    the other.
    """
    found: dict[MaskKey, Mask] = {}
    differ = {key for key, mask in masks if found.setdefault(key, mask) != mask}
    return {key: mask for key, mask in found.items() if key not in differ} if differ else found


def lasting(reference: MaskReference) -> MaskReference:
    """Return a reference as a snapshot keeps it: ``-`` in place of the export task's id in the composite's URL.

    The id is another in every export, and the URL dies with it after 30 days; without it one content has one spelling.
    """
    if reference.composite_url is None:
        return reference
    return replace(reference, composite_url=_EXPORT_TASK.sub("-", reference.composite_url))


def _entry(entry: Entry, masks: Masks) -> Entry:
    labels = _carried(entry.labels, "label", masks)
    if isinstance(entry, ModelRunEntry):
        return replace(entry, labels=labels, predictions=_carried(entry.predictions, "prediction", masks))
    return replace(entry, labels=labels)


def _carried(labels: tuple[Label, ...], origin: Origin, masks: Masks) -> tuple[Label, ...]:
    return tuple(
        [
            replace(label, annotations=tuple([_with_mask(each, origin, label.id, masks) for each in label.annotations]))
            for label in labels
        ]
    )


def _with_mask(annotation: Annotation, origin: Origin, label_id: str, masks: Masks) -> Annotation:
    if not isinstance(annotation.geometry, Mask | MaskReference):
        return annotation
    mask = masks.get((origin, label_id, annotation.feature_id))
    return replace(annotation, geometry=mask) if mask else annotation
