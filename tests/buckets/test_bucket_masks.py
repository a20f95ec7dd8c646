"""Masks of one label that lie over each other, by either rule: which pixels each has, and what is asked for."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.build import BucketBuilder
from labelsnap.buckets.errors import RowError
from labelsnap.buckets.noted import blocks_of, noted
from labelsnap.buckets.reading import NOTHING, read_earlier
from labelsnap.buckets.receipt import BucketInput
from labelsnap.buckets.rows.fetch import Fetcher
from labelsnap.buckets.rows.images import StoredImages, images_table, row_image
from labelsnap.buckets.rows.reuse import Reuse
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.choices.splits import Split
from labelsnap.records.geometry import Mask, Overlap
from labelsnap.records.lines.moments import BEFORE_ALL
from labelsnap.records.model import Source
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.carry import Standing
from labelsnap.records.tables.tables import from_tables, standing_of, to_tables
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.storage import open_store
from tests.golden import remake_before_orientation as before
from tests.images.image_samples import encoded

SOURCE = Source("project", before.PROJECT)
SIZE = (100, 80)
"""Width and height of every picture."""
RECTANGLES = {
    "low": (0, 0, 50, 50),
    "high": (30, 0, 50, 50),
    "hidden": (60, 10, 20, 20),
    "free": (0, 60, 10, 10),
    "half": (20, 40, 20, 20),
}
"""Left, top, width and height by feature id: of low 1,000 pixels lie under high, of half 200 under low and high."""
COLOURS = {name: (place + 1, 9, 200) for place, name in enumerate(RECTANGLES)}
ROW = "side_jpg"
TASK = "https://api.example/api/v1/tasks/{}/masks/c"


def own(name):
    """An instance's own picture."""
    return encoded("PNG", painted((name, 255)))


def composite(*names, **colours):
    """The composite of these instances, the last on top; ``colours`` are others than those declared."""
    return encoded("PNG", painted(*((name, colours.get(name, COLOURS[name])) for name in names), depth=(3,)))


def painted(*layers, depth=()):
    """Rectangles over each other."""
    pixels = np.zeros((*SIZE[::-1], *depth), np.uint8)
    for name, value in layers:
        left, top, width, height = RECTANGLES[name]
        pixels[top : top + height, left : left + width] = value
    return pixels


class Given:
    """Stands in for a downloader: instances' own pictures, and a composite, if there is one."""

    def __init__(self, shown=None):
        self.pictures = {name: own(name) for name in RECTANGLES} | ({"c": shown} if shown else {})
        self.asked = []
        self.counts = SimpleNamespace(retries=0, bytes=0)

    def check_reference(self, _url):
        """Refuse nothing."""

    def mask(self, url, **_):
        """Give what lies at the end of the address."""
        name = url.rpartition("/")[2]
        self.asked.append(name)
        if name not in self.pictures:
            raise DownloadError("http_404", "not found")
        return self.pictures[name]


def line(*names, task="t1", colours=(), alone=(), whole=()):
    """A row of masks, in a composite but for those that are ``whole``; those ``alone`` have no URL of their own."""
    row = json.loads(before.line("side.jpg"))
    row["media_attributes"] = dict(zip(("width", "height"), SIZE, strict=True))
    (project,) = row["projects"].values()
    (label,) = project["labels"]
    label["annotations"]["objects"] = [
        {"annotation_kind": "ImageSegmentationMask", "name": name, "classifications": [], "feature_id": name}
        | ({} if name in alone else {"mask": {"url": f"https://api.example/masks/{name}"}})
        | (
            {}
            if name in whole
            else {
                "composite_mask": {"url": TASK.format(task), "color_rgb": list(dict(colours).get(name, COLOURS[name]))}
            }
        )
        for name in names
    ]
    return json.dumps(row).encode()


def record(*names, classes=None, **options):
    """The row as it is published; ``options`` are those of ``line``."""
    policy = Policy(SOURCE, classes=dict(classes or {}))
    return select(parse(line(*names, **options), SOURCE, number=1), policy)


