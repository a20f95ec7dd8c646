"""What to make: a dataset file (YAML), checked whole before anything starts. It is the one parameter of a flow.

Every key has a meaning; an unknown one is refused with the nearest known one, because Labelbox's SDK drops unknown
params and filters without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from config.crons import check_cron
from labelsnap.formats.outputs import Output, outputs_of, plain
from labelsnap.formats.registry import DEFAULT
from labelsnap.records.choices.names import NameRule
from labelsnap.records.choices.policy import Policy
from labelsnap.records.choices.split_sources import SplitSource, spelled_alike, split_source
from labelsnap.records.choices.splits import Split as SplitRule
from labelsnap.records.choices.splits import check_group_by
from labelsnap.records.image import ImageRule
from labelsnap.records.model import Source as AskedSource
from labelsnap.storage import check_store_url

_ADDED = frozenset({"from", "names"})
"""Keys of ``split`` that versions of before lack: left out of a version's configuration where they say nothing."""
_CRON = re.compile(r"(?:[0-9A-Za-z*/,\-#?]+\s+){4}[0-9A-Za-z*/,\-#?]+")
_ID = r'^[^"\\\x00-\x1f]+$'
WorkflowStatus = Literal["ToLabel", "InReview", "InRework", "Done"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Part):
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


class Params(_Part):
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

    def of_source(self, kind: Literal["project", "model_run"]) -> dict[str, bool]:
        """The params that Labelbox takes for an export of this kind."""
        common = ("attachments", "metadata_fields", "data_row_details", "embeddings")
        of_project = ("project_details", "label_details", "performance_details", "interpolated_frames")
        of_model_run = ("predictions", "model_run_details")
        return {name: getattr(self, name) for name in (*common, *(of_project if kind == "project" else of_model_run))}


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


class Filters(_Part):
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


class Split(_Part):
    """Shares of the splits (they add up to 1), the seed of the hash, and what must stay together."""

    train: float = Field(default=0.8, ge=0, le=1)
    val: float = Field(default=0.1, ge=0, le=1)
    test: float = Field(default=0.1, ge=0, le=1)
    seed: int = Field(default=0, ge=-(2**63), le=2**63 - 1)
    group_by: str | None = None
    source: str | None = Field(default=None, alias="from")
    names: dict[str, Literal["train", "val", "test"] | None] = {}

    model_config = ConfigDict(serialize_by_alias=True)

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str | None) -> str | None:
        if value is not None:
            split_source(value)
        return value

    @field_validator("names")
    @classmethod
    def _each_name_once(cls, value: dict[str, Any]) -> dict[str, Any]:
        times = Counter(map(spelled_alike, value))
        if (twice := next((name for name in value if times[spelled_alike(name)] > 1), None)) is not None:
            raise ValueError(f"{twice!r} stands there twice: letters' case and white space around do not count")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:  # noqa: PLR2004 - decimal shares are not exact in binary
            raise ValueError(f"train, val and test add up to {total:g}; they must add up to 1")
        return self

    @field_validator("group_by")
    @classmethod
    def _known_group(cls, value: str | None) -> str | None:
        if value is not None:
            check_group_by(value)
        return value

    @property
    def taken_from(self) -> SplitSource | None:
        """Where splits are taken from that exist already."""
        return split_source(self.source) if self.source else None

    @property
    def dealt(self) -> tuple[SplitRule, str | None]:
        """What decides where a row goes of which nothing else says it."""
        return self.rule, self.group_by

    @property
    def rule(self) -> SplitRule:
        """The same shares as ``labelsnap.records`` takes them."""
        return SplitRule(train=self.train, val=self.val, test=self.test, seed=self.seed)


class Problems(_Part):
    """How many rows may be problems before the run is rejected: a share of the exported lines."""

    max_share: float = Field(default=0.05, ge=0, le=1)


class Card(_Part):
    """What the dataset card, Croissant and the report say that no count can tell."""

    license: str = Field(
        default="unknown", pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$", description="SPDX or Hub identifier"
    )
    description: str = ""


class Schedule(_Part):
    """When a deployment of the dataset runs by itself: five cron fields, in a time zone of the IANA's list."""

    cron: str = Field(max_length=200)
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if not _CRON.fullmatch(value.strip()):
            raise ValueError(f"expected five cron fields such as `0 2 * * *`, found {value!r}")
        return value.strip()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"expected a time zone such as Europe/Zurich, found {value!r}")
        return value

    @model_validator(mode="after")
    def _has_a_next_time(self) -> Self:
        check_cron(self.cron, self.timezone)
        return self


class Keep(_Part):
    """Which versions stay when a run is done: the newest so many, and all that are younger. Tagged ones always do."""

    versions: int = Field(ge=1, le=1_000_000)
    days: float = Field(default=0, ge=0, le=36_500)


