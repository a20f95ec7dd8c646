"""A run from its lease to its outcome: alone on its dataset, gone on with after a crash, forgotten when it is over."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.settings import load_settings
from tasks.errors import LabelsnapError
from tasks.steps.lease import held
from tasks.steps.prepare import Preparation, prepare
from tasks.steps.unfinished import forget_unfinished, is_final
from tasks.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.dataset import Dataset


@contextmanager
def undertaken(dataset: Dataset, flow_run: str, scope: str = "") -> Iterator[Preparation]:
    """What the run stands on, once the dataset is its own.

    Raises ``StorageRefusedError`` while another run has the dataset, and what ``prepare`` raises. When the block ends,
    or fails for good, the run's scratch goes; when it fails at something that may pass, the next run of the same
    dataset and ``scope`` goes on with it.
    """
    settings = load_settings()
    store = open_store(dataset.url)
    with held(
        store,
        flow_run,
        overlap=dataset.overlap,
        seconds=settings.lease_seconds,
        patience=settings.queue_seconds,
        single_writer=dataset.single_writer,
    ):
        preparation = prepare(dataset, flow_run, scope)
        try:
            yield preparation
        except LabelsnapError as error:
            if is_final(error):
                forget_unfinished(store, dataset, preparation.run, scope)
            raise
        forget_unfinished(store, dataset, preparation.run, scope)
