"""What a snapshot keeps of Labelbox, read again: by a backfill beside its windows, or to make its rows anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from prefect import task

from config.dataset import Dataset
from labelsnap.errors import ConfigurationError
from labelsnap.snapshots.manifest import damaged
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.tables.bucket_tables import ONTOLOGY_PATH, read_ontology
from tasks.export import parts_of
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.ontology import received
from tasks.raw.origin import opened
from tasks.raw.passing import Kept, Passing, part_of
from tasks.run.ledger import ledger_here
from tasks.run.receipts import Exported, OntologyReceipt, Origin, StreamReceipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage import ObjectStore

REASON: Final = "reprocessed"
"""Why the ontology was not read."""


@task(**RETRIES)
def keep_streams(dataset: Dataset, run: str, base: int) -> tuple[StreamReceipt, ...]:
    """The raw export that the snapshot ``base`` (0: none) keeps, without the lines that it left out itself."""
    here = here_of(dataset.url)
    if (manifest := here.manifest(base)) is None:
        return ()
    ledger = ledger_here(dataset.url, run)
    if done := ledger.recall("kept", Kept):
        return done.streams
    passing = Passing(here.store, manifest, here.store, here.draft(manifest), manifest)
    return ledger.note("kept", passing.results()).streams


@task(**RETRIES)
def read_origin(dataset: Dataset, run: str, base: int, origin: Origin) -> Exported:
    """Hand on what a snapshot keeps of Labelbox, as part of a dataset upon its version ``base`` (0: none).

    Raises ``ConfigurationError`` where it has no line that counts.
    """
    here, ledger = here_of(dataset.url), ledger_here(dataset.url, run)
    earlier = here.manifest(base)
    store, manifest = opened(dataset.url, origin)
    upon = manifest if store.url == here.store.url else earlier

    def passed(name: str, way: Callable[[Passing], Kept]) -> Kept:
        if done := ledger.recall(name, Kept):
            return done
        return ledger.note(name, way(Passing(store, manifest, here.store, here.draft(upon), upon)))

    results = passed("kept", Passing.results)
    if results.lines > 0 and not results.chunks:
        raise damaged(f"the raw export of {origin.ref}", f"none of its {results.lines} lines")
    if results.lines <= 0:
        raise ConfigurationError(
            f"{origin.ref} has no line of which a row could be made.",
            remedy="Take another version, or refresh.",
            code="nothing_to_reprocess",
        )
    errors = passed("kept-errors", Passing.errors)
    return Exported(
        of_sources(dataset, results), of_sources(dataset, errors), _ontology(dataset, base, store, manifest), origin
    )


def of_sources(dataset: Dataset, kept: Kept) -> tuple[StreamReceipt, ...]:
    """The kept streams, each with the source that its export was of, where there are several.

    The exports of a dataset file have their numbers by the names of sources, whenever it is asked for.
    """
    if not dataset.sources:
        return kept.streams
    parts = parts_of(dataset)
    return tuple(replace(each, source=parts[part_of(each)].source) for each in kept.streams)


def _ontology(dataset: Dataset, base: int, store: ObjectStore, manifest: Manifest) -> OntologyReceipt:
    """The ontology that the snapshot has; where it has none, that of the version before stands."""
    if all(each.kind != "project" for asked in dataset.asked for each in asked.of):
        return OntologyReceipt(reason="model_run")
    here = here_of(dataset.url)
    earlier = here.manifest(base)
    for holder, each in ((store, manifest), (here.store, earlier)):
        if each and (file := each.file(ONTOLOGY_PATH)):
            draft = here.draft(earlier)
            made = draft.add_file(ONTOLOGY_PATH, read_file(holder, file))
            return received(dataset, read_ontology(holder, file), made, draft.uploads, reason=REASON)
    return OntologyReceipt(reason=REASON)
