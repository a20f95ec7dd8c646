"""Everything that can be refused before an export starts, refused here."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from tasks.labelbox.client import check_source, connect
from tasks.snapshots.read import latest
from tasks.steps.environment import account
from tasks.steps.retries import RETRIES
from tasks.storage import open_store, probe


class Preparation(Struct, frozen=True):
    """What a run stands on: the version to build upon (0: none), and the store's clock at its beginning."""

    base: int
    started_at: datetime


@task(**RETRIES)
def prepare(dataset: Dataset) -> Preparation:
    """Check the key, the project or model run, and that the store can be written and creates conditionally."""
    source = dataset.source
    check_source(connect(account(load_settings())), source.kind, source.id)
    store = open_store(dataset.url)
    started_at = probe(store, single_writer=dataset.single_writer)
    standing = latest(store)
    return Preparation(base=standing.version if standing else 0, started_at=started_at)