def fetcher_of(given, rule):
    """What fetches masks by a rule, of images that are not copied."""
    return Fetcher(
        downloader=given,
        directory=None,
        images="reference",
        split=Split(),
        group_by=None,
        max_image_bytes=1 << 20,
        max_image_pixels=1 << 20,
        max_mask_bytes=1 << 20,
        masks=rule,
    )


def fetched(given, row, standing=None, rule="composite"):
    """The row complete."""
    fetcher = fetcher_of(given, rule)
    reuse = Reuse(NOTHING, NOTHING, fetcher.images, fetcher.orientation, fetcher.masks, until=BEFORE_ALL)
    return fetcher.fetch(row, Counter(), reuse.of_record(row, standing))


def tables_of(sample):
    """The tables of a bucket of this row."""
    return to_tables([sample]) | {"images": images_table([row_image(sample)], StoredImages({}))}


def masks_of(sample):
    """The masks by feature id."""
    (label,) = sample.record.entry.labels
    assert label.beside == ()
    return {each.feature_id: each.geometry for each in label.annotations}


def areas(sample):
    """The masks' areas by feature id."""
    return {name: mask.runs.area for name, mask in masks_of(sample).items()}


def overlaps(sample):
    """What is known of each mask's overlaps, by feature id."""
    told = {name: mask.overlap for name, mask in masks_of(sample).items()}
    return {name: overlap and (overlap.covered, overlap.shared) for name, overlap in told.items()}


def counts(sample):
    """What is noted of the row's masks, without zeros."""
    return {name: number for name, number in blocks_of(noted(tables_of(sample)))["masks"].items() if number}


def standing(sample, **changes):
    """What an earlier version holds of a sample, by way of its tables."""
    (found,) = standing_of(tables_of(sample)).values()
    return replace(found, **changes)


def built(given, directory, *, rule, base=None, taken=None, alike=False):
    """The bucket of one row, upon a bucket that stands, ``alike`` or not, and with what a broken-off run built."""
    store = open_store((directory / "store").as_uri())
    parts = [BasePart(each.files, each.packs, alike) if each else BasePart() for each in (base, taken)]
    builder = BucketBuilder(
        store=store,
        draft=Draft(store, parts[0]),
        policy=Policy(SOURCE),
        keep_embeddings=False,
        earlier=read_earlier(store, parts[0]),
        taken=read_earlier(store, parts[1]),
        fetcher=fetcher_of(given, rule),
        threads=1,
    )
    return builder.build(BucketInput(0, 1, lines_key="", lines=1), [(1, line("low", "high"))])


def test_pixels_belong_to_what_the_composite_shows():
    """An instance that it hides has none, one that it cuts those that are seen; the hidden one alone is asked for."""
    given = Given(composite("low", "hidden", "high"))
    sample = fetched(given, record("low", "hidden", "high"))
    assert areas(sample) == {"low": 1500, "hidden": 0, "high": 2500}
    assert overlaps(sample) == {"low": None, "hidden": (400, 0), "high": None}
    assert given.asked == ["c", "hidden"]
    assert counts(sample) == {"hidden": 1}


def test_an_instance_that_the_composite_lacks_has_what_is_free():
    """All of it where it shows nothing there, and else what it does not show of others."""
    given = Given(composite("low", "high"))
    sample = fetched(given, record("low", "high", "free", "half"))
    assert areas(sample) == {"low": 1500, "high": 2500, "free": 100, "half": 200}
    assert overlaps(sample) == {"low": None, "high": None, "free": (0, 0), "half": (200, 0)}
    assert counts(sample) == {"cut": 1}


def test_colours_that_no_object_has_cover_nothing():
    """An instance that is painted in another colour than is declared comes whole."""
    sample = fetched(Given(composite("low", "high", low=(77, 77, 77))), record("low", "high"))
    assert areas(sample) == {"low": 1500, "high": 2500}
    sample = fetched(Given(composite("high", high=(77, 77, 77))), record("high", "hidden"))
    assert areas(sample) == {"high": 2500, "hidden": 400}


