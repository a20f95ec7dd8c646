"""A team's project at the stand-in for Labelbox: few rows with tiny pictures, which a test changes."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from PIL import Image
from starlette.responses import Response

from deploy.sandbox import Sandbox
from deploy.sandbox.project.rows import Edit
from deploy.sandbox.server.exports import _packed_line
from deploy.sandbox.server.server import Handlers

WIDTH, HEIGHT = 16, 12
NAMES = ("car", "ant", "bus", "cat", "dog", "elk", "fox", "car")
CLASSES = {f"schema-{number}-{name}": name for number, name in enumerate(NAMES)}
"""Names by feature schema: two classes have one name."""
SHARED = (20, 200, 90)
"""The colour of the image that several rows may show."""
FIRST_DAY = datetime(2024, 3, 1, tzinfo=UTC)
"""Rows that nobody has touched since were active in the last second of this day, of the next, and so on."""


@dataclass
class Clock:
    """The time at Labelbox and at the store: it stands still until a test moves it."""

    now: datetime = datetime(2025, 1, 1, tzinfo=UTC)

    def pass_time(self, **duration):
        """Move the clock on."""
        self.now += timedelta(**duration)


@dataclass(frozen=True)
class Seen:
    """What is published of a row: its boxes as (feature schema, left side), and the sha256 of its image."""

    boxes: frozenset
    image: str


@dataclass(frozen=True)
class Look:
    """A row at the source. ``drawn`` is another number for every edit of its labels; ``image`` counts its images.

    Its image is one that no other row has, or, ``is_shared``, one that others show too, each at an address of its own.
    """

    id: str
    done: bool
    at: datetime
    classes: tuple
    drawn: int = 0
    image: int = 0
    is_shared: bool = False

    @property
    def seen(self):
        """What is published of it."""
        boxes = frozenset((schema, self.left(place)) for place, schema in enumerate(self.classes))
        return Seen(boxes, hashlib.sha256(self.picture).hexdigest())

    @property
    def picture(self):
        """Its image, as PNG."""
        colour = SHARED if self.is_shared else tuple(hashlib.sha256(self.path.encode()).digest()[:3])
        output = io.BytesIO()
        Image.new("RGB", (WIDTH, HEIGHT), colour).save(output, "PNG")
        return output.getvalue()

    @property
    def path(self):
        """Where the image is served: another image has another address, and the one before is served no longer."""
        return f"/images/{self.id}/{self.image}.png"

    def left(self, place):
        """The left side of its box number ``place``: another one after each edit."""
        return 1 + place + self.drawn / 1024


def written(moment):
    """A time as some exports write it: without a fraction where there is none."""
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{moment.microsecond // 1000:03}Z" if moment.microsecond else f"{whole}Z"


@dataclass
class Project:
    """The rows of the sandbox's project by index, as the team has them now; what changes is active at that moment."""

    sandbox: Sandbox
    clock: Clock = field(default_factory=Clock)
    rows: dict = field(default_factory=dict)
    looks: dict = field(default_factory=dict)
    edits: int = 0

    def begin(self, clock, rows):
        """A new project with so many rows that are Done, active on a day each."""
        self.sandbox.reset()
        self.sandbox.workspace.rows = 0
        _packed_line.cache_clear()
        self.clock, self.rows, self.looks, self.edits = clock, {}, {}, 0
        for day in range(rows):
            at = FIRST_DAY + timedelta(days=day, hours=24, seconds=-1, milliseconds=500 * (day % 2))
            self._add(done=True, classes=(next(iter(CLASSES)),), at=at)

    def published(self):
        """What a refresh publishes now, by row id."""
        return {look.id: look.seen for look in self.rows.values() if look.done}

    def active(self, start, end):
        """The same of the rows that were active from ``start`` (in) to ``end`` (out)."""
        return {look.id: look.seen for look in self.rows.values() if look.done and start <= look.at < end}

    def add(self, *, done, classes):
        """A row appears."""
        self.clock.pass_time(milliseconds=500)
        return self._add(done=done, classes=classes, at=self.clock.now)

    def edit(self, index, classes):
        """A labeller draws other boxes."""
        return self._change(index, classes=classes, drawn=self.edits + 1)

    def replace_image(self, index, *, is_shared=False):
        """The row shows another image, with the same boxes."""
        return self._change(index, image=self.rows[index].image + 1, is_shared=is_shared)

    def move(self, index, *, done):
        """The row reaches or leaves Done."""
        return self._change(index, done=done)

    def delete(self, index):
        """The row is deleted, which is no activity of its own."""
        self.sandbox.remove_row(index)
        return self.rows.pop(index)

    def _add(self, *, done, classes, at):
        index = self.sandbox.workspace.rows
        self.sandbox.add_rows(1)
        look = Look(self.sandbox.row(index).id, done, at, tuple(classes))
        return self._set(index, look)

    def _change(self, index, **changes):
        self.clock.pass_time(milliseconds=500)
        return self._set(index, replace(self.rows[index], at=self.clock.now, **changes))

    def _set(self, index, look):
        self.edits += 1
        self.rows[index] = self.looks[index, self.edits] = look
        status = "DONE" if look.done else "IN_REVIEW"
        self.sandbox.workspace.edits[index] = Edit(revision=self.edits, status=status, at=look.at)
        return look

    def line(self, row, _params, _task):
        """The row, as it was when the export was begun, as a line of it."""
        look = self.looks[row.index, row.edit.revision]
        objects = [
            {
                "feature_id": f"feature-{row.id}-{place}",
                "feature_schema_id": schema,
                "name": CLASSES[schema],
                "annotation_kind": "ImageBoundingBox",
                "classifications": [],
                "bounding_box": {"left": look.left(place), "top": 2.0, "width": 4.0, "height": 5.0},
            }
            for place, schema in enumerate(look.classes)
        ]
        label = {
            "label_kind": "Default",
            "version": "1.0.0",
            "id": f"label-{row.id}",
            "label_details": {"created_at": written(FIRST_DAY), "updated_at": written(look.at)},
            "annotations": {"objects": objects, "classifications": [], "relationships": []},
        }
        details = {"workflow_status": row.status, "workflow_history": []}
        entry = {"name": "A team's project", "labels": [label], "project_details": details}
        times = {"created_at": written(FIRST_DAY), "updated_at": written(look.at), "last_activity_at": written(look.at)}
        return {
            "data_row": {
                "id": row.id,
                "external_id": f"{row.index}.png",
                "row_data": f"{row.project.url}{look.path}",
                "details": times,
            },
            "media_attributes": {"width": WIDTH, "height": HEIGHT, "mime_type": "image/png"},
            "projects": {row.project.id: entry},
        }

    def image(self, request):
        """The image of a row, as a server answers that has no other than the present one."""
        for look in list(self.rows.values()):
            if look.path == request.url.path:
                return Response(look.picture, media_type="image/png")
        return Response(status_code=404)


@contextmanager
def team_project(directory):
    """A sandbox that serves such a project."""
    project = Project(None)
    with (
        patch("deploy.sandbox.server.exports.project_line", project.line),
        patch.object(Handlers, "image", project.image),
        Sandbox(rows=1, directory=directory) as sandbox,
    ):
        project.sandbox = sandbox
        yield project
