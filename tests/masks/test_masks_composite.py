from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import as_png
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from labelsnap.masks.decoding import scan
from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.png import Limits
from labelsnap.masks.errors import MaskError

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (85, 85, 85)
COLOURS = [RED, GREEN, BLUE, GREY, (1, 0, 0), (255, 255, 255), (17, 34, 51)]
PACKED = np.array([1, 1 << 8, 1 << 16], np.uint32)  # a colour's parts as one number
PALETTE = np.array([(0, 0, 0), *COLOURS], np.uint8)


def assert_equals_pycocotools(runs, mask):
    """Compare one instance's runs with pycocotools' of a boolean array (height, width)."""
    if not mask.any():
        assert runs is None
        return
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert (runs.height, runs.width) == mask.shape
    assert runs.counts == encoded["counts"]
    assert runs.area == coco.area(encoded)
    assert runs.bounding_box == tuple(coco.toBbox(encoded))


def assert_all_equal_pycocotools(png, pixels, colours, **options):
    """Compare every declared colour's runs with its pixels in an array (height, width, 3)."""
    composite = decode_composite(png, colours, size=pixels.shape[:2], **options)
    shown = pixels @ PACKED
    for runs, colour in zip(composite.runs, colours, strict=True):
        assert_equals_pycocotools(runs, shown == colour @ PACKED)
    return composite


LABELS = arrays.arrays(
    np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=37), elements=st.integers(0, len(COLOURS))
)


@given(LABELS, st.sampled_from(["RGB", "RGBA", "P"]))
def test_any_small_label_picture_equals_pycocotools(sparse, labels, mode):
    """Every instance of a random label picture of any shape has pycocotools' counts, area and box."""
    pixels = PALETTE[labels]
    if mode == "P":
        image = Image.fromarray(labels)
        image.putpalette(PALETTE.tobytes())
    else:
        image = Image.fromarray(pixels).convert(mode)
    composite = assert_all_equal_pycocotools(as_png(image), pixels, COLOURS, sparse=sparse)
    assert (composite.unnamed_colours, composite.duplicates) == ((), ())


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 8), (8, 1), (2, 3), (64, 7)])
def test_thin_pictures(shape, sparse):
    """One pixel, one row, one column and widths beside a machine word's are read like any other."""
    pixels = PALETTE[np.random.default_rng(7).integers(0, 3, shape)]
    assert_all_equal_pycocotools(as_png(pixels), pixels, COLOURS, sparse=sparse)


@pytest.mark.parametrize("instances", [127, 128, 129])
def test_as_many_instances_as_a_number_of_a_byte_counts(instances, sparse):
    """A composite that shows one instance fewer or more than fit a signed byte is read like any other."""
    colours = [(index, 255, 0) for index in range(instances)]
    pixels = np.array(colours, np.uint8).repeat(3, axis=0)[np.newaxis].repeat(2, axis=0)
    assert_all_equal_pycocotools(as_png(pixels), pixels, colours, sparse=sparse)


