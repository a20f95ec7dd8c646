"""A row as one line of an export, with what the export's params ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from deploy.sandbox.project.annotations import annotate
from deploy.sandbox.project.features import Json, Urls
from deploy.sandbox.project.identifiers import cuid, uuid
from deploy.sandbox.project.labels import Label, Style
from deploy.sandbox.scenes.scene import picture_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deploy.sandbox.project.rows import Row, Status

_LABELLERS = ("ada@labellers.example", "björn@labellers.example", "chloé@labellers.example")
_CITIES = ("Zürich", "Kobe", "São Paulo", "Łódź")
_TASKS: dict[Status, str] = {
    "TO_LABEL": "Initial labeling task",
    "IN_REVIEW": "Initial review task",
    "IN_REWORK": "Rework (all rejected)",
    "DONE": "Done",
}


def timestamp(moment: datetime) -> str:
    """Labelbox's way to write a time in an export."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


PARTNERS_NAMES = {"car": "automobile"}
"""What the second of the further projects calls classes."""


def project_line(row: Row, params: Mapping[str, bool], task: str) -> Json:
    """The row as one line of a project's export, with what ``params`` (Labelbox's ``include…`` names) ask for."""
    projects = {row.project.id: _project(row, params, task)}
    if row.turn(40, 30):
        projects[cuid(row.project.seed, "other project")] = {"name": "Another project", "labels": []}
    return {**_data_row(row, params), "projects": projects}


def partners_line(row: Row, params: Mapping[str, bool], task: str, number: int) -> Json:
    """The row as one line of the export of a further project that has it."""
    return {
        **_data_row(row, params),
        "projects": {row.project.partners[number - 1]: _partner(row, params, task, number)},
    }


def catalog_line(row: Row, params: Mapping[str, bool], task: str, projects: Sequence[str], runs: Sequence[str]) -> Json:
    """The row as one line of an export of a dataset, slice or catalog, with the labels of these projects and runs."""
    project = row.project
    entries = {project.id: _project(row, params, task)}
    entries |= {
        identifier: _partner(row, params, task, number)
        for number, identifier in enumerate(project.partners, start=1)
        if row.partners_label(number)
    }
    found = {identifier: entry for identifier, entry in entries.items() if identifier in projects}
    line = {**_data_row(row, params), "projects": found}
    if project.model_run_id in runs and row.in_model_run:
        line["experiments"] = model_run_line(row, params, task)["experiments"]
    return line


def _project(row: Row, params: Mapping[str, bool], task: str) -> Json:
    urls = Urls(row.project.rest, f"projects/{row.project.id}", task)
    entry: Json = {"name": "Street scenes", "labels": [_label(row, label, params, urls) for label in row.labels]}
    if params.get("includeProjectDetails"):
        entry["project_details"] = _project_details(row)
    return entry


def _partner(row: Row, params: Mapping[str, bool], task: str, number: int) -> Json:
    label = row.partners_label(number)
    urls = Urls(row.project.rest, f"projects/{row.project.partners[number - 1]}", task)
    labels = [_label(row, label, params, urls, rename=partners_name(row, number))] if label else []
    return {"name": f"Partner {number}", "labels": labels}


def partners_name(row: Row, number: int) -> Callable[[str], str]:
    """What a further project calls a class."""
    names = PARTNERS_NAMES if number == len(row.project.partners) else {}
    return lambda name: names.get(name, row.project.rename(name))


def model_run_line(row: Row, params: Mapping[str, bool], task: str) -> Json:
    """The row as one line of a model run's export."""
    run: Json = {"name": "iteration 1", "run_data_row_id": uuid(row.project.seed, "run data row", row.index)}
    if params.get("includeModelRunDetails"):
        first = ("training", "training", "training", "validation", "test")[row.index % 5]
        run["split"] = first if row.edit.split is None else row.edit.split
    run["labels"] = [_model_label(row, row.labels[row.selected_label or 0], task, empty=row.empty)]
    if params.get("includePredictions"):
        run["predictions"] = [_model_label(row, row.prediction, task, empty=False)]
    experiment = {"name": "street-scenes-model", "runs": {row.project.model_run_id: run}}
    return {**_data_row(row, params), "experiments": {row.project.model_id: experiment}, "models": {}}


def _model_label(row: Row, label: Label, task: str, *, empty: bool) -> Json:
    urls = Urls(row.project.rest, f"models/{row.project.model_id}", task)
    style = Style(shared_colour=row.style.shared_colour)
    block = annotate(label, style, urls, rename=row.project.rename, empty=empty, model_run=True)
    return {"label_kind": "Default", "version": "1.0.0", "id": row.label_id(label), "annotations": block}


def _data_row(row: Row, params: Mapping[str, bool]) -> Json:
    facts: Json = {"id": row.id}
    if row.global_key is not None:
        facts["global_key"] = row.global_key
    facts |= {"external_id": row.external_id, "row_data": f"{row.project.url}{row.image_path}"}
    if params.get("includeDataRowDetails"):
        facts["details"] = _details(row)
    width, height = picture_size(row.index)
    media: Json = {"height": height, "width": width}
    if not row.turn(24, 19):
        media["mime_type"] = row.mime_type
    if row.index % 3:
        media["exif_rotation"] = "1" if row.turn(3, 1) else 1
    line: Json = {"data_row": facts, "media_attributes": media}
    blocks: dict[str, tuple[str, Callable[[Row], list[Any]]]] = {
        "includeAttachments": ("attachments", _attachments),
        "includeMetadata": ("metadata_fields", _metadata),
        "includeEmbeddings": ("embeddings", _embeddings),
    }
    return line | {name: written(row) for param, (name, written) in blocks.items() if params.get(param)}


