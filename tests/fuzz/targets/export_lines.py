"""Lines of an export, from the bytes to the tables and every format's files."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from deploy.sandbox.project.lines import model_run_line, project_line
from deploy.sandbox.project.rows import Project, Row
from labelsnap.buckets.errors import RowError
from labelsnap.buckets.rows.fetch import Fetcher
from labelsnap.formats.description.census import census
from labelsnap.formats.interface import written
from labelsnap.formats.registry import FORMATS, format_of
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.records.choices.classes import ClassRegistry, seen_classes, update
from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.choices.splits import Split
from labelsnap.records.model import Excluded, Problem, Source
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.tables import from_tables, to_tables
from labelsnap.snapshots.checking.measures import measure
from tests.formats.format_samples import dataset
from tests.fuzz.mutation import json_mutator
from tests.fuzz.target import MEBIBYTE, Target
from tests.masks.mask_pictures import as_png
from tests.records.records_lines import MODEL_RUN, PROJECT, reference_row

if TYPE_CHECKING:
    from pathlib import Path

    from labelsnap.formats.interface import Format
    from labelsnap.records.model import Sample
    from tests.fuzz.target import Run

PARAMS = dict.fromkeys(
    (
        "includeProjectDetails",
        "includePerformanceDetails",
        "includeLabelDetails",
        "includeAttachments",
        "includeMetadata",
        "includeDataRowDetails",
        "includePredictions",
        "includeModelRunDetails",
        "includeEmbeddings",
    ),
    True,
)
ROWS = 12
SANDBOX = Project(0, "http://127.0.0.1:1")
TOKENS = (b"\xef\xbb\xbf", b"null", b"1e999", b"-", b'"\\ud83d"', b"\\u0000", b"{}", b"[]", b"NaN", b'"color_rgb":')
FILES = [format_of(name, None) for name in sorted(set(FORMATS) - {"webdataset", "huggingface"})]
"""Formats that need no image."""


def seeds() -> dict[str, bytes]:
    """Rows of the reference document, and rows of the sandbox's project as a project's and a model run's."""
    rows = [Row(SANDBOX, index) for index in range(ROWS)]
    lines = {
        f"project {PROJECT}": reference_row("project_row"),
        f"model_run {MODEL_RUN}": reference_row("model_run_row"),
    }
    lines |= {f"project {SANDBOX.id} {row.index}": project_line(row, PARAMS, "task") for row in rows}
    lines |= {
        f"model_run {SANDBOX.model_run_id} {row.index}": model_run_line(row, PARAMS, "task")
        for row in rows
        if row.labels
    }
    return {label: json.dumps(line, separators=(",", ":")).encode() for label, line in lines.items()}


class Masks:
    """A downloader of masks: each shows one colour, and has the size that the row's image is declared to have."""

    size = (1, 1)

    def check_reference(self, _url: str) -> None:
        """Refuse nothing: what references are refused for is the business of downloads."""

    def mask(self, _url: str, **_options: object) -> bytes:
        """Draw one."""
        height, width = self.size
        if not 0 < height * width <= MEBIBYTE:
            raise DownloadError("http_404", "no mask of this size is served here")
        return drawn(height, width)


@lru_cache
def drawn(height: int, width: int) -> bytes:
    """Draw a mask."""
    return as_png(np.full((height, width, 3), 200, np.uint8))


def prepare(folder: Path) -> Run:
    """Read a line, choose its labels, and write what can be published in tables and a format that its bytes choose."""
    masks = Masks()
    fetcher = Fetcher(
        downloader=masks,  # type: ignore[arg-type]
        directory=folder,
        images="reference",
        split=Split(),
        group_by=None,
        max_image_bytes=MEBIBYTE,
        max_image_pixels=200_000_000,
        max_mask_bytes=MEBIBYTE,
    )

    def run(label: str, body: bytes) -> str:
        kind, identifier, *_ = label.split(" ")
        source = Source(kind, identifier)  # type: ignore[arg-type]
        row = parse(body, source, number=1, keep_embeddings=True)
        if isinstance(row, Problem):
            return row.code
        record = select(row, Policy(source, labels="all", skipped="keep"))
        if isinstance(record, Excluded):
            return record.policy
        media = record.data_row.media
        masks.size = media.height or 1, media.width or 1
        try:
            sample = fetcher.fetch(record, Counter())
        except RowError as error:
            return error.code
        write(sample, FILES[zlib.crc32(body) % len(FILES)], model_run=kind == "model_run")
        return "published"

    return run


def write(sample: Sample, form: Format, *, model_run: bool) -> None:
    """Write a row's tables and its files in one format, and read the tables again."""
    tables = to_tables([sample])
    census(tables)
    measure([sample])
    list(from_tables(tables))
    classes = update(ClassRegistry(), seen_classes(tables), {})
    source = dataset(sample, classes=classes, model_run=model_run)
    for artifact in written(form, source, sample.split):
        for _ in artifact.chunks:
            pass


TARGET = Target("export_lines", seeds, prepare, json_mutator(TOKENS), budget=192 * MEBIBYTE, share=5)
