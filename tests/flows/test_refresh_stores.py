"""The same refresh on real S3 servers."""

from __future__ import annotations

import pytest

from deploy.sandbox import count_kinds
from flows.refresh import refresh
from flows.trees import lay_out

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def embedded_url(sandbox):
    """The sandbox's own S3 store, which holds what earlier tests left there: so a prefix of its own."""
    return "s3://datasets/stores"


@pytest.mark.parametrize("store", ["embedded_url", pytest.param("ceph_url", marks=pytest.mark.integration)])
def test_a_refresh_on_s3(sandbox, dataset, request, tmp_path, store):
    """Published, found unchanged, and pulled: on the embedded store, and on Ceph's object gateway over http."""
    chosen = dataset(store=request.getfixturevalue(store))
    first = refresh(chosen)
    assert first["published"]
    assert first["annotations"] == dict(count_kinds(row for row in sandbox.rows("DONE") if not row.skipped))
    sandbox.requests.clear()
    assert refresh(chosen)["reason"] == "unchanged"
    assert sandbox.requests.count("*mask") + sandbox.requests.count("image") == 0
    report = lay_out(first["ref"], "coco", tmp_path / "tree", lambda *_: None)
    images = list((tmp_path / "tree" / "images").rglob("*.*"))
    assert len(images) == first["rows"]["published"]
    assert report.kept == 0