def test_two_instances_of_one_colour_lack_what_others_show():
    """Each is its own picture without the pixels of a third colour; what the two share they both have."""
    colours = {"half": COLOURS["low"]}
    given = Given(composite("low", "half", "high", **colours))
    sample = fetched(given, record("low", "half", "high", colours=colours))
    assert areas(sample) == {"low": 1500, "half": 300, "high": 2500}
    assert overlaps(sample) == {"low": (1000, 100), "half": (100, 100), "high": None}
    assert given.asked == ["c", "low", "half"]
    assert counts(sample) == {"cut": 2, "overlapping": 2}


def test_an_instance_without_a_picture_of_its_own_must_be_shown():
    """One that is hidden and one that shares its colour are problems; nobody can tell what they are."""
    for shown, colours in (
        (composite("low", "hidden", "high"), {}),
        (composite("low", "hidden"), {"low": COLOURS["hidden"]}),
    ):
        for rule in ("composite", "instance"):
            with pytest.raises(RowError) as caught:
                fetched(Given(shown), record("low", "hidden", "high", colours=colours, alone=["hidden"]), rule=rule)
            assert caught.value.code == "mask_not_in_composite"
            assert caught.value.path == "$..objects[?@.feature_id=='hidden'].composite_mask"


@pytest.mark.parametrize("shown", [None, b"\x89PNG\r\n\x1a\n", encoded("PNG", np.zeros((3, 3, 3), np.uint8))])
def test_without_a_composite_that_can_be_used_masks_are_whole(shown):
    """Gone, cut, or of another size: each instance comes by its own URL, and what they share is counted."""
    given = Given(shown)
    sample = fetched(given, record("low", "hidden", "high"))
    assert areas(sample) == {"low": 2500, "hidden": 400, "high": 2500}
    assert overlaps(sample) == {"low": (None, 1000), "hidden": (None, 400), "high": (None, 1400)}
    assert given.asked == ["c", "low", "hidden", "high"]
    assert counts(sample) == {"overlapping": 3, "without_composite": 3}


def test_whole_masks_come_one_by_one():
    """By ``instance`` no composite is asked for, and nothing is cut."""
    given = Given(composite("low", "hidden", "high"))
    sample = fetched(given, record("low", "hidden", "high"), rule="instance")
    assert areas(sample) == {"low": 2500, "hidden": 400, "high": 2500}
    assert given.asked == ["low", "hidden", "high"]
    assert counts(sample) == {"overlapping": 3}


def test_of_whole_masks_the_composite_serves_those_without_an_own_picture():
    """They are what it shows of them, and are counted; the others are whole all the same."""
    given = Given(composite("low", "hidden", "high"))
    sample = fetched(given, record("low", "hidden", "high", alone=["low"]), rule="instance")
    assert areas(sample) == {"low": 1500, "hidden": 400, "high": 2500}
    assert given.asked == ["c", "hidden", "high"]
    assert counts(sample) == {"overlapping": 2, "from_composite": 1}
    with pytest.raises(RowError) as caught:
        fetched(Given(), record("low", "high", alone=["low"]), rule="instance")
    assert caught.value.code == "mask_composite_expired"


def test_a_mask_that_is_in_no_composite_is_whole_by_either_rule():
    """Beside others that are cut."""
    for rule, low in (("composite", 1500), ("instance", 2500)):
        sample = fetched(Given(composite("low", "high")), record("low", "high", "hidden", whole=["hidden"]), rule=rule)
        assert areas(sample) == {"low": low, "high": 2500, "hidden": 400}
        assert overlaps(sample)["hidden"] == (0, 400)


def test_instances_of_dropped_classes_lie_over_others():
    """The composite shows them, so that pixels under them are theirs, and a colour of theirs is not another's alone."""
    given = Given(composite("low", "hidden", "high"))
    sample = fetched(given, record("low", "hidden", "high", classes={"high": None}))
    assert areas(sample) == {"low": 1500, "hidden": 0}
    colours = {"free": COLOURS["low"]}
    shown = composite("low", "free", "high", **colours)
    sample = fetched(Given(shown), record("low", "free", "high", colours=colours, classes={"free": None}))
    assert areas(sample) == {"low": 1500, "high": 2500}


