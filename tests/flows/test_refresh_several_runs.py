"""Runs of several sources that fail, are killed, or read again what was exported."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import PREFECT_API_URL
from several_sources import WINS, files, several, sources

from deploy.sandbox.server import exports
from flows.assembly import assembled
from flows.backfill import backfill
from flows.refresh import refresh
from flows.reprocess import reprocess
from labelsnap.errors import ConfigurationError, LabelboxRefusedError, StorageRefusedError
from labelsnap.storage import open_store
from tests.contracts.processes import PROCESSES
from tests.orchestration.killing import run

__all__ = ["several", "sources"]


@pytest.mark.slow
def test_lines_that_are_read_again_are_those_of_their_sources(several, sandbox, tables, first_version):
    """With other ``wins`` and nothing asked of Labelbox, it is the version that a refresh would have made."""
    first = first_version(several())
    other = ["first", "third", "second", "fifths"]
    sandbox.requests.clear()
    result = reprocess(several(wins=other), first["ref"])
    assert not sandbox.requests.kinds
    assert result["sources"]["fifths"]["won"] == 0
    counts = ("exported", "rows", "labels")
    assert all(
        result["sources"][name][each] == told[each] for name, told in first["sources"].items() for each in counts
    )
    again = refresh(several(wins=other))
    assert (again["published"], again["version"]) == (False, result["version"])


@pytest.mark.slow
def test_lines_are_not_read_again_as_those_of_other_sources(several, sources, first_version):
    """A source less, or other classes of one, are another export: named, before anything is begun."""
    first = first_version(several(formats={}))
    for changed in (sources[:3], [*sources[:2], sources[2] | {"classes": {}}, sources[3]]):
        names = [name for name in WINS if name in {each["name"] for each in changed}]
        with pytest.raises(ConfigurationError) as refused:
            reprocess(several(formats={}, sources=changed, wins=names), first["ref"])
        assert "`sources`" in refused.value.message


def test_a_source_that_fails_fails_the_run_by_its_name(several, sandbox, monkeypatch):
    """Nothing is published, and no export of the others is left in progress."""

    def gone(*_):
        raise LookupError("gone")

    monkeypatch.setattr(exports, "partners_line", gone)
    exports._packed_line.cache_clear()
    before = set(sandbox.exports.running())
    with pytest.raises(LabelboxRefusedError) as refused:
        refresh(several())
    assert refused.value.message.startswith("The source 'second' fails: ")
    assert refused.value.code == "export_failed"
    assert not list(open_store(several().url).list("commits/"))
    assert set(sandbox.exports.running()) <= before


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ((1, {"project": "cnothere"}), "'second' fails: .*project cnothere"),
        ((3, {"slice": "cnothere"}), "'fifths' fails: .*slice cnothere"),
        ((3, {"project_ids": ["cnothere"]}), "'fifths' fails: .*project cnothere"),
    ],
)
def test_a_source_that_is_not_there_is_refused_before_anything_is_exported(several, sources, sandbox, gone, said):
    """By its name, what it is, and its id; so is a project whose labels it should bring."""
    place, named = gone
    sources[place] |= named
    before = len(sandbox.exports)
    with pytest.raises(LabelboxRefusedError, match=said):
        refresh(several())
    assert len(sandbox.exports) == before


@pytest.mark.slow
def test_a_source_without_rows_where_there_were_some_is_no_empty_one(several, monkeypatch, first_version):
    """It is refused by its name, as an export is that comes empty."""
    first_version(several(formats={}))
    has = exports.View.has
    monkeypatch.setattr(exports.View, "has", lambda view, row: view.kind != "slice" and has(view, row))
    with pytest.raises(LabelboxRefusedError, match="of the source 'fifths'") as refused:
        refresh(several(formats={}))
    assert refused.value.code == "export_without_rows"


@pytest.mark.slow
def test_a_run_that_is_gone_on_with_has_the_exports_that_it_began(several, sandbox, monkeypatch):
    """One for each source, whichever of them had come when it ended."""
    before, failed = len(sandbox.exports), []

    def once(*given):
        if not failed:
            failed.append(True)
            raise StorageRefusedError("a test", remedy="none", code="test")
        return assembled(*given)

    monkeypatch.setattr("flows.refresh.assembled", once)
    result = refresh.with_options(retries=1, retry_delay_seconds=0)(several(formats={}))
    assert (result["published"], result["resumed"]) == (True, True)
    assert len(sandbox.exports) - before == 4


def test_a_backfill_of_several_sources_is_refused(several):
    """By name, with what to do instead."""
    with pytest.raises(ConfigurationError, match="several sources") as refused:
        backfill(several(), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), timedelta(days=9))
    assert "Refresh it" in refused.value.remedy


@pytest.mark.slow
@pytest.mark.prefect
def test_what_a_killed_run_of_several_sources_left_is_cancelled_and_the_next_one_comes_to_the_same(
    several, sandbox, tmp_path, monkeypatch
):
    """All four exports were in progress; the next run has four of its own, and makes what an undisturbed one does."""
    monkeypatch.setenv("LABELSNAP_LEASE_SECONDS", "2")
    undisturbed = refresh(several(store=f"file://{tmp_path}/other"))
    chosen, before = several(), frozenset(sandbox.exports)
    sandbox.settings.polls = 1_000_000
    environment = {name: os.environ[name] for name in (*sandbox.environment(), "LABELSNAP_LEASE_SECONDS")}
    given = (chosen.model_dump(mode="json"), environment, PREFECT_API_URL.value())
    process = PROCESSES.Process(target=run, args=given)
    process.start()
    while len(list((tmp_path / "store").glob("street-scenes/work/*/receipts/export-00?.json"))) < 4:
        time.sleep(0.05)
    process.kill()
    process.join()
    left = frozenset(sandbox.exports) - before
    assert left == {task for task in sandbox.exports.running() if task not in before}
    assert len(left) == 4
    sandbox.settings.polls = 0
    assert files(refresh(chosen)) == files(undisturbed)
    assert {sandbox.exports.get(task).poll()[0] for task in left} == {"CANCELED"}
    assert len(frozenset(sandbox.exports) - before - left) == 4
