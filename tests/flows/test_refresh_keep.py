"""A dataset that keeps its own house: versions expire and objects go, run by run."""

from __future__ import annotations

import pytest

from flows.commands.console import describe
from flows.refresh import refresh
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.keeping.history import survey
from labelsnap.snapshots.keeping.tagging import tag
from labelsnap.storage import open_store
from tasks import housekeeping

NOTHING = {"expired": [], "condemned": 0, "deleted": 0, "deleted_bytes": 0}


@pytest.fixture
def nightly(sandbox, dataset, days_ago):
    """Gives what a run came to after a label was edited, and a day more than a week after the one before."""
    chosen = dataset(formats={"coco": {}}, keep={"versions": 2})

    def run():
        days_ago(8)
        sandbox.edit_row(3)
        return refresh(chosen)

    return run, open_store(chosen.url)


def live(store):
    """The numbers of the versions that are kept."""
    return {commit.version for commit in survey(store).live}


@pytest.mark.slow
def test_old_versions_go_with_what_they_alone_have(nightly):
    """Tagged ones stay; what stays is whole, and a version that an expiry made counts as the one before it."""
    run, store = nightly
    first, second = run(), run()
    assert first["keep"] == second["keep"] == NOTHING
    tag(store, "model-7", first["version"])
    third = run()
    assert third["keep"]["expired"] == []
    fourth = run()
    assert fourth["keep"]["expired"] == [second["version"]]
    objects = {info.key for info in store.list("data/")}
    fifth, sixth = run(), run()
    assert fourth["keep"]["condemned"] + fifth["keep"]["condemned"] > 0
    assert fifth["keep"]["deleted"] + sixth["keep"]["deleted"] > 0
    assert objects - {info.key for info in store.list("data/")}
    kept = live(store)
    assert {first["version"], sixth["version"]} < kept
    assert not {second["version"], third["version"]} & kept
    assert [verify(store, version).faults for version in sorted(kept)] == [()] * len(kept)
    assert "objects deleted" in describe(sixth)


@pytest.mark.slow
def test_a_run_that_publishes_nothing_keeps_house_too(sandbox, dataset, days_ago):
    """So that what was listed goes although the project rests; without ``keep`` nothing does."""
    kept_all = dataset(formats={"coco": {}})
    assert "keep" not in refresh(kept_all)
    for _ in range(2):
        sandbox.edit_row(3)
        refresh(kept_all)
    chosen = dataset(formats={"coco": {}}, keep={"versions": 1, "days": 3})
    young = refresh(chosen)
    assert (young["published"], young["keep"]) == (False, NOTHING)
    days_ago(8)
    assert refresh(chosen)["keep"]["expired"] == [1, 2]
    for _ in range(2):
        days_ago(8)
        result = refresh(chosen)
    assert result["published"] is False
    assert result["keep"]["deleted"] > 0


@pytest.mark.slow
def test_what_cannot_be_tidied_is_told_and_the_version_stands(nightly, monkeypatch, caplog):
    """The run has its status 0, the result the error, the log a warning; the next run does it."""
    run, store = nightly
    run()
    refused = StorageRefusedError("Expected to list, found that somebody else does.", remedy="Wait.", code="lost_race")

    def refuse(*_, **__):
        raise refused

    with monkeypatch.context() as patched:
        patched.setattr(housekeeping, "collect", refuse)
        result = run()
    assert result["published"]
    assert result["keep"]["error"] == {"code": "lost_race", "message": refused.message, "remedy": "Wait."}
    assert "somebody else" in caplog.text
    assert "somebody else" in describe(result)
    assert "error" not in run()["keep"]
    assert result["version"] in live(store)


@pytest.mark.slow
def test_a_resting_dataset_rests(sandbox, dataset, days_ago):
    """Where nothing changes at the source, garbage of runs is collected once a week, and not night after night."""
    chosen = dataset(formats={"coco": {}}, keep={"versions": 2})
    store = open_store(chosen.url)
    for night in range(20):
        days_ago(1)
        assert refresh(chosen)["published"] is (night == 0)
    assert len([*store.list("commits/")]) <= 1 + 20 // 7
    assert len([*store.list("gc/")]) <= 2 * (20 // 7)


@pytest.mark.parametrize(
    "fault",
    [OSError(28, "No space left on device"), pytest.param(ValueError("a fault of ours"), marks=pytest.mark.slow)],
)
def test_whatever_fails_of_it_the_version_stands(nightly, monkeypatch, fault):
    """Also what no store says is told, and does not end the run."""
    run, store = nightly

    def fail(*_, **__):
        raise fault

    monkeypatch.setattr(housekeeping, "expire", fail)
    result = run()
    assert result["keep"]["error"]["code"] == "unforeseen"
    assert str(fault) in result["keep"]["error"]["message"]
    assert live(store) == {result["version"]}
