"""One row of a Labelbox image export as typed, frozen values: what every later step works on.

An export line is parsed to a ``Row`` (everything it holds) or refused as a ``Problem``; the dataset's policies choose
from a ``Row`` what is published: a ``Record``, or an ``Excluded`` that names the policy. With its image at hand a
record is a ``Sample``, which is what tables and training formats are written from.

Times are kept as the export spells them (RFC 3339). ``None`` means that the export did not say. Values hold no cycles,
so that the garbage collector need not look at them (``gc=False``).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from labelsnap.records.geometry import Geometry, MaskReference, MaskRule
from labelsnap.records.image import Image

JsonScalar: TypeAlias = str | int | float | bool | None
SourceKind: TypeAlias = Literal["project", "model_run", "dataset", "slice", "catalog"]
"""What of Labelbox can be exported; labels are a project's or a model run's."""


class Option(Struct, frozen=True, gc=False):
    """A chosen answer of a radio or checklist question, with the questions nested below it."""

    feature_id: str | None
    feature_schema_id: str | None
    name: str
    value: str | None
    classifications: tuple[Classification, ...] = ()


class RadioAnswer(Struct, frozen=True, gc=False, tag="radio"):
    """Exactly one option."""

    option: Option

    @property
    def parts(self) -> tuple[Option, ...]:
        """What further questions can hang on."""
        return (self.option,)


class ChecklistAnswer(Struct, frozen=True, gc=False, tag="checklist"):
    """Any number of options, in the export's order."""

    options: tuple[Option, ...]

    @property
    def parts(self) -> tuple[Option, ...]:
        """What further questions can hang on."""
        return self.options


class TextAnswer(Struct, frozen=True, gc=False, tag="text"):
    """Free text, with the questions nested below it."""

    content: str
    classifications: tuple[Classification, ...] = ()

    @property
    def parts(self) -> tuple[TextAnswer, ...]:
        """What further questions can hang on: the text itself."""
        return (self,)


Answer: TypeAlias = RadioAnswer | ChecklistAnswer | TextAnswer


class Classification(Struct, frozen=True, gc=False):
    """A question that was answered: on the image, on an object, or below another answer."""

    feature_id: str | None
    feature_schema_id: str | None
    name: str
    value: str | None
    answer: Answer


class Annotation(Struct, frozen=True, gc=False):
    """An object: a class (``name``, ``feature_schema_id``), a place in the image, and the questions answered about it.

    ``z_order`` is the object's position in the label's ``z_order`` list (0 lies lowest), where the export has one;
    ``confidence`` is a prediction's score (0 to 1), where the model gave one.
    """

    feature_id: str
    feature_schema_id: str | None
    name: str
    value: str | None
    geometry: Geometry
    classifications: tuple[Classification, ...] = ()
    z_order: int | None = None
    confidence: float | None = None


class Relationship(Struct, frozen=True, gc=False):
    """A directed tie between two objects of one label, by their feature ids."""

    feature_id: str
    feature_schema_id: str | None
    name: str
    value: str | None
    source: str
    target: str
    classifications: tuple[Classification, ...] = ()


class Review(Struct, frozen=True, gc=False):
    """One entry of ``label_details.reviews``, kept as canonical JSON: its shape is not documented."""

    json: str


class LabelDetails(Struct, frozen=True, gc=False):
    """``label_details``."""

    created_at: str | None = None
    updated_at: str | None = None
    created_by: str | None = None
    content_last_updated_at: str | None = None
    reviews: tuple[Review, ...] = ()


class PerformanceDetails(Struct, frozen=True, gc=False):
    """``performance_details``; ``consensus_score`` where the export has it."""

    seconds_to_create: float | None = None
    seconds_to_review: float | None = None
    skipped: bool | None = None
    consensus_score: float | None = None


