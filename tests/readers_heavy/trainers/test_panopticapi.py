"""panopticapi evaluates the panoptic files of COCO."""

from __future__ import annotations

import pytest
from seen import OUTLINED


@pytest.mark.reads("panopticapi-lite", "coco-lists panoptic")
def test_panoptic_quality_of_the_truth_is_one(load, truth, tells, split):
    """Against itself every class has a panoptic quality of 100, and each segment is found."""
    given = load(split)
    results, segments = given["results"], given["segments"]
    assert results["All"]["pq"] == results["All"]["rq"] == results["All"]["sq"] == 1
    labelled = truth.count(split, OUTLINED)
    assert segments.keys() == labelled.keys()
    assert results["All"]["n"] == len(segments)
    assert segments <= labelled
    tells(f"PQ {100 * results['All']['pq']:.1f} of {len(segments)} classes, {segments.total()} segments")
