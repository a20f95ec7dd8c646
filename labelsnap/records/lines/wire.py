"""The export line as it travels: what of its JSON is read, and how far real lines may differ from the reference.

Every block may be missing or null, unknown keys are skipped, an integer may stand for a float; lines that differ
further are mended first (``mending.py``). What is not declared here is not decoded: a line's embeddings, often most of
its bytes, are skipped unless they are asked for (``LineWithEmbeddings``). Blocks whose shape is the model's own are
decoded straight into the model's types.

Source: Labelbox's image export reference (rows of ``Project.export`` and ``ModelRun.export``).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from labelsnap.records.geometry import BoundingBox, Point
from labelsnap.records.model import DataRowDetails, WorkflowMove

Byte: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
Integer: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What an Arrow column of 64 bits holds."""

LEFT_OUT: Final = "\ud800"
"""``annotation_kind`` of an entry that is passed over: half a character, which no line holds."""


class Option(Struct, gc=False):
    """A chosen answer: ``radio_answer``, or an entry of ``checklist_answers``."""

    feature_id: str | None = None
    feature_schema_id: str | None = None
    name: str | None = None
    value: str | None = None
    classifications: list[Classification] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return not (self.feature_id or self.feature_schema_id or self.name or self.value)


class Text(Struct, gc=False):
    """``text_answer``."""

    content: str | None = None
    classifications: list[Classification] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no text; an empty text is one."""
        return self.content is None


class Classification(Struct, gc=False):
    """An entry of any ``classifications`` list; of the three answers, one that is not told is unset."""

    feature_id: str | None = None
    feature_schema_id: str | None = None
    name: str | None = None
    value: str | None = None
    radio_answer: Option | UnsetType | None = UNSET
    checklist_answers: list[Option] | UnsetType | None = UNSET
    text_answer: Text | UnsetType | None = UNSET


class InstanceMask(Struct, gc=False):
    """``mask``."""

    url: str | None = None


class CompositeMask(Struct, gc=False):
    """``composite_mask``."""

    url: str | None = None
    color_rgb: tuple[Byte, Byte, Byte] | None = None


class Ends(Struct, gc=False):
    """``unidirectional_relationship``: the feature ids of two objects."""

    source: str | None = None
    target: str | None = None


class Object(Struct, gc=False):
    """An entry of ``objects`` or ``relationships``."""

    feature_id: str | None = None
    feature_schema_id: str | None = None
    name: str | None = None
    value: str | None = None
    annotation_kind: str | None = None
    classifications: list[Classification] | None = None
    confidence: float | None = None
    bounding_box: BoundingBox | None = None
    polygon: list[Point] | None = None
    line: list[Point] | None = None
    point: Point | None = None
    mask: InstanceMask | None = None
    composite_mask: CompositeMask | None = None
    unidirectional_relationship: Ends | None = None


class Annotations(Struct, gc=False):
    """``annotations`` of a label; ``frames`` is what a video has in place of ``objects``."""

    objects: list[Object] | None = None
    classifications: list[Classification] | None = None
    relationships: list[Object] | None = None
    z_order: list[str] | None = None
    frames: Raw = Raw()


class LabelDetails(Struct, gc=False):
    """``label_details``."""

    created_at: str | None = None
    updated_at: str | None = None
    created_by: str | None = None
    content_last_updated_at: str | None = None
    reviews: list[Any] | None = None


class PerformanceDetails(Struct, gc=False):
    """``performance_details``."""

    seconds_to_create: float | None = None
    seconds_to_review: float | None = None
    skipped: bool | None = None
    consensus_score: float | None = None
    benchmark_reference_label: bool | str | None = None
    benchmark_score: float | None = None


class Label(Struct, gc=False):
    """An entry of ``labels`` or ``predictions``."""

    id: str | None = None
    label_kind: str | None = None
    version: str | None = None
    label_details: LabelDetails | None = None
    performance_details: PerformanceDetails | None = None
    annotations: Annotations | None = None
    z_order: list[str] | None = None
    benchmark_reference_label: bool | str | None = None
    benchmark_score: float | None = None


class ProjectDetails(Struct, gc=False):
    """``project_details``."""

    ontology_id: str | None = None
    task_id: str | None = None
    task_name: str | None = None
    batch_id: str | None = None
    batch_name: str | None = None
    workflow_status: str | None = None
    priority: Integer | None = None
    consensus_expected_label_count: Integer | None = None
    selected_label_id: str | None = None
    benchmark_reference_label: str | None = None
    workflow_history: list[WorkflowMove] | None = None


class Project(Struct, gc=False):
    """A value of ``projects``."""

    name: str | None = None
    labels: list[Label] | None = None
    project_details: ProjectDetails | None = None


class Run(Struct, gc=False):
    """A value of ``runs``."""

    name: str | None = None
    run_data_row_id: str | None = None
    split: str | None = None
    labels: list[Label] | None = None
    predictions: list[Label] | None = None


class Experiment(Struct, gc=False):
    """A value of ``experiments``: a model."""

    name: str | None = None
    runs: dict[str, Run | None] | None = None


class DataRow(Struct, gc=False):
    """``data_row``."""

    id: str | None = None
    global_key: str | None = None
    external_id: str | None = None
    row_data: str | None = None
    details: DataRowDetails | None = None


class MediaAttributes(Struct, gc=False):
    """``media_attributes``; sizes occur as whole floats, the rotation as a number or as text."""

    height: int | float | None = None
    width: int | float | None = None
    mime_type: str | None = None
    exif_rotation: int | str | None = None
    asset_type: str | None = None
    frame_count: Raw = Raw()


class MetadataField(Struct, gc=False):
    """An entry of ``metadata_fields``."""

    schema_id: str | None = None
    schema_name: str | None = None
    schema_kind: str | None = None
    value: Any = None


class Attachment(Struct, gc=False):
    """An entry of ``attachments``."""

    id: str | None = None
    type: str | None = None
    name: str | None = None
    value: Any = None


class Vector(Struct, gc=False):
    """An entry of an embedding's ``values``."""

    value: list[float] | None = None


class Embedding(Struct, gc=False):
    """An entry of ``embeddings``."""

    id: str | None = None
    name: str | None = None
    dimensions: Integer | None = None
    is_custom: bool | None = None
    values: list[Vector] | None = None


class Line(Struct, gc=False):
    """One line of the RESULT stream, its embeddings skipped."""

    data_row: DataRow | None = None
    media_attributes: MediaAttributes | None = None
    metadata_fields: list[MetadataField] | None = None
    attachments: list[Attachment] | None = None
    projects: dict[str, Project | None] | None = None
    experiments: dict[str, Experiment | None] | None = None


class LineWithEmbeddings(Line, gc=False):
    """One line of the RESULT stream, whole."""

    embeddings: list[Embedding] | None = None


class Identified(Struct, gc=False):
    """``data_row`` of a line of which only the id is wanted."""

    id: str | None = None


class Head(Struct, gc=False):
    """A line of which only ``data_row.id`` is wanted."""

    data_row: Identified | None = None


class Keys(Struct, gc=False):
    """``data_row`` of a line of which only what people know it by is wanted."""

    global_key: str | None = None
    external_id: str | None = None


class Keyed(Struct, gc=False):
    """A line of which only the keys of its row are wanted."""

    data_row: Keys | None = None
