"""A run from its lease to its outcome: alone on its dataset, begun as ``tasks.run.beginning`` says, and settled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from prefect import runtime
from prefect.context import FlowRunContext
from prefect.states import Cancelled

from config.settings import load_settings
from labelsnap.errors import LabelboxError, LabelsnapError, RunStoppedError
from labelsnap.storage import open_store
from tasks.machines.here import here_of, let_go
from tasks.machines.room import scratch_fault
from tasks.prepare import prepare
from tasks.run.endings import Ending, ending_of
from tasks.run.exports import cancel_exports
from tasks.run.lease import held
from tasks.run.ledger import Ledger
from tasks.run.unfinished import forget, give_up_export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from config.dataset import Dataset
    from labelsnap.storage import ObjectStore
    from tasks.run.beginning import Beginning
    from tasks.run.receipts import Origin


def undertake(
    dataset: Dataset, flow_run: str, work: Callable[[Beginning], dict[str, Any]], origin: Origin | None = None
) -> dict[str, Any]:
    """What the work gives, done while the dataset is the run's own; with an ``origin`` Labelbox is not asked for it.

    A run that was cancelled gives that state, which Prefect makes its outcome; whoever called the flow gets the
    ``RunStoppedError`` in it. Raises ``StorageRefusedError`` while another run has the dataset, and what ``prepare``
    and the work raise. What a failure leaves to the next run is ``ending_of``'s to say. Where an export that is gone on
    with turns out to be of no use any more, the work begins again at once, with an export of its own.
    """
    try:
        return _undertaken(dataset, flow_run, work, origin)
    except RunStoppedError as stopped:
        return cast("dict[str, Any]", Cancelled(message=stopped.message, data=stopped))


def _undertaken(
    dataset: Dataset, flow_run: str, work: Callable[[Beginning], dict[str, Any]], origin: Origin | None
) -> dict[str, Any]:
    """The work's result; the lease is let go of whatever becomes of it."""
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
        try:
            return _worked(dataset, flow_run, store, work, origin)
        finally:
            let_go(dataset.url)


@contextmanager
def _ended(dataset: Dataset, store: ObjectStore, run: str) -> Iterator[None]:
    """Where the block fails, what it still wrote beside has ended: others go on with that.

    The run's exports are cancelled where nobody goes on with them.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception):
            here_of(dataset.url).rest()
        if isinstance(error, RunStoppedError) or ending_of(error) is not Ending.EVERYTHING or not _may_be_retried():
            cancel_exports(Ledger(store, run))
        raise


def _may_be_retried() -> bool:
    """Whether Prefect may start this flow run again: one of a deployment, also after its process ended, or its flow."""
    context = FlowRunContext.get()
    retries = (context.flow.retries if context and context.flow else 0) or 0
    return runtime.deployment.id is not None or runtime.flow_run.run_count <= retries


def _worked(
    dataset: Dataset,
    flow_run: str,
    store: ObjectStore,
    work: Callable[[Beginning], dict[str, Any]],
    origin: Origin | None,
) -> dict[str, Any]:
    """The result of the work, which begins again where its export is of no use any more."""
    while True:
        beginning = prepare(dataset, flow_run, origin)
        try:
            with _ended(dataset, store, beginning.run):
                result = work(beginning)
        except OSError as error:
            raise scratch_fault(error) or error from None
        except LabelsnapError as error:
            ending = ending_of(error)
            if ending is Ending.NOTHING:
                forget(store, dataset, beginning.run, origin)
            elif ending is Ending.WORK:
                give_up_export(store, dataset, beginning, origin)
                if beginning.way == "on" and isinstance(error, LabelboxError):
                    continue
            raise
        forget(store, dataset, beginning.run, origin)
        here_of(dataset.url).settle()
        return result
