"""The GraphQL operations that the official SDK sends, answered by operation name.

The documents are the SDK's own and fixed, so their selection is not interpreted: each answer holds every field that the
SDK selects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deploy.sandbox.project.identifiers import cuid, uuid
from deploy.sandbox.project.lines import PARTNERS_NAMES
from deploy.sandbox.project.ontology import normalized
from deploy.sandbox.server.workspace import Webhook, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deploy.sandbox.project.rows import Project
    from deploy.sandbox.server.exports import Exports, ExportTask

Json = dict[str, Any]

_OPERATION = re.compile(r"^\s*(?:query|mutation)\s+(\w+)")
_BY_NAME = re.compile(r"createdTasks\(where: \{name:")
_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
_CREATED = datetime(2024, 1, 1, 6, tzinfo=UTC)
_MOMENT = _CREATED.strftime(_FORM)


class GraphqlError(Exception):
    """An error of the GraphQL kind; ``code`` is what Labelbox puts into ``extensions.code``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def operation_name(query: str) -> str:
    """The name in the document's first line; ``anonymous`` where it has none."""
    match = _OPERATION.match(query)
    return match[1] if match else "anonymous"


@dataclass(frozen=True, slots=True)
class Api:
    """What the operations work on. ``timezone`` is the workspace's, null as for most users."""

    workspace: Workspace
    exports: Exports
    timezone: str | None = None

    @property
    def project(self) -> Project:
        """The sample project as it is now."""
        return self.workspace.project

    @property
    def user_id(self) -> str:
        """Whose key it is, and so the creator of every task."""
        return cuid(self.project.seed, "user")

    def answer(self, query: str, variables: Json | None) -> Json:
        """The ``data`` of one call."""
        name = operation_name(query)
        operation = _OPERATIONS.get(name)
        if operation is None:
            raise GraphqlError("GRAPHQL_VALIDATION_FAILED", f"the sandbox does not know the operation {name}")
        return operation(self, {**(variables or {}), "query": query})


def _project_checked(api: Api, identifier: object) -> Project:
    if identifier not in (api.project.id, *api.project.partners):
        raise GraphqlError("RESOURCE_NOT_FOUND", "Project not found")
    return api.project


def _project(api: Api, variables: Json) -> Json:
    _project_checked(api, variables["param_0"])
    entity: Json = {
        **_times(str(variables["param_0"]), "Street scenes"),
        "autoAuditNumberOfLabels": 1,
        "autoAuditPercentage": 1,
        "dataRowCount": api.workspace.rows - len(api.workspace.removed),
        "description": "A generated sample project",
        "editorTaskType": None,
        "isBenchmarkEnabled": False,
        "isConsensusEnabled": True,
        "lastActivityTime": _MOMENT,
        "allowedMediaType": "IMAGE",
        "modelSetupComplete": True,
        "setupComplete": _MOMENT,
        "uploadType": "MANUAL",
    }
    return {"project": entity}


def _project_ontology(api: Api, variables: Json) -> Json:
    project = _project_checked(api, variables["param_0"])
    renames = PARTNERS_NAMES if variables["param_0"] == project.partners[-1] else {}
    return {"project": {"ontology": _ontology_entity(api, renames)}}


def _ontology(api: Api, variables: Json) -> Json:
    if variables["param_0"] != cuid(api.project.seed, "ontology"):
        raise GraphqlError("RESOURCE_NOT_FOUND", "Ontology not found")
    return {"ontology": _ontology_entity(api)}


def _ontology_entity(api: Api, renames: Mapping[str, str] | None = None) -> Json:
    names = renames or {}
    content = normalized(
        api.project.seed, lambda name: names.get(name, api.project.rename(name)), api.workspace.ontology
    )
    counts = {"objectSchemaCount": len(content["tools"]), "classificationSchemaCount": len(content["classifications"])}
    identity = _times(cuid(api.project.seed, "ontology"), "Street scenes")
    return {**identity, "description": None, "mediaType": "IMAGE", "normalized": content, **counts}


def _task_queues(api: Api, variables: Json) -> Json:
    project = _project_checked(api, variables["projectId"])
    names = {
        "MANUAL_LABELING_QUEUE": "TO_LABEL",
        "MANUAL_REVIEW_QUEUE": "IN_REVIEW",
        "MANUAL_REWORK_QUEUE": "IN_REWORK",
        "DONE_QUEUE": "DONE",
    }
    queues = [
        {
            "id": uuid(project.seed, f"queue {status}"),
            "name": status,
            "description": None,
            "queueType": kind,
            "dataRowCount": sum(row.status == status for row in api.workspace.existing()),
        }
        for kind, status in names.items()
    ]
    return {"project": {"taskQueues": queues}}


