"""Export → masks → convert → publish: one dataset, one new snapshot, or none when nothing changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import flow, runtime

from config.dataset import Dataset
from config.settings import load_settings
from flows.again import LEFT_TO_ITSELF
from flows.assembly import assembled
from flows.runners.cluster_runner import check_workers
from labelsnap.storage import open_store
from tasks.export import fetch_stream, start_exports, wait_for_exports
from tasks.formats.named import check_named_classes
from tasks.machines.beside import beside
from tasks.machines.here import here_of, read_ahead
from tasks.machines.window import windowed
from tasks.ontology import fetch_ontology
from tasks.run.hints import note_exported
from tasks.run.receipts import Exported
from tasks.run.undertaking import undertake
from tasks.telling.stopwatch import Stopwatch

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from labelsnap.labelbox.export import Stream
    from tasks.export import ExportTasks
    from tasks.run.beginning import Beginning
    from tasks.run.receipts import StreamReceipt


def fetch_streams(
    dataset: Dataset, run: str, base: int, exports: ExportTasks, stream: Stream
) -> tuple[StreamReceipt, ...]:
    """One stream of each export, in their order: a few come side by side."""
    parts = list(enumerate(zip(exports.ids, exports.sources, strict=True)))
    if len(parts) == 1:
        return (fetch_stream(dataset, run, base, 0, exports.ids[0], stream, exports.sources[0]),)

    def fetch(part: tuple[int, tuple[str, str]]) -> PrefectFuture[StreamReceipt]:
        number, (task_id, source) = part
        return fetch_stream.submit(dataset, run, base, number, task_id, stream, source)

    receipts = windowed(fetch, parts, load_settings().exports)
    return tuple(sorted(receipts, key=lambda receipt: receipt.part or 0))


@flow(name="refresh", flow_run_name="refresh {dataset.dataset}", **LEFT_TO_ITSELF)
def refresh(dataset: Dataset) -> dict[str, Any]:
    """Publish what Labelbox holds when it is started, or later, as the next version; give back the result."""

    def work(beginning: Beginning) -> dict[str, Any]:
        run, base, watch = beginning.run, beginning.base.version, Stopwatch()
        exports: ExportTasks

        def fetched(stream: Stream) -> tuple[StreamReceipt, ...]:
            return fetch_streams(dataset, run, base, exports, stream)

        with beside() as start:
            start(partial(read_ahead, dataset.url, base))
            ontology = start(partial(fetch_ontology, dataset, base))
            check_named_classes(dataset, beginning.base, ontology.result)
            exports = start_exports(dataset, run)
            created = wait_for_exports(exports)
            lost = start(partial(fetched, "ERRORS"))
            results = fetched("RESULT")
        exported = Exported(results, lost.result(), ontology.result())
        result = assembled(dataset, beginning, exported, watch)
        since = created or beginning.exported_since
        here_of(dataset.url).soon(partial(note_exported, open_store(dataset.url), dataset, since))
        return result

    check_workers(dataset)
    return undertake(dataset, str(runtime.flow_run.id), work)
