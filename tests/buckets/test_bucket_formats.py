"""Formats do not show in which order Labelbox gave the rows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from test_bucket_build import build, row

from labelsnap.buckets.source import BucketSource
from labelsnap.formats.interface import Dataset, written
from labelsnap.formats.registry import FORMATS, format_of
from labelsnap.records.choices.classes import ClassRegistry, update
from labelsnap.records.choices.splits import SPLITS
from labelsnap.storage import open_store


def published(lines):
    """Every format's files of what a bucket of these lines comes to."""
    with TemporaryDirectory() as directory:
        receipt = build(lines, directory)
        scratch = Path(directory, "scratch")
        scratch.mkdir()
        source = BucketSource(open_store(Path(directory, "store").as_uri()), receipt.files, scratch)
        dataset = Dataset(
            name="street-scenes",
            registry=update(ClassRegistry(), receipt.seen, {}),
            splits=SPLITS,
            rows=source.rows,
            shards=lambda split, _: source.shards(split, 1),
            read_image=source.read_image,
            counts=receipt.census.rows,
            choices=dict,
        )
        return {
            (name, artifact.path): b"".join(artifact.chunks)
            for name in FORMATS
            for split in SPLITS
            for artifact in written(format_of(name), dataset, split)
        }


@pytest.mark.slow
def test_order_of_lines_does_not_show_in_any_format():
    """The same lines in another order give the same files, byte for byte."""
    lines = [row(f"row-{number}") for number in range(6)]
    assert published(lines[::-1]) == published(lines)
