"""Masks of an earlier version are reused on images of their own size alone."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from labelsnap.buckets.reading import NOTHING
from labelsnap.buckets.rows.fetch import Fetcher, RowError
from labelsnap.buckets.rows.reuse import Reuse
from labelsnap.labelbox.downloads.known import ImageAnswer
from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.choices.splits import Split
from labelsnap.records.geometry import Mask
from labelsnap.records.image import Validators
from labelsnap.records.lines.moments import BEFORE_ALL
from labelsnap.records.model import Source
from labelsnap.records.parsing.parse import parse
from labelsnap.records.tables.carry import Standing
from tests.golden import remake_before_orientation as before
from tests.images.image_samples import WIDE, encoded, oriented

TALL = WIDE[::-1]


class Given:
    """Stands in for a downloader: an image on its side, and masks of the sizes given by feature id."""

    def __init__(self, **sizes):
        self.sizes = sizes
        self.asked = []

    def image(self, _url, target, *, check, **_):
        """Write the image and check it, as a downloader does."""
        target.write(oriented("jpeg exif", 6))
        check(target)
        return ImageAnswer(is_known=False, validators=Validators())

    def check_reference(self, _url):
        """Refuse nothing."""

    def mask(self, url, **_):
        """Give the mask that is asked for."""
        name = url.rpartition("/")[2]
        self.asked.append(name)
        width, height = self.sizes[name]
        return encoded("PNG", np.eye(height, width, dtype=np.uint8) * 255)


def record(*masks, declared=()):
    """A row of masks by feature id, and of what is declared of its size."""
    line = json.loads(before.line("side.jpg"))
    line["media_attributes"] = dict(declared)
    objects = {"annotation_kind": "ImageSegmentationMask", "name": "tree", "classifications": []}
    (project,) = line["projects"].values()
    (label,) = project["labels"]
    label["annotations"]["objects"] = [
        objects | {"feature_id": name, "mask": {"url": f"https://example.com/masks/{name}"}} for name in masks
    ]
    policy = Policy(Source("project", before.PROJECT))
    return select(parse(json.dumps(line).encode(), policy.source, number=1), policy)


def fetch(given, directory, row, standing=None, **options):
    """The row complete, on top of what stands of it."""
    fetcher = Fetcher(
        downloader=given,
        directory=directory,
        split=Split(),
        group_by=None,
        max_image_bytes=1 << 20,
        max_image_pixels=1 << 20,
        max_mask_bytes=1 << 20,
        **{"images": "copy"} | options,
    )
    reuse = Reuse(NOTHING, NOTHING, fetcher.images, fetcher.orientation, fetcher.masks, until=BEFORE_ALL)
    return fetcher.fetch(row, Counter(), reuse.of_record(row, standing))


def standing(sample):
    """What an earlier version holds of a sample."""
    row = sample.record
    masks = {
        ("label", label.id, each.feature_id): each.geometry
        for label in row.entry.labels
        for each in label.annotations
        if isinstance(each.geometry, Mask)
    }
    return Standing(row.fingerprint, "https://example.com/signed?old", sample.split, sample.image, masks)


@pytest.mark.parametrize(("first", "then", "size"), [("stored", "upright", WIDE), ("upright", "stored", TALL)])
def test_masks_do_not_stay_on_an_image_that_is_turned_since(tmp_path, first, then, size):
    """They are fetched again, and do not fit; where those that come now fit, they are published."""
    row = record("a")
    stands = standing(fetch(Given(a=size), tmp_path, row, orientation=first))
    with pytest.raises(RowError) as caught:
        fetch(Given(a=size), tmp_path, row, stands, orientation=then)
    assert (caught.value.code, caught.value.path) == (
        "mask_size_mismatch",
        "$..objects[?@.feature_id=='a'].mask.url",
    )
    given = Given(a=size[::-1])
    made = fetch(given, tmp_path, row, stands, orientation=then)
    (label,) = made.record.entry.labels
    runs = label.annotations[0].geometry.runs
    assert (runs.width, runs.height) == (made.image.width, made.image.height) == size[::-1]
    assert given.asked == ["a"]


def test_masks_stay_on_an_image_of_their_size(tmp_path):
    """Made anew or not: nothing is asked for."""
    row, given = record("a"), Given(a=WIDE)
    stands = standing(fetch(given, tmp_path, row))
    for found in (stands, replace(stands, image=replace(stands.image, orientation=None, mime_type="image/tiff"))):
        assert fetch(given, tmp_path, row, found).image == stands.image
    assert given.asked == ["a"]


def test_an_image_that_is_made_anew_is_asked_for_as_it_is_signed_now(tmp_path):
    """The address that stands was signed for an earlier export; it is kept in the tables alone."""
    row = record("a")
    stands = standing(fetch(Given(a=WIDE), tmp_path, row, orientation="stored"))
    urls = []
    given = Given(a=TALL)
    watched = SimpleNamespace(
        image=lambda url, *args, **options: (urls.append(url), given.image(url, *args, **options))[1], mask=given.mask
    )
    made = fetch(watched, tmp_path, row, stands, orientation="upright")
    assert urls == [row.data_row.row_data]
    assert made.record.data_row.row_data == stands.row_data


def test_a_referenced_image_has_the_size_of_masks_that_stand(tmp_path):
    """As it has that of masks that come; a half that is declared must fit."""
    row, given = record("a"), Given(a=WIDE)
    stands = standing(fetch(given, tmp_path, row))
    for found in (stands, None):
        image = fetch(given, tmp_path, row, found, images="reference").image
        assert (image.width, image.height, image.sha256) == (*WIDE, None)
    assert given.asked == ["a", "a"]
    assert fetch(given, tmp_path, record("a", declared={"width": 48}), images="reference").image.height == 32
    with pytest.raises(RowError, match=r"declares 32×\?, its masks have 48×32") as caught:
        fetch(given, tmp_path, record("a", declared={"width": 32}), images="reference")
    assert caught.value.code == "image_size_mismatch"


def test_masks_of_two_sizes_are_no_sample(tmp_path):
    """Where nothing else tells the size of a referenced image, the first mask does."""
    with pytest.raises(RowError, match="32×48 pixels, its image 48×32") as caught:
        fetch(Given(a=WIDE, b=TALL), tmp_path, record("a", "b"), images="reference")
    assert caught.value.code == "mask_size_mismatch"
