"""Who labelled a row, and how: projects and model runs of a line, with their labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tasks.records import wire
from tasks.records.annotations import check_unique, classifications, objects, relationships
from tasks.records.media import other_medium
from tasks.records.model import (
    Entry,
    Label,
    LabelDetails,
    ModelRunEntry,
    PerformanceDetails,
    ProjectDetails,
    ProjectEntry,
    Review,
)
from tasks.records.refusal import RefusedError, canonical_json, each, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN_KEY = re.compile(r"[\w-]{1,64}", re.ASCII)
_NOTHING = (b"", b"null", b"{}")


def entries(line: wire.Line) -> tuple[Entry, ...]:
    """Return the projects of a line, then its model runs, in the line's order."""
    found: list[Entry] = []
    for project_id, project in (line.projects or {}).items():
        try:
            found.append(_project(project_id, project or wire.Project()))
        except RefusedError as refused:
            raise refused.below(f"projects.{_step(project_id)}") from None
    for model_id, model in (line.experiments or {}).items():
        for run_id, run in (model.runs or {} if model else {}).items():
            try:
                found.append(_model_run(run_id, run or wire.Run(), model_id, model.name if model else None))
            except RefusedError as refused:
                raise refused.below(f"experiments.{_step(model_id)}.runs.{_step(run_id)}") from None
    return tuple(found)


def _step(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else "[...]"


def _project(project_id: str, project: wire.Project) -> ProjectEntry:
    details = project.project_details
    benchmark = details.benchmark_reference_label if details else None
    return ProjectEntry(
        project_id,
        project.name,
        _project_details(details) if details else None,
        _labels(project.labels, "labels", benchmark),
    )


def _model_run(run_id: str, run: wire.Run, model_id: str, model_name: str | None) -> ModelRunEntry:
    return ModelRunEntry(
        run_id,
        run.name,
        model_id,
        model_name,
        run.run_data_row_id,
        run.split,
        _labels(run.labels, "labels"),
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


def _labels(found: Sequence[wire.Label] | None, name: str, benchmark: str | None = None) -> tuple[Label, ...]:
    labels = each(found, _label, benchmark, name)
    if len({label.id for label in labels}) < len(labels):
        raise RefusedError("duplicate_label_id", "Expected each label's id once, found one twice.", name)
    return labels


def _label(found: wire.Label, benchmark: str | None) -> Label:
    label_id = found.id or missing("id", "missing_label_id")
    held = found.annotations or wire.Annotations()
    if found.label_kind == "Video" or bytes(held.frames) not in _NOTHING:
        raise other_medium("video_row", "annotations")
    try:
        annotations = objects(held.objects, held.z_order or found.z_order)
        ties = relationships(held)
        check_unique(annotations, ties)
        answers = classifications(held.classifications)
    except RefusedError as refused:
        raise refused.below("annotations") from None
    details, performance = found.label_details, found.performance_details
    marks = (benchmark, found.benchmark_reference_label, performance and performance.benchmark_reference_label)
    return Label(
        label_id,
        found.label_kind,
        found.version,
        _details(details) if details else None,
        _performance(performance) if performance else None,
        annotations,
        answers,
        ties,
        True in marks or label_id in marks,
    )


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
