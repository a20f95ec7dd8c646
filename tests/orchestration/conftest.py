"""What the tests of clusters share: a sandbox with small buckets, and its dataset in an S3 store."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from machines import CODE

from deploy.sandbox import Sandbox


@pytest.fixture
def clustered(monkeypatch, tmp_path):
    """A sandbox of the test's own with small buckets, and little time to wait for workers."""
    with Sandbox(rows=24, directory=tmp_path / "own") as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
        monkeypatch.setenv("LABELSNAP_WORKERS", "2")
        monkeypatch.setenv("LABELSNAP_WORKER_SECONDS", "4")
        yield sandbox


@pytest.fixture
def chosen(dataset, clustered, monkeypatch):
    """The dataset of that sandbox under a prefix of its S3 store."""
    for name, value in clustered.environment().items():
        monkeypatch.setenv(name, value)
    return lambda name: dataset(source={"project": clustered.project_id}, store=f"s3://datasets/{name}")


@pytest.fixture
def seen_by_all():
    """A folder that every machine sees, as /tmp is private."""
    with TemporaryDirectory(prefix=".machines-", dir=CODE) as folder:
        yield Path(folder)
