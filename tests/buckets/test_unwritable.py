"""Which rows a format cannot write: each is tried alone, and what no single row provokes is nobody's problem."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from labelsnap.buckets.receipt import BucketInput, BucketReceipt, Tally, built_again
from labelsnap.buckets.unwritable import MOST, unwritable
from labelsnap.errors import ConfigurationError, LabelsnapError, StorageRefusedError
from labelsnap.formats.description.census import Census
from labelsnap.formats.interface import Artifact, no_files
from labelsnap.formats.registry import format_of
from labelsnap.snapshots.writing.draft import Uploads
from tasks.formats.unwritable import failed_at, without
from tasks.run.receipts import FormatReceipt
from tests.formats.format_samples import dataset, files_of, label, radio, sample


class Listing:
    """A format of one file, which a fault may end."""

    name = "listing"

    def __init__(self, fault):
        self.fault, self.written = fault, []

    def files(self, source, split):
        """Give the names of a split's rows; ``fault`` is asked when all of them are there."""

        def chunks():
            names = [row.sample.record.data_row.id for row in source.rows(split)]
            self.written.append(names)
            if self.fault(names):
                raise ZeroDivisionError("secret of a row")
            yield from (name.encode() for name in names)

        yield Artifact(f"{split}.txt", chunks())

    def files_of_row(self, _source):
        """Give nothing of a row alone."""
        return no_files


ROWS = [sample(name=name) for name in ("a", "b", "c", "d")]


def test_each_row_that_fails_alone_is_named():
    """Class and place are told, no value; each row of the split is tried once, after none at all."""
    each = Listing(lambda names: {"row-b", "row-d"} & set(names))
    found = unwritable(each, dataset(*ROWS, sample(name="b2", split="val")), "train", "listing")
    assert found.keys() == {"row-b", "row-d"}
    assert {fault.partition(" at ")[0] for fault in found.values()} == {"ZeroDivisionError"}
    assert "secret" not in str(found)
    assert each.written == [[], ["row-a"], ["row-b"], ["row-c"], ["row-d"]]


def test_what_a_format_raises_without_any_row_is_raised():
    """No row is to blame, though each fails as well."""
    with pytest.raises(ZeroDivisionError):
        unwritable(Listing(lambda _: True), dataset(*ROWS), "train", "listing")


def test_what_only_rows_together_provoke_is_no_rows():
    """None of them is named."""
    assert unwritable(Listing(lambda names: len(names) > 1), dataset(*ROWS), "train", "listing") == {}


def test_a_format_that_fails_at_many_rows_is_at_fault_itself():
    """The error names it, how many there are, and a few of them as text that a terminal may be shown."""
    rows = [sample(name=f"\x1b{number:03}") for number in range(MOST + 2)]
    with pytest.raises(LabelsnapError) as caught:
        unwritable(Listing(bool), dataset(*rows), "train", "listing")
    assert (caught.value.code, caught.value.exit_status) == ("format_fails", 1)
    assert f"the format listing fails at {MOST + 1} rows (row-\\x1b000: Zero" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_what_is_no_rows_matter_is_raised():
    """A store that refuses an image ends the run, and says so."""

    def refused(_):
        raise StorageRefusedError("no", remedy="none", code="refused")

    source = replace(dataset(*ROWS), read_image=refused)
    with pytest.raises(StorageRefusedError):
        unwritable(format_of("webdataset", {}), source, "train", "listing")


def test_a_row_that_lacks_what_a_format_asks_of_a_dataset_is_none():
    """Classification asks for its question in any row, and finds it not in this one alone."""
    asked, other = (label(answers=[radio(question, "yes")]) for question in ("time of day", "weather"))
    source = dataset(sample(asked, name="a"), sample(other, name="b"))
    each = format_of("yolo", {"task": "classify", "question": "time of day"})
    with pytest.raises(ConfigurationError):
        files_of(each, dataset(sample(other, name="b")), "train")
    assert unwritable(each, source, "train", "listing") == {}


def test_buckets_of_rows_that_formats_failed_at_are_built_again():
    """Those alone that have rows just found, each without all of its own; of two faults of a row one is told."""
    inputs = [BucketInput(index, 4, "", 1) for index in range(4)]
    formats = [
        FormatReceipt(name, (), (), Uploads(), {row: name}) for name, row in (("a", "x"), ("b", "x"), ("c", "y"))
    ]
    found = failed_at(formats)
    assert found == {"x": "a", "y": "c"}
    first = list(without(inputs, found, found))
    assert sorted(row for each in first for row in each.unwritable) == ["x", "y"]
    (again,) = without(inputs, ["y"], found)
    assert again in first


def test_what_was_asked_for_when_a_bucket_was_built_first_counts():
    """Requests and bytes of both times are added up; rows are those of the second."""
    tally = Tally(published=3, requests={"images": 3, "retries": 1}, downloaded=30)
    first = BucketReceipt(0, (), (), tally, Census(), (), ())
    second = structs.replace(first, tally=Tally(published=2, problems=1, requests={"retries": 1}, downloaded=1))
    found = built_again(second, first).tally
    assert (found.published, found.problems, found.requests, found.downloaded) == (
        2,
        1,
        {"images": 3, "retries": 2},
        31,
    )
    assert built_again(second, None) == second
