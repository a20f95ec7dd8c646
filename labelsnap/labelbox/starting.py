"""An export started once, though answers get lost: its id is known before anything else is asked.

The SDK's own ``export`` asks for the task's status right after the mutation, and where that fails its id is gone. So
the SDK writes the mutation, which is caught on its way out, and it is sent here; the bytes are the SDK's, whichever
version is installed. A mutation whose answer was lost is sent again only when no task of its name is listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from labelbox import Task
from lbox import exceptions as refusals

from labelsnap.errors import LabelboxAnswerError
from labelsnap.labelbox.client import source_of, spoken
from labelsnap.labelbox.faults import RAISED, fault_of
from labelsnap.labelbox.patience import HiccupError

if TYPE_CHECKING:
    from collections.abc import Callable

    import labelbox
    from requests import Response

    from labelsnap.labelbox.client import Client
    from labelsnap.labelbox.export import ExportRequest
    from labelsnap.labelbox.patience import Patience

LONGEST_ID: Final = 200
"""Characters of a task's id; Labelbox's have 25."""
UNSEARCHABLE: Final = (
    refusals.InvalidQueryError,
    refusals.ValidationFailedError,
    refusals.MalformedQueryException,
    refusals.OperationNotAllowedException,
)
"""How a Labelbox would refuse to look for tasks by name."""
BLIND: Final = 2
"""How often an export is sent at most where tasks cannot be looked for."""


def start(
    client: Client,
    request: ExportRequest,
    *,
    name: str,
    perhaps_started: bool = False,
    ready: Callable[[], object] = lambda: None,
) -> str:
    """Start the export under a name that no other one has, and return its task's id.

    A place among the running exports is waited for. ``perhaps_started`` says that one may have been started under this
    name before: it is looked for first. ``ready`` is called when everything is asked that starts nothing: it returns
    when the export may be started, and raises where it may not.
    """
    subject = f"a new export of {spoken(request.kind, request.source_id)}"
    mutation = client.asked(spoken(request.kind, request.source_id), lambda sdk: _written(sdk, request, name))
    ready()
    starting = _Starting(mutation, name, subject, client.patience)
    if perhaps_started:
        starting.lost_at = client.patience.clock()
    return client.asked(subject, starting, whole=client.patience.place, lasting={"labelbox_limit"})


def started_as(client: Client, name: str) -> str | None:
    """The id of the export that was started under a name; None where none is listed."""
    return client.asked("the exports of the key's user", lambda sdk: _task_named(sdk, name))


@dataclass(frozen=True, slots=True)
class _Mutation:
    """What the SDK would have sent."""

    query: str
    variables: dict[str, Any]
    options: dict[str, Any]


class _CaughtError(Exception):
    """The mutation, caught."""

    def __init__(self, mutation: _Mutation) -> None:
        super().__init__()
        self.mutation = mutation


class _Catching:
    """The SDK's client to what it is handed to; a mutation is caught, and all else is passed on."""

    def __init__(self, sdk: labelbox.Client) -> None:
        self._sdk = sdk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sdk, name)

    def execute(self, query: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        """The answer to a query; raises ``_CaughtError`` for a mutation."""
        if query.lstrip().startswith("mutation"):
            raise _CaughtError(_Mutation(query, params or {}, options))
        return self._sdk.execute(query, params, **options)


def _written(sdk: labelbox.Client, request: ExportRequest, name: str) -> _Mutation:
    """The mutation that the SDK writes for a request. It asks for the source, and for the time zone of each date."""
    source = source_of(sdk, request.kind, request.source_id)
    source.client = _Catching(sdk)
    given = {} if request.kind in {"model_run", "slice"} else {"filters": dict(request.filters)}
    try:
        source.export(task_name=name, params=dict(request.params), **given)
    except _CaughtError as caught:
        return caught.mutation
    raise TypeError("the installed SDK starts exports by other means than a mutation")


@dataclass(slots=True)
class _Starting:
    """One export to start. ``lost_at`` is when an answer was lost: since then a task may stand under the name."""

    mutation: _Mutation
    name: str
    subject: str
    patience: Patience
    lost_at: float | None = None
    sent: int = 0
    searchable: bool = True

    def __call__(self, sdk: labelbox.Client) -> str:
        if self.lost_at is not None and (found := self._found(sdk, self.lost_at)):
            return found
        self.sent += 1
        try:
            return _sent(sdk, self.mutation)
        except RAISED as error:
            fault = fault_of(error, self.subject)
            if isinstance(fault, HiccupError) and not fault.undone:
                self.lost_at = self.patience.clock()
            raise

    def _found(self, sdk: labelbox.Client, lost_at: float) -> str | None:
        """The task that an earlier request started after all; None when another may be sent."""
        if self.searchable:
            try:
                found = _task_named(sdk, self.name)
            except UNSEARCHABLE as error:
                self.searchable = False
                self.patience.say(f"Labelbox does not look for export tasks by name ({type(error).__name__}).")
            else:
                if found is None and self.patience.clock() < lost_at + self.patience.listing:
                    raise HiccupError(self._untold("no export task of that name is listed yet"))
                self.lost_at = None
                said = "was started" if found else "was not started, and is sent again"
                self.patience.say(f"The export {self.name!r}, of which no answer came, {said}.")
                return found
        if self.sent >= BLIND:
            raise self._untold("Labelbox does not look for export tasks by name")
        self.patience.say(f"The export {self.name!r}, of which no answer came, is sent again; there may be two of it.")
        return None

    def _untold(self, reason: str) -> LabelboxAnswerError:
        return LabelboxAnswerError(
            f"Whether {self.subject} was started cannot be told: its answer was lost, and {reason} ({self.name!r}).",
            remedy="Run again; an export that was started after all ends by itself.",
            code="export_not_listed",
        )


def _sent(sdk: labelbox.Client, mutation: _Mutation) -> str:
    handlers = {"MALFORMED_REQUEST": _raise_malformed}
    answer = sdk.execute(mutation.query, mutation.variables, **mutation.options, error_handlers=handlers)
    if answer is None:
        raise refusals.ResourceNotFoundError(message="the source is not there any more")
    (started,) = answer.values()
    task_id = started["taskId"]
    if not isinstance(task_id, str) or not 0 < len(task_id) <= LONGEST_ID:
        raise TypeError("the answer has no task id")
    return task_id


def _raise_malformed(response: Response) -> None:
    """The SDK itself looks for the reason under a key that not every such answer has."""
    raise refusals.MalformedQueryException(str(response.json()["errors"][0].get("message")))


def _task_named(sdk: labelbox.Client, name: str) -> str | None:
    """The id of the user's task of this name, whatever else the answer lists."""
    tasks = islice(sdk.get_user().created_tasks(where=Task.name == name), 100)
    return next((str(task.uid) for task in tasks if task.name == name), None)
