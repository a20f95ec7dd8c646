"""Webhooks and a poll → refreshes: one a dataset, once it has been quiet."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from config.settings import load_settings
from flows.commands.faults import fault_of
from flows.refresh import refresh
from labelsnap.errors import ConfigurationError, DatasetRejectedError, StorageError
from labelsnap.storage import open_store, probe
from tasks.poll import done_since
from tasks.run.hints import (
    asked_by,
    is_pending,
    known,
    last_exported,
    name_of,
    note_hint,
    pending_hints,
    settle_hints,
)
from tasks.run.lease import is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.dataset import Dataset

OVERLAP: Final = timedelta(minutes=5)
"""How far before the last export a poll looks: more than the clocks of Labelbox's own machines differ."""
PATIENCE: Final = 10
"""After so many quiet periods a refresh is started though it never was quiet."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Quiet:
    """When to act upon hints: after ``seconds`` without another one, at the latest ten times as long after the first.

    Times are seconds of any clock that only goes forward.
    """

    seconds: float
    first: float | None = None
    last: float | None = None

    def hint(self, now: float) -> None:
        """Something may have happened."""
        self.first = now if self.first is None else self.first
        self.last = now

    def due(self) -> float | None:
        """From when on to act; None while there is no hint."""
        if self.first is None or self.last is None:
            return None
        return min(self.last + self.seconds, self.first + PATIENCE * self.seconds)

    def clear(self) -> None:
        """What was hinted at is being looked after."""
        self.first = self.last = None


def check_listenable(datasets: Sequence[Dataset]) -> str:
    """The webhooks' secret. Raises ``ConfigurationError`` without one, and for what has neither webhooks nor Done."""
    secret = load_settings().labelbox.webhook_secret.get_secret_value()
    if not secret:
        raise ConfigurationError(
            "There is no secret to check webhooks with.",
            remedy="Set LABELBOX_WEBHOOK_SECRET to the secret that the webhook was created with.",
            code="no_webhook_secret",
        )
    for dataset in datasets:
        if all(each.kind != "project" for each in dataset.asked):
            raise ConfigurationError(
                f"{dataset.dataset} is of {dataset.spoken}; Labelbox sends webhooks, and has a workflow, for projects "
                "alone.",
                remedy="Give it a `schedule` and deploy it, or refresh it after each training.",
                code="not_listenable",
            )
    return secret


def start_refresh(dataset: Dataset, key: str) -> None:
    """Run the dataset's deployment where a Prefect server is named, once a key; the refresh itself elsewhere."""
    if not PREFECT_API_URL.value():
        refresh(dataset)
        return
    name = f"refresh/{dataset.dataset}"
    try:
        run_deployment(name, timeout=0, idempotency_key=f"{dataset.dataset}-{key}")
    except ObjectNotFound:
        raise ConfigurationError(
            f"There is no deployment {name} on Prefect's server.",
            remedy="Make it with `labelsnap deploy`; what happened meanwhile is kept, and starts one refresh then.",
            code="no_deployment",
        ) from None


@dataclass
class Watch:
    """One dataset's thread: waits for hints and for the next poll, and starts a refresh when it is time.

    ``poll`` is the number of seconds between two polls, 0 for none. A refresh or poll that fails is tried again after
    another quiet period, and its hints stay; a refresh whose result is rejected is not.
    """

    dataset: Dataset
    quiet: float
    poll: float
    start: Callable[[Dataset, str], None] = start_refresh
    _stop: Event = field(default_factory=Event)
    _wake: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def accept(self, delivery: str) -> bool:
        """Write a delivery down, and wake the thread while no refresh was started for it. Raises ``StorageError``."""
        store = open_store(self.dataset.url)
        try:
            is_new = note_hint(store, delivery, single_writer=self.dataset.single_writer)
            waits = is_new or is_pending(store, delivery)
        except StorageError:
            self._wake.set()  # it may have been written down nevertheless, and need not come again
            raise
        if waits:
            self._wake.set()
        return is_new

    def open(self) -> None:
        """Begin: with what an earlier listener had not got to, and with a poll."""
        self._thread = Thread(target=self._run, name=f"watch {self.dataset.dataset}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End once what is being done is done."""
        self._stop.set()
        self._wake.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        waiting = Quiet(self.quiet)
        waiting.hint(time.monotonic())  # whatever happened while nobody listened
        next_poll = time.monotonic() if self.poll else float("inf")
        while not self._stop.is_set():
            due = waiting.due()
            moment = min(next_poll, float("inf") if due is None else due)
            if self._wake.wait(None if moment == float("inf") else max(0, moment - time.monotonic())):
                self._wake.clear()
                waiting.hint(time.monotonic())
                continue
            waiting_is_over = due is not None and due <= time.monotonic()
            try:
                if waiting_is_over:
                    waiting.clear()
                    self.answer()
                else:
                    next_poll = time.monotonic() + self.poll
                    self.look()
            except Exception as error:  # noqa: BLE001 - the thread goes on whatever it is
                log.warning("%s: %s", self.dataset.dataset, fault_of(error))
                waiting.hint(time.monotonic())

    def answer(self) -> None:
        """Start one refresh for all hints that are there, if there are any.

        One that the dataset's own policy rejects answers them: it is not started again until something happens.
        """
        store = open_store(self.dataset.url)
        if hints := pending_hints(store):
            try:
                self.start(self.dataset, name_of(hints))
            except DatasetRejectedError as rejection:
                log.warning("%s: %s", self.dataset.dataset, rejection)
            settle_hints(store, hints)
            log.info("%s: a refresh was started for %d hints", self.dataset.dataset, len(hints))

    def look(self) -> None:
        """Ask Labelbox whether rows reached Done since the dataset was exported; if so, that is a hint too.

        So is a dataset file that asks something else than was exported, and an export of the future, which a clock that
        was ahead has noted.
        One hint an hour as long as no refresh comes to its end. While one runs there is nothing to ask.
        """
        store = open_store(self.dataset.url)
        lapses = load_settings().lease_seconds
        if is_held(store, seconds=lapses, single_writer=self.dataset.single_writer):
            return
        now = probe(store, single_writer=self.dataset.single_writer)
        since = known(last_exported(store, self.dataset), now)
        if since is None or done_since(self.dataset, since - OVERLAP):
            as_of = f"{since:%Y%m%dT%H%M%SZ}" if since else f"never-{asked_by(self.dataset)}"
            hour = f"{now:%Y%m%dT%H}"
            if note_hint(store, f"poll-{as_of}-{hour}", single_writer=self.dataset.single_writer):
                self._wake.set()
