"""File names of images: readable, safe, unique."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.records.choices.names import file_name
from labelsnap.records.model import DataRow, MediaAttributes


def named(key: Any, row_id: Any = "clabc123", mime_type: Any = "image/jpeg") -> Any:
    """The file name of a row."""
    return file_name(DataRow(row_id, key, None, "u", None, MediaAttributes()), mime_type)


@pytest.mark.parametrize(
    ("key", "mime_type", "expected"),
    [
        ("IMG1293", "image/jpeg", "IMG1293-clabc123.jpg"),
        ("photo.JPG", "image/jpg", "photo-clabc123.jpg"),
        ("photo.jpeg", "image/jpeg", "photo-clabc123.jpeg"),
        ("photo.JPEG", "image/mpo", "photo-clabc123.jpeg"),
        ("photo.mpo", "image/mpo", "photo-clabc123.jpg"),
        ("photo.jfif", "image/jpeg", "photo-clabc123.jpg"),
        ("photo.jpe", "image/jpeg", "photo-clabc123.jpg"),
        ("photo.jpeg", "image/png", "photo-clabc123.png"),
        ("scan.TIFF", "image/tiff", "scan-clabc123.tiff"),
        ("scan.dib", "image/bmp", "scan-clabc123.bmp"),
        ("x.png.jpg", "image/png", "x_png-clabc123.png"),
        ("contradicts.png", "image/jpeg", "contradicts-clabc123.jpg"),
        ("a b, c.tif", "image/tiff", "a_b_c-clabc123.tif"),
        ("../../etc/passwd", "image/png", "etc_passwd-clabc123.png"),
        ("a/b.png", "image/png", "a_b-clabc123.png"),
        ("-rf", "image/png", "rf-clabc123.png"),
        ("Größe.webp", "image/webp", "Groe-clabc123.webp"),
        ("幅", "IMAGE/PNG", "clabc123.png"),
        ("con", "image/x-new", "con-clabc123.img"),
        ("k" * 100, "image/png", "k" * 60 + "-clabc123.png"),
    ],
)
def test_readable_names(key: Any, mime_type: Any, expected: Any) -> None:
    """The row's key stays readable, and the extension is that of the image's real type."""
    assert named(key, mime_type=mime_type) == expected


@pytest.mark.parametrize("key", ["photo.jpeg", "photo.JPG", "photo.png", "photo"])
def test_an_image_may_be_named_by_its_type_alone(key: str) -> None:
    """Where all images are of one type, all names end alike."""
    row = DataRow("clabc123", key, None, "https://images.example/a", None, MediaAttributes())
    assert file_name(row, "image/jpeg", of_type=True) == "photo-clabc123.jpg"


def test_ids_that_are_no_plain_names() -> None:
    """An id with dashes, capitals or anything else gets a digest, so that no two ids meet in one name."""
    upper, lower = named("a", "CLX1"), named("a", "clx1")
    assert upper.lower() != lower
    assert re.fullmatch(r"a-clx1_[0-9a-f]{12}\.jpg", upper)
    assert re.fullmatch(r"a-[0-9a-f]{12}\.jpg", named("a", "../"))
    assert named("a-b", "c") != named("a", "b-c")


def test_ids_that_readers_would_hide() -> None:
    """A file whose name begins with an underscore is passed over by some: an id that does gets a digest."""
    assert re.fullmatch(r"abc-abc_[0-9a-f]{12}\.jpg", named("__abc", "__abc"))
    assert re.fullmatch(r"abc_[0-9a-f]{12}\.jpg", named("幅", "_abc"))


anything = st.text(min_size=1, max_size=100)


@given(anything, anything)
def test_names_are_safe(key: Any, row_id: Any) -> None:
    """Whatever the key and the id: one plain file name that no reader hides, no path, one dot, not too long."""
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,130}\.jpe?g", named(key, row_id))


@given(anything, anything, anything, anything)
def test_names_are_unique(key: Any, other_key: Any, row_id: Any, other_id: Any) -> None:
    """Two ids never share a name, nor its part before the extension, also where case is ignored."""
    if row_id != other_id:
        names = (named(key, row_id), named(other_key, other_id, "image/png"))
        assert len({name.lower().partition(".")[0] for name in names}) == 2


@pytest.mark.parametrize("row_id", ["con", "nul", "com1", "lpt9"])
def test_no_image_is_called_like_a_device(row_id: str) -> None:
    """Windows opens a device by its name, whatever ending stands behind it; ids that only begin so are as they are."""
    stem = named("日本", row_id).partition(".")[0]
    assert re.fullmatch(rf"{row_id}_[0-9a-f]{{12}}", stem)
    assert named("日本", f"{row_id}x") == f"{row_id}x.jpg"
