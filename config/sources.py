"""Where a dataset's rows come from: one project or model run, or several sources, and what is asked of each.

Labelbox's limits are checked here, before anything starts: which filters and params an export of a kind takes, and of
how many projects and model runs it has labels.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from labelsnap.records.model import Source as LabelSource
from labelsnap.records.model import SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelsnap.records.choices.policy import Renames

_ID = r'^[^"\\\x00-\x1f]+$'
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
MOST_LABEL_SOURCES: Final = 30
"""Of so many projects, and of so many model runs, Labelbox puts labels into one export."""
MOST_SOURCES: Final = 50
CATALOG: Final = "catalog"
KINDS: Final[tuple[SourceKind, ...]] = ("project", "model_run", "dataset", "slice", "catalog")
WorkflowStatus = Literal["ToLabel", "InReview", "InRework", "Done"]


class Part(BaseModel):
    """A part of the dataset file: its keys are known, and its values stand."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _legible(name: str) -> str:
    """Return what a class is called. Raises ValueError where nobody could read it."""
    if not name.strip() or any(category(each) == "Cc" for each in name):
        raise ValueError(f"a class is called {name[:60]!r}: write null, without quotes, to leave its objects out")
    return name


ClassNames = dict[str, Annotated[str, AfterValidator(_legible)] | None]
"""What classes of Labelbox are called in the dataset; None: their objects are left out."""


class Source(Part):
    """A Labelbox project or a model run: exactly one."""

    project: str | None = Field(default=None, pattern=_ID)
    model_run: str | None = Field(default=None, pattern=_ID)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.project is None) == (self.model_run is None):
            raise ValueError("name either a project or a model_run, by its id")
        return self

    @property
    def kind(self) -> Literal["project", "model_run"]:
        """Which of the two it is."""
        return "project" if self.project is not None else "model_run"

    @property
    def id(self) -> str:
        """The project's or model run's id."""
        return self.project or self.model_run or ""


class Params(Part):
    """Labelbox's export params. Three are always on, because choosing labels and seeing changes depends on them.

    Labelbox takes none of the three for a model run, whose labels come without details: there ``data_row_details`` is
    always on instead, whose last activity alone tells that a mask was edited.
    """

    attachments: bool = True
    metadata_fields: bool = True
    data_row_details: bool = True
    project_details: Literal[True] = True
    label_details: Literal[True] = True
    performance_details: Literal[True] = True
    embeddings: bool = False
    interpolated_frames: bool = False
    predictions: bool = False
    model_run_details: bool = False

    def of_source(self, kind: SourceKind) -> dict[str, Any]:
        """The params that Labelbox takes for an export of this kind, but for whose labels it has."""
        common = ("attachments", "metadata_fields", "data_row_details", "embeddings")
        of_labels = ("project_details", "label_details", "performance_details", "interpolated_frames")
        match kind:
            case "project":
                own: tuple[str, ...] = of_labels
            case "model_run":
                own = ("predictions", "model_run_details")
            case "dataset" | "slice" | "catalog":
                own = (*of_labels, "predictions")
        return {name: getattr(self, name) for name in (*common, *own)}


def _utc(value: object) -> object:
    """Text, or what YAML makes of it → an aware time in UTC; a date or time without an offset is taken as UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime):
        return moment
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"expected a time that there is in UTC, found {moment}") from None


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[datetime, BeforeValidator(_utc), PlainSerializer(_seconds, return_type=str)]
Range = tuple[Moment | None, Moment | None]


class Filters(Part):
    """Labelbox's export filters, joined by AND. A range is [from, to]; null leaves an end open."""

    workflow_status: WorkflowStatus | None = None
    last_activity_at: Range = (None, None)
    label_created_at: Range = (None, None)
    global_keys: tuple[str, ...] = ()
    data_row_ids: tuple[str, ...] = ()
    batch_ids: tuple[str, ...] = ()

    @field_validator("last_activity_at", "label_created_at")
    @classmethod
    def _in_order(cls, value: Range) -> Range:
        start, end = value
        if start is not None and end is not None and start > end:
            raise ValueError(f"the range starts ({_seconds(start)}) after it ends ({_seconds(end)})")
        return value

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.global_keys and self.data_row_ids:
            raise ValueError("Labelbox takes global_keys or data_row_ids, not both")
        return self

    def for_labelbox(self) -> dict[str, Any]:
        """The filters that are set, as the SDK takes them: times in UTC, all in one form."""
        return {
            name: value for name, value in self.model_dump(mode="json").items() if value not in (None, [], [None, None])
        }


