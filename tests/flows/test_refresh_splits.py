"""Splits over versions: a row that is published, or was, is where it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.backfill import backfill
from flows.refresh import refresh
from labelsnap.references import pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.storage import open_store
from tests.flows.versions import splits


@pytest.fixture
def chosen(dataset):
    """The dataset of the canonical tables alone, with changes."""
    return lambda **changes: dataset(formats={}, **changes)


def done(sandbox, count=None):
    """So many rows that are published, or all."""
    return [row for row in sandbox.rows("DONE") if not row.skipped][:count]


@pytest.mark.slow
def test_a_row_that_stands_keeps_its_split_whatever_becomes_of_its_image(chosen, sandbox, first_version, replaced):
    """Replaced at the source, referenced instead of copied, replaced again, and copied again."""
    versions = [first_version(chosen())]
    replaced(done(sandbox))
    versions.append(refresh(chosen()))
    versions.append(refresh(chosen(images="reference")))
    replaced(done(sandbox))
    versions.append(refresh(chosen()))
    assert [each["version"] for each in versions] == [1, 2, 3, 4]
    assert set(splits(versions[0]).values()) == {"train", "val", "test"}
    for later in versions[1:]:
        assert splits(later) == splits(versions[0])


@pytest.mark.slow
@pytest.mark.parametrize("rows_per_bucket", ["1", "128"])
def test_a_row_that_comes_back_is_where_it_was(chosen, sandbox, replaced, monkeypatch, rows_per_bucket):
    """Though nothing else of its bucket is left meanwhile, its image is another, and buckets have another number."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", rows_per_bucket)
    first = refresh(chosen())
    gone = done(sandbox, 8)
    for row in gone:
        sandbox.set_status(row.index, "IN_REWORK")
    without = refresh(chosen())
    away = {row.id: splits(first)[row.id] for row in gone}
    assert (splits(without, "left"), without["rows_left"]) == (away, len(gone))
    assert splits(without) == {row: split for row, split in splits(first).items() if row not in away}
    assert verify(open_store(without["ref"].rpartition("@")[0])).faults == ()
    assert refresh(chosen())["reason"] == "unchanged"

    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
    sandbox.edit_row(done(sandbox)[0].index)
    assert splits(refresh(chosen()), "left") == away
    for row in gone:
        sandbox.set_status(row.index, "DONE")
    replaced(gone)
    back = refresh(chosen())
    assert splits(back) == splits(first)
    assert splits(back, "left") == {}
    assert "rows_left" not in back


def test_a_backfill_moves_no_row(chosen, sandbox, first_version, replaced):
    """Neither those of its range, whose images are others, nor those that the newest version has besides."""
    first = first_version(chosen())
    replaced(done(sandbox, 8))
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
    second = backfill(chosen(), start, end, end - start)
    assert (second["version"], second["requests"]["images"]) == (2, 8)
    assert splits(second) == splits(first)


@pytest.mark.slow
def test_other_settings_deal_all_rows_anew(chosen, sandbox, first_version, replaced):
    """As if there were no version yet, those that left too; the same settings in other words are no others."""
    first_version(chosen())
    gone = done(sandbox, 4)
    for row in gone:
        sandbox.set_status(row.index, "IN_REWORK")
    replaced(done(sandbox))
    same = refresh(chosen(split={"train": 0.8, "val": 0.1, "test": 0.1}))
    assert same["rows_left"] == len(gone)
    other = {"split": {"train": 0.4, "val": 0.3, "test": 0.3, "seed": 5}}
    anew = refresh(chosen(**other))
    assert splits(anew) == splits(refresh(chosen(**other, dataset="afresh")))
    assert splits(anew, "left") == {}


@pytest.mark.slow
def test_a_group_decides_where_a_row_has_one(chosen, sandbox, replaced):
    """Rows with a value are where it puts them; those without stay where they are when their images are replaced."""
    grouped = {"split": {"group_by": "global_key", "seed": 3}}
    first = refresh(chosen(**grouped))
    replaced(done(sandbox))
    assert splits(refresh(chosen(**grouped))) == splits(first)
    keyed = {row.id for row in done(sandbox) if row.global_key}
    assert 0 < len(keyed) < len(splits(first))


def test_rows_that_left_are_no_part_of_a_tree(chosen, sandbox, first_version, tmp_path):
    """The canonical tables are laid out without them."""
    first_version(chosen())
    sandbox.set_status(done(sandbox)[0].index, "IN_REWORK")
    pull(refresh(chosen())["ref"], "parquet", tmp_path / "tables")
    assert (tmp_path / "tables" / "data_rows").exists()
    assert not (tmp_path / "tables" / "left").exists()
