"""A row of the comparison's project as one line of an export, and what is true of its annotations.

Every row is done, has a global key, and one label: the things of a scene as masks, a box, a polygon, a line and a point
beside them, and answers. Rows, ids and times are the sandbox's; an edited row shows the next scene.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.project.features import Features, Urls
from deploy.sandbox.project.identifiers import THIS_TASK, cuid, uuid
from deploy.sandbox.project.labels import Label, Style, feature_id
from deploy.sandbox.project.lines import timestamp
from deploy.sandbox.scenes.things import MASKED, Item
from tests.benchmarks.contest.scenes import SIZE, scene_colours

if TYPE_CHECKING:
    from deploy.sandbox.project.rows import Row
    from tests.benchmarks.contest.scenes import Extent

KINDS: Final = sorted(MASKED)
STYLE: Final = Style()
WHO: Final = "ada@labellers.example"


def scene_of(row: Row, scenes: int) -> int:
    """Which of so many scenes a row shows as it is now."""
    return (row.index + row.edit.revision) % scenes


def label_of(row: Row) -> Label:
    """The row's one label."""
    return Label(row.project.seed, row.index, revision=row.edit.revision)


def global_key(row: Row) -> str:
    """What the row's owner calls it."""
    return f"row-{row.index:07}.jpg"


def mask_id(row: Row, thing: int) -> str:
    """The ``feature_id`` of a thing's mask; things are counted from 0."""
    return feature_id(label_of(row), thing + 1)


def truth_of(row: Row, extents: tuple[Extent, ...]) -> dict[str, Extent]:
    """The extents of a row's masks by ``feature_id``."""
    return {mask_id(row, thing): extent for thing, extent in enumerate(extents)}


def line_of(row: Row, scene: int, things: int) -> dict[str, Any]:
    """The row's line, as under the task ``THIS_TASK``; of its scene the number and how many things are in it."""
    project = row.project
    data_row = {
        "id": row.id,
        "global_key": global_key(row),
        "external_id": global_key(row),
        "row_data": f"{project.url}/images/{row.index}.jpg",
        "details": {
            "dataset_id": cuid(project.seed, "dataset"),
            "dataset_name": "comparison",
            "created_at": timestamp(row.created_at),
            "updated_at": timestamp(row.created_at),
            "last_activity_at": timestamp(row.last_activity_at),
            "created_by": WHO,
        },
    }
    entry = {"name": "Comparison", "labels": [_label(row, scene, things)], "project_details": _project_details(row)}
    return {
        "data_row": data_row,
        "media_attributes": {"height": SIZE[1], "width": SIZE[0], "mime_type": "image/jpeg", "exif_rotation": "1"},
        "attachments": [],
        "metadata_fields": [],
        "projects": {project.id: entry},
    }


def _label(row: Row, scene: int, things: int) -> dict[str, Any]:
    created = row.created_at + timedelta(hours=2)
    updated = max(created, row.last_activity_at) if row.edit.revision else created
    return {
        "label_kind": "Default",
        "version": "1.0.0",
        "id": row.label_id(label_of(row)),
        "label_details": {
            "created_at": timestamp(created),
            "updated_at": timestamp(updated),
            "created_by": WHO,
            "content_last_updated_at": timestamp(updated),
            "reviews": [],
        },
        "performance_details": {"seconds_to_create": 20 + row.index % 90, "seconds_to_review": 5, "skipped": False},
        "annotations": _annotations(row, scene, things),
    }


def _annotations(row: Row, scene: int, things: int) -> dict[str, Any]:
    urls = Urls(row.project.rest, f"projects/{row.project.id}", THIS_TASK)
    write = Features(label_of(row), STYLE, urls, SIZE, str, model_run=False)
    masks = [
        write.mask(Item(KINDS[thing % len(KINDS)], (), (0, 0, 0, 0), thing + 1), colour)
        for thing, colour in enumerate(scene_colours(scene, things))
    ]
    left, top = 20 + row.index % 400, 30 + row.index % 300
    objects = [
        write.box("vehicle", (left, top, left + 200, top + 120)),
        write.polygon("road", [(left, top), (left + 300, top + 40), (left + 120, top + 260)]),
        write.polyline("lane marking", [(left, top), (left + 100, top + 200), (left + 400, top + 240)]),
        write.point("headlight", (left, top)),
        *masks,
    ]
    answers = [
        write.radio("time of day", write.answer("day")),
        write.checklist("weather", write.answer("rain"), write.answer("wind")),
        write.text("remarks", f"row {row.index}, seen {row.edit.revision + 1}×"),
    ]
    return {"objects": objects, "classifications": answers, "relationships": []}


def _project_details(row: Row) -> dict[str, Any]:
    return {
        "ontology_id": cuid(row.project.seed, "ontology"),
        "task_id": uuid(row.project.seed, "queue DONE"),
        "task_name": "Done",
        "batch_id": row.batch_id,
        "batch_name": f"batch {row.index // 100}",
        "workflow_status": "DONE",
        "priority": 5,
        "consensus_expected_label_count": 1,
        "workflow_history": [],
    }
