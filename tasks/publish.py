"""The last step: the dataset's policy is asked, then one commit record makes the snapshot a version."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.buckets.base import BasePart
from labelsnap.errors import DatasetRejectedError, LabelsnapError, StorageRefusedError
from labelsnap.formats.coco.writer import Coco
from labelsnap.memory import give_back
from labelsnap.records.counts import KINDS
from labelsnap.snapshots.checking.gate import inspect
from labelsnap.snapshots.manifest import Manifest, same_content
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.snapshots.writing.commit import Committed, commit
from labelsnap.snapshots.writing.presence import check_kept_objects
from labelsnap.storage import ObjectStore, open_store
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.machines.software import software
from tasks.prepare import head_at
from tasks.run.beginning import Beginning
from tasks.run.hints import forget_exported
from tasks.run.receipts import FormatReceipt, Publication, Settlement, StreamReceipt, content_of
from tasks.run.result import standing
from tasks.run.wanted import check_wanted
from tasks.telling.progress import report
from tasks.unchanged import stands

MAX_RACES = 10
FAULTS_SHOWN = 3


@task(**RETRIES)
def publish(
    dataset: Dataset,
    beginning: Beginning,
    settlement: Settlement,
    streams: tuple[StreamReceipt, ...],
    formats: tuple[FormatReceipt, ...],
    result: dict[str, Any],
) -> Publication:
    """Commit the snapshot, or find that the newest version holds the same.

    Raises StorageRefusedError where a table that is taken over unread is not there, whether or not anything changed.
    """
    base = beginning.base.version
    judge(dataset, base, result)
    check_counts(settlement, result)
    store = open_store(dataset.url)
    content = content_of(settlement, (*streams, *formats))
    manifest = Manifest.of(
        dataset=dataset.dataset,
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        config=dataset.content(),
        result=result,
        files=list(content.files),
        packs=list(content.packs),
        software=software(),
    )
    here = here_of(dataset.url)
    earlier = here.manifest(base)
    if earlier and stands(dataset, earlier, manifest.files, settlement.conversion.lost):
        check_kept_objects(here.store, earlier, BasePart(settlement.tables))
        return Publication(version=base, published=False)
    read_back(dataset, base, settlement, manifest, earlier)
    if "origin" in result:
        forget_exported(store)
    return publish_on_head(store, dataset, beginning, manifest, settlement.behind, is_new=True)


def judge(dataset: Dataset, base: int, result: dict[str, Any]) -> None:
    """Raise when the rows do not add up, or when more of them are problems than the dataset's policy allows.

    A line of the ERRORS stream stands for a row that the RESULT stream lacks, and is a problem like any other.
    """
    rows = result["rows"]
    accounted = rows["published"] + sum(rows["excluded"].values()) + rows["problems"]
    if accounted != rows["exported"]:
        raise LabelsnapError(
            f"{rows['exported']} rows were exported and {accounted} are accounted for.",
            remedy="Nothing was published. This is a fault of labelsnap: please report it with the dataset file.",
            code="rows_unaccounted",
        )
    allowed, errors = dataset.problems.max_share, result["export_errors"]
    problems, exported = rows["problems"] + errors, rows["exported"] + errors
    if problems > allowed * exported:
        unsent = f" ({errors} that Labelbox could not export)" if errors else ""
        raise DatasetRejectedError(
            f"{problems} of {exported} rows are problems{unsent}; problems.max_share allows {allowed:.0%}.",
            remedy="Look at the problems in the result, mend the rows at Labelbox, or raise problems.max_share.",
            code="too_many_problems",
            result=result | standing(dataset, base, base=base, reason="too_many_problems"),
        )


def check_counts(settlement: Settlement, result: dict[str, Any]) -> None:
    """Raise where held, lost and not selected of some output are not what was annotated, as the records were measured.

    The records are counted one by one before they are written, the outputs by what their tables hold.
    """
    counted: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for measure in chain.from_iterable(settlement.measures.values()):
        if measure.group.kind in KINDS:
            counted[measure.group.predicted][measure.group.kind] += measure.amounts[0]
    for name, told in result["formats"].items():
        for expected, parts in zip(counted, (told, told.get("predictions", {})), strict=True):
            found = sum((Counter(parts.get(part, {})) for part in ("held", "lost", "not_selected")), Counter[str]())
            if found != expected:
                raise LabelsnapError(
                    f"The output {name} accounts for {dict(sorted(found.items()))}, where the records have "
                    f"{dict(sorted(expected.items()))}.",
                    remedy="Nothing was published. This is a fault of labelsnap: please report it with the dataset "
                    "file.",
                    code="annotations_unaccounted",
                )


def read_back(
    dataset: Dataset,
    base: int,
    settlement: Settlement,
    manifest: Manifest,
    earlier: Manifest | None,
) -> None:
    """Raise ``DatasetRejectedError`` when what was written is not what the records were, as ``checking.gate`` sees it.

    What is taken over of the base is not read, but has to be there; else StorageRefusedError names it.
    """
    store = here_of(dataset.url).store
    if earlier is not None:
        check_kept_objects(store, earlier, manifest)
    give_back()
    inspection = inspect(
        store,
        manifest,
        earlier,
        settlement.measures,
        {
            name: output.selection.of(settlement.registry)
            for name, output in dataset.outputs.items()
            if isinstance(output.form, Coco)
        },
        scratch=load_settings().temporary_directory,
        on_progress=lambda done, total: report("gate", done, total),
    )
    if inspection.faults:
        told = [f"{each.path or each.key}: expected {each.expected}, found {each.found}" for each in inspection.faults]
        more = f" … and {len(told) - FAULTS_SHOWN} more" if len(told) > FAULTS_SHOWN else ""
        raise DatasetRejectedError(
            f"What was written to {dataset.url} is not what was to be written. {'; '.join(told[:FAULTS_SHOWN])}{more}.",
            remedy=f"Nothing was published. Delete {inspection.faults[0].key!r} there and run the refresh again; if it "
            "happens again, the store or labelsnap is at fault: please report it.",
            code="read_back_differs",
            result=manifest.result | standing(dataset, base, base=base, reason="read_back_differs"),
        )


def publish_on_head(
    store: ObjectStore,
    dataset: Dataset,
    beginning: Beginning,
    manifest: Manifest,
    behind: tuple[str, ...] = (),
    *,
    is_new: bool = False,
) -> Publication:
    """Commit on the base, or on a later version of the base's own manifest: an expiry or a fence of garbage collection.

    ``behind`` is what stands behind the base and was not taken over; ``is_new`` says that it is known to be published
    on the base. What else was published meanwhile is the answer where it holds the same; else nothing is published, and
    nothing by a run that was cancelled.
    """
    base, parent = beginning.base, beginning.base.version
    for _ in range(MAX_RACES):
        if parent and not (is_new and parent == base.version):
            standing = read_snapshot(store, parent)
            if same_content(standing.manifest, manifest):
                return Publication(version=parent, published=False)
            if not base.holds(head_at(store, standing.commit)):
                break
        check_wanted(load_settings().prefect_seconds)
        outcome = commit(
            store,
            manifest,
            publish_id=beginning.run,
            parent=parent,
            started_at=beginning.looking_since,
            behind=behind,
            single_writer=dataset.single_writer,
            since=base.version,
        )
        if isinstance(outcome, Committed):
            return Publication(version=outcome.commit.version, published=True)
        parent = outcome.head
    raise StorageRefusedError(
        f"Version {parent} of {dataset.url} was published while this run worked on version {base.version}.",
        remedy="Nothing is lost: run it again, and it builds upon that version with what was fetched.",
        code="lost_race",
    )