class Dataset(_Part):
    """One dataset file: the whole of what a refresh is told."""

    dataset: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The dataset's name under the store")
    store: str = Field(description="s3://BUCKET/PREFIX or file:///DIR")
    source: Source
    params: Params = Params()
    filters: Filters = Filters()
    images: ImageRule = "copy"
    file_names: NameRule = "unique"
    orientation: Literal["declared", "stored", "upright"] = "declared"
    masks: Literal["composite", "instance"] = "composite"
    labels: Literal["selected", "latest", "benchmark", "all"] = "selected"
    skipped: Literal["exclude", "keep"] = "exclude"
    empty: Literal["keep", "exclude"] = "keep"
    split: Split = Split()
    formats: dict[str, dict[str, Any]] = {DEFAULT: {}}
    problems: Problems = Problems()
    card: Card = Card()
    classes: dict[str, str | None] = {}
    single_writer: bool = False
    overlap: Literal["queue", "refuse"] = "queue"
    schedule: Schedule | None = None
    keep: Keep | None = None

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: str) -> str:
        return check_store_url(value)

    @field_validator("formats", mode="before")
    @classmethod
    def _empty_options(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        given = {name: options or {} for name, options in value.items()}
        return {name: plain(options) if isinstance(options, dict) else options for name, options in given.items()}

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        outputs_of(value)
        return value

    @model_validator(mode="after")
    def _fits_source(self) -> Self:
        if self.source.kind == "model_run" and self.filters != Filters():
            raise ValueError("filters: Labelbox takes no filters for a model run; remove them")
        if self.source.kind == "project" and (self.params.predictions or self.params.model_run_details):
            raise ValueError("params: predictions and model_run_details belong to a model run, not to a project")
        if self.source.kind == "model_run" and not self.params.data_row_details:
            raise ValueError(
                "params: a model run needs data_row_details, because Labelbox exports its labels without details and "
                "nothing else tells that one was edited"
            )
        return self

    @model_validator(mode="after")
    def _has_what_splits_are_taken_from(self) -> Self:
        kind = self.split.taken_from.kind if self.split.taken_from else None
        if kind == "model_run" and not (self.source.kind == "model_run" and self.params.model_run_details):
            raise ValueError("split.from: model_run needs a model run as source, with params.model_run_details: true")
        if kind in {"metadata", "tag"} and not self.params.metadata_fields:
            raise ValueError(f"split.from: {kind} needs params.metadata_fields: true")
        if self.split.names and kind is None:
            raise ValueError("split.names: says what split.from calls splits, and there is none")
        return self

    @model_validator(mode="after")
    def _has_what_is_laid_out(self) -> Self:
        for name, output in self.outputs.items() if self.images == "reference" else ():
            if not output.form.takes_references:
                raise ValueError(f"formats: {name}, as it is set, lays out the images themselves; set images: copy")
        return self

    @model_validator(mode="after")
    def _selects_what_is_published(self) -> Self:
        published = set(self.classes.values())
        for name, output in self.outputs.items():
            for own, _ in output.selection.classes or ():
                if (called := self.classes.get(own, own)) != own and own not in published:
                    told = f"called {called!r}" if called else "dropped"
                    raise ValueError(f"formats: {name}: the class {own!r} is {told} by the dataset's own `classes`")
        return self

    @property
    def outputs(self) -> dict[str, Output]:
        """What ``formats`` says, by name."""
        return outputs_of(self.formats)

    @property
    def url(self) -> str:
        """``DATASET_URL`` of the contract: the store's URL and the dataset's name."""
        return f"{self.store}/{self.dataset}"

    @property
    def policy(self) -> Policy:
        """What is published of a row, as ``labelsnap.records`` takes it."""
        return Policy(
            source=AskedSource(self.source.kind, self.source.id),
            labels=self.labels,
            skipped=self.skipped,
            empty=self.empty,
            workflow_status=self.filters.workflow_status,
            classes=dict(self.classes),
        )

    def content(self) -> dict[str, Any]:
        """What decides the snapshot's content: everything but where it lies, and when, how and how long.

        Of a list of splits its name counts, wherever it lies; what it says is in the fingerprints of rows.
        """
        content = self.model_dump(mode="json", exclude={"store", "single_writer", "overlap", "schedule", "keep"})
        split = content["split"]
        if (source := self.split.taken_from) and source.kind == "file":
            split["from"] = f"file:{PurePath(source.name).name}"
        content["split"] = {name: value for name, value in split.items() if name not in _ADDED or value}
        if self.file_names == "unique":
            del content["file_names"]  # which versions of before lack
        return content
