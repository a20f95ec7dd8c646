"""The unmodified official SDK against the sandbox."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import labelbox
import pytest
from lbox.exceptions import AuthenticationError, ResourceNotFoundError

from deploy.sandbox import ExportSettings, Fault, Sandbox, count_kinds, count_prediction_kinds
from deploy.sandbox.project.truth import annotation_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_PARAMS = {
    "attachments": True,
    "metadata_fields": True,
    "data_row_details": True,
    "project_details": True,
    "label_details": True,
    "performance_details": True,
    "embeddings": True,
}


@pytest.fixture(scope="module")
def reader() -> Iterator[tuple[Sandbox, labelbox.Client]]:
    """A sandbox of 48 rows that is only read, with the SDK's client."""
    with Sandbox() as sandbox:
        yield sandbox, _client(sandbox)


def _client(sandbox: Sandbox, key: str | None = None) -> labelbox.Client:
    return labelbox.Client(
        key or sandbox.api_key, endpoint=sandbox.graphql_endpoint, rest_endpoint=sandbox.rest_endpoint
    )


def _export(
    sandbox: Sandbox, client: labelbox.Client, params: dict[str, Any] | None = None, **filters: Any
) -> list[dict[str, Any]]:
    task = client.get_project(sandbox.project_id).export(params=params or {}, filters=filters)
    task.wait_till_done()
    assert task.status == "COMPLETE"
    return [row.json for row in task.get_buffered_stream()] if task.has_result() else []