_OF_PROJECTS: Final = ("workflow_status", "batch_ids")
"""Filters that Labelbox takes for a project alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One source as it is asked for. ``name`` is "" where it is the dataset's only one, given as ``source``.

    ``of`` are the projects and model runs whose labels it brings, first those that count first; ``classes`` are its
    own names of classes, and what the dataset calls them (None: their objects are left out).
    """

    name: str
    kind: SourceKind
    id: str
    of: tuple[LabelSource, ...]
    filters: Filters
    classes: Renames = field(default_factory=dict)

    @property
    def spoken(self) -> str:
        """What it is, in words: ``model run a2fb1fec``."""
        return f"{self.kind.replace('_', ' ')} {self.id}".strip()

    def params(self, params: Params) -> dict[str, Any]:
        """What Labelbox is asked for beside its rows."""
        given = params.of_source(self.kind)
        if self.kind in {"project", "model_run"}:
            return given
        ids = {kind: [each.id for each in self.of if each.kind == kind] for kind in ("project", "model_run")}
        return given | {f"{kind}_ids": found for kind, found in ids.items() if found}


class NamedSource(Part):
    """One source of several: exactly one of project, model run, dataset, slice and catalog."""

    project: str | None = Field(default=None, pattern=_ID)
    model_run: str | None = Field(default=None, pattern=_ID)
    dataset: str | None = Field(default=None, pattern=_ID)
    slice: str | None = Field(default=None, pattern=_ID)
    catalog: Literal[True] | None = None
    name: str = Field(default="", max_length=100)
    project_ids: tuple[Annotated[str, Field(pattern=_ID)], ...] = ()
    model_run_ids: tuple[Annotated[str, Field(pattern=_ID)], ...] = ()
    filters: Filters = Filters()
    classes: ClassNames = {}

    @model_validator(mode="before")
    @classmethod
    def _called(cls, value: object) -> object:
        """By its id, where no name is given."""
        if not isinstance(value, dict) or value.get("name"):
            return value
        ids = (value.get(kind) for kind in ("project", "model_run", "dataset", "slice"))
        return value | {"name": next((each for each in ids if each), CATALOG)}

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"expected one of {', '.join(KINDS)}, found {found}")
        if not re.fullmatch(NAME, self.name):
            raise ValueError(f"expected a `name` of letters, digits, - and _, found {self.name[:60]!r}")
        return self

    @model_validator(mode="after")
    def _asks_what_labelbox_gives(self) -> Self:
        lists = {"project_ids": self.project_ids, "model_run_ids": self.model_run_ids}
        if self.kind in {"project", "model_run"}:
            if name := next((name for name, ids in lists.items() if ids), None):
                raise ValueError(f"{name}: a {self.kind.replace('_', ' ')} brings its own labels; remove it")
        elif not any(lists.values()):
            raise ValueError(
                f"a {self.kind} needs project_ids or model_run_ids: the projects or runs whose labels count"
            )
        for name, ids in lists.items():
            if len(ids) > MOST_LABEL_SOURCES:
                raise ValueError(f"{name}: Labelbox takes {MOST_LABEL_SOURCES} at most, found {len(ids)}")
            if twice := _twice(ids):
                raise ValueError(f"{name}: {twice!r} stands there twice")
        if self.kind in {"model_run", "slice"} and self.filters != Filters():
            raise ValueError(f"filters: Labelbox takes none for a {self.kind.replace('_', ' ')}; remove them")
        own = (name for name in _OF_PROJECTS if self.kind != "project" and getattr(self.filters, name))
        if name := next(own, None):
            raise ValueError(f"filters.{name}: Labelbox takes it for a project alone; remove it")
        return self

    @property
    def kind(self) -> SourceKind:
        """Which of them it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def asked(self) -> Asked:
        """What is asked of Labelbox for it."""
        kind, own = self.kind, self.project or self.model_run or self.dataset or self.slice or ""
        projects = (self.project,) if self.project else self.project_ids
        runs = (self.model_run,) if self.model_run else self.model_run_ids
        of = (
            *(LabelSource("project", each) for each in projects),
            *(LabelSource("model_run", each) for each in runs),
        )
        return Asked(self.name, kind, own, of, self.filters, self.classes)


def check_sources(sources: tuple[NamedSource, ...], wins: tuple[str, ...]) -> None:
    """Raise ``ValueError`` where sources cannot be told apart, or it is not said which of them wins."""
    if len(sources) > MOST_SOURCES:
        raise ValueError(f"sources: {MOST_SOURCES} at most, found {len(sources)}")
    if twice := _twice(each.name.casefold() for each in sources):
        raise ValueError(f"sources: the name {twice!r} stands there twice; give each a `name` of its own")
    if twice := _twice(each.asked.spoken for each in sources):
        raise ValueError(f"sources: {twice} stands there twice; one export brings all of it")
    names = sorted(each.name for each in sources)
    if len(names) > 1 and sorted(wins) != names:
        raise ValueError(
            f"wins: expected the name of each source once, the one whose labels count before all others first; there "
            f"are {', '.join(names)}, found {', '.join(wins) or 'none'}"
        )
    if len(names) <= 1 and set(wins) - set(names):
        raise ValueError(f"wins: expected names of sources, found {', '.join(wins)}")


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)
