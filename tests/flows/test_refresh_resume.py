"""A refresh that was broken off, and two that meet."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.refresh import refresh
from flows.trees import read_ref
from tasks.errors import StorageRefusedError
from tasks.steps.lease import held
from tasks.steps.progress import listening
from tasks.storage import open_store

pytestmark = pytest.mark.xdist_group("prefect")


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


def files(result):
    """What a version holds by path, without the raw export, which names its task."""
    manifest = read_ref(result["ref"]).manifest
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith("raw/")}


def test_a_broken_off_refresh_is_gone_on_with(sandbox, dataset, tmp_path, monkeypatch):
    """Started again it asks the same export task, fetches no mask twice, and publishes what it would have published."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
    monkeypatch.setenv("LABELSNAP_WORKERS", "1")
    undisturbed = refresh(dataset(store=f"file://{tmp_path}/undisturbed"))
    sandbox.requests.clear()

    def cut(stage, done, total):
        if stage == "rows" and done >= total / 2:
            raise PowerCutError

    chosen = dataset()
    with pytest.raises(PowerCutError), listening(cut):
        refresh(chosen)
    assert 0 < sandbox.requests.count("*mask") < sum(undisturbed["requests"][kind] for kind in MASKS)
    result = refresh(chosen)
    assert (result["resumed"], result["version"]) == (True, 1)
    assert sandbox.requests.count("graphql:export*") == 1
    assert {kind: sandbox.requests.count(f"{kind[:-1]}") for kind in (*MASKS, "images")} == {
        kind: undisturbed["requests"][kind] for kind in (*MASKS, "images")
    }
    assert result["requests"] == undisturbed["requests"]
    assert files(result) == files(undisturbed)
    assert [found.key for found in open_store(chosen.url).list("work/")] == ["work/exported.json"]


MASKS = ("composite_masks", "instance_masks")


def test_two_refreshes_of_one_dataset_do_not_overlap(sandbox, dataset):
    """With `overlap: refuse` the second one is refused before it asks for an export."""
    chosen = dataset(overlap="refuse")
    with (
        held(open_store(chosen.url), "another", overlap="refuse", seconds=60, patience=0),
        pytest.raises(StorageRefusedError, match="another on ") as caught,
    ):
        refresh(chosen)
    assert caught.value.code == "refresh_running"
    assert sandbox.requests.count("graphql:export*") == 0


def together(*chosen):
    """What came of refreshes that begin at the same moment: each a result or what it raised."""
    barrier = threading.Barrier(len(chosen))

    def run(each):
        barrier.wait()
        try:
            return refresh(each)
        except StorageRefusedError as error:
            return error

    with ThreadPoolExecutor(len(chosen)) as pool:
        return list(pool.map(run, chosen))


@pytest.mark.slow
def test_two_that_begin_together(sandbox, dataset, tmp_path, monkeypatch):
    """Of one dataset one runs and the other is refused, or waits and finds nothing changed; two datasets both run."""
    monkeypatch.setenv("LABELSNAP_LEASE_SECONDS", "4")
    refuse = dataset(store=f"file://{tmp_path}/refuse", overlap="refuse")
    sandbox.settings.polls = 4  # the export takes seconds, so that the other one begins before it is over
    outcomes = together(refuse, refuse)
    sandbox.settings.polls = 0
    (refusal,) = [each for each in outcomes if isinstance(each, StorageRefusedError)]
    (result,) = [each for each in outcomes if isinstance(each, dict)]
    assert (refusal.code, result["version"]) == ("refresh_running", 1)

    queue = dataset(store=f"file://{tmp_path}/queue")
    outcomes = together(queue, queue)
    assert sorted((each["version"], each["published"], each.get("reason")) for each in outcomes) == [
        (1, False, "unchanged"),
        (1, True, None),
    ]

    outcomes = together(dataset(dataset="left", overlap="refuse"), dataset(dataset="right", overlap="refuse"))
    assert [each["published"] for each in outcomes] == [True, True]