def draw_composite(seed):
    """Draw blobs with holes, several parts, one-pixel lines and contact with every border."""
    generator = np.random.default_rng(seed)
    width, height = (int(side) for side in generator.integers(90, 700, 2))
    colours = [tuple(colour) for colour in generator.choice(np.arange(1, 256), (12, 3), replace=True).tolist()]
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for colour in colours:
        for _ in range(int(generator.integers(1, 4))):
            x, y, radius = (int(value) for value in generator.integers((0, 0, 3), (width, height, 60)))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius // 2), fill=colour)
            draw.ellipse((x - radius // 3, y - radius // 3, x + radius // 3, y), fill=(0, 0, 0))
            draw.line((x, 0, x, height), fill=colour)
            draw.line((0, y, width, y), fill=colour)
    draw.rectangle((0, 0, width - 1, height - 1), outline=colours[0])
    return image, colours


@pytest.mark.parametrize("seed", range(100))
def test_drawn_composites_equal_pycocotools(seed, monkeypatch):
    """Larger composites with holes, parts, lines and border contact are exact, also across blocks of rows."""
    monkeypatch.setattr(scan, "BLOCK", 512 * (seed + 1))
    image, colours = draw_composite(seed)
    pixels = np.asarray(image)
    _, png = (True, as_png(image)) if seed % 2 else cv2.imencode(".png", pixels[..., ::-1])
    sparse = assert_all_equal_pycocotools(bytes(png), pixels, colours)
    assert decode_composite(bytes(png), colours, sparse=False) == sparse


def test_a_picture_of_several_blocks_of_rows(sparse):
    """A composite of more rows than one block, of even and odd width, is read without a seam."""
    for width in (1000, 1001):
        labels = np.zeros((900, width), np.uint8)
        labels[100:899, 3:-1] = 1
        labels[130:860, 500] = 2
        assert_all_equal_pycocotools(as_png(PALETTE[labels]), PALETTE[labels], COLOURS, sparse=sparse)


def test_grey_pictures_show_grey_instances(sparse):
    """In 1-, 2-, 4-, 8- and 16-bit grey and in grey with alpha an instance's colour has three equal parts."""
    grey = np.array([[0, 85, 255], [255, 85, 0]], np.uint8)
    pictures = [
        as_png(grey),
        as_png(Image.fromarray(grey).convert("LA")),
        as_png(grey.astype(np.uint16) * 257),
        as_png(Image.fromarray(grey == 255)),
    ]
    for png in pictures:
        white = decode_composite(png, [(255, 255, 255)], sparse=sparse).runs[0]
        assert_equals_pycocotools(white, grey == 255)
    for png in pictures[:3]:
        assert_equals_pycocotools(decode_composite(png, [GREY], sparse=sparse).runs[0], grey == 85)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_every_bit_depth(bits, sparse):
    """An index of 1, 2, 4 or 8 bits stands for its palette's colour."""
    labels = np.random.default_rng(bits).integers(0, 2 if bits == 1 else 4, (11, 13)).astype(np.uint8)
    image = Image.fromarray(labels)
    image.putpalette(PALETTE.tobytes() + bytes(3 * (256 - len(PALETTE))))
    png = as_png(image, bits=bits)
    assert png[24] == bits
    assert_all_equal_pycocotools(png, PALETTE[labels], COLOURS, sparse=sparse)


def test_two_palette_entries_of_one_colour_are_one_instance(sparse):
    """Indexes that stand for one colour show one instance, without a seam between them."""
    image = Image.fromarray(np.array([[1, 2], [2, 1]], np.uint8))
    image.putpalette(bytes([0, 0, 0, *RED, *RED]))
    (runs,) = decode_composite(as_png(image), [RED], sparse=sparse).runs
    assert_equals_pycocotools(runs, np.ones((2, 2), bool))


def test_alpha_changes_no_instance(sparse):
    """Pixels of one colour are one instance, whatever their alpha."""
    pixels = np.zeros((6, 5, 4), np.uint8)
    pixels[1:5, 1:4, 0] = 255
    pixels[..., 3] = np.arange(30).reshape(6, 5)
    (runs,) = decode_composite(as_png(pixels), [RED], sparse=sparse).runs
    assert_equals_pycocotools(runs, pixels[..., 0] == 255)


def test_colours_that_nobody_declares_are_reported(sparse):
    """Undeclared colours are listed in ascending order; black and fully transparent pixels are background."""
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[0] = [(*BLUE, 255), (*GREEN, 9), (*RED, 255), (9, 9, 9, 0)]
    pixels[1, 0] = (*RED, 0)
    composite = decode_composite(as_png(pixels), [GREEN], sparse=sparse)
    assert composite.unnamed_colours == (BLUE, RED)


def test_a_transparent_palette_entry_is_background(sparse):
    """A palette entry that tRNS makes transparent is no unnamed colour."""
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette(bytes([*GREY, *RED, *BLUE]))
    assert decode_composite(as_png(image, transparency=0), [RED], sparse=sparse).unnamed_colours == (BLUE,)
    assert decode_composite(as_png(image, transparency=b"\x00\xff\x10"), [RED], sparse=sparse).unnamed_colours == (
        BLUE,
    )


def test_a_declared_colour_without_pixels_has_no_runs(sparse):
    """An instance whose colour is not in the picture is None at its place."""
    pixels = PALETTE[np.array([[0, 1]])]
    composite = decode_composite(as_png(pixels), [BLUE, RED, GREEN], sparse=sparse)
    assert [runs is None for runs in composite.runs] == [True, False, True]


def test_a_colour_declared_twice_is_reported_at_both_places(sparse):
    """Both indexes of a colour that two instances declare are duplicates, and both show the colour's pixels."""
    pixels = PALETTE[np.array([[1, 2, 0]])]
    composite = decode_composite(as_png(pixels), [RED, GREEN, RED], sparse=sparse)
    assert composite.duplicates == (0, 2)
    assert composite.runs[0] == composite.runs[2] != composite.runs[1]


def test_no_declared_colours(sparse):
    """Without instances every colour of the picture is unnamed."""
    composite = decode_composite(as_png(PALETTE[np.array([[1, 0]])]), [], sparse=sparse)
    assert (composite.runs, composite.unnamed_colours) == ((), (RED,))


def test_more_instances_than_a_byte_counts(sparse):
    """Three hundred instances keep their places."""
    colours = [(index // 256, index % 256, 7) for index in range(300)]
    pixels = np.array(colours, np.uint8).reshape(20, 15, 3)
    assert_all_equal_pycocotools(as_png(pixels), pixels, colours, sparse=sparse)


@pytest.mark.parametrize("colour", [(0, 0, 0), (256, 0, 0), (-1, 0, 0), (1, 2), (1, 2, 3, 4)])
def test_a_colour_that_no_instance_can_have_is_refused(colour, sparse):
    """Black is the background, and a colour has three parts of a byte each."""
    with pytest.raises(MaskError) as caught:
        decode_composite(as_png(PALETTE[np.array([[1]])]), [RED, colour], sparse=sparse)
    assert caught.value.code == "bad_colour"


def test_noise_is_no_mask(sparse):
    """A picture that changes everywhere is refused before it fills the memory."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(MaskError) as caught:
        decode_composite(as_png(noise), [], limits=Limits(changes=1000), sparse=sparse)
    assert caught.value.code == "too_large"
