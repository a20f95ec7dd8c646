"""One bucket: every line ends in exactly one place."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.build import BucketBuilder
from labelsnap.buckets.reading import NOTHING, read_earlier, table_path
from labelsnap.buckets.receipt import BucketInput, Tally, add_up
from labelsnap.buckets.rows.fetch import Fetcher, object_path
from labelsnap.buckets.rows.reuse import Reuse
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.records.choices.policy import Policy
from labelsnap.records.choices.splits import Split
from labelsnap.records.lines.fingerprint import fingerprint
from labelsnap.records.lines.moments import BEFORE_ALL
from labelsnap.records.model import Source
from labelsnap.records.parsing.identity import row_id
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.schema import OF_SOURCES
from labelsnap.records.tables.tables import write_table
from labelsnap.snapshots.tables.bucket_tables import read_table
from labelsnap.snapshots.tables.table_columns import BUCKET_TABLES, without_rows
from labelsnap.snapshots.writing.draft import Draft, Uploads
from labelsnap.storage import open_store
from tests.examples import of_a_hundred

WRITTEN = BUCKET_TABLES - OF_SOURCES.keys() - {"left"}
"""The tables that a first bucket always has; of several sources, and of rows that left, it has none without rows."""
REFERENCE = Path(__file__).parents[1] / "records" / "reference" / "project_row.json"
PROJECT = "cltd3vkju021907u63w2odj69"


def row(identifier, *, activity="2024-04-08T16:34:01.000+00:00", project=PROJECT, skipped=False, empty=False, labels=1):
    """The reference document's project row without its masks, under another id, with so many labels."""
    line = json.loads(REFERENCE.read_bytes())
    line["data_row"]["id"] = identifier
    line["data_row"]["details"]["last_activity_at"] = activity
    entry = line["projects"].pop(PROJECT)
    for label in entry["labels"]:
        objects = [each for each in label["annotations"]["objects"] if "mask" not in each]
        label["annotations"]["objects"] = [] if empty else objects
        label["annotations"]["relationships"] = [] if empty else label["annotations"]["relationships"]
        if empty:
            label["annotations"]["classifications"] = []
        label["performance_details"]["skipped"] = skipped
    entry["labels"] = [entry["labels"][0] | {"id": f"label-{index}"} for index in range(labels)]
    line["projects"][project] = entry
    return json.dumps(line).encode()


def odd(identifier, **changes):
    """A row with trifles: a question without an answer, half a character, two fields that cannot be read."""
    line = json.loads(row(identifier))
    (entry,) = line["projects"].values()
    entry["project_details"]["priority"] = "high"
    entry["labels"][0]["annotations"]["classifications"].append({"name": "weather", "radio_answer": None})
    line["media_attributes"]["exif_rotation"] = "undefined"
    line["data_row"]["external_id"] = "half \ud83d"
    return json.dumps(line | changes).encode()


def build(
    lines,
    directory,
    *,
    policy=None,
    base=BasePart(),  # noqa: B008 - it is frozen
    place=(0, 1),
    taken=NOTHING,
    unwritable=None,
    told=True,
    images="reference",
):
    """What a bucket of these lines, in its place of so many, comes to; ``told``: by what the base tells of its rows.

    What is no list of lines has their numbers too.
    """
    with Downloader(
        api_key="",
        rest_endpoint="https://api.labelbox.com/api/v1",
        allow_hosts=frozenset(),
        connections=1,
        pace=Pace(1),
    ) as downloader:
        store = open_store(Path(directory, "store").as_uri())
        builder = BucketBuilder(
            store=store,
            draft=Draft(store, base),
            policy=policy or Policy(Source("project", PROJECT), empty="exclude"),
            keep_embeddings=False,
            earlier=read_earlier(store, base, place if told else None),
            fetcher=Fetcher(
                downloader=downloader,
                directory=Path(directory),
                images=images,
                split=Split(),
                group_by=None,
                max_image_bytes=1,
                max_image_pixels=10_000_000,
                max_mask_bytes=1,
            ),
            threads=2,
            taken=taken,
        )
        bucket = BucketInput(*place, lines_key="", lines=len(lines), unwritable=unwritable or {})
        return builder.build(bucket, list(enumerate(lines, start=1)) if isinstance(lines, list) else lines)