def _model_run(api: Api, variables: Json) -> Json:
    project = api.project
    if variables["param_0"] != project.model_run_id:
        raise GraphqlError("RESOURCE_NOT_FOUND", "Model run not found")
    identity = _times(project.model_run_id, "iteration 1")
    return {
        "modelRun": {
            **identity,
            "createdBy": api.user_id,
            "modelAppId": None,
            "modelId": project.model_id,
            "trainingMetadata": None,
        }
    }


def _user(api: Api, _: Json) -> Json:
    user = _times(api.user_id, "Ada")
    return {
        "user": {
            **user,
            "email": "ada@labellers.example",
            "isExternalUser": False,
            "isViewer": False,
            "lastLoginAt": _MOMENT,
            "nickname": "Ada",
            "picture": None,
        }
    }


def _current_user(api: Api, _: Json) -> Json:
    return {"user": {"timezone": api.timezone}}


def _organization(api: Api, _: Json) -> Json:
    return {"organization": _times(cuid(api.project.seed, "organization"), "Sandbox")}


def _export_project(api: Api, variables: Json) -> Json:
    _project_checked(api, variables["input"]["filters"]["projectId"])
    return {"exportDataRowsInProject": _started(api, variables["input"])}


def _dataset(api: Api, variables: Json) -> Json:
    if variables["param_0"] != api.project.dataset_id:
        raise GraphqlError("RESOURCE_NOT_FOUND", "Dataset not found")
    return {
        "dataset": {
            **_times(api.project.dataset_id, "street scenes"),
            "description": "",
            "rowCount": api.workspace.rows,
        }
    }


def _slice(api: Api, variables: Json) -> Json:
    if variables["id"] != api.project.slice_id:
        raise GraphqlError("RESOURCE_NOT_FOUND", "Slice not found")
    return {"getSavedQuery": {**_times(api.project.slice_id, "every fifth"), "description": "", "filter": {}}}


def _export_catalog(api: Api, variables: Json) -> Json:
    _label_sources_checked(api, variables["input"]["params"])
    return {"exportDataRowsInCatalog": _started(api, variables["input"])}


def _export_slice(api: Api, variables: Json) -> Json:
    _slice(api, {"id": variables["input"]["filters"]["sliceId"]})
    _label_sources_checked(api, variables["input"]["params"])
    return {"exportDataRowsInSlice": _started(api, variables["input"])}


def _label_sources_checked(api: Api, params: Json) -> None:
    """Projects and model runs that are not there are refused."""
    for identifier in params.get("projectIds") or ():
        _project_checked(api, identifier)
    for identifier in params.get("modelRunIds") or ():
        _model_run(api, {"param_0": identifier})


def _export_model_run(api: Api, variables: Json) -> Json:
    if variables["input"]["filters"]["modelRunId"] != api.project.model_run_id:
        raise GraphqlError("RESOURCE_NOT_FOUND", "Model run not found")
    return {"exportDataRowsInModelRun": _started(api, variables["input"])}


def _started(api: Api, request: Json) -> Json:
    task = api.exports.start(request["filters"], request["params"], request["taskName"] or "")
    return {"taskId": task.id, "isStreamable": True}


def _created_tasks(api: Api, variables: Json) -> Json:
    """All of the SDK's documents of this name: the tasks of an id or of a name, none where there is none."""
    wanted = str(variables.get("param_0") or variables.get("taskId"))
    if _BY_NAME.search(variables["query"]):
        tasks = api.exports.named(wanted)
    else:
        tasks = [api.exports.get(wanted)] if wanted in api.exports else []
    return {"user": {"createdTasks": [_task_entity(task) for task in tasks]}}


def _task_entity(task: ExportTask) -> Json:
    status, percentage = task.poll()
    return {
        **_times(task.id, task.name, task.created_at),
        "completionPercentage": percentage,
        "errors": None,
        "metadata": None,
        "result": None,
        "status": status,
        "type": "export-data-rows",
    }


def _cancelable_types(_: Api, __: Json) -> Json:
    return {"cancelableTaskTypes": ["ExportDataRows"]}


def _cancel_task(api: Api, variables: Json) -> Json:
    return {"cancelBulkOperationJob": {"success": _task(api, variables["id"]).cancel()}}


def _task(api: Api, identifier: object) -> ExportTask:
    try:
        return api.exports.get(str(identifier))
    except LookupError:
        raise GraphqlError("RESOURCE_NOT_FOUND", "Task not found") from None


