"""Who labelled a row, and how: the asked project or model run of a line, with its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import replace

from labelsnap.records.lines import wire
from labelsnap.records.lines.asked import AskedRun
from labelsnap.records.model import (
    Entry,
    Label,
    LabelDetails,
    ModelRunEntry,
    PerformanceDetails,
    ProjectDetails,
    ProjectEntry,
    Review,
    Unanswered,
)
from labelsnap.records.parsing.annotations import UnansweredError, check_unique, classifications, objects, relationships
from labelsnap.records.parsing.media import other_medium
from labelsnap.records.parsing.refusal import RefusedError, canonical_json, each, missing, step
from labelsnap.records.parsing.unanswered import set_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelsnap.records.model import Annotation, Classification, Relationship

_Content: TypeAlias = "tuple[tuple[Annotation, ...], tuple[Classification, ...], tuple[Relationship, ...]]"

_NOTHING: Final = (b"", b"null", b"{}", b"[]")
_OWN_MARK: Final = "true"
_SAYING_NOTHING: Final = (None, False, "", "false")


def entry_of(found: wire.Project | AskedRun | None, source_id: str) -> Entry | None:
    """Return what a line has under the asked source; None where it has nothing."""
    try:
        match found:
            case wire.Project():
                return _project(source_id, found)
            case AskedRun():
                return _model_run(source_id, found)
            case None:
                return None
    except RefusedError as refused:
        place = f"experiments.{step(found.model_id)}.runs" if isinstance(found, AskedRun) else "projects"
        raise refused.below(f"{place}.{step(source_id)}") from None


def _project(project_id: str, project: wire.Project) -> ProjectEntry:
    details = project.project_details
    named = details.benchmark_reference_label if details else None
    return ProjectEntry(
        project_id,
        project.name,
        _project_details(details) if details else None,
        _with_gold(_labels(project.labels, "labels"), named),
    )


def _model_run(run_id: str, found: AskedRun) -> ModelRunEntry:
    run = found.run
    return ModelRunEntry(
        run_id,
        run.name,
        found.model_id,
        found.model_name,
        run.run_data_row_id,
        run.split,
        _with_gold(_labels(run.labels, "labels")),
        _labels(run.predictions, "predictions"),
    )


def _project_details(found: wire.ProjectDetails) -> ProjectDetails:
    return ProjectDetails(
        found.ontology_id,
        found.task_id,
        found.task_name,
        found.batch_id,
        found.batch_name,
        found.workflow_status,
        found.priority,
        found.consensus_expected_label_count,
        found.selected_label_id,
        tuple(found.workflow_history or ()),
    )


def _labels(found: Sequence[wire.Label] | None, name: str) -> tuple[Label, ...]:
    labels = each(found, _label, None, name)
    if len({label.id for label in labels}) == len(labels):
        return labels
    alone = tuple(dict.fromkeys(labels))
    if len({label.id for label in alone}) < len(alone):
        raise RefusedError("duplicate_label_id", "Expected each label's id once, found two that differ.", name)
    return alone


def _label(found: wire.Label, _: None) -> Label:
    label_id = found.id or missing("id", "missing_label_id")
    held = found.annotations or wire.Annotations()
    if found.label_kind == "Video" or bytes(held.frames) not in _NOTHING:
        raise other_medium("video_row", "annotations")
    z_order = held.z_order or found.z_order
    unanswered: tuple[Unanswered, ...] = ()
    try:
        try:
            annotations, answers, ties = _content(held, z_order)
        except UnansweredError:
            unanswered = set_apart(held)
            annotations, answers, ties = _content(held, z_order)
    except RefusedError as refused:
        raise refused.below("annotations") from None
    details, performance = found.label_details, found.performance_details
    mark, score = found.benchmark_reference_label, found.benchmark_score
    if performance is not None:
        mark = performance.benchmark_reference_label if mark in _SAYING_NOTHING else mark
        score = performance.benchmark_score if score is None else score
    return Label(
        label_id,
        found.label_kind,
        found.version,
        _details(details) if details else None,
        _performance(performance) if performance else None,
        annotations,
        answers,
        ties,
        benchmark_reference_label=mark if mark is None or isinstance(mark, str) else canonical_json(mark),
        benchmark_score=score,
        unanswered=unanswered,
    )


def _content(held: wire.Annotations, z_order: Sequence[str] | None) -> _Content:
    annotations = objects(held.objects, z_order)
    ties = relationships(held)
    check_unique(annotations, ties)
    return annotations, classifications(held.classifications), ties


def _with_gold(labels: tuple[Label, ...], named: str | None = None) -> tuple[Label, ...]:
    """Mark the gold labels of a row: what the work of others is measured by.

    That is the one which the project names; else those with a mark of their own; else those that another label refers
    to, as Labelbox marks all labels of a benchmark row but the gold one (docs.labelbox.com, "Quality analysis").
    """
    told = [each for each in labels if each.benchmark_reference_label not in _SAYING_NOTHING]
    if not told and named is None:
        return labels
    own = {each.id for each in told if each.benchmark_reference_label in (_OWN_MARK, each.id)}
    referred = {each.benchmark_reference_label for each in told}
    gold = {named}.intersection([each.id for each in labels]) or own or referred
    return tuple([replace(label, is_benchmark=True) if label.id in gold else label for label in labels])


def _details(found: wire.LabelDetails) -> LabelDetails:
    return LabelDetails(
        found.created_at,
        found.updated_at,
        found.created_by,
        found.content_last_updated_at,
        tuple([_review(review) for review in found.reviews or ()]),
    )


def _review(found: Any) -> Review:
    return Review(canonical_json(found))


def _performance(found: wire.PerformanceDetails) -> PerformanceDetails:
    return PerformanceDetails(found.seconds_to_create, found.seconds_to_review, found.skipped, found.consensus_score)
