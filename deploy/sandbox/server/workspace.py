"""What changes in a running sandbox: rows edited, moved, removed and added; the ontology; registered webhooks.

Only the changes are held, never the rows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from deploy.sandbox.project.ontology import OntologyEdits
from deploy.sandbox.project.rows import Edit, Project, Row, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_STATUS_NAMES: dict[str, Status] = {
    "ToLabel": "TO_LABEL",
    "InReview": "IN_REVIEW",
    "InRework": "IN_REWORK",
    "Done": "DONE",
}


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that a client registered."""

    id: str
    url: str
    secret: str
    topics: tuple[str, ...]
    status: str = "ACTIVE"


@dataclass(slots=True)
class Workspace:
    """The mutable state, safe to use from several threads."""

    project: Project
    rows: int
    edits: dict[int, Edit] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    ontology: OntologyEdits = field(default_factory=OntologyEdits)
    lock: RLock = field(default_factory=RLock)
    _latest: datetime = _BEFORE_ALL

    def row(self, index: int) -> Row:
        """The row as it is now; ``LookupError`` for one that does not exist."""
        with self.lock:
            if index in self.removed or not 0 <= index < self.rows:
                raise LookupError(f"there is no row {index}")
            return Row(self.project, index, self.edits.get(index, Edit()))

    def existing(self) -> Iterator[Row]:
        """All rows as they are now, by index."""
        for index in range(self.rows):
            if index not in self.removed:
                yield self.row(index)

    def reset(self, project: Project, rows: int) -> None:
        """Forgets every change."""
        with self.lock:
            self.project, self.rows, self.ontology = project, rows, OntologyEdits()
            for changes in (self.edits, self.removed, self.webhooks):
                changes.clear()

    def snapshot(self) -> Workspace:
        """A copy that later changes do not reach: what one export sees."""
        with self.lock:
            return Workspace(self.project, self.rows, dict(self.edits), set(self.removed))

    def edit_row(self, index: int) -> None:
        """A labeller changes the row's labels: geometry, masks, remark, and the times that say so."""
        self._change(index, revision=self.row(index).edit.revision + 1)

    def replace_image(self, index: int, *, told: bool = False) -> None:
        """Another picture is put where the row's was; exports say so in ``updated_at`` where they are ``told``."""
        with self.lock:
            edit = self.row(index).edit
            now = datetime.now(UTC)
            self.edits[index] = replace(edit, picture=edit.picture + 1, pictured_at=now, is_told=told)

    def set_status(self, index: int, status: Status) -> None:
        """The row moves to another workflow status."""
        if status not in _STATUS_NAMES.values():
            raise ValueError(f"workflow status {status!r} is none of {', '.join(_STATUS_NAMES.values())}")
        self._change(index, status=status)

    def set_split(self, index: int, split: str) -> None:
        """The row goes to another split of the model run, in Labelbox's words: ``training``, ``validation``, ``test``.

        That is no activity on the row.
        """
        with self.lock:
            self.edits[index] = replace(self.row(index).edit, split=split)

    def set_metadata(self, index: int, name: str, *values: str) -> None:
        """The row has these values, and no others, of a metadata field, one entry each."""
        others = (each for each in self.row(index).edit.metadata if each[0] != name)
        self._change(index, metadata=(*others, *((name, value) for value in values)))

    def set_key(self, index: int, key: str) -> None:
        """The row has another external id."""
        self._change(index, key=key)

    def remove_row(self, index: int) -> None:
        """The data row is deleted."""
        with self.lock:
            self.removed.add(self.row(index).index)

    def add_rows(self, count: int) -> None:
        """The project grows at its end."""
        with self.lock:
            self.rows += count

    def rename_class(self, name: str, new_name: str) -> None:
        """A class gets another name; its schema id stays."""
        with self.lock:
            self.project = replace(self.project, class_names={**self.project.class_names, name: new_name})

    def add_class(self, name: str, tool: str = "rectangle") -> None:
        """The ontology has a class more, behind its others; ``tool`` is Labelbox's word. No row has an object of it."""
        with self.lock:
            self.ontology = self.ontology.add(tool, name)

    def remove_class(self, name: str) -> None:
        """The ontology has a class no more; rows keep the objects that they have of it."""
        with self.lock:
            self.ontology = self.ontology.remove(name)

    def colour_class(self, name: str, colour: str) -> None:
        """A class gets another colour, ``#rrggbb``."""
        with self.lock:
            self.ontology = self.ontology.colour(name, colour)

    def add_option(self, question: str, option: str) -> None:
        """A question offers an option more."""
        with self.lock:
            self.ontology = self.ontology.offer(question, option)

    def _change(self, index: int, **changes: Any) -> None:
        with self.lock:
            self._latest = max(datetime.now(UTC), self._latest + timedelta(milliseconds=1))
            self.edits[index] = replace(self.row(index).edit, at=self._latest, **changes)


def matches(row: Row, term: dict[str, Any]) -> bool:
    """Whether a row passes one term of an export's ``searchQuery``.

    ``ValueError`` or ``LookupError`` for a term that Labelbox does not have.
    """
    match term:
        case {"type": str(kind), "ids": list(ids)}:
            named = {
                "data_row_id": row.id,
                "global_key": row.global_key,
                "batch": row.batch_id,
                "dataset": row.project.dataset_id,
            }
            return named[kind] in ids
        case {"type": "task_queue_not_exist" | "task_queue_status"}:
            return row.status == _STATUS_NAMES[term.get("status", "ToLabel")]
        case {"type": "data_row_last_activity_at", "value": dict(value)}:
            return _within(row.last_activity_at, value)
        case {"type": "labeled_at", "value": dict(value)}:
            return row.label_created_at is not None and _within(row.label_created_at, value)
        case _:
            raise ValueError(f"unknown search term {term.get('type')!r}")


def _within(moment: datetime, value: dict[str, Any]) -> bool:
    """Bounds are inclusive; a naive time is in the term's zone."""
    bound, zone = value["value"], value.get("timezone") or "UTC"
    match value["operator"]:
        case "BETWEEN":
            return _moment(bound["min"], zone) <= moment <= _moment(bound["max"], zone)
        case "GREATER_THAN_OR_EQUAL":
            return moment >= _moment(bound, zone)
        case "LESS_THAN_OR_EQUAL":
            return moment <= _moment(bound, zone)
        case operator:
            raise ValueError(f"unknown operator {operator!r}")


def _moment(text: str, zone: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
