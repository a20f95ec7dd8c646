"""Rows whose images a format's readers pass over are in none of its files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from format_samples import VARIANTS, annotation, count, dataset, files_of, label, radio, sample, samples_of
from msgspec import structs

from labelsnap.formats.description.losses import images_held
from labelsnap.formats.registry import FORMATS, format_of
from labelsnap.formats.shared.endings import ending, layout_of, narrowed, takes
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.choices.names import file_name
from labelsnap.records.geometry import BoundingBox
from labelsnap.records.model import DataRow, MediaAttributes, Sample

TYPES = ["image/jpeg", "image/mpo", "image/png", "image/webp", "image/tiff", "image/bmp", "image/gif"]
LOST = {"yolo": {"image/gif"}}
"""What readers of a format do not take of all types that are copied: see the table in the README."""


def picture(name: str, ending: str, *, split: str = "train") -> Sample:
    """Make a row with a box and an answer, whose image has this ending."""
    objects = label(annotation(BoundingBox(0, 0, 2, 2)), answers=[radio("time of day", "dusk")])
    found = sample(objects, name=name, split=split)
    return structs.replace(found, image=structs.replace(found.image, file_name=f"{name}{ending}"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_type_is_taken_or_declared_lost(variant: str) -> None:
    """Each name that an image of a type may get has an ending that readers take, but for those of the table."""
    form = format_of(*VARIANTS[variant])
    lost = {
        mime_type
        for mime_type in TYPES
        for key in ("a", "a.jpeg", "a.JPG", "a.tiff", "a.jfif")
        if not takes(form, ending(file_name(DataRow("id", key, None, "u", None, MediaAttributes()), mime_type)))
    }
    assert lost == LOST.get(form.name, set())


def test_images_are_laid_out_but_for_those_that_a_version_lost() -> None:
    """A version that was written before images were left out has files about them all: its tree keeps them."""
    names = ["a.gif", "b.jpg"]
    assert [layout_of(Yolo(), ["gif"])("val", name) for name in names] == [None, "images/val/b.jpg"]
    assert [layout_of(Yolo(), [])("val", name) for name in names] == ["images/val/a.gif", "images/val/b.jpg"]


@pytest.mark.parametrize("options", [{}, {"task": "segment"}, {"task": "classify", "question": "time of day"}])
def test_rows_of_other_endings_are_left_out(options: dict[str, str]) -> None:
    """A tree of a JPEG and a GIF is that of the JPEG; a split that has only GIFs has no rows."""
    form = Yolo(**options)  # type: ignore[arg-type]
    photo, films = picture("a", ".jpg"), [picture("b", ".gif"), picture("c", ".gif", split="val")]
    rows = [photo, *films]
    held = images_held(form, count(rows))
    assert held == {"train": 1, "val": 0}
    given = narrowed(replace(dataset(*rows), counts=held), form)
    for split in ("train", "val"):
        assert files_of(form, given, split) == files_of(form, dataset(photo), split)


def test_rows_and_shards_are_narrowed_alike() -> None:
    """Formats that write documents, and those that write shards, are given the same rows."""
    given = narrowed(dataset(picture("a", ".jpg"), picture("b", ".gif")), Yolo())
    assert [each.image.file_name for each in samples_of(given, "train")] == ["a.jpg"]
    names = [each.image.file_name for shard in given.shards("train", 1) for each in shard.samples()]
    assert names == ["a.jpg"]


def test_all_formats_say_what_they_take() -> None:
    """Endings are in lower case and begin with a dot."""
    for name in FORMATS:
        options = {"question": "q", "task": "classify"} if name == "yolo" else {}
        endings = format_of(name, options).readable
        assert endings is None or all(each == each.lower() and each.startswith(".") for each in endings)


def test_voc_names_jpegs_as_its_readers_ask_for_them() -> None:
    """Many readers of VOC open ``JPEGImages/NAME.jpg``: a JPEG is called so whatever its key ends with."""
    voc = format_of("voc")
    files = files_of(voc, dataset(picture("a", ".jpeg")), "train")
    assert voc.image_path("train", "a.jpeg") == "JPEGImages/a.jpg"
    assert b"<filename>a.jpg</filename>" in files["Annotations/a.xml"]
