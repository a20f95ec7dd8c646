"""A refresh that was broken off, and two that meet."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from deploy.sandbox import Fault, row_truth
from flows.listen import Watch
from flows.refresh import refresh
from labelsnap.buckets.rows import fetch
from labelsnap.errors import DatasetRejectedError, LabelboxRefusedError, StorageRefusedError
from labelsnap.references import open_snapshot
from labelsnap.storage import open_store, probe
from tasks.run.hints import last_exported, pending_hints
from tasks.run.lease import held
from tasks.telling.progress import listening


class PowerCutError(RuntimeError):
    """What no part of a run expects."""


def files(result):
    """What a version holds by path, without the raw export, which names its task."""
    manifest = open_snapshot(result["ref"]).manifest
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith("raw/")}


MASKS = ("composite_masks", "instance_masks")


@pytest.fixture
def small_buckets(monkeypatch):
    """Several buckets, one after another."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "8")
    monkeypatch.setenv("LABELSNAP_WORKERS", "1")


class PowerCut:
    """A cut in the middle of the rows, once."""

    def __init__(self, then=lambda: None):
        self.left, self.then = 1, then

    def __call__(self, stage, done, total):
        if self.left and stage == "rows" and done >= total / 2:
            self.left = 0
            self.then()
            raise PowerCutError


def broken_off(chosen):
    """A refresh that ends in the middle of its rows."""
    with pytest.raises(PowerCutError), listening(PowerCut()):
        refresh(chosen)


def retried(chosen, then=lambda: None):
    """A refresh that is cut in the middle of its rows, and retried by Prefect as the same flow run."""
    with listening(PowerCut(then)):
        return refresh.with_options(retries=2, retry_delay_seconds=0)(chosen)


@pytest.mark.prefect
@pytest.mark.parametrize(
    "again", [pytest.param(False, id="retried"), pytest.param(True, id="again", marks=pytest.mark.slow)]
)
def test_a_broken_off_refresh_is_gone_on_with(sandbox, dataset, first_version, tmp_path, *, small_buckets, again):
    """A retry asks the same export task, another refresh its own; no mask is fetched twice, and the outcome is one."""
    undisturbed = first_version(dataset(store=f"file://{tmp_path}/undisturbed"))
    chosen = dataset()
    if again:
        broken_off(chosen)
        assert 0 < sandbox.requests.count("*mask") < sum(undisturbed["requests"][kind] for kind in MASKS)
        result = refresh(chosen)
    else:
        result = retried(chosen)
        assert result["requests"] == undisturbed["requests"]
    assert (result["resumed"], result["version"]) == (True, 1)
    assert sandbox.requests.count("graphql:export*") == 1 + again
    assert {kind: sandbox.requests.count(f"{kind[:-1]}") for kind in (*MASKS, "images")} == {
        kind: undisturbed["requests"][kind] for kind in (*MASKS, "images")
    }
    assert files(result) == files(undisturbed)
    assert [found.key for found in open_store(chosen.url).list("work/")] == ["work/exported.json"]


@pytest.mark.slow
@pytest.mark.usefixtures("small_buckets")
def test_a_row_that_met_a_fault_of_labelsnaps_own_is_tried_again_by_a_retry(sandbox, dataset, monkeypatch):
    """Though its bucket was finished, whose other images are not asked for again."""
    made, met = fetch.publishable, []

    def publishable(file, **options):
        if not met:
            met.append(file)
            raise KeyError
        return made(file, **options)

    monkeypatch.setattr(fetch, "publishable", publishable)
    result = retried(dataset(formats={}))
    assert (len(met), result["rows"]["problems"], "problems" in result) == (1, 0, False)
    assert sandbox.requests.count("image") == result["rows"]["published"] + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("taken", False),
        ("*", True),
        ("taken", True),
        ("export-000", False),
        ("*", False),
    ],
)
@pytest.mark.usefixtures("small_buckets")
def test_work_whose_receipt_is_damaged_is_done_again(sandbox, dataset, first_version, tmp_path, *, name, again):
    """One of them, or all: no run is refused for it, and the outcome is that of a refresh that nothing disturbed."""
    undisturbed = first_version(dataset(store=f"file://{tmp_path}/undisturbed"))
    sandbox.settings.chunk_bytes = 20_000
    chosen = dataset()
    broken_off(chosen)

    def damage():
        found = list((tmp_path / "store").rglob(f"receipts/{name}.json"))
        assert found
        for receipt in found:
            receipt.write_bytes(b"{")

    if again:
        with pytest.raises(PowerCutError), listening(PowerCut(damage)):
            refresh(chosen)
        result = refresh(chosen)
    else:
        result = retried(chosen, then=damage)
    assert (result["version"], result["rows"]) == (1, undisturbed["rows"])
    assert files(result) == files(undisturbed)


