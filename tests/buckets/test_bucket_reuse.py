"""What a record takes over of the row that stands: every case, and which of two rows it is made upon."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from labelsnap.buckets.errors import RowError
from labelsnap.buckets.reading import NOTHING
from labelsnap.buckets.rows.fetch import REFUSED, Fetcher
from labelsnap.buckets.rows.reuse import Reuse
from labelsnap.labelbox.downloads.failures import DownloadError
from labelsnap.labelbox.downloads.known import Known
from labelsnap.records.choices.splits import Split
from labelsnap.records.image import Image, Validators
from labelsnap.records.model import DataRowDetails, MediaAttributes, Sample
from labelsnap.records.tables.carry import Standing
from tests.buckets.image_server import serving
from tests.formats.format_samples import sample

URL = "https://images.example/a.png"
NOON, LATER = "2024-05-01T12:00:00Z", "2024-05-01T12:00:00.500Z"
TOLD = Validators('"abc"')
IMAGE = Image("a.png", 40, 20, "image/png", "a" * 64, 100, orientation=1, validators=TOLD)
DATE = Validators(last_modified="Wed, 01 May 2024 11:00:00 GMT")
DATED, KNOWN_DATE = replace(IMAGE, validators=DATE), Known(validators=DATE)
UNTOLD = replace(IMAGE, validators=Validators())
UNTURNED = replace(UNTOLD, orientation=None)
REFERENCED = replace(UNTOLD, sha256=None, size=None, orientation=None)
JPEG = replace(IMAGE, mime_type="image/jpeg")
CONVERTED = replace(JPEG, converted_from="image/png")
LATEST = replace(IMAGE, sha256="b" * 64, validators=Validators('"latest"'))
UNTIL = datetime(2024, 5, 2, tzinfo=UTC)


def row(image=IMAGE, *, content="same", url=URL, updated_at=NOON):
    """A row as it stands."""
    return Standing(content, url, "train", image, {}, updated_at)


def record(*, content="same", url=f"{URL}?sv=1&sig=2", updated_at=NOON, size=(40, 20), rotation=None):
    """A record whose image is signed for this export."""
    made = sample().record
    media = MediaAttributes(width=size[0], height=size[1], exif_rotation=rotation)
    details = DataRowDetails(updated_at=updated_at)
    data_row = replace(made.data_row, row_data=url, details=details, media=media)
    return replace(made, fingerprint=content, data_row=data_row)


def reused(of, before, taken=None, images="copy"):
    """What a record takes over."""
    return Reuse(NOTHING, NOTHING, images, "declared", "composite", UNTIL).of_record(of, before, taken)


@pytest.mark.parametrize(
    ("of", "stands", "image", "known", "spares"),
    [
        ({}, row(), "stands", None, False),
        ({}, row(replace(UNTURNED, mime_type="image/bmp")), "stands", None, False),
        ({}, row(UNTURNED), "unless_size", Known(size=100), True),
        ({}, row(replace(UNTURNED, mime_type="image/tiff")), "made", None, True),
        ({"rotation": 6}, row(UNTURNED), "unless_size", Known(size=100), False),
        ({"size": (20, 40)}, row(UNTURNED), "unless_size", Known(size=100), False),
        ({}, row(REFERENCED), "made", None, False),
        ({"size": (20, 40)}, row(), "made", None, False),
        ({"content": "other"}, row(), "unless_changed", Known(validators=TOLD), True),
        ({"content": "other", "updated_at": None}, row(), "unless_changed", Known(validators=TOLD), True),
        ({"content": "other", "updated_at": LATER}, row(), "unless_changed", Known(validators=TOLD), True),
        ({"content": "other"}, row(DATED), "unless_changed", KNOWN_DATE, True),
        ({"content": "other", "updated_at": None}, row(DATED, updated_at=None), "unless_changed", KNOWN_DATE, True),
        ({"content": "other", "updated_at": LATER}, row(DATED), "made", None, True),
        ({"content": "other", "updated_at": None}, row(DATED), "made", None, True),
        ({"content": "other"}, row(DATED, updated_at=None), "made", None, True),
        ({"content": "other"}, row(replace(DATED, unconfirmed=True)), "made", None, True),
        ({"content": "other"}, row(UNTOLD), "stands", None, True),
        ({"content": "other"}, row(replace(UNTOLD, unconfirmed=True)), "made", None, True),
        ({"content": "other", "updated_at": LATER}, row(UNTOLD), "made", None, True),
        ({"content": "other", "updated_at": "2024-05-01T14:00:00+02:00"}, row(UNTOLD), "stands", None, True),
        ({"content": "other", "updated_at": None}, row(UNTOLD), "made", None, True),
        ({"content": "other", "updated_at": None}, row(UNTOLD, updated_at=None), "made", None, True),
        ({"content": "other", "updated_at": "noon"}, row(UNTOLD, updated_at="noon"), "made", None, True),
        ({"content": "other"}, row(UNTURNED), "unless_size", Known(size=100), True),
        ({"content": "other", "updated_at": LATER}, row(UNTURNED), "made", None, True),
        ({"content": "other", "rotation": 6}, row(UNTURNED), "made", None, False),
        ({"content": "other", "size": (20, 40)}, row(), "made", None, False),
        ({"content": "other", "url": f"{URL}?v=2"}, row(), "made", None, False),
        ({"content": "other", "url": "https://images.example/b.png"}, row(), "made", None, False),
        ({"content": "other"}, row(REFERENCED), "made", None, False),
        ({}, None, "made", None, False),
    ],
)
def test_what_becomes_of_the_image(of, stands, image, known, spares):
    """By content, URL without signature, change time, orientation, declared size, and what its source told."""
    found = reused(record(**of), stands)
    assert (found.image, found.known, found.spares) == (image, known, spares)
    assert found.lacks_nothing is (image == "stands" and not of)


@pytest.mark.parametrize(
    ("before", "taken", "chosen"),
    [
        (row(), row(UNTOLD), "before"),
        (row(UNTURNED), row(), "taken"),
        (row(content="other"), row(replace(UNTURNED, mime_type="image/tiff")), "taken"),
        (row(UNTOLD, content="other", updated_at=None), row(content="another"), "taken"),
        (None, row(), "taken"),
        (row(), row(), "before"),
        (row(content="other"), row(LATEST, content="another"), "taken"),
        (row(content="other"), row(replace(UNTOLD, unconfirmed=True), content="another"), "taken"),
        (row(content="other"), row(LATEST, content="another", url="https://h/b"), "before"),
    ],
)
def test_of_two_rows_the_one_that_saves_most_is_taken(before, taken, chosen):
    """The same content first, for its masks, and the image that costs least; of other content the image that is later.

    Neither counts against the other.
    """
    found = reused(record(), before, taken)
    assert found.standing == {"before": before, "taken": taken}[chosen]
    assert found.before == before
    assert found.is_reused is (before is not None and before.fingerprint == "same")


@pytest.mark.parametrize("content", ["same", "other"])
@pytest.mark.parametrize(
    ("images", "stands", "is_of_type"),
    [
        ("copy", IMAGE, True),
        ("copy", JPEG, True),
        ("copy", CONVERTED, False),
        ("copy", replace(CONVERTED, orientation=None), False),
        ("jpg", IMAGE, False),
        ("jpg", UNTURNED, False),
        ("jpg", JPEG, True),
        ("jpg", CONVERTED, True),
        ("reference", CONVERTED, False),
    ],
)
def test_an_image_stands_as_the_type_that_is_asked_for(images, stands, is_of_type, content):
    """One of another type is made anew, and does not stay where its source is gone."""
    found = reused(record(content=content), row(stands), images=images)
    way = "stands" if content == "same" else "unless_changed"
    assert (found.image, found.spares) == ((way, content == "other") if is_of_type else ("made", False))


@pytest.mark.parametrize(("expires", "kept"), [(1714694400, True), (1714608000, True), (1714607999, False)])
def test_a_referenced_url_stands_as_long_as_it_lasts(expires, kept):
    """Until just before the given moment; with copied images the first URL stands always."""
    old, new = f"{URL}?Expires={expires}&Signature=a", f"{URL}?Expires=1800000000&Signature=b"
    found = reused(record(url=new), row(REFERENCED, url=old), images="reference")
    assert (found.image, found.standing.row_data) == ("stands", old if kept else new)
    assert reused(record(url=new), row(url=old)).standing.row_data == old


@pytest.mark.parametrize("change", ["", "content", "url", "image", "split"])
def test_a_row_is_as_before_where_all_of_it_is(change):
    """Its content, URL, image and split."""
    of = record(content="other" if change == "content" else "same", url="https://h/b" if change == "url" else URL)
    image, split = UNTOLD if change == "image" else IMAGE, "val" if change == "split" else "train"
    found = reused(of, row())
    assert found.is_before(Sample(of, image, split)) is (change == "")
    assert not reused(of, None, row()).is_before(Sample(of, image, split))


@pytest.mark.parametrize(
    ("status", "updated_at", "unconfirmed", "refused"),
    [(403, None, True, 1), (404, LATER, True, 1), (500, None, True, 0), (403, NOON, False, 0)],
)
def test_an_image_whose_source_cannot_be_had_stands(tmp_path, status, updated_at, unconfirmed, refused):
    """With what its source told; unconfirmed where the data row does not vouch for it, refused where that was said."""
    requests = Counter()
    with serving() as (images, downloader):
        images.statuses["/a.png"] = status
        of = record(content="other", url=images.url("/a.png?sv=1&sig=2"), updated_at=updated_at)
        fetcher = Fetcher(downloader, tmp_path, "copy", Split(), None, 1000, 1000, 1)
        found = fetcher.fetch(of, requests, reused(of, row(url=images.url("/a.png"))))
    assert found.image.unconfirmed is unconfirmed
    assert (found.image.sha256, found.image.validators) == (IMAGE.sha256, TOLD)
    assert +requests == ({REFUSED: refused} if refused else {})
    assert images.headers[0]["If-None-Match"] == TOLD.etag
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("told", "updated_at", "outcome"),
    [
        ({"ETag": '"new"'}, NOON, "problem"),
        ({"ETag": '"new"'}, None, "problem"),
        ({"ETag": 'W/"abc"'}, NOON, "confirmed"),
        ({}, LATER, "problem"),
        ({}, NOON, "confirmed"),
        ({}, None, "unconfirmed"),
    ],
)
@pytest.mark.parametrize("sent", [("too_large", b"x" * 2000), ("not_an_image", b"<html>")], ids=lambda each: each[0])
def test_what_comes_in_place_of_the_image(tmp_path, sent, told, updated_at, outcome):
    """A problem where its source or the data row says that it is another picture; a page without a sign of that is not.

    The code is that of a new row.
    """
    code, body = sent
    requests = Counter()
    with serving() as (images, downloader):
        images.images["/a.png"], images.told["/a.png"] = body, told
        stands = row(url=images.url("/a.png"), updated_at=None if updated_at is None else NOON)
        of = record(content="other", url=images.url("/a.png?sv=1&sig=2"), updated_at=updated_at)
        fetcher = Fetcher(downloader, tmp_path, "copy", Split(), None, 1000, 1000, 1)
        if outcome == "problem":
            with pytest.raises(RowError) as caught:
                fetcher.fetch(of, requests, reused(of, stands))
            assert caught.value.code == code
        else:
            found = fetcher.fetch(of, requests, reused(of, stands))
            assert (found.image.sha256, found.image.unconfirmed) == (IMAGE.sha256, outcome == "unconfirmed")
    assert not +requests


def test_another_image_that_does_not_come_whole_is_not_vouched_for(tmp_path):
    """Its source announced it, whatever the data row says."""
    of = record(content="other")

    def broken(*_, **__):
        raise DownloadError("short_body", "cut", told=Validators('"new"'))

    fetcher = Fetcher(SimpleNamespace(image=broken), tmp_path, "copy", Split(), None, 1000, 1000, 1)
    assert fetcher.fetch(of, Counter(), reused(of, row())).image.unconfirmed


@pytest.mark.parametrize("content", ["same", "other"])
@pytest.mark.parametrize("mime_type", ["image/png", "image/tiff"])
def test_an_image_of_unknown_orientation_stands_where_its_source_cannot_be_had(tmp_path, content, mime_type):
    """Unconfirmed, and its orientation stays unknown, so that its source is asked when the row is looked at again."""
    image = replace(UNTURNED, mime_type=mime_type)
    with serving() as (images, downloader):
        images.statuses["/a.png"] = 404
        url = images.url("/a.png")
        of = record(content=content, url=url)
        fetcher = Fetcher(downloader, tmp_path, "copy", Split(), None, 1000, 1000, 1)
        found = fetcher.fetch(of, Counter(), reused(of, row(image, url=url))).image
        again = reused(of, row(found, url=url))
    assert (found.sha256, found.orientation, found.unconfirmed) == (IMAGE.sha256, None, True)
    assert (again.image, again.spares) == (
        "unless_size" if (content, mime_type[6:]) == ("same", "png") else "made",
        True,
    )
