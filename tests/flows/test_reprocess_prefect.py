"""A version that is made anew, by Prefect's engine."""

from __future__ import annotations

import pytest

from config.reading import load_dataset
from flows.refresh import refresh
from labelsnap.snapshots.reading.read import list_versions
from labelsnap.storage import open_store

pytestmark = pytest.mark.prefect


@pytest.mark.slow
def test_it_is_a_flow_run_that_can_be_cancelled(labelsnap, dataset_file, sandbox, newest_run, monkeypatch):
    """Cancelled it publishes nothing and lets go of its lease; run again it publishes, and asks Labelbox nothing."""
    chosen = load_dataset(dataset_file(formats={}))
    before = refresh(chosen)
    monkeypatch.delenv("LABELBOX_API_KEY")
    sandbox.requests.clear()
    typed = (
        "reprocess",
        before["ref"],
        "--config",
        dataset_file(formats={"coco": {}}, split={"from": "metadata:split"}),
    )
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}

    def cancel(client, run):
        client.request("POST", f"/flow_runs/{run.id}/set_state", json=state)

    store = open_store(chosen.url)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.publish.check_kept_objects", lambda *_: newest_run(cancel))
        status, result = labelsnap.json(*typed)
    assert (status, result["error"]["code"]) == (130, "run_cancelled")
    assert newest_run(lambda _, run: run.state.name) == "Cancelled"
    assert (len(list_versions(store)), list(store.list("work/lease/"))) == (1, [])
    status, result = labelsnap.json(*typed)
    assert (status, result["version"], result["origin"]) == (0, 2, before["ref"])
    assert newest_run(lambda _, run: run.name) == "reprocess street-scenes"
    assert newest_run(lambda _, run: run.parameters["dataset"]["split"]["from"]) == "metadata:split"
    assert sandbox.requests.count("*") == 0
