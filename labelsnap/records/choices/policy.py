"""What of a row is published: the dataset's choices, applied to one row at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.records.counts import count, kind_of
from labelsnap.records.geometry import MaskReference
from labelsnap.records.lines.moments import BEFORE_ALL, instant
from labelsnap.records.model import Entry, Excluded, Label, ProjectEntry, Record, Row, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Renames: TypeAlias = "Mapping[str, str | None]"
"""Class name → the name that it is published under, or None: its objects are left out."""


class Policy(Struct, frozen=True):
    """The choices of a dataset file. ``classes`` renames, merges and (by None) drops the classes of objects.

    ``workflow_status`` is in either of Labelbox's spellings (``InReview``, ``IN_REVIEW``); None takes every status.
    """

    source: Source
    labels: Literal["selected", "latest", "benchmark", "all"] = "selected"
    skipped: Literal["exclude", "keep"] = "exclude"
    empty: Literal["keep", "exclude"] = "keep"
    workflow_status: str | None = None
    classes: dict[str, str | None] = {}


class SourcePolicy(Struct, frozen=True):
    """The choices for the rows of one source: one for each project and model run whose labels it brings, in order."""

    name: str
    of: tuple[Policy, ...]


def composed(first: Renames, then: Renames) -> dict[str, str | None]:
    """Return the renames that two of them come to, one after the other."""
    after = {name: then.get(called, called) if called is not None else None for name, called in first.items()}
    return {**then, **after}


def select(row: Row, policy: Policy) -> Record | Excluded:
    """Apply a dataset's policies to a row, parsed for its source: return its record, or which policy left it out.

    In this order: the line's entry of the source (else ``not_selected_project``), the workflow status where the export
    tells it (``not_in_status``), skipped labels (``skipped`` when no other is left), the choice among labels
    (``not_benchmark`` where a gold one is asked for and there is none), classes (``dropped_class`` when no object is
    left of some), and emptiness (``empty``: no annotation of any kind in labels or predictions).
    """
    entry = row.entry
    if entry is None or not _in_status(entry, policy.workflow_status):
        return _excluded(row, "not_in_status" if entry else "not_selected_project")
    labels = _without_skipped(entry.labels, policy)
    published = _chosen(labels, entry, policy)
    excluded = {"skipped": len(entry.labels) - len(labels), "not_selected": len(labels) - len(published)}
    if entry.labels and not labels:
        return _excluded(row, "skipped", excluded)
    if policy.labels == "benchmark" and not published:
        return _excluded(row, "not_benchmark", excluded)
    before = entry if len(published) == len(entry.labels) else replace(entry, labels=published)
    after = _with_classes(before, policy.classes) if policy.classes else before
    dropped = dict(_count(before) - _count(after)) if policy.classes else {}
    if dropped and _objects(before) and not _objects(after):
        return _excluded(row, "dropped_class", excluded, dropped)
    if policy.empty == "exclude" and not _count(after):
        return _excluded(row, "empty", excluded, dropped)
    left_out = _without_zeros(excluded)
    return Record(row.data_row, after, row.fingerprint, left_out, dropped, row.unreadable, row.text_replaced)


def _excluded(
    row: Row, policy: str, labels: Mapping[str, int] | None = None, dropped: dict[str, int] | None = None
) -> Excluded:
    return Excluded(row.data_row.id, policy, _without_zeros(labels or {}), dropped or {})


def _without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _in_status(entry: Entry, status: str | None) -> bool:
    details = entry.details if isinstance(entry, ProjectEntry) else None
    if status is None or details is None or not details.workflow_status:
        return True
    return _spelling(details.workflow_status) == _spelling(status)


def _spelling(status: str) -> str:
    return "".join(filter(str.isalnum, status)).casefold()


def _without_skipped(labels: tuple[Label, ...], policy: Policy) -> tuple[Label, ...]:
    if policy.skipped == "keep":
        return labels
    return tuple([label for label in labels if not (label.performance and label.performance.skipped)])


def _chosen(labels: tuple[Label, ...], entry: Entry, policy: Policy) -> tuple[Label, ...]:
    """Choose among the labels that were not left out as skipped.

    ``selected`` is, in this order: the label that the project's ``selected_label_id`` names, the gold one
    (``is_benchmark``), the one created last. ``latest`` goes by creation alone, and ``benchmark`` takes a gold one or
    none. Of several gold ones the one created last is chosen; labels created together, or at a time that is not told,
    are told apart by id: the greatest wins.
    """
    if policy.labels == "benchmark":
        labels = tuple([label for label in labels if label.is_benchmark])
    if policy.labels == "all" or len(labels) <= 1:
        return labels
    if policy.labels == "latest":
        return (max(labels, key=_age),)
    details = entry.details if isinstance(entry, ProjectEntry) else None
    winner = details and details.selected_label_id
    return (max(labels, key=lambda label: (label.id == winner, label.is_benchmark, *_age(label))),)


def _age(label: Label) -> tuple[datetime, str]:
    return instant(label.details and label.details.created_at) or BEFORE_ALL, label.id


def _with_classes(entry: Entry, classes: Renames) -> Entry:
    labels = tuple([_renamed(label, classes) for label in entry.labels])
    if isinstance(entry, ProjectEntry):
        return replace(entry, labels=labels)
    predictions = tuple([_renamed(label, classes) for label in entry.predictions])
    return replace(entry, labels=labels, predictions=predictions)


def _renamed(label: Label, classes: Renames) -> Label:
    annotations, dropped, beside = [], set(), []
    for annotation in label.annotations:
        name = classes.get(annotation.name, annotation.name)
        if name is None:
            dropped.add(annotation.feature_id)
            beside += [annotation.geometry] if isinstance(annotation.geometry, MaskReference) else []
        else:
            annotations.append(annotation if name == annotation.name else replace(annotation, name=name))
    ties = [tie for tie in label.relationships if tie.source not in dropped and tie.target not in dropped]
    unanswered = label.unanswered
    if unanswered:
        standing = {None, *(each.feature_id for each in annotations), *(tie.feature_id for tie in ties)}
        unanswered = tuple([question for question in unanswered if question.about in standing])
    return replace(
        label,
        annotations=tuple(annotations),
        relationships=tuple(ties),
        unanswered=unanswered,
        beside=tuple(beside),
    )


def _labels(entry: Entry) -> tuple[Label, ...]:
    return entry.labels if isinstance(entry, ProjectEntry) else (*entry.labels, *entry.predictions)


def _count(entry: Entry) -> Counter[str]:
    return count(_labels(entry))


def _objects(entry: Entry) -> Counter[str]:
    return Counter(kind_of(annotation.geometry) for label in _labels(entry) for annotation in label.annotations)
