"""Which way up the images of a bucket are published, and what of an earlier version is made anew for it."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.receipt import BucketReceipt
from labelsnap.buckets.rows import worn
from labelsnap.buckets.rows.fetch import Fetcher, RowError
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.known import ImageAnswer, Known
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.records.choices.policy import Policy, select
from labelsnap.records.choices.splits import Split
from labelsnap.records.image import Validators
from labelsnap.records.model import Source
from labelsnap.records.parsing.parse import parse
from labelsnap.snapshots.tables.bucket_tables import read_table
from labelsnap.storage import open_store
from tests.buckets.image_server import serving
from tests.golden import remake_before_orientation as before
from tests.images.image_samples import (
    BOX,
    ORIENTATIONS,
    PLACES,
    SQUARE,
    WIDE,
    box_of,
    encoded,
    oriented,
    readers,
    red,
    turned_box,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "before-orientation"
TURNED = {"head_jpg", "side_jpg", "square_png"}
"""The rows of the golden bucket whose images lie on their side or head, and were turned."""
NEVER_ASKED = {"plain_bmp"}
ALWAYS_READ = {"plain_tif"}


@pytest.fixture
def server():
    """A server of images, and a downloader that reaches it."""
    with serving() as (images, downloader):
        yield images, downloader


class Given:
    """Stands in for a downloader: gives one image, whatever is asked for."""

    def __init__(self, body):
        self.body = body

    def image(self, _url, target, *, limit, check, **_):
        """Write the image and check it, as a downloader does."""
        assert len(self.body) <= limit
        target.write(self.body)
        check(target)
        return ImageAnswer(is_known=False, validators=Validators())


def record(box, declared=None):
    """A row with one box on its image, whose size is declared or not."""
    line = json.loads(before.line("side.jpg"))
    line["media_attributes"] = dict(zip(("width", "height"), declared, strict=True)) if declared else {}
    names = ("left", "top", "width", "height")
    (project,) = line["projects"].values()
    project["labels"][0]["annotations"]["objects"][0]["bounding_box"] = dict(zip(names, map(float, box), strict=True))
    policy = Policy(Source("project", before.PROJECT))
    return select(parse(json.dumps(line).encode(), policy.source, number=1), policy)


def fetched(downloader, directory, of, **options):
    """A record complete with its image, and the image's bytes."""
    fetcher = Fetcher(
        downloader=downloader,
        directory=directory,
        images="copy",
        split=Split(),
        group_by=None,
        max_image_bytes=1 << 20,
        max_image_pixels=1 << 20,
        max_mask_bytes=1,
        **options,
    )
    sample = fetcher.fetch(of, Counter())
    return sample, (directory / sample.image.sha256).read_bytes()


def check_holds(sample, body, size):
    """Every reader sees an image of the published size, with the square in the box."""
    (label,) = sample.record.entry.labels
    box = label.annotations[0].geometry
    image = sample.image
    assert (image.width, image.height) == size
    for name, shown in readers(body).items():
        assert shown.shape == (image.height, image.width, 3), name
        found = box_of(red(shown))
        assert np.allclose(found, (box.left, box.top, box.width, box.height), atol=1), name


