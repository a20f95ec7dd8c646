"""The golden WebDataset shards as ``webdataset`` and ``tarfile`` read them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import webdataset
from PIL import Image
from pycocotools import mask as coco_mask

from labelsnap.formats.webdataset import WebDataset
from tests.formats.format_samples import (
    RING_AND_PART,
    annotation,
    dataset,
    every_kind,
    files_of,
    label,
    mask,
    picture,
    registry,
    sample,
    samples_of,
)

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "webdataset"


def loaded(shard: Path, *decoders: Any) -> list[dict[str, Any]]:
    """Read a shard by the stages of ``webdataset.WebDataset``, which leaves open the file that it opens itself."""
    with shard.open("rb") as stream:
        return list(
            webdataset.DataPipeline(
                lambda: iter([{"url": str(shard), "stream": stream}]),
                webdataset.tariterators.tar_file_expander,
                webdataset.tariterators.group_by_keys,
                webdataset.decode(*decoders),
            )
        )


def numbers(png: bytes) -> Any:
    """Read a label map as its numbers: ``pil`` would make it a picture of three times 8 bits."""
    return np.asarray(Image.open(io.BytesIO(png)))


AS_NUMBERS = webdataset.handle_extension("mask.png", numbers)


def test_samples_have_an_image_a_mask_and_their_objects() -> None:
    """One sample a row, in pixels and JSON, an image without objects too."""
    street, empty = loaded(GOLDEN / "train-000000.tar", AS_NUMBERS, "pil")
    assert [street["__key__"], empty["__key__"]] == ["street", "empty"]
    assert street["png"].size == street["mask.png"].shape[::-1] == (8, 6)
    assert np.array_equal(np.asarray(street["png"].convert("L")), np.full((6, 8), 128))
    objects = street["json"]["objects"]
    assert [each["kind"] for each in objects] == ["bounding_box", "polygon", "polyline", "point", "mask"]
    assert objects[0]["bbox"] == [1, 1, 4, 3]
    assert empty["json"]["objects"] == []
    assert not empty["mask.png"].any()
    assert [each["category"] for each in street["json"]["predictions"]["objects"]] == ["car", "tree", "lane"]


def test_masks_are_exact_to_the_pixel() -> None:
    """Run lengths are COCO's, and the label map has the class's id where the mask lies over nothing else."""
    street = loaded(GOLDEN / "train-000000.tar", AS_NUMBERS, "pil")[0]
    expected = np.array([[pixel == "#" for pixel in line] for line in RING_AND_PART.split()])
    tree = street["json"]["objects"][4]
    assert np.array_equal(coco_mask.decode(tree["rle"]).astype(bool), expected)
    assert np.array_equal(street["mask.png"] == tree["category_id"], expected)
    small = loaded(GOLDEN / "val-000000.tar", AS_NUMBERS, "pil")[0]
    assert small["mask.png"].tolist() == [[0, 0, 0], [0, 0, 5]]


def test_thousand_classes_need_sixteen_bits(tmp_path: Path) -> None:
    """Ids above 254 stand in a map of 16 bits, which decodes to the same numbers."""
    names = [f"class-{number}" for number in range(1, 1001)]
    source = dataset(sample(label(annotation(mask("..\n.#"), name="class-900")), size=(2, 2)), classes=registry(*names))
    (tmp_path / "shard.tar").write_bytes(files_of(WebDataset(), source, "train")["train-000000.tar"])
    (found,) = loaded(tmp_path / "shard.tar", AS_NUMBERS, "pil")
    assert found["mask.png"].tolist() == [[0, 0], [0, 900]]


def test_instances_and_no_maps_are_options() -> None:
    """``instance`` counts objects from 1, ``none`` leaves the maps out."""

    def names(kind: str) -> set[str]:
        (body, *_) = files_of(WebDataset(mask=kind), every_kind(), "train").values()
        return {line for line in ("street.png", "street.json", "street.mask.png") if line.encode() in body}

    assert names("instance") == {"street.png", "street.json", "street.mask.png"}
    assert names("none") == {"street.png", "street.json"}


def test_referred_image_is_a_url() -> None:
    """Where images are not copied, the JSON has the URL in place of the file."""
    (body, *_) = files_of(WebDataset(), dataset(sample(name="far", copied=False)), "train").values()
    assert b'"image_url":"https://images.example/far.jpg"' in body
    assert b"far.png\0" not in body


def test_tar_is_plain_and_repeats_its_bytes() -> None:
    """Every tar program reads it, also long names; nothing in it tells when and by whom it was written."""
    with tarfile.open(GOLDEN / "train-000000.tar") as tar:
        members = tar.getmembers()
        first = tar.extractfile("street.png")
        assert first is not None
        assert first.read() == picture(next(samples_of(every_kind(), "train")))
    assert [member.name for member in members][:3] == ["street.png", "street.json", "street.mask.png"]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
        (0, 0, 0, "", 0o644)
    }


def test_long_names_are_keys_too(tmp_path: Path) -> None:
    """A key longer than a plain tar header's 100 characters is read whole."""
    long = "x" * 130
    (tmp_path / "shard.tar").write_bytes(
        files_of(WebDataset(), dataset(sample(name=long)), "train")["train-000000.tar"]
    )
    assert [found["__key__"] for found in loaded(tmp_path / "shard.tar")] == [long]


def test_a_changed_row_changes_one_shard() -> None:
    """Of many shards all but one keep their bytes when a row changes."""
    rows = [sample(name=f"street{number}") for number in range(64)]
    changed = [*rows[:-1], sample(label(annotation(mask("#"), name="car")), name="street63", size=(1, 1))]
    options = WebDataset(shard_size="8kB")
    before, after = (files_of(options, dataset(*each), "train") for each in (rows, changed))
    assert len(before) == 8
    assert sum(before[name] != after[name] for name in before) == 1
