"""A network on which every fifth request fails: everything arrives, once, for few more requests."""

from __future__ import annotations

import pytest
from pyarrow import parquet

from deploy.sandbox import Fault, Sandbox, row_truth
from flows.refresh import refresh
from labelsnap.references import pull

pytestmark = pytest.mark.slow

SHARE = 0.2
FAULTS = [
    {"effect": "status", "status": 429, "retry_after": 0.05},
    {"effect": "status", "status": 500},
    {"effect": "cut"},
    {"effect": "corrupt"},
    {"effect": "short_body"},
    {"effect": "delay", "seconds": 0.2},
]


def test_with_a_fifth_of_requests_failing_every_mask_arrives_once(dataset, tmp_path, monkeypatch, capsys):
    """Masks have the generator's areas, none is missing or twice in the tables, and no row is lost."""
    each = SHARE / len(FAULTS)
    with Sandbox(rows=200, directory=tmp_path / "own") as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        for target in ("*_mask", "image"):
            for drawn, fault in enumerate(FAULTS):  # a later one is drawn for only where no earlier one struck
                sandbox.faults.add(Fault(target, times=None, probability=each / (1 - each * drawn), **fault))
        result = refresh(dataset(source={"project": sandbox.project_id}, labels="all"))
        sent = sandbox.requests.count("*_mask") + sandbox.requests.count("image")
        truth = {}
        for row in sandbox.rows("DONE"):
            truth |= {} if row.skipped else row_truth(row)
    assert result["rows"]["problems"] == 0
    pull(result["ref"], "parquet", tmp_path / "tables")
    rows = parquet.read_table(tmp_path / "tables" / "annotations").to_pylist()
    masks = [row for row in rows if row["kind"] == "mask"]
    assert len({row["feature_id"] for row in masks}) == len(masks)
    assert {row["feature_id"]: row["mask"]["area"] for row in masks} == {
        name: mask.area for name, mask in truth.items()
    }

    needed = sum(result["requests"][kind] for kind in ("composite_masks", "instance_masks", "images"))
    assert result["requests"]["retries"] > 0
    assert sent < needed / (1 - SHARE) * 1.2
    with capsys.disabled():
        print(f"\n{sent} requests for {needed} bodies, a fault in {SHARE:.0%} of the requests")  # noqa: T201 - a figure
