"""After a rollback: what versions gave away that are not the newest one's ancestors is given to nobody else."""

from __future__ import annotations

import hashlib
import json

import pytest

from flows.refresh import refresh
from labelsnap.references import open_snapshot
from labelsnap.snapshots import collect, expire, rollback
from labelsnap.snapshots.tables.bucket_tables import read_table
from tests.flows.versions import splits, store_of

CANONICAL = {"sort_keys": True, "separators": (",", ":")}
TABLES = {"formats": {}}
WITHOUT_BOTH = {"classes": {"car": None, "tree": None}}
WITHOUT_CAR = {"classes": {"car": None}}
WITHOUT_TREE = {"classes": {"tree": None}}


def ids(result):
    """The id of each class of a version that is in use, by name."""
    store = store_of(result)
    file = open_snapshot(result["ref"]).manifest.file("tables/classes/classes.parquet")
    return {each["name"]: each["id"] for each in read_table(store, file).to_pylist() if not each["removed"]}


def as_before(store):
    """Write the commit records as versions of labelsnap did that did not say what stands behind one."""
    for info in list(store.list("commits/")):
        record = json.loads(store.get(info.key))
        del record["behind"], record["digest"]
        digest = hashlib.sha256(json.dumps(record, **CANONICAL).encode()).hexdigest()
        store.put(info.key, json.dumps(record | {"digest": digest}, **CANONICAL).encode())


def late_rows(sandbox):
    """Eight rows that are published."""
    return [row for row in sandbox.rows("DONE") if not row.skipped][:8]


def with_late_rows(chosen, sandbox):
    """Versions 1 and 2, and then 1 again: the late rows came in version 2."""
    late = late_rows(sandbox)
    for row in late:
        sandbox.set_status(row.index, "IN_REWORK")
    first = refresh(chosen)
    for row in late:
        sandbox.set_status(row.index, "DONE")
    second = refresh(chosen)
    rollback(store_of(first), 1)
    return first, second


def with_a_tree(chosen, labelsnap):
    """Versions 1 and 2, and then 1 again: the tree, of two classes that are left out at first, came in version 2."""
    first = refresh(chosen)
    second = refresh(chosen.model_copy(update=WITHOUT_CAR))
    assert labelsnap.json("snapshots", "rollback", first["ref"])[1]["version"] == 3
    return first, second


def with_a_tree_and_a_car(chosen, labelsnap):
    """And a car in version 4."""
    return *with_a_tree(chosen, labelsnap), refresh(chosen.model_copy(update=WITHOUT_TREE))


def lose_manifest(folder, version):
    """The version's manifest is gone."""
    manifest = json.loads((folder / f"commits/{version:020d}.json").read_bytes())["manifest"]
    (folder / f"manifests/{manifest}.json").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("earlier_software", [False, True])
def test_a_class_id_is_given_once_though_the_version_that_gave_it_was_rolled_back(
    dataset, begun, labelsnap, earlier_software
):
    """A tree that came in version 2; a car that comes after version 1 is the newest again; and then the tree again."""
    first, second = begun(with_a_tree, dataset(**WITHOUT_BOTH), labelsnap)
    if earlier_software:
        as_before(store_of(first))
    fourth = refresh(dataset(**WITHOUT_TREE))
    highest = max(ids(first).values())
    assert (fourth["version"], ids(second)["tree"], ids(fourth)["car"]) == (4, highest + 1, highest + 2)
    assert ids(refresh(dataset())) == ids(first) | {"tree": highest + 1, "car": highest + 2}


@pytest.mark.slow
def test_nothing_new_after_a_rollback_is_no_version_and_loses_no_id(dataset, begun, labelsnap, days_ago):
    """Nor do an expiry of the version that gave it and two collections of garbage."""
    first, second = begun(with_a_tree, dataset(**WITHOUT_BOTH), labelsnap)
    assert refresh(dataset(**WITHOUT_BOTH))["reason"] == "unchanged"
    store = store_of(first)
    manifest, highest = open_snapshot(second["ref"]).manifest, max(ids(first).values())
    expire(store, keep=1)
    for days in (30, 2):
        days_ago(days)
        collect(store)
    gone = {file.path for file in manifest.files if any(store.head(part.key) is None for part in file.ranges)}
    assert "formats/coco/annotations/instances_train.json" in gone
    assert not [path for path in gone if path.startswith(("tables/classes/", "tables/data_rows/"))]
    assert refresh(dataset(**WITHOUT_BOTH))["reason"] == "unchanged"
    assert ids(refresh(dataset(**WITHOUT_TREE)))["car"] == highest + 2


