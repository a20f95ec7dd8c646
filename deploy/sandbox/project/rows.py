"""One row of the sample project: its names, times, status and labels.

All of it is a pure function of (seed, index) and of what has been changed since: nothing is held per row. Which row
takes which of the shapes that real exports have is decided by its index, so that all of them are among the first 48.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from deploy.sandbox.project.identifiers import cuid, digest, uuid
from deploy.sandbox.project.labels import PREDICTION, Label, Style

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["TO_LABEL", "IN_REVIEW", "IN_REWORK", "DONE"]

_BEGIN = datetime(2024, 1, 1, 6, tzinfo=UTC)
_WEEK = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Edit:
    """What has been changed on a row since the project was made.

    ``picture`` counts how often its picture was replaced, last at ``pictured_at``; exports tell of that if ``is_told``.
    ``split`` is its split in the model run, and ``metadata`` are fields that it has beside its first ones; ``key`` is
    its external id.
    """

    revision: int = 0
    status: Status | None = None
    at: datetime | None = None
    picture: int = 0
    pictured_at: datetime | None = None
    is_told: bool = False
    split: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """What every row of one sample project shares."""

    seed: int
    url: str
    class_names: Mapping[str, str] = field(default_factory=dict, hash=False)
    shared_colours: frozenset[int] = frozenset()
    hidden_instances: frozenset[int] = frozenset()

    @property
    def id(self) -> str:
        """The project's id."""
        return cuid(self.seed, "project")

    @property
    def dataset_id(self) -> str:
        """The dataset that all data rows are in."""
        return cuid(self.seed, "dataset")

    @property
    def slice_id(self) -> str:
        """A slice of the catalog: the rows whose number divides by five."""
        return cuid(self.seed, "slice")

    @property
    def partners(self) -> tuple[str, ...]:
        """Further projects on the same data rows: the first has every second row, the second every third."""
        return tuple(cuid(self.seed, "project", number) for number in (1, 2))

    @property
    def model_id(self) -> str:
        """The model (Labelbox says experiment) whose run is exported."""
        return uuid(self.seed, "model")

    @property
    def model_run_id(self) -> str:
        """Its one run."""
        return uuid(self.seed, "model run")

    @property
    def rest(self) -> str:
        """The REST endpoint, where the masks are."""
        return f"{self.url}/api/v1"

    def rename(self, name: str) -> str:
        """The class's name as it is now."""
        return self.class_names.get(name, name)


