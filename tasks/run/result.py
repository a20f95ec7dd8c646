"""The result of a refresh, as the command line prints it and the snapshot keeps it (see flows/README.md)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from labelsnap.buckets.noted import blocks_of, by_source
from labelsnap.formats.description.advice import advice_of
from labelsnap.formats.description.facts import Description
from labelsnap.formats.description.losses import report
from labelsnap.records.choices.selection import EVERYTHING
from labelsnap.records.choices.splits import SPLITS
from labelsnap.shown import line
from labelsnap.snapshots.writing.presence import sizes_of
from tasks.run.receipts import content_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.dataset import Dataset
    from labelsnap.formats.description.losses import Tally
    from labelsnap.formats.outputs import Output
    from labelsnap.records.choices.classes import ClassRegistry
    from tasks.run.beginning import Beginning
    from tasks.run.receipts import Exported, FormatReceipt, OntologyReceipt, Publication, Settlement

REQUESTS = ("composite_masks", "instance_masks", "images", "images_not_modified")


def summary(
    dataset: Dataset,
    settlement: Settlement,
    exported: Exported,
    formats: tuple[FormatReceipt, ...],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Everything that is known before publication; the snapshot keeps it."""
    tally = settlement.tally
    streams = (*exported.results, *exported.errors)
    objects = sizes_of(content_of(settlement, (*streams, *formats)))
    of_parts = chain((stream.uploads for stream in streams), (part.uploads for part in formats))
    uploads = sum(of_parts, tally.uploads + settlement.uploads)
    predictions = settlement.census.kinds(predicted=True)
    requests = {name: tally.requests.get(name, 0) for name in REQUESTS}
    description = description_of(dataset, settlement)
    return {
        "dataset": dataset.dataset,
        **({"origin": exported.origin.ref} if exported.origin else {}),
        "rows": {
            "exported": settlement.lines,
            "published": tally.published,
            "excluded": tally.excluded,
            "problems": tally.problems,
        },
        **({"problems": tally.problem_codes} if tally.problem_codes else {}),
        **({"sources": description.sources} if description.sources else {}),
        "export_errors": sum(stream.lines for stream in exported.errors),
        "labels": {"published": tally.labels, "excluded": tally.labels_excluded},
        "annotations": settlement.census.kinds(),
        **({"annotations_dropped": tally.annotations_dropped} if tally.annotations_dropped else {}),
        **({"predictions": predictions} if predictions else {}),
        "classes": classes(settlement.registry),
        "ontology": ontology(settlement.ontology, settlement.registry),
        **blocks_of(tally.noted),
        "reused_rows": tally.reused_rows,
        **({"rows_left": tally.left} if tally.left else {}),
        "requests": requests
        | {
            "export_chunks": sum(len(stream.files) for stream in streams if stream.size),
            "retries": tally.requests.get("retries", 0) + sum(stream.retries for stream in streams),
        },
        "bytes": {
            "downloaded": tally.downloaded + sum(stream.size for stream in streams),
            "uploaded": uploads.bytes,
            "reused": sum(objects.values()) - uploads.bytes,
        },
        "objects": {"uploaded": uploads.objects, "reused": len(objects) - uploads.objects},
        "formats": {name: held_and_lost(output, description) for name, output in dataset.outputs.items()},
        "seconds": dict(seconds),
    }


def final(
    dataset: Dataset,
    result: Mapping[str, Any],
    publication: Publication,
    beginning: Beginning,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """The whole result: the summary, which version holds it, and how long each part took this time."""
    reason = None if publication.published else "unchanged"
    place = standing(dataset, publication.version, base=beginning.base.version, reason=reason)
    resumed = {"resumed": True} if beginning.way != "anew" else {}
    return {"dataset": result["dataset"], **place, **resumed, **result, "seconds": dict(seconds)}


def standing(dataset: Dataset, version: int, *, base: int, reason: str | None) -> dict[str, Any]:
    """Which version is the newest after a run (0: none), and why the run published nothing, if so."""
    return {
        "ref": f"{dataset.url}@{version}" if version else None,
        "version": version or None,
        "published": reason is None,
        "base": base or None,
        **({"reason": reason} if reason else {}),
    }


def classes(registry: ClassRegistry) -> dict[str, Any]:
    """How many classes are in use and removed, and which had to be given another name, because theirs was taken."""
    names = registry.unique_names()
    suffixed = {
        names[each.id]: {"id": each.id, "name": each.name, "feature_schema_id": each.feature_schema_id}
        for each in registry.classes
        if names[each.id] != each.name
    }
    removed = sum(each.removed for each in registry.classes)
    return {"in_use": len(registry.classes) - removed, "removed": removed, "suffixed": suffixed}


def ontology(receipt: OntologyReceipt, registry: ClassRegistry) -> dict[str, Any]:
    """Whether the project's ontology was read, if not why, and what is kept of it: that of the base, or nothing."""
    offered = {registry.class_of(each).id for each in receipt.offered}
    counts = {"classes": len(offered), "questions": receipt.questions} if receipt.files else {}
    return {
        "read": receipt.reason is None,
        **({"reason": receipt.reason} if receipt.reason else {}),
        **counts,
        **({"unreadable": receipt.unreadable} if receipt.unreadable else {}),
    }


def description_of(dataset: Dataset, settlement: Settlement) -> Description:
    """The dataset in words and numbers."""
    return Description(
        name=dataset.dataset,
        text=dataset.card.description,
        license=dataset.card.license,
        source=f"Labelbox {dataset.spoken}",
        registry=settlement.registry,
        census=settlement.census,
        splits=SPLITS,
        model_run=dataset.of_model_run,
        sources=by_source(settlement.tally.noted, (each.name for each in dataset.sources)),
        converted=settlement.tally.noted.get("images.converted", 0),
    )


def held_and_lost(output: Output, description: Description) -> dict[str, Any]:
    """What an output holds and loses of the annotations, by kind; of a model run's predictions apart.

    What it leaves out is told where it has ``classes`` or ``kinds``, images by ending where some are lost. ``notes``
    say what its readers miss, and which names are others in its files, if any.
    """
    described = description.of(output)
    found = report(output.form, described.census)
    labels, predictions = (_told(each, output) for each in (found.labels, found.predictions))
    notes = advice_of(output.form, described.census, described.registry, line, described.choice)
    return {
        **labels,
        **({"predictions": predictions} if any(predictions.values()) else {}),
        **({"images": to_builtins(found.images)} if found.images.lost else {}),
        **({"notes": list(notes)} if notes else {}),
    }


def _told(tally: Tally, output: Output) -> dict[str, dict[str, int]]:
    """The parts of a tally; what is not selected by outputs alone that select."""
    told = {"held": tally.held, "lost": tally.lost}
    return told if output.selection == EVERYTHING else {**told, "not_selected": tally.not_selected}