def test_masks_that_stand_lie_over_those_that_come_anew():
    """A class that is not dropped any more has the pixels that it had beside the others; those are not asked for."""
    row = {"names": ("low", "hidden", "high")}
    given = Given(composite(*row["names"]))
    earlier = fetched(given, record(*row["names"], classes={"hidden": None}))
    given.asked.clear()
    sample = fetched(given, record(*row["names"], task="t2"), standing(earlier))
    assert areas(sample) == {"low": 1500, "hidden": 0, "high": 2500}
    assert given.asked == ["c", "hidden"]


@pytest.mark.parametrize(("first", "then"), [("composite", "instance"), ("instance", "composite")])
def test_masks_of_another_rule_are_made_anew(first, then):
    """But for those that are in no composite; by the same rule nothing is asked for."""
    names = ("low", "hidden", "high", "free")
    row, given = record(*names, whole=["free"]), Given(composite("low", "hidden", "high"))
    earlier = fetched(given, row, rule=first)
    given.asked.clear()
    assert fetched(given, row, standing(earlier), rule=first) == earlier
    assert given.asked == []
    sample = fetched(given, row, standing(earlier), rule=then)
    assert sample == fetched(Given(composite("low", "hidden", "high")), row, rule=then)
    assert "free" not in given.asked


def test_masks_that_came_without_their_composite_are_asked_for_again():
    """It alone: where it fails again they stand, and where it comes they are as if it always had been there."""
    names, given = ("low", "hidden", "high"), Given()
    earlier = fetched(given, record(*names))
    given.asked.clear()
    again = fetched(given, record(*names, task="t2"), standing(earlier))
    assert (again, given.asked) == (earlier, ["c"])
    given = Given(composite(*names))
    sample = fetched(given, record(*names, task="t3"), standing(again))
    assert (sample, given.asked) == (fetched(Given(composite(*names)), record(*names)), ["c"])
    assert areas(sample) == {"low": 1500, "hidden": 0, "high": 2500}
    given.asked.clear()
    assert fetched(given, record(*names, task="t4"), standing(sample)) == sample
    assert given.asked == []


@pytest.mark.parametrize("alike", [True, False])
def test_a_row_whose_composite_failed_is_looked_at_each_time(tmp_path, alike):
    """Though its line is the same; nothing is written until the composite comes, and then it is as any other row."""
    first = built(Given(), tmp_path, rule="composite")
    given = Given()
    second = built(given, tmp_path, rule="composite", base=first, alike=alike)
    assert (given.asked, second.changed, second.files) == (["c"], (), first.files)
    assert (second.tally.noted["masks.without_composite"], second.tally.reused_rows) == (2, 1)
    given = Given(composite("low", "high"))
    third = built(given, tmp_path, rule="composite", base=second, alike=alike)
    assert (given.asked, third.changed, third.tally.noted["masks.without_composite"]) == (["c"], (ROW,), 0)
    fourth = built(given, tmp_path, rule="composite", base=third, alike=alike)
    assert (given.asked, fourth.changed) == (["c"], ())


def test_whole_masks_that_stand_are_not_asked_for_by_another_rule():
    """Each is its instance's own image: by ``composite`` that is asked for, and by ``instance`` nothing."""
    names = ("low", "hidden", "high")
    for rule, then, shown, asked in (
        ("instance", "composite", composite(*names), ["c"]),
        ("composite", "instance", None, []),
    ):
        earlier = fetched(Given(shown if rule == "instance" else None), record(*names), rule=rule)
        given = Given(shown)
        sample = fetched(given, record(*names), standing(earlier), rule=then)
        assert given.asked == asked
        assert sample == fetched(Given(shown), record(*names), rule=then)


@pytest.mark.parametrize(("first", "then"), [("composite", "instance"), ("instance", "composite")])
def test_masks_that_only_a_composite_has_stand_by_either_rule(first, then):
    """They are what it shows, also when it is gone."""
    names = ("low", "high")
    earlier = fetched(Given(composite(*names)), record(*names, alone=names), rule=first)
    given = Given()
    sample = fetched(given, record(*names, alone=names), standing(earlier), rule=then)
    assert (masks_of(sample), given.asked, sample.mask_rule) == (masks_of(earlier), [], then)


