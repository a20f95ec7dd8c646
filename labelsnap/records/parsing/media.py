"""Lines that are no image rows, told apart by name: other media, other kinds of file.

These looks cost time only where a line is refused: they work on the line as plain JSON values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from labelsnap.records.parsing.refusal import RefusedError

_BY_PREFIX = {
    "video": "video_row",
    "text": "text_row",
    "pdf": "pdf_row",
    "document": "pdf_row",
    "audio": "audio_row",
    "geo": "geo_row",
    "tmsgeo": "geo_row",
    "tmssimple": "tiled_image_row",
    "html": "html_row",
    "conversation": "conversational_row",
    "message": "conversational_row",
    "llm": "conversational_row",
    "dicom": "dicom_row",
    "pointcloud": "point_cloud_row",
}
"""First letters of an ``annotation_kind`` or ``asset_type``, without underscores and in lower case → code."""

_BY_MIME_TYPE = {
    "video/": "video_row",
    "text/html": "html_row",
    "text/": "text_row",
    "application/pdf": "pdf_row",
    "audio/": "audio_row",
    "application/geo+json": "geo_row",
    "application/vnd.geo+json": "geo_row",
    "application/dicom": "dicom_row",
    "application/vnd.labelbox.conversational": "conversational_row",
}
_LEGACY_KEYS = ("DataRow ID", "Labeled Data", "Label")
_IMPORT_KEYS = ("dataRow", "schemaId", "uuid")
_VIDEO_KEYS = ("frames", "segments", "key_frame_feature_map")


@lru_cache(maxsize=256)
def medium_of_kind(kind: str | None) -> str | None:
    """Return the code of another medium's ``annotation_kind`` or ``asset_type``; None where it names none."""
    spelling = (kind or "").replace("_", "").lower()
    return next((code for prefix, code in _BY_PREFIX.items() if spelling.startswith(prefix)), None)


@lru_cache(maxsize=256)
def medium_of_mime_type(mime_type: str | None) -> str | None:
    """Return the code of another medium's mime type; None for images and for what is not known."""
    spelling = (mime_type or "").lower()
    return next((code for prefix, code in _BY_MIME_TYPE.items() if spelling.startswith(prefix)), None)


def other_medium(code: str, path: str) -> RefusedError:
    """Return the refusal of a row of another medium."""
    return RefusedError(
        code, f"Expected an image row, found a row of another medium ({code.removesuffix('_row')}).", path
    )


def refuse_other_lines(line: Any) -> None:
    """Refuse what is no image row at all: no object, another kind of file, another medium, no data row.

    Raises ``RefusedError``; returns where the line may be an image row.
    """
    if not isinstance(line, dict):
        raise RefusedError("not_an_object", "Expected a JSON object, found another JSON value.")
    if not isinstance(line.get("data_row"), dict):
        _refuse_other_files(line)
    media = _dict(line.get("media_attributes"))
    for key, code in (
        ("mime_type", medium_of_mime_type(_text(media.get("mime_type")))),
        ("asset_type", medium_of_kind(_text(media.get("asset_type")))),
        ("frame_count", "video_row" if media.get("frame_count") else None),
    ):
        if code:
            raise other_medium(code, f"media_attributes.{key}")
    if any(_is_video(label) for label in _labels(line)):
        raise other_medium("video_row", "")
    for label in _labels(line):
        for annotation in _list(_dict(label.get("annotations")).get("objects")):
            code = medium_of_kind(_text(_dict(annotation).get("annotation_kind")))
            if code:
                raise other_medium(code, "")


def _refuse_other_files(line: dict[str, Any]) -> None:
    if any(key in line for key in _LEGACY_KEYS):
        raise RefusedError("legacy_export", "Expected a row of export(), found one of a legacy (v1) export.")
    if any(key in line for key in _IMPORT_KEYS):
        raise RefusedError("import_payload", "Expected a row of an export, found an annotation to be imported.")


def _is_video(label: dict[str, Any]) -> bool:
    annotations = _dict(label.get("annotations"))
    return (
        label.get("label_kind") == "Video"
        or isinstance(annotations.get("objects"), dict)
        or any(annotations.get(key) for key in _VIDEO_KEYS)
    )


def _labels(line: dict[str, Any]) -> list[dict[str, Any]]:
    holders = [_dict(project) for project in _dict(line.get("projects")).values()]
    for experiment in _dict(line.get("experiments")).values():
        holders += [_dict(run) for run in _dict(_dict(experiment).get("runs")).values()]
    return [_dict(label) for holder in holders for key in ("labels", "predictions") for label in _list(holder.get(key))]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