@dataclass(frozen=True, slots=True)
class Row:
    """The facts of one row, cheap to know: no picture is drawn for them."""

    project: Project
    index: int
    edit: Edit = Edit()

    @property
    def id(self) -> str:
        """The data row's id."""
        return cuid(self.project.seed, "data row", self.index)

    @property
    def status(self) -> Status:
        """The workflow status as exports spell it."""
        if self.edit.status is not None:
            return self.edit.status
        by_index: dict[int, Status] = {5: "TO_LABEL", 9: "IN_REVIEW", 13: "IN_REWORK"}
        return by_index.get(self.index % 16, "DONE")

    @property
    def external_id(self) -> str:
        """File names as customers have them: blanks, paths, several dots, none, upper case, the wrong extension."""
        if self.edit.key is not None:
            return self.edit.key
        plain = f"street_{self.index:06d}.{'png' if self.image_format == 'PNG' else 'jpg'}"
        odd = {
            2: f"IMG_{self.index:06d}.JPG",
            6: f"street scene {self.index:06d}, front.jpg",
            8: f"camera-{self.index:06d}/b.png",
            12: "../b.png",
            14: f"street_{self.index:06d}.png.jpg",
            16: f"IMG{self.index:06d}",
            18: f"Straße Zürich {self.index:06d}.jpg",
            20: f"street_{self.index:06d}.png",
        }
        return odd.get(self.index % 24, plain)

    @property
    def global_key(self) -> str | None:
        """Unique where there is one."""
        if self.turn(9, 4) or self.external_id == "../b.png":
            return None
        return f"{self.project.seed}/{self.external_id}"

    @property
    def image_format(self) -> str:
        """Pillow's name of the picture's format."""
        return "PNG" if self.turn(8, 1) else "JPEG"

    @property
    def mime_type(self) -> str:
        """The type that the export claims."""
        if self.image_format == "PNG":
            return "image/png"
        return "image/jpg" if self.turn(24, 4) else "image/jpeg"

    @property
    def image_path(self) -> str:
        """Where the picture is on the server."""
        return f"/images/{self.id}/{self.project.seed}.{'png' if self.image_format == 'PNG' else 'jpg'}"

    @property
    def batch_id(self) -> str:
        """One batch per hundred rows."""
        return uuid(self.project.seed, "batch", self.index // 100)

    @property
    def created_at(self) -> datetime:
        """Rows came every 37 minutes."""
        return _BEGIN + timedelta(minutes=37 * self.index)

    @property
    def updated_at(self) -> datetime:
        """When exports say that the data row itself was changed."""
        return self.pictured_at if self.edit.is_told else self.created_at

    @property
    def pictured_at(self) -> datetime:
        """When its picture was put where it is."""
        return self.edit.pictured_at or self.created_at

    @property
    def label_created_at(self) -> datetime | None:
        """When the first label was made, None without one."""
        return self.created_at + timedelta(minutes=90 + self.chance("label") % 600) if self.labels else None

    @property
    def last_activity_at(self) -> datetime:
        """The last edit or move; within a week of the creation for an untouched row."""
        return self.edit.at or self.created_at + timedelta(minutes=720 + self.chance("activity") % _WEEK)

    @property
    def labels(self) -> tuple[Label, ...]:
        """One label, none while the row waits for its first, two or three in consensus."""
        if self.status == "TO_LABEL":
            return ()
        number = 1 + self.turn(10, 3) + self.turn(30, 23)
        return tuple(Label(self.project.seed, self.index, labeller, self.edit.revision) for labeller in range(number))

    def partners_label(self, number: int) -> Label | None:
        """The label of a further project, from 1; None where that has not got the row."""
        if self.index % (number + 1):
            return None
        return Label(self.project.seed, self.index, PREDICTION + number, self.edit.revision)

    @property
    def in_slice(self) -> bool:
        """Whether the slice has it."""
        return self.index % 5 == 0

    @property
    def prediction(self) -> Label:
        """What the model predicted: the labels, a few pixels off."""
        return Label(self.project.seed, self.index, PREDICTION, self.edit.revision)

    @property
    def skipped(self) -> bool:
        """A labeller looked at it and skipped it."""
        return self.turn(20, 7)

    @property
    def empty(self) -> bool:
        """Labelled, without any object."""
        return self.skipped or self.turn(18, 10)

    @property
    def selected_label(self) -> int | None:
        """The number of the label that ``selected_label_id`` names, None where nothing breaks the tie."""
        return self.index % 2 if len(self.labels) > 1 and self.turn(20, 3) else None

    @property
    def style(self) -> Style:
        """Which of the ways of real exports the row's masks and geometry take."""
        old = self.turn(6, 4)
        return Style(
            composite=not old,
            instance=not self.turn(6, 3),
            composite_suffix="" if self.turn(6, 5) else "/index/1",
            instance_suffix="/mask" if old else "/index/1/mask",
            old=old,
            open_rings=self.turn(7, 6),
            whole_numbers=self.turn(7, 5),
            z_order=self.turn(4, 2),
            shared_colour=self.index in self.project.shared_colours,
            hidden_instance=self.index in self.project.hidden_instances,
            unused_colour=self.turn(13, 6),
        )

    @property
    def in_model_run(self) -> bool:
        """Model runs hold what is done and not skipped."""
        return self.status == "DONE" and not self.skipped

    def label_id(self, label: Label) -> str:
        """The label's id, which edits keep."""
        return cuid(self.project.seed, "label", self.index, label.number)

    def turn(self, period: int, remainder: int) -> bool:
        """Whether it is this row's turn for something that every ``period``-th row has."""
        return self.index % period == remainder

    def chance(self, what: str) -> int:
        """A number that looks random, the same every time."""
        return digest(self.project.seed, what, self.index)
