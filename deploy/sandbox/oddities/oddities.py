"""Lines that are odd, put between the rows of an export when they are asked for; here those that are no image rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from deploy.sandbox.oddities.odd_others import ODD_OTHERS
from deploy.sandbox.oddities.odd_rows import ODD_ROWS, fresh, label, relabelled
from deploy.sandbox.oddities.odd_texts import ODD_TEXTS
from deploy.sandbox.project.identifiers import cuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def _not_json(_: str, __: int) -> str:
    return "<html>502 Bad Gateway</html>"


def _truncated(line: str, _: int) -> str:
    return line[: len(line) // 2]


def _array(_: str, __: int) -> str:
    return '["not", "a", "row"]'


def _duplicate(line: str, _: int) -> str:
    return line


def _without_size(line: str, number: int) -> str:
    row = fresh(line, number)
    del row["media_attributes"]
    return json.dumps(row)


def _wrong_geometry(line: str, number: int) -> str:
    box = {
        "feature_id": cuid(0, "odd box", number),
        "name": "vehicle",
        "annotation_kind": "ImageBoundingBox",
        "bounding_box": {"top": "NaN"},
    }
    return json.dumps(relabelled(fresh(line, number), label(number, box)))


def _video(line: str, number: int) -> str:
    row = fresh(line, number)
    row["media_attributes"] = {
        "frame_count": 31,
        "frame_rate": 30,
        "mime_type": "video/mp4",
        "height": 400,
        "width": 640,
    }
    frames = {
        "13": {
            "objects": {cuid(0, "odd object", number): {"name": "car", "annotation_kind": "VideoBoundingBox"}},
            "classifications": [],
        }
    }
    of_video = {"label_kind": "Video", "annotations": {"frames": frames, "segments": {}}}
    return json.dumps(relabelled(row, label(number) | of_video))


def _text(line: str, number: int) -> str:
    row = fresh(line, number)
    row["media_attributes"] = {"mime_type": "text/plain"}
    entity = {
        "feature_id": cuid(0, "odd object", number),
        "name": "city",
        "annotation_kind": "TextEntity",
        "location": {"start": 3, "end": 9},
    }
    return json.dumps(relabelled(row, label(number, entity)))


def _legacy(_: str, number: int) -> str:
    row = {
        "DataRow ID": cuid(0, "odd row", number),
        "Labeled Data": "https://storage.example/a.jpg",
        "Label": {"objects": [], "classifications": []},
    }
    return json.dumps(row)


ODDITIES: dict[str, Callable[[str, int], str]] = {
    "not_json": _not_json,
    "truncated": _truncated,
    "video": _video,
    "legacy": _legacy,
    "text": _text,
    "without_size": _without_size,
    "wrong_geometry": _wrong_geometry,
    "array": _array,
    "duplicate": _duplicate,
    **ODD_ROWS,
    **ODD_OTHERS,
    **ODD_TEXTS,
}


def with_oddities(lines: Iterator[str], rows: int, kinds: Sequence[str]) -> Iterator[str]:
    """The lines, with one odd line of each of ``kinds`` after evenly spaced rows, each made from the row before it."""
    after: dict[int, list[int]] = {}
    for number in range(len(kinds)):
        after.setdefault((number + 1) * rows // (len(kinds) + 1), []).append(number)
    for position, line in enumerate(lines):
        yield line
        for number in after.get(position, ()):
            yield ODDITIES[kinds[number]](line, number)