def _header(api: Api, variables: Json) -> Json:
    header = api.exports.header(_task(api, variables["where"]["id"]), variables["streamType"])
    told = header and {"totalSize": header[0], "totalLines": header[1]}
    return {"task": {"exportMetadataHeader": told}}


def _chunk(api: Api, variables: Json) -> Json:
    task, stream = _task(api, variables["where"]["id"]), variables["streamType"]
    chunk = api.exports.chunk(task, stream, int(variables["offset"]))
    if chunk is None:
        return {"task": {"exportFileFromOffset": None}}
    path = f"/files/{task.id}/{stream}/{chunk.start}-{chunk.end}"
    url = f"{api.project.url}{path}?signature={api.exports.signature(path)}"
    ranges = {
        "offsets": {"start": chunk.start, "end": chunk.end},
        "lines": {"start": chunk.first_line, "end": chunk.last_line},
    }
    return {"task": {"exportFileFromOffset": {**ranges, "file": url}}}


def _webhooks(api: Api, variables: Json) -> Json:
    _project_checked(api, variables["param_0"])
    return {"project": {"webhooks": [_webhook_entity(webhook) for webhook in api.workspace.webhooks.values()]}}


def _create_webhook(api: Api, variables: Json) -> Json:
    given = _inlined(variables["query"])
    webhook = Webhook(
        cuid(api.project.seed, "webhook", len(api.workspace.webhooks)),
        given["url"],
        given["secret"],
        tuple(given["topics"].split()),
    )
    api.workspace.webhooks[webhook.id] = webhook
    return {"createWebhook": _webhook_entity(webhook)}


def _update_webhook(api: Api, variables: Json) -> Json:
    given = _inlined(variables["query"])
    webhook = api.workspace.webhooks.get(given.get("id", ""))
    if webhook is None:
        raise GraphqlError("RESOURCE_NOT_FOUND", "Webhook not found")
    topics = tuple(given["topics"].split()) if "topics" in given else webhook.topics
    webhook = replace(
        webhook, url=given.get("url", webhook.url), topics=topics, status=given.get("status", webhook.status)
    )
    api.workspace.webhooks[webhook.id] = webhook
    return {"updateWebhook": _webhook_entity(webhook)}


def _inlined(query: str) -> dict[str, str]:
    """The values that the SDK writes into its webhook documents."""
    strings = dict(re.findall(r'\b(id|url|secret):\s*"([^"]*)"', query))
    lists = dict(re.findall(r"\b(topics):\s*\{set:\s*\[([^\]]*)\]", query))
    names = dict(re.findall(r"\b(status):\s*([A-Z]+)", query))
    return {**strings, **lists, **names}


def _webhook_entity(webhook: Webhook) -> Json:
    times = _times(webhook.id, "")
    return {**times, "status": webhook.status, "topics": list(webhook.topics), "url": webhook.url}


def _times(identifier: str, name: str, created_at: datetime = _CREATED) -> Json:
    created, updated = (moment.strftime(_FORM) for moment in (created_at, datetime.now(UTC)))
    return {"id": identifier, "name": name, "createdAt": created, "updatedAt": updated}


_OPERATIONS: dict[str, Callable[[Api, Json], Json]] = {
    "GetProjectPyApi": _project,
    "GetProjectOntologyPyApi": _project_ontology,
    "GetOntologyPyApi": _ontology,
    "GetProjectTaskQueuesPyApi": _task_queues,
    "GetModelRunPyApi": _model_run,
    "GetDatasetPyApi": _dataset,
    "getSavedQueryPyApi": _slice,
    "GetUserPyApi": _user,
    "CurrentUserPyApi": _current_user,
    "GetOrganizationPyApi": _organization,
    "exportDataRowsInProjectPyApi": _export_project,
    "exportDataRowsInModelRunPyApi": _export_model_run,
    "exportDataRowsInCatalogPyApi": _export_catalog,
    "exportDataRowsInSlicePyApi": _export_slice,
    "GetUserCreatedTasksPyApi": _created_tasks,
    "GetCancelableTaskTypesPyApi": _cancelable_types,
    "CancelTaskPyApi": _cancel_task,
    "GetExportMetadataHeaderPyApi": _header,
    "GetExportFileFromOffsetPyApi": _chunk,
    "GetProjectWebhooksPyApi": _webhooks,
    "CreateWebhookPyApi": _create_webhook,
    "UpdateWebhookPyApi": _update_webhook,
}
