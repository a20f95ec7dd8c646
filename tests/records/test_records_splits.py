"""Splits: a function of key and seed alone."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records_lines import label, published, row

from labelsnap.errors import ConfigurationError
from labelsnap.records.choices.policy import Policy
from labelsnap.records.choices.splits import Split, assign, check_group_by, split_key, split_of
from labelsnap.records.model import Source


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 5))
def test_the_documented_rule(key: Any, seed: Any) -> None:
    """The first 53 bits of sha256("SEED:KEY") as a fraction decide, at 0.8 and 0.9 by default."""
    bits = bin(int.from_bytes(b"\x01" + sha256(f"{seed}:{key}".encode()).digest()))[3:56]
    place = int(bits, 2) / 2**53
    expected = "train" if place < 0.8 else "val" if place < 0.9 else "test"
    assert assign(key, Split(seed=seed)) == expected


def test_shares_are_kept() -> None:
    """Of 10,000 keys each split has its share, to within one in a hundred; another seed deals otherwise."""
    keys = [f"row{number}" for number in range(10_000)]
    dealt = [assign(key, Split(0.7, 0.2, 0.1)) for key in keys]
    for name, share in (("train", 0.7), ("val", 0.2), ("test", 0.1)):
        assert dealt.count(name) / len(keys) == pytest.approx(share, abs=0.01)
    assert dealt != [assign(key, Split(0.7, 0.2, 0.1, seed=1)) for key in keys]


@pytest.mark.parametrize("split", [Split(1.0, 0.0, 0.0), Split(0.7, 0.3, 0.0), Split(0.0, 0.3, 0.7)])
def test_a_split_without_a_share_is_empty(split: Any) -> None:
    """No row falls into a split whose share is zero, whatever floats add up to."""
    dealt = {assign(str(number), split) for number in range(2000)}
    assert dealt == {name for name in ("train", "val", "test") if getattr(split, name)}


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.1, -0.1, 0.0), (0.0, 0.0, 0.0), (float("nan"), 0.5, 0.5)])
def test_shares_that_do_not_add_up(shares: Any) -> None:
    """Shares below zero, or that do not add up to one, are refused."""
    with pytest.raises(ConfigurationError) as error:
        Split(*shares)
    assert error.value.code == "bad_split"


def a_record() -> Any:
    """A record with everything that rows are grouped by."""
    values = row(
        label(),
        data_row={"global_key": "g", "details": {"dataset_name": "city", "created_by": "someone"}},
        project={"project_details": {"batch_name": "b1"}},
        metadata_fields=[{"schema_name": "camera", "value": "front"}, {"schema_name": "run", "value": 3}],
    )
    return published(values, Policy(Source("project", "p1")))


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        (None, "abc"),
        ("metadata:camera", "front"),
        ("metadata:run", "3"),
        ("metadata:other", "abc"),
        ("dataset_name", "city"),
        ("dataset_id", "abc"),
        ("created_by", "someone"),
        ("batch_name", "b1"),
        ("global_key", "g"),
    ],
)
def test_what_a_row_is_split_by(group_by: Any, expected: Any) -> None:
    """A row is split by its group's value, else by its image's digest."""
    assert split_key(a_record(), "abc", group_by) == expected


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [(None, "test"), ("metadata:other", "test"), ("metadata:camera", assign("front", Split()))],
)
def test_a_row_stays_where_it_was_unless_its_group_says_where_it_is(group_by: Any, expected: Any) -> None:
    """Whatever its image is now."""
    assert assign("front", Split()) == assign("abc", Split()) == "train"
    assert split_of(a_record(), "abc", group_by, Split(), {"row1": "test"}) == expected
    assert split_of(a_record(), "abc", group_by, Split(), {"row2": "test"}) == "train"


def test_rows_without_a_copied_image() -> None:
    """Without an image's digest a row is split by its id."""
    assert split_key(a_record(), None, None) == "row1"


@pytest.mark.parametrize(
    ("text", "remedy"), [("dataset_nme", "dataset_name"), ("metadata:", "metadata:NAME"), ("zzz", "null")]
)
def test_unknown_groups_are_refused(text: Any, remedy: Any) -> None:
    """A group that names nothing of a row is refused, with the nearest that does."""
    with pytest.raises(ConfigurationError, match="group_by") as error:
        check_group_by(text)
    assert remedy in error.value.remedy


def test_known_groups_pass() -> None:
    """Every documented group is accepted."""
    for text in ("metadata:a b", "dataset_id", "batch_id", "external_id"):
        check_group_by(text)