@pytest.mark.slow
@pytest.mark.parametrize("earlier_software", [False, True])
def test_rows_of_a_version_that_was_rolled_back_keep_their_splits(sandbox, dataset, begun, replaced, earlier_software):
    """They are not in the next version, and come back in the one after it, with other images."""
    first, second = begun(with_late_rows, dataset(**TABLES), sandbox)
    late = late_rows(sandbox)
    if earlier_software:
        as_before(store_of(first))
    for row in late:
        sandbox.set_status(row.index, "IN_REWORK")
    assert refresh(dataset(**TABLES))["reason"] == "unchanged"
    sandbox.edit_row(next(row.index for row in sandbox.rows("DONE") if row.id in splits(first)))
    fourth = refresh(dataset(**TABLES))
    assert splits(fourth, "left") == {row.id: splits(second)[row.id] for row in late}
    for row in late:
        sandbox.set_status(row.index, "DONE")
    replaced(late)
    assert splits(refresh(dataset(**TABLES))) == splits(second)


@pytest.mark.slow
def test_a_rollback_of_a_rollback_forgets_nothing(dataset, begun, labelsnap):
    """Version 1 again, then version 2 of which it knows nothing, then version 1: both classes keep their ids."""
    first, _, fourth = begun(with_a_tree_and_a_car, dataset(**WITHOUT_BOTH), labelsnap)
    store = store_of(first)
    rollback(store, 2)
    rollback(store, 1)
    assert ids(refresh(dataset())) == ids(fourth) | {"tree": ids(fourth)["car"] - 1}


@pytest.mark.parametrize(
    "way_out",
    [
        pytest.param("expire", marks=pytest.mark.slow),
        pytest.param("rollback", marks=pytest.mark.slow),
        pytest.param("rollback to the first", marks=pytest.mark.slow),
    ],
)
def test_a_class_id_is_given_once_though_the_version_that_knew_of_it_is_lost(
    dataset, begun, labelsnap, folder, way_out
):
    """A tree of version 2, which was rolled back; version 4 took its id over, and its manifest is lost."""
    first, second, _ = begun(with_a_tree_and_a_car, dataset(**WITHOUT_BOTH), labelsnap)
    url = first["ref"].rpartition("@")[0]
    lose_manifest(folder, 4)
    if way_out == "expire":
        assert labelsnap("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")[0] == 0
    else:
        assert labelsnap("snapshots", "rollback", f"{url}@{1 if 'first' in way_out else 3}")[0] == 0
    highest = max(ids(second).values())
    assert ids(refresh(dataset(**WITHOUT_TREE)))["car"] == highest + 1
    assert ids(refresh(dataset())) == ids(first) | {"tree": highest, "car": highest + 1}


@pytest.mark.slow
def test_rows_keep_their_splits_though_the_version_that_knew_of_them_is_lost(
    sandbox, dataset, begun, *, labelsnap, replaced, folder
):
    """Rows of version 2, which was rolled back; version 4 noted that they left, and its manifest is lost."""
    first, second = begun(with_late_rows, dataset(**TABLES), sandbox)
    late = late_rows(sandbox)
    for row in late:
        sandbox.set_status(row.index, "IN_REWORK")
    sandbox.edit_row(next(row.index for row in sandbox.rows("DONE") if row.id in splits(first)))
    assert refresh(dataset(**TABLES))["version"] == 4
    lose_manifest(folder, 4)
    url = first["ref"].rpartition("@")[0]
    assert labelsnap("snapshots", "expire", url, "--keep", "9", "--lost", "--yes")[0] == 0
    for row in late:
        sandbox.set_status(row.index, "DONE")
    replaced(late)
    assert splits(refresh(dataset(**TABLES))) == splits(second)
