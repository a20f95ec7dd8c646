"""Versions over time: listed, named, gone back to, expired, and their objects collected. Dry runs by default."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from labelsnap.snapshots.keeping.epochs import Condemned
from labelsnap.snapshots.keeping.expire import expire, plan_expiry
from labelsnap.snapshots.keeping.gc import Collection, CollectionPlan, collect, plan_collection
from labelsnap.snapshots.keeping.history import RECENT, fault_of, survey
from labelsnap.snapshots.keeping.rollback import rollback
from labelsnap.snapshots.keeping.tagging import tag, tag_fault, untag
from labelsnap.snapshots.keeping.tags import list_tags
from labelsnap.snapshots.reading.read import Ref, find_commit, parse_ref
from labelsnap.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labelsnap.errors import LabelsnapError
    from labelsnap.snapshots.keeping.epochs import Epoch
    from labelsnap.storage import ObjectStore


def versions_of(dataset_url: str) -> tuple[list[dict[str, Any]], LabelsnapError | None]:
    """The versions that are kept, oldest first; none for a dataset that does not exist yet. A fork shows twice.

    With the error to end with where the records of some are missing or damaged, or a tag names what its version is not.
    """
    store = _store(dataset_url)
    history = survey(store, back=RECENT)
    names: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    tags = list_tags(store)
    for each in tags:
        names[each.version, each.manifest].append(each.name)
    listed = [
        {
            "version": commit.version,
            "created_at": commit.created_at,
            "tags": names[commit.version, commit.manifest],
            "rows": commit.rows,
            "action": commit.action,
        }
        for commit in history.live
    ]
    return listed, fault_of(store, history) or tag_fault(store, history, tags)


def tag_ref(ref: str, name: str) -> dict[str, Any]:
    """Give the version that a reference means now a name."""
    parsed = parse_ref(ref)
    store = open_store(parsed.dataset_url)
    made = tag(store, name, find_commit(store, parsed.selector).version)
    return {"ref": str(Ref(store.url, made.name)), "version": made.version, "tag": made.name}


def untag_version(dataset_url: str, name: str) -> dict[str, Any]:
    """Take a name away from the version that has it; ``version`` is None where the tag was damaged."""
    taken = untag(_store(dataset_url), name)
    return {"tag": name, "version": taken.version if taken else None}


def roll_back(ref: str) -> dict[str, Any]:
    """Make what a reference means the newest version; ``from`` is the version that it came from."""
    parsed = parse_ref(ref)
    store = open_store(parsed.dataset_url)
    version = find_commit(store, parsed.selector).version
    made = rollback(store, version)
    return {"ref": str(Ref(store.url, made.version)), "version": made.version, "from": version}


def expire_versions(
    dataset_url: str, *, keep: int, older_than_days: float, apply: bool, lost: bool = False
) -> dict[str, Any]:
    """Which versions expire, which stay, and which of those only by a tag; ``version`` is the one that says so.

    ``lost`` are runs of versions that are given up.
    """
    store, older_than = _store(dataset_url), timedelta(days=older_than_days)
    made = None
    if apply:
        plan, made = expire(store, keep=keep, older_than=older_than, lost=lost)
    else:
        plan = plan_expiry(store, keep=keep, older_than=older_than, lost=lost)
    lists = {"expiring": list(plan.expiring), "kept": list(plan.kept), "tagged": list(plan.tagged)}
    given_up = {"lost": [list(run) for run in plan.lost]} if lost else {}
    return {"dry_run": not apply, **lists, **given_up, "version": made.version if made else None}


def collect_objects(
    dataset_url: str, *, grace_days: float, apply: bool, show: Callable[[str, int, int], None], lost: bool = False
) -> dict[str, Any]:
    """Which objects are listed for deletion and which are deleted, now or by a call with ``apply``.

    ``uploads`` are what processes left that were killed while they wrote; with ``lost``, ``lost_epochs`` are
    those whose records are damaged, and that are given up: their objects are listed again.
    """
    store, grace = _store(dataset_url), timedelta(days=grace_days)
    done: Collection | CollectionPlan = (
        collect(store, grace=grace, lost=lost, on_progress=lambda done, total: show("gc", done, total))
        if apply
        else plan_collection(store, grace=grace, lost=lost)
    )
    parts: dict[str, Iterable[Condemned]] = {
        "deleted": done.deleted if isinstance(done, Collection) else _listed_by(done.ripe),
        "condemned": done.condemned,
        "waiting": _listed_by(done.waiting),
        "uploads": [Condemned(upload.key or upload.name, upload.size) for upload in done.uploads],
    }
    listed = {name: _objects(entries) for name, entries in parts.items()}
    return {"dry_run": not apply} | listed | ({"lost_epochs": list(done.lost)} if done.lost else {})


def _listed_by(epochs: Iterable[Epoch]) -> Iterable[Condemned]:
    return chain.from_iterable(epoch.condemned for epoch in epochs)


def _store(dataset_url: str) -> ObjectStore:
    return open_store(parse_ref(dataset_url).dataset_url)


def _objects(entries: Iterable[Condemned]) -> dict[str, Any]:
    found = list(entries)
    return {
        "objects": len(found),
        "bytes": sum(entry.size for entry in found),
        "keys": [entry.key for entry in found],
    }