@pytest.fixture
def long_export(monkeypatch):
    """Every export is so long that what is brought of it is noted."""
    for step in ("export", "buckets"):
        monkeypatch.setattr(f"tasks.{step}.LITTLE", 0)


def receipts(tmp_path):
    """The first words of the names of what a broken-off refresh has noted."""
    return {receipt.name.partition("-")[0].removesuffix(".json") for receipt in tmp_path.rglob("receipts/*.json")}


@pytest.mark.usefixtures("small_buckets")
def test_of_a_short_export_the_fetched_rows_alone_are_noted(dataset, tmp_path):
    """Its lines are brought again as soon as receipts of them are read, and each receipt is two requests."""
    broken_off(dataset(formats={}))
    assert receipts(tmp_path) == {"asked", "export", "bucket"}


@pytest.mark.slow
@pytest.mark.usefixtures("small_buckets", "long_export")
def test_of_a_long_export_each_chunk_and_the_buckets_are_noted(sandbox, dataset, tmp_path):
    """And a retry asks for no chunk again."""
    sandbox.settings.chunk_bytes = 20_000
    chosen, asked = dataset(formats={}), []

    def then():
        asked.append(sandbox.requests.count("chunk"))
        assert receipts(tmp_path) == {"asked", "export", "result", "buckets", "bucket"}

    assert retried(chosen, then)["resumed"]
    assert asked == [sandbox.requests.count("chunk")]


@pytest.mark.slow
@pytest.mark.usefixtures("small_buckets", "long_export")
def test_an_export_that_was_started_anew_shares_no_chunk_with_the_one_before(sandbox, dataset, tmp_path):
    """A retry that does not know its export any more asks for another, whose lines stand elsewhere by now."""
    sandbox.settings.chunk_bytes = 20_000
    chosen = dataset(formats={})

    def change():
        for receipt in (tmp_path / "store").rglob("receipts/*.json"):
            if not receipt.name.startswith("result-000-0000000000"):
                receipt.unlink()
        sandbox.set_status(sandbox.rows("DONE")[0].index, "IN_REVIEW")

    result = retried(chosen, then=change)
    assert result["rows"] == refresh(dataset(store=f"file://{tmp_path}/other", formats={}))["rows"]


@pytest.mark.slow
def test_a_refresh_after_a_killed_one_publishes_what_labelbox_holds_now(sandbox, dataset, small_buckets):
    """Rows that came since are in it, and its own moment is noted, not that of the killed one."""
    later = sandbox.rows("DONE")[5:]
    for row in later:
        sandbox.set_status(row.index, "IN_REVIEW")
    chosen = dataset()
    broken_off(chosen)
    store = open_store(chosen.url)
    assert last_exported(store, chosen) is None
    time.sleep(0.1)
    for row in later:
        sandbox.set_status(row.index, "DONE")
    result = refresh(chosen)
    assert result["rows"]["exported"] == len(sandbox.rows("DONE"))
    assert last_exported(store, chosen) > max(row.last_activity_at for row in sandbox.rows())


@pytest.mark.slow
def test_a_rejected_refresh_leaves_what_it_fetched(sandbox, dataset, first_version, small_buckets, tmp_path):
    """When the rows are mended the next one asks for what changed and for nothing else."""
    undisturbed = first_version(dataset(store=f"file://{tmp_path}/undisturbed"))
    chosen = dataset(problems={"max_share": 0})
    sandbox.settings.odd_lines = ("not_json",)
    with pytest.raises(DatasetRejectedError):
        refresh(chosen)
    sandbox.settings.odd_lines = ()
    edited = next(row for row in sandbox.rows("DONE") if row_truth(row))
    sandbox.edit_row(edited.index)
    result = refresh(chosen)
    assert (result["version"], result["rows"]) == (1, undisturbed["rows"])
    assert (result["requests"]["images"], result["requests"]["images_not_modified"]) == (0, 1)
    assert sandbox.requests.count("image") == undisturbed["requests"]["images"] + 1