@pytest.mark.parametrize("size", [WIDE, pytest.param(SQUARE, marks=pytest.mark.slow)], ids=["wide", "square"])
@pytest.mark.parametrize("declared", ["stored", "turned", pytest.param("absent", marks=pytest.mark.slow)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("place", PLACES)
def test_the_box_holds_the_square(tmp_path, place, orientation, declared, size):
    """Where Labelbox told the stored size or none, the box was drawn on the stored pixels; else on the turned ones."""
    told = {"stored": size, "turned": size[::-1] if orientation > 4 else size, "absent": None}[declared]
    turns = told not in {None, size}
    box = turned_box(orientation, size) if turns else BOX
    body = oriented(place, orientation, size)
    sample, published = fetched(Given(body), tmp_path, record(box, told))
    check_holds(sample, published, told or size)
    assert (sample.image.orientation, sample.image.turned) == (orientation, turns)
    if orientation == 1:
        assert published == body


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("place", ["jpeg exif", "png eXIf", "webp exif", "tiff"])
def test_rules_name_the_pixels_that_were_drawn_on(tmp_path, place, orientation):
    """``stored`` never turns, ``upright`` always does, whatever is declared; a size that does not fit is named."""
    body, turned_size = oriented(place, orientation), WIDE[::-1] if orientation > 4 else WIDE
    for rule, box, size in (("stored", BOX, WIDE), ("upright", turned_box(orientation), turned_size)):
        for told in (None, size):
            check_holds(*fetched(Given(body), tmp_path, record(box, told), orientation=rule), size)
        with pytest.raises(RowError) as caught:
            fetched(Given(body), tmp_path, record(box, size[::-1]), orientation=rule)
        assert caught.value.code == "image_size_mismatch"


@pytest.mark.parametrize(
    ("image_format", "missing"),
    [(name, share) for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF") for share in (0.9, 0.34, 0.01)]
    + [(name, number) for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP") for number in (1, 2)]
    + [("GIF", 2)],
)
def test_a_cut_image_is_asked_for_again(server, tmp_path, image_format, missing):
    """Its length is announced as it comes; in the end it is damaged. Whole, it is published."""
    images, downloader = server
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    body = encoded(image_format, noise)
    cut = body[: -missing if isinstance(missing, int) else int(len(body) * (1 - missing))]
    images.images = {"/cut": cut, "/whole": body}
    row = record(BOX)
    of = {
        path: msgspec.structs.replace(row, data_row=msgspec.structs.replace(row.data_row, row_data=images.url(path)))
        for path in images.images
    }
    with pytest.raises(RowError) as caught:
        fetched(downloader, tmp_path, of["/cut"])
    assert caught.value.code == "image_damaged"
    assert images.asked.count("/cut") > 1
    sample, published = fetched(downloader, tmp_path, of["/whole"])
    assert (published, sample.image.width) == (body, 90)


def test_an_image_of_the_size_that_stands_is_not_read(server):
    """One answer tells its length; another length is read as ever."""
    images, downloader = server
    images.images["/image"] = encoded("PNG")
    size, target = len(images.images["/image"]), io.BytesIO()
    options = {"limit": 1 << 20, "check": lambda _: None}
    assert downloader.image(images.url("/image"), target, known=Known(size=size), **options).is_known
    assert (target.getvalue(), downloader.counts.bytes) == (b"", 0)
    assert not downloader.image(images.url("/image"), target, known=Known(size=size + 1), **options).is_known
    assert target.getvalue() == images.images["/image"]


class Routed(Downloader):
    """Asks a server of this machine for what lies at the address of the golden bucket."""

    def __init__(self, images):
        super().__init__(
            api_key="",
            rest_endpoint="https://api.labelbox.com",
            allow_hosts=frozenset({"127.0.0.1"}),
            connections=2,
            pace=Pace(1_000_000),
        )
        self.images = images

    def image(self, url, target, **options):
        """Ask there."""
        return super().image(url.replace(before.ADDRESS, self.images.url("/")), target, **options)


@pytest.fixture
def golden(server, tmp_path, monkeypatch):
    """Builds the golden bucket again upon what an earlier labelsnap, or a build, left: rows of a table, and counts.

    No pack is small enough to be packed anew for that.
    """
    monkeypatch.setattr(worn, "SMALL_PACK", 0)
    images, _ = server
    images.images = {f"/{path.name}": path.read_bytes() for path in (GOLDEN / "sources").iterdir()}
    shutil.copytree(GOLDEN / "store", tmp_path / "store")

    def build(standing, **options):
        images.asked.clear()
        with Routed(images) as downloader:
            base = BasePart(standing.files, standing.packs)
            return before.build(tmp_path / "store", downloader, base, **options)

    def rows(receipt, name="data_rows"):
        (file,) = (file for file in receipt.files if file.path.startswith(f"tables/{name}/"))
        table = read_table(open_store((tmp_path / "store").as_uri()), file)
        return {row["data_row_id"]: row for row in table.to_pylist()}

    earlier = msgspec.json.decode((GOLDEN / "receipt.json").read_bytes(), type=BucketReceipt)
    return build, rows, earlier, images


def test_turned_images_of_an_earlier_labelsnap_are_made_anew(golden):
    """They alone, and TIFF, of which it is not certain, are read; all others keep their bytes, and their place."""
    build, rows, earlier, images = golden
    old, old_places = rows(earlier), rows(earlier, "images")
    assert "orientation" not in old["head_jpg"]
    receipt = build(earlier)
    new, places = rows(receipt), rows(receipt, "images")
    assert {path.strip("/").replace(".", "_") for path in images.asked} == old.keys() - NEVER_ASKED
    assert receipt.tally.requests["images"] == len(TURNED | ALWAYS_READ)
    assert (receipt.tally.published, receipt.tally.problems, receipt.tally.reused_rows) == (9, 0, 9)
    for name, row in new.items():
        if name in TURNED - {"side_jpg"}:  # whose turned size is declared, so that it is turned again
            assert row["sha256"] != old[name]["sha256"]
        elif name not in TURNED:
            assert (row["sha256"], row["orientation"], row["turned"]) == (old[name]["sha256"], 1, False)
            assert (places[name]["pack"], places[name]["offset"]) == (
                old_places[name]["pack"],
                old_places[name]["offset"],
            )
    assert {name: (row["orientation"], row["turned"]) for name, row in new.items() if name in TURNED} == {
        "head_jpg": (3, False),
        "side_jpg": (6, True),
        "square_png": (6, False),
    }
    assert receipt.tally.noted["images.turned"] == 1


def test_a_pack_holds_only_what_was_made_anew(golden, tmp_path):
    """In it the stored pixels of ``head`` and ``square`` are those of their sources."""
    build, rows, earlier, _ = golden
    places = rows(build(earlier), "images")
    for name, path in (("head_jpg", "head.jpg"), ("square_png", "square.png")):
        place = places[name]
        pack = (tmp_path / "store" / place["pack"]).read_bytes()
        with (
            Image.open(io.BytesIO(pack[place["offset"] :][: place["size"]])) as image,
            Image.open(GOLDEN / "sources" / path) as source,
        ):
            assert image.getexif()[0x0112] == 1
            assert np.array_equal(np.asarray(image), np.asarray(source))


def test_a_reused_image_is_named_and_typed_as_a_new_one(golden):
    """A multi-picture JPEG that was published as ``….img`` is a JPEG, without being read."""
    build, rows, earlier, _ = golden
    before_it = rows(earlier)["pictures_jpg"]
    assert (before_it["file_name"], before_it["mime_type"]) == ("pictures-pictures_jpg.img", "image/mpo")
    receipt = build(earlier)
    row = rows(receipt)["pictures_jpg"]
    assert (row["file_name"], row["mime_type"]) == ("pictures-pictures_jpg.jpg", "image/jpeg")
    assert "pictures_jpg" in receipt.changed


def test_what_is_known_is_not_asked_for(golden):
    """The next refresh asks for nothing, whatever stands of it, and finds no row changed."""
    build, rows, earlier, images = golden
    first = build(earlier)
    second = build(first)
    assert images.asked == []
    assert second.changed == ()
    assert rows(second) == rows(first)


def test_what_a_broken_off_run_made_anew_is_not_asked_for_again(golden):
    """Its images are as wanted, and stand beside those of a version whose source would have to be asked."""
    build, rows, earlier, images = golden
    broken_off = build(earlier)
    receipt = build(earlier, taken=BasePart(broken_off.files, broken_off.packs))
    assert images.asked == []
    assert rows(receipt) == rows(broken_off)
    assert (receipt.files, receipt.changed) == (broken_off.files, broken_off.changed)


def test_another_rule_makes_anew_what_it_would_turn(golden):
    """An image is reused by the rule, its orientation and the declared size; those without an orientation always."""
    build, rows, earlier, images = golden
    first = build(earlier)
    upright = build(first, orientation="upright")
    assert sorted(images.asked) == ["/head.jpg", "/square.png"]
    assert {name for name, row in rows(upright).items() if row["turned"]} == TURNED
    stored = build(upright, orientation="stored")
    assert set(images.asked) == {"/head.jpg", "/square.png", "/side.jpg"}
    assert not any(row["turned"] for row in rows(stored).values())
    (problem,) = rows(stored, "problems").values()
    assert (problem["data_row_id"], problem["code"]) == ("side_jpg", "image_size_mismatch")


def test_images_become_jpegs_and_what_they_were(golden):
    """Another ``images`` makes anew what is of the wrong type, by one download each; JPEGs keep their place."""
    build, rows, earlier, images = golden
    first = build(earlier)
    jpegs = {name for name, row in rows(first).items() if row["mime_type"] == "image/jpeg"}
    converted = build(first, images="jpg")
    assert {path.strip("/").replace(".", "_") for path in images.asked} == rows(first).keys() - jpegs
    assert len(images.asked) == converted.tally.requests["images"] == converted.tally.noted["images.converted"] == 5
    now, places, before_it = rows(converted), rows(converted, "images"), rows(first, "images")
    assert {name: row["converted_from"] for name, row in now.items() if row["converted_from"]} == {
        "plain_bmp": "image/bmp",
        "plain_png": "image/png",
        "plain_tif": "image/tiff",
        "plain_webp": "image/webp",
        "square_png": "image/png",
    }
    assert all(row["file_name"].endswith(".jpg") and row["mime_type"] == "image/jpeg" for row in now.values())
    assert {name: places[name] for name in jpegs} == {name: before_it[name] for name in jpegs}
    again = build(converted, images="jpg")
    assert (images.asked, again.changed, rows(again), again.packs) == ([], (), now, converted.packs)
    back = build(again)
    assert len(images.asked) == 5
    assert {name: row["sha256"] for name, row in rows(back).items()} == {
        name: row["sha256"] for name, row in rows(first).items()
    }


def test_an_image_of_an_earlier_labelsnap_becomes_a_jpeg(golden):
    """Nobody knows its orientation, and its source may be as long as ever: it is made anew nevertheless."""
    build, rows, earlier, _ = golden
    receipt = build(earlier, images="jpg")
    assert {row["mime_type"] for row in rows(receipt).values()} == {"image/jpeg"}
    assert receipt.tally.noted["images.converted"] == 5


def test_an_image_of_another_type_does_not_stand_where_its_source_is_gone(golden):
    """No reader of JPEGs would find it: the row is a problem."""
    build, rows, earlier, images = golden
    del images.images["/plain.png"]
    receipt = build(earlier, images="jpg")
    assert [(name, row["code"]) for name, row in rows(receipt, "problems").items()] == [("plain_png", "http_404")]


def test_an_image_whose_source_is_gone_stands_unconfirmed(golden):
    """Nothing says that it was turned wrongly, so its row is published, and counted."""
    build, rows, earlier, images = golden
    del images.images["/plain.jpg"]
    receipt = build(earlier)
    assert rows(receipt, "problems") == {}
    assert [name for name, row in rows(receipt, "images").items() if row["unconfirmed"]] == ["plain_jpg"]
    assert (receipt.tally.published, receipt.tally.noted["images.unconfirmed"]) == (9, 1)
