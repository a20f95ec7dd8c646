"""Everything that can be refused before an export starts, refused here; and how the run begins, put into effect."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from prefect import task

from config.dataset import Dataset
from config.settings import Settings, load_settings
from config.split_files import listed_splits
from labelsnap.labelbox.client import check_source
from labelsnap.snapshots.keeping.behind import behind_of
from labelsnap.snapshots.keeping.history import newest_and_epoch
from labelsnap.snapshots.keeping.records import Commit, read_commit
from labelsnap.snapshots.writing.nesting import check_outermost
from labelsnap.storage import ObjectStore, open_store, probe
from tasks.export import about
from tasks.machines.beside import beside
from tasks.machines.environment import labelbox
from tasks.machines.here import here_of, let_go
from tasks.machines.retries import RETRIES
from tasks.run.beginning import Beginning, Head, Left, begin
from tasks.run.exports import cancel_exports
from tasks.run.ledger import Ledger
from tasks.run.receipts import Origin
from tasks.run.unfinished import look_anew, note_beginning, recall_left, take_over

if TYPE_CHECKING:
    from config.sources import Asked


@task(**RETRIES)
def prepare(dataset: Dataset, flow_run: str, origin: Origin | None = None) -> Beginning:
    """Check the key, every source, and that the store can be written and creates conditionally.

    So is the list of splits, where the dataset file names one. Where the lines of an ``origin`` are read again Labelbox
    is asked nothing.
    """
    settings = load_settings()
    listed_splits(dataset)
    store = open_store(dataset.url)
    let_go(dataset.url)
    with beside() as start:
        named = [] if origin else [start(partial(_check_source, each, settings)) for each in dataset.asked]
        probed = start(partial(probe, store, single_writer=dataset.single_writer))
        found = start(partial(recall_left, store, dataset, origin))
        newest = start(partial(head_of, store))
    for each in named:
        each.result()
    now, (head, epoch), left = probed.result(), newest.result(), found.result()
    if not head.version:
        check_outermost(store.url)
    run = f"{flow_run}-{uuid4().hex[:8]}"
    begun = begin(head, left, cause=flow_run, run=run, now=now, hours=settings.resume_hours)
    if left is not None:
        _settle(store, left, begun)
    here = here_of(dataset.url)
    here.begin(begun.run, begun.base.version, begun.base.manifest, epoch, anew=begun.way == "anew")
    here.soon(partial(note_beginning, store, dataset, begun, origin))
    if left is not None and begun.run != left.beginning.run:
        here.settle()
        Ledger(store, left.beginning.run).clear()
    return begun


def _check_source(asked: Asked, settings: Settings) -> None:
    """Look for a source, and for the projects and model runs whose labels it brings."""
    client = labelbox(settings)
    wanted = [(asked.kind, asked.id), *((each.kind, each.id) for each in asked.of)]
    with about(asked.name):
        for kind, identifier in dict.fromkeys(wanted):
            check_source(client, kind, identifier)


def _settle(store: ObjectStore, left: Left, begun: Beginning) -> None:
    """Put into effect what of another run this one begins with; its exports are ended, or gone on with."""
    before = left.beginning
    look = begun.looking_since != before.looking_since
    if begun.way == "on":
        if look:
            look_anew(store, begun.run)
        return
    with beside() as start:
        cancelled = start(partial(cancel_exports, Ledger(store, before.run)))
        if begun.way == "over":
            take_over(store, before.run, begun.run, look=look)
    cancelled.result()


def head_of(store: ObjectStore) -> tuple[Head, int]:
    """The newest version, and the newest epoch of garbage collection, in which the run writes.

    Raises ``StorageRefusedError`` on a fork, and where the version's record is gone or damaged.
    """
    key, epoch = newest_and_epoch(store)
    return head_at(store, read_commit(store, key)) if key else Head(), epoch


def head_at(store: ObjectStore, commit: Commit) -> Head:
    """The head while this version is the newest."""
    return Head(commit.version, commit.manifest, behind_of(store, commit))
