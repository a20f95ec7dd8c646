"""What is seen of a run in Prefect's interface."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from urllib.parse import unquote
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.refresh import refresh
from tasks.telling import artifacts
from tasks.telling.artifacts import Unimportant, result_page

RESULT = {
    "dataset": "streets",
    "ref": "s3://datasets/team/streets@12",
    "published": True,
    "base": 11,
    "rows": {"exported": 1000, "published": 990, "excluded": {"skipped": 4}, "problems": 6},
    "annotations": {"bounding_box": 3960},
    "classes": {"in_use": 8, "removed": 1, "suffixed": {}},
    "requests": {"composite_masks": 50},
    "formats": {"coco": {"held": {}, "lost": {"polyline": 990}}},
}

TENTHS = [float(percent) for percent in range(10, 101, 10)]


def test_progress_never_goes_back(monkeypatch):
    """An update that is overtaken by a later one is not sent any more."""
    sent = []
    monkeypatch.setattr(artifacts, "update_progress_artifact", lambda _, percent: sent.append(percent))
    made = Future()
    made.set_result(uuid4())
    progress = artifacts._Progress(made)
    for percent in (10, 30, 20, 100, 40):
        progress.advance(percent)
    assert sent == [10.0, 30.0, 100.0]


def test_a_results_page_says_what_came_of_the_run():
    """The version, how to see it and its difference, rows, kinds, classes, problems, and what a format cannot hold."""
    page = result_page(RESULT)
    assert "labelsnap snapshots show s3://datasets/team/streets@12" in page
    assert "labelsnap snapshots diff s3://datasets/team/streets@11 s3://datasets/team/streets@12" in page
    for row in ("published | 990", "skipped | 4", "rows | 6", "bounding box | 3960", "in use | 8", "polyline | 990"):
        assert f"| {row} |" in page


def test_an_unchanged_dataset_has_no_difference_to_show():
    """And says so."""
    page = result_page(RESULT | {"published": False, "reason": "unchanged"})
    assert "unchanged, version 12" in page
    assert "diff" not in page


def test_an_artifact_that_cannot_be_made_is_a_warning(caplog):
    """The run goes on, and its log says why."""
    with caplog.at_level(logging.WARNING), Unimportant():
        raise ConnectionError("no server")
    assert "no server" in caplog.text


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, [100.0]), (5.0, TENTHS[1::2]), (50.0, TENTHS)])
def test_progress_is_told_once_a_second_and_at_the_end(monkeypatch, dataset, seconds, shown):
    """And at steps of ten per cent: an update is a request that the run waits for."""
    told, moment = [], [0.0]
    monkeypatch.setattr(artifacts, "create_progress_artifact", lambda *_, **__: "made")
    monkeypatch.setattr(artifacts, "update_progress_artifact", lambda _, percent: told.append(percent))

    def parts():
        for part in range(50):
            moment[0] = seconds * (part + 1) / 50
            yield part

    assert len(list(artifacts.advancing(dataset(), parts(), 50, lambda _: 1, lambda: moment[0]))) == 50
    assert told == shown


def test_a_refresh_shows_progress_its_result_and_a_picture(sandbox, dataset, tmp_path):
    """Three artifacts are on the server: the progress at its end, the result's page, and a picture of a few images."""
    result = refresh(dataset(dataset="shown"))
    with get_client(sync_client=True) as client:
        keys = ArtifactFilter(key=ArtifactFilterKey(any_=["progress-shown", "result-shown", "samples-shown"]))
        found = {artifact.key: artifact for artifact in client.read_artifacts(artifact_filter=keys)}
    assert found["progress-shown"].data == 100
    picture = ET.fromstring(unquote(found["samples-shown"].data.removeprefix("data:image/svg+xml,")))  # noqa: S314
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}image"))) == 3
    assert found["result-shown"].description == f"`{result['ref']}`"
