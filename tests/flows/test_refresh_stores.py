"""The same refresh on real S3 servers."""

from __future__ import annotations

import pytest

from deploy.sandbox import count_kinds
from flows.refresh import refresh
from labelsnap.references import pull


@pytest.fixture(params=["embedded", pytest.param("ceph", marks=pytest.mark.integration)])
def s3_url(request, sandbox, monkeypatch):
    """A prefix in the sandbox's own S3 store, or in Ceph's object gateway."""
    if request.param == "embedded":
        return f"s3://datasets/stores-of-{sandbox.project_id}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return request.getfixturevalue("ceph_url")


def test_a_refresh_on_s3(sandbox, dataset, s3_url, tmp_path):
    """Published, found unchanged, and pulled: on the embedded store, and on Ceph's object gateway over http."""
    chosen = dataset(store=s3_url)
    first = refresh(chosen)
    assert first["published"]
    assert first["annotations"] == dict(count_kinds(row for row in sandbox.rows("DONE") if not row.skipped))
    sandbox.requests.clear()
    assert refresh(chosen)["reason"] == "unchanged"
    assert sandbox.requests.count("*mask") + sandbox.requests.count("image") == 0
    report = pull(first["ref"], "coco", tmp_path / "tree")
    images = list((tmp_path / "tree" / "images").rglob("*.*"))
    assert len(images) == first["rows"]["published"]
    assert report.kept == 0