@pytest.mark.slow
def test_what_is_noted_of_a_retried_refresh_is_when_its_export_began(sandbox, dataset, small_buckets):
    """An edit between the two attempts is not in it, so the next look at Labelbox must find it."""
    chosen = dataset()
    row = next(row for row in sandbox.rows("DONE") if not row.skipped)
    assert retried(chosen, then=lambda: sandbox.edit_row(row.index))["resumed"]
    assert last_exported(open_store(chosen.url), chosen) < sandbox.row(row.index).last_activity_at
    assert refresh(chosen)["version"] == 2


@pytest.mark.slow
def test_what_happens_after_an_export_is_found_though_the_stores_clock_is_ahead(sandbox, dataset, monkeypatch):
    """By more than a look goes back: an export is timed by Labelbox's clock, as the rows' activity is."""
    chosen = dataset()
    with monkeypatch.context() as patch:
        patch.setattr("tasks.prepare.probe", lambda store, **how: probe(store, **how) + timedelta(minutes=6))
        refresh(chosen)
    watch = Watch(chosen, quiet=0, poll=0)
    watch.look()
    assert not pending_hints(open_store(chosen.url))
    sandbox.edit_row(sandbox.rows("DONE")[0].index)
    watch.look()
    assert pending_hints(open_store(chosen.url))


def test_an_export_whose_chunk_is_gone_is_given_up_at_once(sandbox, dataset):
    """Status 3, and the chunk is asked for twice; a retry of the same flow run takes a new export."""
    chosen = dataset()
    sandbox.faults.add(Fault("chunk", "status", status=404, times=None))
    with pytest.raises(LabelboxRefusedError) as caught:
        refresh(chosen)
    assert (caught.value.code, caught.value.exit_status) == ("export_gone", 3)
    assert sandbox.requests.count("chunk") == 2
    sandbox.faults.clear()
    sandbox.requests.clear()
    sandbox.faults.add(Fault("chunk", "status", status=404, times=2))
    assert refresh.with_options(retries=1, retry_delay_seconds=0)(chosen)["version"] == 1
    assert sandbox.requests.count("graphql:export*") == 2


def test_a_chunk_that_is_refused_once_is_asked_for_at_a_new_address(sandbox, dataset):
    """Its signed URL may have ended on the way."""
    sandbox.faults.add(Fault("chunk", "status", status=403, times=1))
    assert refresh(dataset())["published"]
    assert sandbox.requests.count("graphql:export*") == 1


@pytest.mark.slow
def test_image_urls_that_have_ended_since_are_no_problem_of_their_rows(
    sandbox, dataset, first_version, small_buckets, tmp_path
):
    """A retry that finds them ended takes a new export, whose URLs are new, and keeps what was fetched."""
    undisturbed = first_version(dataset(store=f"file://{tmp_path}/undisturbed"))
    result = retried(dataset(), then=lambda: sandbox.faults.add(Fault("image", "status", status=403, times=3)))
    assert (result["rows"], result["rows"]["problems"]) == (undisturbed["rows"], 0)
    assert sandbox.requests.count("graphql:export*") == 2
    assert sandbox.requests.count("*mask") == sum(undisturbed["requests"][kind] for kind in MASKS)


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


def together(*chosen, hold=False):
    """What came of refreshes that begin at the same moment; with ``hold`` none goes on before another has ended."""
    barrier, ended = threading.Barrier(len(chosen)), threading.Event()

    def run(each):
        barrier.wait()
        try:
            return refresh(each)
        except StorageRefusedError as error:
            return error
        finally:
            ended.set()

    with listening(lambda *_: hold and ended.wait(60)), ThreadPoolExecutor(len(chosen)) as pool:
        return list(pool.map(run, chosen))


@pytest.mark.prefect
@pytest.mark.slow
def test_two_that_begin_together(sandbox, dataset, tmp_path, monkeypatch):
    """Of one dataset one runs and the other is refused, or waits and finds nothing changed; two datasets both run."""
    monkeypatch.setenv("LABELSNAP_LEASE_SECONDS", "4")
    refuse = dataset(store=f"file://{tmp_path}/refuse", overlap="refuse")
    outcomes = together(refuse, refuse, hold=True)
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