def test_project_is_found_by_its_id(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """The SDK reads the project, its ontology and its task queues."""
    sandbox, client = reader
    project = client.get_project(sandbox.project_id)
    assert project.name == "Street scenes"
    names = {tool["name"] for tool in project.ontology().normalized["tools"]}
    assert names >= {"car", "person", "tree", "vehicle", "traffic light", "building / façade", "lane marking"}
    assert client.get_ontology(project.ontology().uid).normalized == project.ontology().normalized
    assert client.get_organization().name == "Sandbox"
    assert {queue.name: queue.data_row_count for queue in project.task_queues()}["DONE"] == 39


def test_export_totals_and_streams(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """Lines and bytes announced are the lines and bytes sent, and an empty ERRORS stream is no stream."""
    sandbox, client = reader
    task = client.get_project(sandbox.project_id).export(params=ALL_PARAMS)
    task.wait_till_done()
    rows = [row.json for row in task.get_buffered_stream()]
    assert len(rows) == task.get_total_lines(labelbox.StreamType.RESULT) == 48
    dumped = sum(len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) + 1 for row in rows)
    assert task.get_total_file_size(labelbox.StreamType.RESULT) == dumped
    assert not task.has_errors()
    assert not sandbox.requests.leaks


def test_project_line_has_the_reference_keys(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """With every param on, a plain row has the keys of Labelbox's reference sample and its kinds of annotation."""
    sandbox, client = reader
    line = _export(sandbox, client, ALL_PARAMS, data_row_ids=[sandbox.row(0).id])[0]
    assert set(line) == {"data_row", "media_attributes", "attachments", "metadata_fields", "embeddings", "projects"}
    assert set(line["data_row"]) == {"id", "global_key", "external_id", "row_data", "details"}
    entry = line["projects"][sandbox.project_id]
    assert set(entry) == {"name", "labels", "project_details"}
    label = entry["labels"][0]
    assert set(label) == {"label_kind", "version", "id", "label_details", "performance_details", "annotations"}
    mask = next(thing for thing in label["annotations"]["objects"] if "mask" in thing)
    assert set(mask) == {
        *("feature_id", "feature_schema_id", "name", "value"),
        *("annotation_kind", "classifications", "mask", "composite_mask"),
    }
    assert all(channel_sum > 0 for channel_sum in [sum(mask["composite_mask"]["color_rgb"])])


def test_params_switched_off_are_absent(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """Without params a line holds identity, size, and labels with annotations only."""
    sandbox, client = reader
    line = _export(sandbox, client, data_row_ids=[sandbox.row(0).id])[0]
    assert set(line) == {"data_row", "media_attributes", "projects"}
    assert "details" not in line["data_row"]
    entry = line["projects"][sandbox.project_id]
    assert set(entry) == {"name", "labels"}
    assert set(entry["labels"][0]) == {"label_kind", "version", "id", "annotations"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "rows"),
    [("ToLabel", {5, 21, 37}), ("InReview", {9, 25, 41}), ("InRework", {13, 29, 45})],
)
def test_workflow_status_filter(reader: tuple[Sandbox, labelbox.Client], status: str, rows: set[int]) -> None:
    """A status filter gives exactly the rows in that status; rows to label have no label."""
    sandbox, client = reader
    lines = _export(sandbox, client, {"project_details": True}, workflow_status=status)
    assert {line["data_row"]["id"] for line in lines} == {sandbox.row(index).id for index in rows}
    if status == "ToLabel":
        assert all(line["projects"][sandbox.project_id]["labels"] == [] for line in lines)


def test_done_rows_hold_every_kind(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """The default demo's Done rows hold all nine kinds, as many as the generator says."""
    sandbox, client = reader
    lines = _export(sandbox, client, workflow_status="Done")
    labels = [line["projects"][sandbox.project_id]["labels"] for line in lines]
    counts = sum((annotation_kinds(label[0]["annotations"]) for label in labels), start=type(count_kinds([]))())
    assert counts == count_kinds(sandbox.rows("DONE"), number=0)
    assert set(counts) == {
        *("bounding_box", "polygon", "polyline", "point", "mask", "relationship"),
        *("radio", "checklist", "text"),
    }


@pytest.mark.slow
def test_filters_by_key_batch_and_time(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """Global keys, batches and time bounds select the rows that have them."""
    sandbox, client = reader
    wanted = [sandbox.row(index) for index in (0, 1)]
    lines = _export(sandbox, client, global_keys=[str(row.global_key) for row in wanted])
    assert [line["data_row"]["id"] for line in lines] == [row.id for row in wanted]
    assert len(_export(sandbox, client, batch_ids=[sandbox.row(0).batch_id])) == 48
    middle = sorted(row.last_activity_at for row in sandbox.rows())[24]
    bound = middle.strftime("%Y-%m-%d %H:%M:%S")
    lines = _export(sandbox, client, {"data_row_details": True}, last_activity_at=[bound, None])
    times = [datetime.fromisoformat(line["data_row"]["details"]["last_activity_at"]) for line in lines]
    assert len(times) == 24
    assert min(times) >= middle
    created = [moment for row in sandbox.rows() if (moment := row.label_created_at)]
    bounds = ["2024-01-01 00:00:00", max(created).strftime("%Y-%m-%d %H:%M:%S")]
    assert len(_export(sandbox, client, label_created_at=bounds)) == 45


def test_model_run_has_labels_and_predictions(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """A model run's lines stand under experiments, with predictions only where asked for."""
    sandbox, client = reader
    run = client.get_model_run(sandbox.model_run_id)
    task = run.export(params={"predictions": True, "model_run_details": True})
    task.wait_till_done()
    lines = [row.json for row in task.get_buffered_stream()]
    entries = [line["experiments"][run.model_id]["runs"][run.uid] for line in lines]
    assert len(entries) == 36
    assert {entry["split"] for entry in entries} == {"training", "validation", "test"}
    kinds = sum(
        (annotation_kinds(entry["predictions"][0]["annotations"]) for entry in entries), start=type(count_kinds([]))()
    )
    assert kinds == count_prediction_kinds(row for row in sandbox.rows() if row.in_model_run)


def test_wrong_key_is_refused(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """Another key raises the SDK's AuthenticationError."""
    with pytest.raises(AuthenticationError):
        _client(reader[0], "another").get_project(reader[0].project_id)


def test_unknown_project_is_not_found(reader: tuple[Sandbox, labelbox.Client]) -> None:
    """Other ids raise the SDK's ResourceNotFoundError."""
    for get in (reader[1].get_project, reader[1].get_model_run, reader[1].get_ontology):
        with pytest.raises(ResourceNotFoundError):
            get("cltd3vkju021907u63w2odj69")


def test_failed_task_says_so() -> None:
    """With the outcome FAILED the task ends without results."""
    with Sandbox(2, settings=ExportSettings(outcome="FAILED")) as sandbox:
        task = _client(sandbox).get_project(sandbox.project_id).export()
        task.wait_till_done()
        assert task.status == "FAILED"


@pytest.mark.slow
def test_task_is_polled_until_complete() -> None:
    """With one poll in progress the SDK asks a second time."""
    with Sandbox(2, settings=ExportSettings(polls=1)) as sandbox:
        task = _client(sandbox).get_project(sandbox.project_id).export()
        task.wait_till_done()
        assert task.status == "COMPLETE"
        assert sandbox.requests.count("graphql:GetUserCreatedTasksPyApi") == 2


def test_error_and_odd_lines_are_counted() -> None:
    """ERRORS lines and odd lines appear as asked, one after each of evenly spaced rows."""
    settings = ExportSettings(error_lines=2, odd_lines=("video", "legacy", "text"))
    with Sandbox(8, settings=settings) as sandbox:
        task = _client(sandbox).get_project(sandbox.project_id).export()
        task.wait_till_done()
        assert task.has_errors()
        assert task.get_total_lines(labelbox.StreamType.ERRORS) == 2
        rows = [row.json for row in task.get_buffered_stream()]
        odd = [line for line in rows if line.get("data_row", {}).get("id") not in {row.id for row in sandbox.rows()}]
        assert len(rows) == 11
        assert [line.get("media_attributes", {}).get("mime_type") for line in odd] == ["video/mp4", None, "text/plain"]


@pytest.mark.slow
def test_edits_moves_and_removals_show_in_the_next_export() -> None:
    """Changed rows have new content and a later last activity, others are as before but for the task's id."""
    with Sandbox(4) as sandbox:
        client = _client(sandbox)
        before = {line["data_row"]["id"]: line for line in _export(sandbox, client, ALL_PARAMS)}
        sandbox.edit_row(0)
        sandbox.set_status(1, "IN_REWORK")
        sandbox.remove_row(2)
        sandbox.add_rows(1)
        sandbox.rename_class("person", "pedestrian")
        after = {line["data_row"]["id"]: line for line in _export(sandbox, client, ALL_PARAMS)}
        ids = [sandbox.row(index).id for index in (0, 1, 3)]
        assert set(after) == {*ids, sandbox.row(4).id}
        assert _activity(after[ids[0]]) > _activity(before[ids[0]])
        assert _label(sandbox, after[ids[0]])["id"] == _label(sandbox, before[ids[0]])["id"]
        assert _label(sandbox, after[ids[0]])["annotations"] != _label(sandbox, before[ids[0]])["annotations"]
        assert after[ids[1]]["projects"][sandbox.project_id]["project_details"]["workflow_status"] == "IN_REWORK"
        assert after[ids[2]]["data_row"] == before[ids[2]]["data_row"]
        assert "pedestrian" in json.dumps(after[ids[2]])


@pytest.mark.slow
def test_composite_urls_change_with_every_export_but_not_their_ids() -> None:
    """The task's id in a composite URL is the export's own, the composite's id stays."""
    with Sandbox(1) as sandbox:
        client = _client(sandbox)
        urls = []
        for _ in range(2):
            objects = _label(sandbox, _export(sandbox, client)[0])["annotations"]["objects"]
            urls.append(
                next(thing["composite_mask"]["url"] for thing in objects if "composite_mask" in thing).split("/")
            )
        assert urls[0][-3:] == urls[1][-3:]
        assert urls[0][-5] != urls[1][-5]


def test_lost_answer_starts_the_export_all_the_same() -> None:
    """When the answer to the export mutation is lost, the task exists although nobody knows its id."""
    with Sandbox(1) as sandbox:
        sandbox.faults.add(Fault("graphql:exportDataRows*", "answer_lost"))
        with pytest.raises(Exception, match=r"[Cc]onnection"):
            _export(sandbox, _client(sandbox))
        assert len(sandbox.exports) == 1


@pytest.mark.slow
def test_tasks_are_found_by_name_and_by_id() -> None:
    """The SDK lists the user's tasks of a name, and no others; one that is not there is in no list."""
    with Sandbox(1) as sandbox:
        client = _client(sandbox)
        project = client.get_project(sandbox.project_id)
        one, _ = project.export("one"), project.export("other")
        user = client.get_user()
        assert [task.uid for task in user.created_tasks(where=labelbox.Task.name == "one")] == [one.uid]
        assert [task.name for task in user.created_tasks(where=labelbox.Task.uid == one.uid)] == ["one"]
        assert list(user.created_tasks(where=labelbox.Task.uid == "none")) == []


def test_graphql_error_reaches_the_sdk() -> None:
    """A GraphQL error of a chosen code is raised as the SDK's exception for it."""
    with Sandbox(1) as sandbox:
        sandbox.faults.add(Fault("graphql:GetProjectPyApi", "graphql_error", code="AUTHENTICATION_ERROR"))
        with pytest.raises(AuthenticationError):
            _client(sandbox).get_project(sandbox.project_id)


def test_webhook_is_registered_and_switched_off() -> None:
    """The SDK creates, lists and deactivates a webhook."""
    with Sandbox(1) as sandbox:
        client = _client(sandbox)
        project = client.get_project(sandbox.project_id)
        webhook = labelbox.Webhook.create(client, ["WORKFLOW_ACTION"], "http://127.0.0.1:9/labelbox", "secret", project)
        assert sandbox.workspace.webhooks[webhook.uid].secret == "secret"
        assert [found.uid for found in project.webhooks()] == [webhook.uid]
        webhook.update(status="INACTIVE")
        assert sandbox.workspace.webhooks[webhook.uid].status == "INACTIVE"


def _activity(line: dict[str, Any]) -> str:
    return str(line["data_row"]["details"]["last_activity_at"])


def _label(sandbox: Sandbox, line: dict[str, Any]) -> dict[str, Any]:
    label: dict[str, Any] = line["projects"][sandbox.project_id]["labels"][0]
    return label
