"""A key that Labelbox does not take is no matter of rows: it ends the run, and leaves nothing to be taken over."""

from __future__ import annotations

import platform

import pytest

from deploy.sandbox import Fault


@pytest.fixture
def small_buckets(monkeypatch):
    """Several buckets, one after another."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
    monkeypatch.setenv("LABELSNAP_WORKERS", "1")


@pytest.mark.slow
def test_a_key_that_masks_are_refused_to_ends_the_run(sandbox, dataset_file, labelsnap, small_buckets):
    """Status 3 with the machine's name; when the key is taken again every row is published, and none as a problem."""
    sandbox.faults.add(Fault("*_mask", "status", status=401, times=None, after=8))
    path = dataset_file()
    status, result = labelsnap.json("refresh", path)
    assert (status, result["error"]["code"]) == (3, "key_refused")
    assert platform.node() in result["error"]["message"]
    sandbox.faults.clear()
    status, result = labelsnap.json("refresh", path)
    assert (status, result["rows"]["problems"]) == (0, 0)
    assert result["rows"]["published"] > 0


@pytest.mark.prefect
def test_a_key_that_is_forbidden_everything_ends_the_run(sandbox, dataset_file, labelsnap, small_buckets):
    """A mask that is forbidden makes it ask about the key itself, once for all of them."""
    sandbox.faults.add(Fault("*_mask", "status", status=403, times=None))
    sandbox.faults.add(Fault("graphql:GetUserPyApi", "graphql_error", code="AUTHENTICATION_ERROR", times=None, after=1))
    status, result = labelsnap.json("refresh", dataset_file())
    assert (status, result["error"]["code"]) == (3, "key_refused")
    assert platform.node() in result["error"]["message"]


@pytest.mark.slow
def test_one_mask_that_is_forbidden_is_its_rows_problem(sandbox, dataset_file, labelsnap, small_buckets):
    """The key is taken for everything else, so all other rows are published."""
    sandbox.faults.add(Fault("instance_mask", "status", status=403, times=1, after=2))
    status, result = labelsnap.json("refresh", dataset_file())
    assert (status, result["rows"]["problems"]) == (0, 1)
    assert result["rows"]["published"] + sum(result["rows"]["excluded"].values()) == result["rows"]["exported"] - 1