def test_masks_do_not_share_pixels_with_a_class_that_is_dropped():
    """What masks share is counted anew among those that are left; nothing is asked for."""
    names, given = ("low", "hidden", "high"), Given()
    earlier = fetched(given, record(*names), rule="instance")
    given.asked.clear()
    sample = fetched(given, record(*names, classes={"high": None}), standing(earlier), rule="instance")
    assert (overlaps(sample), given.asked) == ({"low": (0, 0), "hidden": (0, 0)}, [])


def test_masks_of_before_there_was_a_choice_are_made_anew_where_they_overlap():
    """A hidden instance was fetched whole then; rows without one keep their masks."""
    names = ("low", "hidden", "high")
    given = Given(composite(*names))
    cut = masks_of(fetched(given, record(*names)))
    whole = masks_of(fetched(given, record(*names), rule="instance"))
    for found, asked in (
        ({**cut, "hidden": whole["hidden"]}, ["c", "hidden"]),
        ({name: cut[name] for name in ("low", "high")}, []),
    ):
        row = record(*found)
        masks = {("label", "label-side.jpg", name): Mask(each.reference, each.runs) for name, each in found.items()}
        made = fetched(given, row)
        stands = Standing(row.fingerprint, row.data_row.row_data, made.split, made.image, masks)
        given.asked.clear()
        sample = fetched(given, row, stands)
        assert given.asked == asked
        assert areas(sample) == {name: cut[name].runs.area for name in found}
        assert sample.mask_rule == "composite"


def test_a_damaged_mask_that_stands_is_made_anew_or_named():
    """It never ends the run."""
    names = ("low", "high")
    given, row = Given(composite(*names)), record(*names)
    made = fetched(given, row)
    damaged = {
        ("label", "label-side.jpg", name): Mask(each.reference, replace(each.runs, counts=b"0"))
        for name, each in masks_of(made).items()
    }
    stands = Standing(row.fingerprint, row.data_row.row_data, made.split, made.image, damaged)
    assert fetched(given, row, stands) == made
    damaged.pop(("label", "label-side.jpg", "low"))
    with pytest.raises(RowError) as caught:
        fetched(Given(), row, replace(stands, masks=damaged, mask_rule="composite"))
    assert caught.value.code == "mask_bad_counts"


def test_work_of_a_run_by_the_same_rule_is_taken_before_what_stands_by_another(tmp_path):
    """The version before has the row by ``composite``; what a broken-off run made by ``instance`` is not asked for."""
    given = Given(composite("low", "high"))
    before_it = built(given, tmp_path, rule="composite")
    broken_off = built(given, tmp_path, rule="instance", base=before_it)
    given.asked.clear()
    again = built(given, tmp_path, rule="instance", base=before_it, taken=broken_off)
    assert given.asked == []
    assert (again.files, again.changed) == (broken_off.files, (ROW,))
    assert again.tally.noted["masks.overlapping"] == 2
    assert built(given, tmp_path, rule="instance", base=again).changed == ()


def test_overlaps_stand_in_tables():
    """They come back as they were written, and are unknown in tables of before there were any."""
    sample = fetched(Given(composite("low", "hidden", "high")), record("low", "hidden", "high"))
    tables = tables_of(sample)
    assert list(from_tables(tables)) == [sample]
    old = tables | {
        "data_rows": tables["data_rows"].drop_columns(["mask_rule"]),
        "annotations": tables["annotations"].drop_columns(["mask_overlap"]),
    }
    (read,) = from_tables(old)
    assert (read.mask_rule, set(overlaps(read).values())) == (None, {None})
    (found,) = standing_of(old).values()
    assert (found.mask_rule, {mask.overlap for mask in found.masks.values()}) == (None, {None})
    assert masks_of(sample)["hidden"].overlap == Overlap(400, 0)