def _details(row: Row) -> Json:
    return {
        "dataset_id": row.project.dataset_id,
        "dataset_name": "street scenes",
        "created_at": timestamp(row.created_at),
        "updated_at": timestamp(row.updated_at),
        "last_activity_at": timestamp(row.last_activity_at),
        "created_by": _LABELLERS[0],
    }


def _attachments(row: Row) -> list[Any]:
    image: Json = {"type": "IMAGE", "value": f"{row.project.url}{row.image_path}?attachment=1"}
    return [image, {"type": "RAW_TEXT", "value": f"camera {row.index % 4}"}] if row.turn(5, 0) else []


def _metadata(row: Row) -> list[Any]:
    values: tuple[tuple[str, str, Any], ...] = (
        ("drive", "String", f"drive-{row.index // 6:04d}"),
        ("speed_kmh", "Number", float(row.index * 7 % 60)),
        ("captured_at", "DateTime", timestamp(row.created_at - timedelta(hours=5))),
        ("city", "Enum", _CITIES[row.index // 6 % len(_CITIES)]),
        *((name, "Enum", value) for name, value in row.edit.metadata),
    )
    return [
        {
            "schema_id": cuid(row.project.seed, f"metadata:{name}"),
            "schema_name": name,
            "schema_kind": f"CustomMetadata{kind}",
            "value": value,
        }
        for name, kind, value in values
    ]


def _embeddings(row: Row) -> list[Any]:
    values = [row.chance(f"embedding {number}") % 2001 / 1000 - 1 for number in range(16)]
    identifier = cuid(row.project.seed, "embedding")
    return [
        {
            "id": identifier,
            "name": "street_embedding_16",
            "dimensions": 16,
            "is_custom": True,
            "values": [{"value": values}],
        }
    ]


def _label(
    row: Row, label: Label, params: Mapping[str, bool], urls: Urls, rename: Callable[[str], str] | None = None
) -> Json:
    written: Json = {"label_kind": "Default", "version": "1.0.0", "id": row.label_id(label)}
    created = (row.label_created_at or row.created_at) + timedelta(minutes=11 * label.number)
    updated = max(created, row.last_activity_at) if row.edit.revision else created + timedelta(minutes=12)
    if params.get("includeLabelDetails"):
        review = {"reviewed_at": timestamp(updated), "reviewer": _LABELLERS[0], "type": "Approve"}
        written["label_details"] = {
            "created_at": timestamp(created),
            "updated_at": timestamp(updated),
            "created_by": _LABELLERS[(row.index + label.number) % 3],
            "content_last_updated_at": timestamp(updated),
            "reviews": [review] if row.status == "DONE" and row.index % 2 else [],
        }
    if params.get("includePerformanceDetails"):
        seconds = 20 + row.index % 90
        written["performance_details"] = {
            "seconds_to_create": seconds,
            "seconds_to_review": seconds // 4,
            "skipped": row.skipped,
        }
    block = annotate(label, row.style, urls, rename=rename or row.project.rename, empty=row.empty)
    written["annotations"] = {"objects": [], "classifications": [], "relationships": []} if row.skipped else block
    return written


def _project_details(row: Row) -> Json:
    details: Json = {
        "ontology_id": cuid(row.project.seed, "ontology"),
        "task_id": uuid(row.project.seed, f"queue {row.status}"),
        "task_name": _TASKS[row.status],
        "batch_id": row.batch_id,
        "batch_name": f"batch {row.index // 100}",
        "workflow_status": row.status,
        "priority": 1 + row.index % 5,
        "consensus_expected_label_count": max(1, len(row.labels)),
        "workflow_history": _history(row),
    }
    if row.style.old:
        del details["task_id"]
    if row.selected_label is not None:
        details["selected_label_id"] = row.label_id(row.labels[row.selected_label])
    return details


def _history(row: Row) -> list[Json]:
    """Moves between the workflow's tasks, newest first; the first has no previous task."""
    path: dict[Status, tuple[Status, ...]] = {
        "TO_LABEL": ("TO_LABEL",),
        "IN_REVIEW": ("TO_LABEL", "IN_REVIEW"),
        "IN_REWORK": ("TO_LABEL", "IN_REVIEW", "IN_REWORK"),
        "DONE": ("TO_LABEL", "IN_REVIEW", "DONE"),
    }
    moves: list[Json] = []
    previous: Status | None = None
    for number, status in enumerate(path[row.status]):
        moment = row.created_at + timedelta(minutes=number * 30)
        move: Json = {
            "action": "Move",
            "created_at": timestamp(moment),
            "created_by": "" if row.style.old else _LABELLERS[0],
        }
        if previous is not None:
            move |= {
                "previous_task_name": _TASKS[previous],
                "previous_task_id": uuid(row.project.seed, f"queue {previous}"),
            }
        move |= {"next_task_name": _TASKS[status], "next_task_id": uuid(row.project.seed, f"queue {status}")}
        moves.insert(0, move)
        previous = status
    return moves
