"""Everything that can be refused before an export starts, refused here; and whether there is a run to go on with."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from tasks.labelbox.client import check_source, connect
from tasks.snapshots.nesting import check_outermost
from tasks.snapshots.read import latest
from tasks.steps.environment import account
from tasks.steps.retries import RETRIES
from tasks.steps.unfinished import LOOK_AFTER, Unfinished, look_anew, note_unfinished, recall_unfinished
from tasks.storage import open_store, probe


class Preparation(Struct, frozen=True):
    """What a run stands on.

    ``run`` names it in the ledger and as publication; it stays the same when a run that was broken off is ``resumed``,
    and so does the version to build upon (``base``, 0: none). ``started_at`` is the store's clock when it began to look
    for objects.
    """

    run: str
    base: int
    started_at: datetime
    resumed: bool = False


@task(**RETRIES)
def prepare(dataset: Dataset, flow_run: str, scope: str = "") -> Preparation:
    """Check the key, the project or model run, and that the store can be written and creates conditionally."""
    source = dataset.source
    settings = load_settings()
    check_source(connect(account(settings)), source.kind, source.id)
    store = open_store(dataset.url)
    now = probe(store, single_writer=dataset.single_writer)
    if found := recall_unfinished(store, dataset, scope, now=now, hours=settings.resume_hours):
        if now - found.started_at > LOOK_AFTER:
            found = look_anew(store, found, now=now)
            note_unfinished(store, dataset, found, scope)
        return Preparation(run=found.run, base=found.base, started_at=found.started_at, resumed=True)
    standing = latest(store)
    if standing is None:
        check_outermost(store.url)
    begun = Unfinished(run=flow_run, base=standing.version if standing else 0, started_at=now)
    note_unfinished(store, dataset, begun, scope)
    return Preparation(run=begun.run, base=begun.base, started_at=now)