class Unanswered(Struct, frozen=True, gc=False):
    """A question that the export names without an answer: no annotation.

    ``owner`` is what it hangs on (``image``, ``object``, ``relationship`` or ``answer``), ``owner_feature_id`` the id
    of that object, relationship or option (of the question, for text); ``about`` is the id of the object or
    relationship that it is about, at whatever depth, None for the image. ``kind`` is radio, checklist or text, where
    the export has the key of just that answer.
    """

    owner: str
    owner_feature_id: str | None
    about: str | None
    feature_id: str | None
    feature_schema_id: str | None
    name: str | None
    value: str | None
    kind: str | None


class Label(Struct, frozen=True, gc=False):
    """One labeller's (or one model's) work on one image.

    ``is_benchmark`` is true for the gold label of a row; ``benchmark_reference_label`` is what the export says of the
    label ("true" for a mark of its own, else the gold label's id), ``benchmark_score`` how near it came to that one.
    ``beside`` are the masks of classes that the dataset drops, which the label's composite shows beside the others;
    a sample has none.
    """

    id: str
    kind: str | None
    version: str | None
    details: LabelDetails | None
    performance: PerformanceDetails | None
    annotations: tuple[Annotation, ...] = ()
    classifications: tuple[Classification, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    is_benchmark: bool = False
    benchmark_reference_label: str | None = None
    benchmark_score: float | None = None
    unanswered: tuple[Unanswered, ...] = ()
    beside: tuple[MaskReference, ...] = ()


class DataRowDetails(Struct, frozen=True, gc=False):
    """``data_row.details``."""

    dataset_id: str | None = None
    dataset_name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    last_activity_at: str | None = None
    created_by: str | None = None


class MediaAttributes(Struct, frozen=True, gc=False):
    """``media_attributes`` as declared by the export: sizes in pixels; ``exif_rotation`` 1 to 8."""

    height: int | None = None
    width: int | None = None
    mime_type: str | None = None
    exif_rotation: int | None = None
    asset_type: str | None = None


class MetadataField(Struct, frozen=True, gc=False):
    """One entry of ``metadata_fields``; a value that is no scalar is kept as canonical JSON with ``is_json`` true."""

    schema_id: str | None
    schema_name: str | None
    schema_kind: str | None
    value: JsonScalar
    is_json: bool = False


class Attachment(Struct, frozen=True, gc=False):
    """One entry of ``attachments``."""

    id: str | None
    type: str | None
    name: str | None
    value: str | None


class Embedding(Struct, frozen=True, gc=False):
    """One vector of one entry of ``embeddings``."""

    id: str | None
    name: str | None
    dimensions: int | None
    is_custom: bool | None
    values: tuple[float, ...]


class DataRow(Struct, frozen=True, gc=False):
    """The asset: its names, where its image lies, and what hangs on it whatever the project."""

    id: str
    global_key: str | None
    external_id: str | None
    row_data: str
    details: DataRowDetails | None
    media: MediaAttributes
    metadata: tuple[MetadataField, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    embeddings: tuple[Embedding, ...] = ()

    @property
    def key(self) -> str:
        """The name that people know the row by: global key, else external id, else the row's id."""
        return self.global_key or self.external_id or self.id


class WorkflowMove(Struct, frozen=True, gc=False):
    """One entry of ``workflow_history``, newest first in the export."""

    action: str | None = None
    created_at: str | None = None
    created_by: str | None = None
    previous_task_name: str | None = None
    previous_task_id: str | None = None
    next_task_name: str | None = None
    next_task_id: str | None = None


class ProjectDetails(Struct, frozen=True, gc=False):
    """``project_details`` of the project that was asked for."""

    ontology_id: str | None = None
    task_id: str | None = None
    task_name: str | None = None
    batch_id: str | None = None
    batch_name: str | None = None
    workflow_status: str | None = None
    priority: int | None = None
    consensus_expected_label_count: int | None = None
    selected_label_id: str | None = None
    workflow_history: tuple[WorkflowMove, ...] = ()


class ProjectEntry(Struct, frozen=True, gc=False, tag="project"):
    """The labels of one row in one project: a value of the line's ``projects``."""

    id: str
    name: str | None
    details: ProjectDetails | None
    labels: tuple[Label, ...] = ()


class ModelRunEntry(Struct, frozen=True, gc=False, tag="model_run"):
    """The labels and predictions of one row in one model run: a value of ``experiments[MODEL].runs``."""

    id: str
    name: str | None
    model_id: str
    model_name: str | None
    run_data_row_id: str | None
    split: str | None
    labels: tuple[Label, ...] = ()
    predictions: tuple[Label, ...] = ()


Entry: TypeAlias = ProjectEntry | ModelRunEntry


class Source(Struct, frozen=True, gc=False):
    """The project or model run that a dataset is of: the one of a line that is looked at."""

    kind: Literal["project", "model_run"]
    id: str


class Unreadable(Struct, frozen=True, gc=False):
    """A field that was left empty because what stands there cannot be read: its JSON path, and a code like a problem's.

    What it says is not about the labels, so that the row is none the worse for it.
    """

    path: str
    code: str


class Row(Struct, frozen=True, gc=False):
    """One export line: the asset, and the asked source's ``entry`` (None: the line has none).

    ``fingerprint`` changes when, and only when, the line's content does. It is a digest (hex) of the line without what
    changes on every export: the task id in composite mask URLs and the signature of a signed ``row_data``.
    ``unreadable`` are the fields that were left empty; ``text_replaced`` counts what is no character in the row's
    text, and was read as U+FFFD. Other projects and model runs of the line are in neither.
    """

    data_row: DataRow
    entry: Entry | None
    fingerprint: str
    unreadable: tuple[Unreadable, ...] = ()
    text_replaced: int = 0


class Apart(Struct, frozen=True, gc=False):
    """What one source of several has of a row, with the chosen labels only: kept apart, since another source won."""

    source: str
    entry: Entry


class Record(Struct, frozen=True, gc=False):
    """What the dataset's policies publish of a row: the asked-for entry, with the chosen labels only.

    ``labels_excluded`` counts its other labels by policy (``not_selected``, ``skipped``); ``annotations_dropped``
    counts, by kind, the objects whose class is dropped, with their answers, and the relationships that lost an end.
    ``unreadable`` and ``text_replaced`` are the row's. Of several sources ``source`` is the name of the one whose entry
    this is, "" where there is one, and ``others`` are what further ones have.
    """

    data_row: DataRow
    entry: Entry
    fingerprint: str
    labels_excluded: dict[str, int] = {}
    annotations_dropped: dict[str, int] = {}
    unreadable: tuple[Unreadable, ...] = ()
    text_replaced: int = 0
    source: str = ""
    others: tuple[Apart, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What every source has of the row, the one that won first."""
        return (self.entry, *(each.entry for each in self.others))


class Excluded(Struct, frozen=True, gc=False):
    """A row that a policy left out, counted as a ``Record``. ``policy`` is a key of the result's ``rows.excluded``."""

    data_row_id: str
    policy: str
    labels_excluded: dict[str, int] = {}
    annotations_dropped: dict[str, int] = {}


class Problem(Struct, frozen=True, gc=False):
    """A row that could not be used, by name: never the line itself, which is kept apart.

    ``line`` counts from 1 in the RESULT stream; ``path`` is the JSON path of what was wrong (``$`` is the whole line).
    """

    line: int
    data_row_id: str | None
    path: str
    code: str
    reason: str


class Sample(Struct, frozen=True, gc=False):
    """A record with its image, its masks decoded (no ``MaskReference`` is left) and its split.

    ``mask_rule`` is the one by which its masks were made, None in what was written before there was a choice.
    """

    record: Record
    image: Image
    split: str
    mask_rule: MaskRule | None = None
