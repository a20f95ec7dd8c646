"""The raw export that a snapshot keeps → convert → publish: the same rows made anew, and nothing asked of Labelbox."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import flow, runtime

from config.dataset import Dataset
from flows.again import LEFT_TO_ITSELF
from flows.assembly import assembled
from flows.runners.cluster_runner import check_workers
from tasks.formats.named import check_named_classes
from tasks.kept import read_origin
from tasks.machines.beside import beside
from tasks.machines.here import read_ahead
from tasks.raw.origin import find_origin
from tasks.run.undertaking import undertake
from tasks.telling.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tasks.run.beginning import Beginning


@flow(name="reprocess", flow_run_name="reprocess {dataset.dataset}", **LEFT_TO_ITSELF)
def reprocess(dataset: Dataset, ref: str) -> dict[str, Any]:
    """Publish the rows of the snapshot ``ref`` as the dataset file makes them, as the dataset's next version.

    Masks and images are those that the snapshot holds; what it does not hold is a named problem of its row. Raises
    ``ConfigurationError`` and ``StorageRefusedError`` as ``find_origin`` does, before anything is begun.
    """
    origin = find_origin(dataset, ref)

    def work(beginning: Beginning) -> dict[str, Any]:
        run, base, watch = beginning.run, beginning.base.version, Stopwatch()
        with beside() as start:
            start(partial(read_ahead, dataset.url, base))
            exported = read_origin(dataset, run, base, origin)
            check_named_classes(dataset, beginning.base, lambda: exported.ontology)
        return assembled(dataset, beginning, exported, watch)

    check_workers(dataset)
    return undertake(dataset, str(runtime.flow_run.id), work, origin)