def reuse(earlier, *, taken=NOTHING, until=BEFORE_ALL, images="reference"):
    """What may be taken over of an earlier snapshot."""
    return Reuse(earlier, taken, images=images, orientation="declared", masks="composite", until=until)


ids = st.sampled_from(["row-a", "row-b", "row-c", "row-d"])
lines_of_any_kind = st.one_of(
    st.builds(row, ids),
    st.builds(row, ids, activity=st.sampled_from(["2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z"])),
    st.builds(row, ids, project=st.just("another-project")),
    st.builds(row, ids, skipped=st.just(value=True)),
    st.builds(row, ids, empty=st.just(value=True)),
    st.builds(row, ids, labels=st.integers(0, 3)),
    st.builds(row, ids).map(lambda line: line[: len(line) // 2]),
    st.builds(odd, ids),
    st.sampled_from([b"", b"null", b"[]", b'"text"', b"{}", b'{"data_row": {"id": "row-a"}}', b'{"DataRow ID": "x"}']),
    st.binary(max_size=60),
)


@settings(max_examples=of_a_hundred(25), deadline=None)
@given(st.lists(lines_of_any_kind, max_size=12))
def test_every_line_is_published_excluded_or_a_problem(lines):
    """Any mixture of valid, repeated, broken and foreign lines adds up, each line counted once."""
    with TemporaryDirectory() as directory:
        receipt = build(lines, directory)
    assert receipt.tally.rows == len(lines)


def test_of_two_lines_of_one_row_the_one_with_the_latest_activity_stays(tmp_path):
    """The other is excluded as a duplicate, whichever comes first."""
    old, new = (row("row", activity=f"{year}-01-01T00:00:00Z") for year in (2023, 2025))
    for number, lines in enumerate(([old, new], [new, old])):
        (tmp_path / str(number)).mkdir()
        tally = build(lines, tmp_path / str(number)).tally
        assert (tally.published, tally.excluded) == (1, {"duplicate": 1})


@pytest.mark.parametrize("alike", [True, False])
def test_rows_as_they_were_are_taken_from_the_version_before(tmp_path, alike):
    """Beside one that changed, one that is new and one that is no row any more; the tables are those made anew."""
    before = build([row(name) for name in ("row-a", "row-b", "row-c", "row-d")], tmp_path)
    lines = [row("row-e"), row("row-a"), row("row-b", activity="2025-01-01T00:00:00Z"), b"{", row("row-d")]
    receipt = build(lines, tmp_path, base=BasePart(before.files, before.packs, alike))
    assert (receipt.tally.reused_rows, receipt.tally.published, receipt.changed) == (2, 4, ("row-b", "row-e"))
    assert [file.sha256 for file in receipt.files] == [file.sha256 for file in build(lines, tmp_path).files]


@settings(max_examples=of_a_hundred(25), deadline=None)
@given(st.lists(lines_of_any_kind, max_size=8), st.lists(lines_of_any_kind, max_size=8), st.booleans(), st.booleans())
def test_whatever_stands_already_a_bucket_comes_to_what_its_lines_do(earlier, lines, alike, told):
    """Files, counts and classes are those of the lines alone; sums may differ by the order in which they were made."""
    policy = Policy(Source("project", PROJECT), classes={"polyline": None})
    with TemporaryDirectory() as directory:
        before = build(earlier, directory, policy=policy)
        base = BasePart(before.files, before.packs, alike)
        found = build(lines, directory, policy=policy, base=base, told=told)
        alone = build(lines, directory, policy=policy)
    assert [file.sha256 for file in found.files] == [file.sha256 for file in alone.files]
    assert (found.census, found.seen) == (alone.census, alone.seen)
    assert counts(found.tally) == counts(alone.tally)
    assert {each.group: pytest.approx(each.amounts) for each in found.measures} == {
        each.group: each.amounts for each in alone.measures
    }


def counts(tally):
    """What a tally says of the lines, and not of what it took to read them."""
    return replace(tally, reused_rows=0, requests={}, downloaded=0, uploads=Uploads())


@pytest.mark.parametrize("alike", [True, False])
def test_rows_are_taken_from_however_many_buckets_they_were_in(tmp_path, alike):
    """Where the number of buckets halves or doubles, each bucket's tables are those of its lines alone."""
    lines = [row("row-a"), row("row-b", labels=2), row("row-c"), row("row-d")]
    odd, even = lines[::2], lines[1::2]
    one = build(lines, tmp_path)
    two = [build(each, tmp_path, place=(index, 2)) for index, each in enumerate((odd, even))]
    base = BasePart((*two[0].files, *two[1].files), alike=alike)
    assert build(lines, tmp_path, base=base).files == one.files
    base = BasePart(one.files, alike=alike)
    found = [build(each, tmp_path, place=(index, 2), base=base) for index, each in enumerate((odd, even))]
    assert [each.files for each in found] == [each.files for each in two]
    assert [each.tally.reused_rows for each in found] == [2, 2]


def test_what_policies_left_out_of_rows_stands_with_them(tmp_path):
    """Rows that are taken over count as they did, and their bucket's files are those of the version before."""
    policy = Policy(Source("project", PROJECT), classes={"polyline": None})
    lines = [row("row-a", labels=2), row("row-b", labels=3)]
    before = build(lines, tmp_path, policy=policy)
    after = build(lines, tmp_path, policy=policy, base=BasePart(before.files, before.packs, alike=True))
    assert after.tally.labels_excluded == before.tally.labels_excluded == {"not_selected": 3}
    assert after.tally.annotations_dropped == before.tally.annotations_dropped == {"polyline": 2}
    assert (after.tally.reused_rows, after.changed, after.files) == (2, (), before.files)


def test_rows_are_told_to_be_unchanged_by_their_lines(tmp_path):
    """Only where they would be written as they were, and never a row of several lines: one must be chosen."""
    a, b, c = (row(name) for name in ("row-a", "row-b", "row-c"))
    before = build([a, b, c], tmp_path)
    store = open_store((tmp_path / "store").as_uri())
    lines = [(3, b), (4, row("row-c", labels=2)), (5, a), (6, a), (7, row("row-d")), (8, b"{")]
    found = reuse(read_earlier(store, BasePart(before.files, alike=True))).of_lines(lines)
    assert found.kept == {3: "row-b"}
    assert found.against == {4: "changed", 5: "several_lines", 6: "several_lines", 7: "new", 8: "new"}
    for base in (BasePart(before.files, alike=False), BasePart(alike=True)):
        found = reuse(read_earlier(store, base)).of_lines(lines)
        assert (found.kept, set(found.against.values())) == ({}, {"otherwise"})


def test_a_line_is_looked_at_once(tmp_path, monkeypatch):
    """Its row id and its fingerprint, whether its row stands, is new, has changed, or it is refused."""
    before = build([row("row-a"), row("row-b")], tmp_path)
    looked = Counter()

    def counted(name, take):
        return lambda line: (looked.update([(name, line)]), take(line))[1]

    for name, take in (("row_id", row_id), ("fingerprint", fingerprint)):
        for module in ("labelsnap.buckets.rows.reuse", "labelsnap.records.parsing.parse"):
            monkeypatch.setattr(f"{module}.{name}", counted(name, take))
    lines = [row("row-a"), row("row-b", labels=2), row("row-c"), row("row-d")[:-9]]
    after = build(lines, tmp_path, base=BasePart(before.files, before.packs, alike=True))
    assert (after.tally.reused_rows, after.tally.published, after.tally.problems) == (1, 3, 1)
    assert looked == Counter((name, line) for name in ("row_id", "fingerprint") for line in lines)


@pytest.mark.parametrize("alike", [True, False])
def test_what_was_noted_of_rows_is_counted_also_when_they_stand(tmp_path, alike):
    """Every row of trifles is published; their counts come from the tables, whoever wrote these."""
    lines = [odd("row-a"), b"\xef\xbb\xbf" + odd("row-b", attachments=[None]) + b"\r", row("row-c")]
    before = build(lines, tmp_path)
    counts = {"answers.unanswered": 2, "fields.unreadable": 5, "text.replaced": 2}
    assert before.tally.noted.items() >= counts.items()
    assert (before.tally.published, before.tally.problems) == (3, 0)
    after = build(lines, tmp_path, base=BasePart(before.files, before.packs, alike))
    assert (after.tally.reused_rows, after.changed, after.tally.noted) == (3, (), before.tally.noted)
    assert [file.sha256 for file in after.files] == [file.sha256 for file in before.files]


def test_rows_of_a_version_before_there_was_anything_to_note_are_taken_over(tmp_path):
    """An earlier snapshot without the tables of what was noted gives its rows' images and masks all the same."""
    before = build([row("row-a"), odd("row-b")], tmp_path)
    files = tuple(file for file in before.files if not re.match(r"tables/(unanswered|unreadable)/", file.path))
    after = build([row("row-a"), odd("row-b")], tmp_path, base=BasePart(files, before.packs))
    assert after.tally.reused_rows == 2
    assert after.files == before.files


@pytest.mark.parametrize(
    ("line", "policy"),
    [
        (row("r", project="another-project"), "not_selected_project"),
        (row("r", skipped=True), "skipped"),
        (row("r", empty=True), "empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_excluded_row_is_counted_under_its_policy(tmp_path, line, policy):
    """The keys are the contract's."""
    assert build([line], tmp_path).tally.excluded == {policy: 1}


def test_tallies_add_up():
    """Numbers and counts by kind are summed, zeros left out."""
    whole = add_up(
        [
            Tally(published=2, excluded={"skipped": 1}, labels_excluded={"skipped": 3, "not_selected": 1}),
            Tally(published=1, problems=4, labels_excluded={"skipped": 2}, requests={"retries": 0}),
        ]
    )
    assert (whole.published, whole.problems, whole.rows) == (3, 4, 8)
    assert whole.labels_excluded == {"not_selected": 1, "skipped": 5}
    assert whole.requests == {}


def test_an_objects_path_is_a_json_path_whatever_its_id():
    """Quotes and backslashes in an id are escaped as RFC 9535 asks."""
    assert object_path("a'b\\c", "mask.url") == "$..objects[?@.feature_id=='a\\'b\\\\c'].mask.url"


def test_activity_is_compared_as_instants(tmp_path):
    """Half a second later is later, though its text sorts before."""
    lines = [row("row", activity=f"2024-04-08T10:00:00{fraction}Z", labels=n) for fraction, n in (("", 1), (".500", 2))]
    for number, ordered in enumerate((lines, lines[::-1])):
        (tmp_path / str(number)).mkdir()
        assert build(ordered, tmp_path / str(number)).tally.labels_excluded == {"not_selected": 1}


@pytest.mark.parametrize(
    "broken", [row("row")[:-1] + b', "projects": "none"}', row("row")[:-100]], ids=["wrong", "cut"]
)
@pytest.mark.parametrize(("mended", "problems"), [(True, 0), (False, 1)])
def test_a_broken_line_whose_row_comes_well_later_was_mended(tmp_path, mended, problems, broken):
    """It is a repetition then; one that comes after the whole line is a problem."""
    tally = build([broken, row("row")] if mended else [row("row"), broken], tmp_path).tally
    assert (tally.published, tally.problems) == (1, problems)
    assert tally.excluded == ({"duplicate": 1} if mended else {})


def test_rows_that_a_broken_off_run_fetched_are_reused_though_no_version_has_them(tmp_path):
    """The files are those made anew; they count as changed, and not as reused, against the version before."""
    base = build([row("row-a")], tmp_path)
    lines = [row("row-a"), row("row-b"), row("row-c", activity="2025-01-01T00:00:00Z")]
    broken_off = build([row("row-b"), row("row-c")], tmp_path)
    store = open_store((tmp_path / "store").as_uri())
    before = BasePart(base.files, base.packs, alike=True)
    taken = read_earlier(store, BasePart(broken_off.files, broken_off.packs))
    alone = build(lines, tmp_path, base=before)
    found = build(lines, tmp_path, base=before, taken=taken)
    standing = taken.standing([parse(line, Source("project", PROJECT), number=1) for line in lines])
    assert standing.keys() == {"row-b", "row-c"}
    assert [row for row in standing if standing[row].fingerprint in map(fingerprint, lines)] == ["row-b"]
    assert (found.files, found.changed, found.tally.reused_rows) == (alone.files, ("row-b", "row-c"), 1)


def test_a_referenced_image_of_more_pixels_than_allowed_is_a_problem(tmp_path):
    """Its size is what the export declares; no label map of it is ever made."""
    declared = {"height": 2**31 - 1, "width": 2**31 - 1, "mime_type": "image/jpeg"}
    line = json.dumps(json.loads(row("large")) | {"media_attributes": declared}).encode()
    receipt = build([line, row("small")], tmp_path)
    assert (receipt.tally.published, receipt.tally.problem_codes) == (1, {"image_too_large": 1})


def with_polygons(identifier, width, *rings):
    """A row of an image so wide, whose only objects are these polygons."""
    line = json.loads(row(identifier))
    (entry,) = line["projects"].values()
    annotations = entry["labels"][0]["annotations"]
    annotations["relationships"] = []
    annotations["objects"] = [
        {
            "feature_id": f"f-{place}",
            "feature_schema_id": "schema",
            "name": "road",
            "annotation_kind": "ImagePolygon",
            "polygon": [{"x": x, "y": y} for x, y in ring],
        }
        for place, ring in enumerate(rings)
    ]
    line["media_attributes"] |= {"width": width, "height": 100}
    return json.dumps(line).encode()


def test_polygons_that_go_to_and_fro_without_end_are_a_problem(tmp_path):
    """Each edge crosses the whole image, so that drawing them would take minutes; one as long is none by itself."""
    to_and_fro = [(place % 2 * 10_000, place / 12) for place in range(1100)]
    many = [(place / 1000, place % 7) for place in range(3000)]
    lines = [
        with_polygons("row-a", 10_000, to_and_fro, to_and_fro),
        with_polygons("row-b", 10_000, to_and_fro),
        with_polygons("row-c", 10_000, many, many),
    ]
    receipt = build(lines, tmp_path)
    assert (receipt.tally.published, receipt.tally.problem_codes) == (2, {"polygons_too_long": 1})


def tables_of(receipt):
    """The tables that a bucket has files of."""
    return {file.path.split("/")[1] for file in receipt.files if file.path.startswith("tables/")}


def test_a_table_without_rows_is_written_by_the_first_bucket_alone(tmp_path):
    """So that each table has a file to be found by, and no more requests are spent on what says nothing."""
    first, second = (build([row("row-a")], tmp_path, place=(index, 2)) for index in range(2))
    assert tables_of(first) == WRITTEN
    assert tables_of(second) < tables_of(first)
    assert {"data_rows", "labels", "annotations", "images"} < tables_of(second)
    assert not {"predictions", "embeddings", "problems", "unanswered"} & tables_of(second)
    assert tables_of(build([], tmp_path, place=(0, 2))) == WRITTEN
    assert build([], tmp_path, place=(1, 2)).files == ()


@pytest.mark.parametrize("alike", [True, False])
def test_a_bucket_is_built_upon_one_that_lacks_tables(tmp_path, alike):
    """The same rows come to the same files, and a row that has something to say brings its table."""
    before = build([row("row-a"), row("row-b")], tmp_path, place=(1, 2))
    base = BasePart(before.files, before.packs, alike)
    same = build([row("row-a"), row("row-b")], tmp_path, place=(1, 2), base=base)
    assert (same.files, same.census) == (before.files, before.census)
    told = build([row("row-a"), odd("row-b")], tmp_path, place=(1, 2), base=base)
    assert tables_of(told) == tables_of(before) | {"unanswered", "unreadable"}
    assert told.files == build([row("row-a"), odd("row-b")], tmp_path, place=(1, 2)).files


@pytest.mark.parametrize("alike", [True, False])
def test_files_of_tables_without_rows_stay_where_a_version_has_them(tmp_path, alike):
    """As every bucket of earlier versions had one of each: a dataset that did not change is no new version."""
    found = build([row("row-a")], tmp_path, place=(1, 2))
    draft = Draft(open_store((tmp_path / "store").as_uri()))
    empty = [
        draft.add_file(table_path(name, 1, 2), write_table(without_rows(name)))
        for name in sorted(WRITTEN - tables_of(found))
    ]
    files = tuple(sorted([*found.files, *empty], key=lambda file: file.path))
    built = build([row("row-a")], tmp_path, place=(1, 2), base=BasePart(files, found.packs, alike))
    assert built.files == files
    assert built.census == found.census


def test_a_table_without_rows_is_not_asked_for(tmp_path):
    """Its hash tells that there is nothing in it, whoever wrote it."""
    receipt = build([row("row-a")], tmp_path)
    store = open_store((tmp_path / "store").as_uri())
    for file in receipt.files:
        if "/predictions/" in file.path:
            store.delete(file.key)
            assert read_table(store, file, ("data_row_id", "mask")).column_names == ["data_row_id", "mask"]
            assert len(read_table(store, file)) == 0
