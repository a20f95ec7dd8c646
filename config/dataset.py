"""What to make: a dataset file (YAML), checked whole before anything starts. It is the one parameter of a flow.

Every key has a meaning; an unknown one is refused with the nearest known one, because Labelbox's SDK drops unknown
params and filters without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePath
from typing import Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import ConfigDict, Field, field_validator, model_validator

from config.crons import check_cron
from config.sources import Asked, ClassNames, Filters, NamedSource, Params, Part, Source, check_sources
from labelsnap.formats.outputs import Output, outputs_of, plain
from labelsnap.formats.registry import DEFAULT
from labelsnap.records.choices.names import NameRule
from labelsnap.records.choices.policy import Policy, SourcePolicy, composed
from labelsnap.records.choices.split_sources import SplitSource, spelled_alike, split_source
from labelsnap.records.choices.splits import Split as SplitRule
from labelsnap.records.choices.splits import check_group_by
from labelsnap.records.image import ImageRule
from labelsnap.records.model import Source as AskedSource
from labelsnap.storage import check_store_url

_ADDED = frozenset({"from", "names"})
"""Keys of ``split`` that versions of before lack: left out of a version's configuration where they say nothing."""
_CRON = re.compile(r"(?:[0-9A-Za-z*/,\-#?]+\s+){4}[0-9A-Za-z*/,\-#?]+")
_SEVERAL = ("sources", "wins")
"""Keys that versions of before lack: they are left out of a version's configuration where there is one source."""


class Split(Part):
    """Shares of the splits (they add up to 1), the seed of the hash, and what must stay together."""

    train: float = Field(default=0.8, ge=0, le=1)
    val: float = Field(default=0.1, ge=0, le=1)
    test: float = Field(default=0.1, ge=0, le=1)
    seed: int = Field(default=0, ge=-(2**63), le=2**63 - 1)
    group_by: str | None = None
    source: str | None = Field(default=None, alias="from")
    names: dict[str, Literal["train", "val", "test"] | None] = Field(default={})

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


class Problems(Part):
    """How many rows may be problems before the run is rejected: a share of the exported lines."""

    max_share: float = Field(default=0.05, ge=0, le=1)


class Card(Part):
    """What the dataset card, Croissant and the report say that no count can tell."""

    license: str = Field(
        default="unknown", pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$", description="SPDX or Hub identifier"
    )
    description: str = ""


class Schedule(Part):
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


class Keep(Part):
    """Which versions stay when a run is done: the newest so many, and all that are younger. Tagged ones always do."""

    versions: int = Field(ge=1, le=1_000_000)
    days: float = Field(default=0, ge=0, le=36_500)


class Dataset(Part):
    """One dataset file: the whole of what a refresh is told."""

    dataset: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The dataset's name under the store")
    store: str = Field(description="s3://BUCKET/PREFIX or file:///DIR")
    source: Source | None = None
    sources: tuple[NamedSource, ...] = ()
    wins: tuple[str, ...] = ()
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
    formats: dict[str, dict[str, Any]] = Field(default={DEFAULT: {}})
    problems: Problems = Problems()
    card: Card = Card()
    classes: ClassNames = Field(default={})
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

    @field_validator("sources")
    @classmethod
    def _in_one_order(cls, value: tuple[NamedSource, ...]) -> tuple[NamedSource, ...]:
        """By name: the order in which they are written down means nothing."""
        return tuple(sorted(value, key=lambda each: each.name))

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.source is None) == (not self.sources):
            found = "neither" if self.source is None else "both"
            raise ValueError(f"expected `source` for one, or `sources` for several, found {found}")
        if self.sources and self.filters != Filters():
            raise ValueError("filters: each of `sources` has its own; move them there")
        if self.wins and not self.sources:
            raise ValueError("wins: says which of `sources` counts first, and there is one source")
        check_sources(self.sources, self.wins)
        return self

    @model_validator(mode="after")
    def _fits_source(self) -> Self:
        has_run = any(each.kind == "model_run" for each in self.asked)
        if self.source and self.source.kind == "model_run" and self.filters != Filters():
            raise ValueError("filters: Labelbox takes no filters for a model run; remove them")
        if (self.params.predictions and not self.of_model_run) or (self.params.model_run_details and not has_run):
            raise ValueError("params: predictions and model_run_details belong to a model run, not to a project")
        if self.of_model_run and not self.params.data_row_details:
            raise ValueError(
                "params: a model run needs data_row_details, because Labelbox exports its labels without details and "
                "nothing else tells that one was edited"
            )
        return self

    @model_validator(mode="after")
    def _has_what_splits_are_taken_from(self) -> Self:
        kind = self.split.taken_from.kind if self.split.taken_from else None
        has_run = any(each.kind == "model_run" for each in self.asked)
        if kind == "model_run" and not (has_run and self.params.model_run_details):
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
    def asked(self) -> tuple[Asked, ...]:
        """The sources, by name; of one alone that is ""."""
        if self.source is None:
            return tuple(each.asked for each in self.sources)
        kind, own = self.source.kind, self.source.id
        return (Asked("", kind, own, (AskedSource(kind, own),), self.filters),)

    @property
    def by_winning(self) -> tuple[Asked, ...]:
        """The sources, the one that wins first."""
        place = {name: number for number, name in enumerate(self.wins)}
        return tuple(sorted(self.asked, key=lambda each: place.get(each.name, len(place))))

    @property
    def spoken(self) -> str:
        """Where its rows come from, in words."""
        return ", ".join(each.spoken for each in self.asked)

    @property
    def label_sources(self) -> tuple[str, ...]:
        """The ids of all projects and model runs whose labels it has."""
        return tuple(dict.fromkeys(each.id for asked in self.asked for each in asked.of))

    @property
    def of_model_run(self) -> bool:
        """Whether there may be predictions: a model run is among whose labels it has."""
        return any(each.kind == "model_run" for asked in self.asked for each in asked.of)

    @property
    def policy(self) -> Policy:
        """What is published of a row, as ``labelsnap.records`` takes it; of several sources that of the first."""
        return self.policies[0].of[0]

    @property
    def policies(self) -> tuple[SourcePolicy, ...]:
        """The same of each source, the one that wins first."""
        return tuple(
            SourcePolicy(each.name, tuple(self._policy(each, entry) for entry in each.of)) for each in self.by_winning
        )

    def _policy(self, asked: Asked, entry: AskedSource) -> Policy:
        return Policy(
            source=entry,
            labels=self.labels,
            skipped=self.skipped,
            empty=self.empty,
            workflow_status=asked.filters.workflow_status,
            classes=composed(asked.classes, self.classes),
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
        for name in ("source",) if self.sources else _SEVERAL:
            del content[name]
        return content
