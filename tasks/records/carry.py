"""What an unchanged row takes over from an earlier snapshot: its masks, and the spelling of what only ages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tasks.records.geometry import Mask, MaskReference
from tasks.records.model import ModelRunEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.records.geometry import Geometry
    from tasks.records.model import Annotation, Label, Record

_EXPORT_TASK = re.compile(r"(?<=/tasks/)[^/?]+(?=/masks/)")

_Geometries = dict[tuple[str, str], "Geometry"]
"""Geometries by (label id, feature id)."""


def carry_over(record: Record, base: Record) -> Record:
    """Return a record with what ``base``, the same row of an earlier snapshot, holds already.

    Where both have one fingerprint, the row's content is the same: the decoded masks are taken from ``base``, and so
    are the values that every export spells anew (the signature of ``row_data``, the URLs of composite masks), so that
    an unchanged row gives unchanged bytes. A mask that ``base`` does not hold stays a reference. Where fingerprints
    differ, the record is returned as it is.
    """
    if record.fingerprint != base.fingerprint:
        return record
    entry, earlier = record.entry, base.entry
    if isinstance(entry, ModelRunEntry) and isinstance(earlier, ModelRunEntry):
        entry = replace(entry, predictions=_carried(entry.predictions, earlier.predictions))
    entry = replace(entry, labels=_carried(entry.labels, earlier.labels))
    return replace(record, data_row=replace(record.data_row, row_data=base.data_row.row_data), entry=entry)


def lasting(reference: MaskReference) -> MaskReference:
    """Return a reference as a snapshot keeps it: ``-`` in place of the export task's id in the composite's URL.

    The id is another in every export, and the URL dies with it after 30 days; without it one content has one spelling.
    """
    if reference.composite_url is None:
        return reference
    return replace(reference, composite_url=_EXPORT_TASK.sub("-", reference.composite_url))


def _carried(labels: tuple[Label, ...], earlier: tuple[Label, ...]) -> tuple[Label, ...]:
    known: _Geometries = {
        (label.id, annotation.feature_id): annotation.geometry
        for label in earlier
        for annotation in label.annotations
        if isinstance(annotation.geometry, Mask | MaskReference)
    }
    return tuple([_with_masks(label, known) for label in labels]) if known else labels


def _with_masks(label: Label, known: Mapping[tuple[str, str], Geometry]) -> Label:
    return replace(label, annotations=tuple([_with_mask(label.id, each, known) for each in label.annotations]))


def _with_mask(label_id: str, annotation: Annotation, known: Mapping[tuple[str, str], Geometry]) -> Annotation:
    if not isinstance(annotation.geometry, Mask | MaskReference):
        return annotation
    geometry = known.get((label_id, annotation.feature_id), annotation.geometry)
    return replace(annotation, geometry=geometry)
