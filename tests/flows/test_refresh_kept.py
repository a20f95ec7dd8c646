"""Refreshes in stores that hold other things, or cannot do everything: from the dataset file to the last folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows.refresh import refresh
from labelsnap.errors import ConfigurationError, StorageRefusedError
from tests.faults.s3_proxy import proxied


@pytest.mark.slow
def test_a_run_leaves_no_empty_folders(dataset, tmp_path):
    """Of a store in a folder, below what runs set aside: only what says when the dataset was exported."""
    chosen = dataset(formats={})
    refresh(chosen)
    refresh(chosen)
    work = Path(chosen.url.removeprefix("file://"), "work")
    assert [path.relative_to(work).as_posix() for path in work.rglob("*")] == ["exported.json"]


@pytest.mark.slow
def test_foreign_files_stop_no_refresh(dataset, tmp_path):
    """What a file manager leaves in every folder, before the first run and after it."""
    chosen = dataset(formats={})
    folder = Path(chosen.url.removeprefix("file://"))
    left = [
        folder / each / ".DS_Store" for each in ("commits", "tags", "gc", "data", "work", "work/lease", "work/runs")
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mac")
    assert refresh(chosen)["version"] == 1
    assert refresh(chosen)["reason"] == "unchanged"
    assert all(path.read_bytes() == b"mac" for path in left)


@pytest.mark.slow
def test_a_dataset_below_another_is_refused(dataset):
    """Before anything is exported, and with the other's name; the other one goes on."""
    outer = dataset(formats={})
    refresh(outer)
    inner = outer.model_copy(update={"store": f"{outer.url}/data", "dataset": "inner"})
    with pytest.raises(ConfigurationError, match=outer.url) as refused:
        refresh(inner)
    assert refused.value.code == "dataset_nested"
    assert refresh(outer)["reason"] == "unchanged"


@pytest.mark.slow
def test_a_store_without_conditional_creation_may_have_a_single_writer(sandbox, dataset, monkeypatch):
    """One that answers 501 to the condition is refused without the setting; with it the dataset is as any other."""
    with proxied(os.environ["AWS_ENDPOINT_URL_S3"], unconditional=True) as (_, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store = f"s3://datasets/unconditional-{sandbox.project_id}"
        with pytest.raises(StorageRefusedError, match="single_writer") as refused:
            refresh(dataset(store=store, formats={}))
        assert refused.value.code == "no_conditional_create"
        chosen = dataset(store=store, formats={}, single_writer=True)
        assert refresh(chosen)["version"] == 1
        assert refresh(chosen)["reason"] == "unchanged"
