"""Whatever a PNG writer chooses, the runs are those of its pixels: Pillow's, OpenCV's, and a writer of our own."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_pictures import as_png, write_png
from PIL import Image
from pycocotools import mask as coco

from labelsnap.masks.decoding import reading
from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance

FORMATS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16)]
FORMATS += [(6, 8), (6, 16)]
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def as_colours(samples, colour, depth, palette):
    """Return the (red, green, blue) of samples by the specification's section 13.12, 16 bits by their high byte."""
    if colour == 3:
        return np.asarray(palette, np.uint8)[samples[..., 0]]
    scaled = samples >> 8 if depth == 16 else samples * (255 // (2**depth - 1))
    return np.repeat(scaled[..., :1], 3, axis=-1) if colour in {0, 4} else scaled[..., :3]


def assert_shows(png, pixels, sparse):
    """Compare the runs of every colour of an array (height, width, 3) with pycocotools; no other colour is shown."""
    colours = [tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist() if any(colour)]
    composite = decode_composite(png, colours, size=pixels.shape[:2], sparse=sparse)
    assert composite.unnamed_colours == ()
    for runs, colour in zip(composite.runs, colours, strict=True):
        encoded = coco.encode(np.asfortranarray((pixels == colour).all(axis=-1).astype(np.uint8)))
        assert runs.counts == encoded["counts"]
        assert (runs.area, runs.bounding_box) == (coco.area(encoded), tuple(coco.toBbox(encoded)))
    return composite


@st.composite
def drawings(draw):
    """Samples with runs and repeated rows, as masks have them, or without, with a format and filters to write them."""
    colour, depth = draw(st.sampled_from(FORMATS))
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 70))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.integers(1, 5))
    flat = draw(st.sampled_from([0, 0.5, 0.9, 0.98]))
    table = generator.integers(0, 2**depth, (kinds, SAMPLES[colour]))
    if colour in {0, 2, 6} and draw(st.booleans()):
        table[0] = 0
    labels = generator.integers(0, kinds, (height, width))
    for axis, ends in ((1, width), (0, height)):
        repeated = generator.random((height, width)) < flat
        for place in range(1, ends):
            now, before = (labels[:, place], labels[:, place - 1]) if axis else (labels[place], labels[place - 1])
            where = repeated[:, place] if axis else repeated[place]
            now[where] = before[where]
    palette = generator.integers(0, 256, (2**depth, 3)) if colour == 3 else None
    filters = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    return table[labels], {"colour": colour, "depth": depth, "palette": palette, "filters": filters}


@given(drawings(), st.booleans())
def test_every_colour_type_bit_depth_filter_and_interlace(sparse, drawing, interlace):
    """The runs equal pycocotools' of the samples written, in every way that the PNG format has to write them."""
    samples, options = drawing
    png = write_png(samples, interlace=int(interlace), **options)
    pixels = as_colours(samples, options["colour"], options["depth"], options["palette"])
    assert_shows(png, pixels, sparse)


@given(drawings())
def test_the_writer_s_own_pictures_are_read_by_pillow_alike(drawing):
    """The pixels that the tests write with all filters are what Pillow reads, so that the writer is right."""
    samples, options = drawing
    image = Image.open(io.BytesIO(write_png(samples, **options)))
    if image.mode.startswith("I"):
        assert np.array_equal(np.asarray(image), samples[..., 0])
    else:
        pixels = as_colours(samples, options["colour"], options["depth"], options["palette"])
        assert np.array_equal(np.asarray(image.convert("RGB")), pixels)


LABELS = np.kron(np.random.default_rng(5).integers(0, 4, (6, 9)), np.ones((7, 5), int))
LABELS[20:22, 3:40] = 0
COLOURS = np.array([(0, 0, 0), (255, 255, 255), (17, 17, 17), (130, 130, 130)], np.uint8)
FILTERS = [cv2.IMWRITE_PNG_FILTER_NONE, cv2.IMWRITE_PNG_FILTER_SUB, cv2.IMWRITE_PNG_FILTER_UP]
FILTERS += [cv2.IMWRITE_PNG_FILTER_AVG, cv2.IMWRITE_PNG_FILTER_PAETH, cv2.IMWRITE_PNG_ALL_FILTERS]


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_opencv_s_pngs(filters, kind, channels, sparse):
    """Grey, colour and alpha, in 8 and 16 bits and with each of OpenCV's filters, are read as they were drawn."""
    drawn = COLOURS[LABELS] if channels > 1 else COLOURS[LABELS][..., :1]
    if channels == 4:
        drawn = np.concatenate([drawn, np.full_like(drawn[..., :1], 255)], axis=-1)
    drawn = drawn.astype(kind) * (257 if kind is np.uint16 else 1)
    png = cv2.imencode(".png", drawn, [cv2.IMWRITE_PNG_FILTER, filters])[1].tobytes()
    assert_shows(png, COLOURS[LABELS], sparse)


def test_opencv_s_bilevel_pngs(sparse):
    """One bit a pixel, as OpenCV writes it."""
    foreground = (LABELS == 1).astype(np.uint8)
    png = cv2.imencode(".png", foreground * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()
    assert png[24] == 1
    assert_shows(png, np.repeat(foreground[..., np.newaxis] * np.uint8(255), 3, axis=-1), sparse)


@pytest.mark.parametrize("compress_type", [0, 2, 3, 4])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_pillow_s_pngs(mode, compress_type, sparse):
    """Each of Pillow's modes, with each of zlib's strategies, is read as it was drawn."""
    image = Image.fromarray(COLOURS[LABELS])
    if mode == "P":
        image = Image.fromarray(LABELS.astype(np.uint8))
        image.putpalette(COLOURS.tobytes())
    elif mode == "I;16":
        image = Image.fromarray(COLOURS[LABELS][..., 0].astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    assert_shows(as_png(image, compress_type=compress_type), COLOURS[LABELS], sparse)


def test_a_transparent_colour_without_palette_changes_nothing(sparse):
    """In pictures of grey and of colours the chunk tRNS makes a colour transparent, not another one."""
    for mode, transparent in (("L", 255), ("RGB", (255, 255, 255))):
        png = as_png(Image.fromarray(COLOURS[LABELS]).convert(mode), transparency=transparent)
        assert b"tRNS" in png
        assert_shows(png, COLOURS[LABELS], sparse)


def test_the_sparse_way_is_there_and_reads_what_it_is_made_for(monkeypatch):
    """Pictures of 8 bits a sample never reach the decoder; interlaced ones and other bit depths do."""
    monkeypatch.setattr(reading, "find_runs", lambda *_: pytest.fail("decoded"))
    for colour, samples in SAMPLES.items():
        pixels = np.ones((3, 4, samples), int)
        decode_instance(write_png(pixels, colour=colour, palette=[(0, 0, 0), (1, 1, 1)] if colour == 3 else None))
    for options in ({"interlace": 1}, {"depth": 16}, {"depth": 4}):
        with pytest.raises(pytest.fail.Exception, match="decoded"):
            decode_instance(write_png(np.ones((3, 4, 1), int), colour=0, **options))


def test_pictures_of_more_values_and_events_than_the_buffers_hold(sparse):
    """Five thousand colours are left to the numpy way; long rows and half a million changes take new memory."""
    numbers = np.arange(5000).reshape(50, 100)
    pixels = np.stack([numbers // 256, numbers % 256, np.full_like(numbers, 9)], axis=-1).astype(np.uint8)
    assert_shows(as_png(pixels[:, :7]), pixels[:, :7], sparse)
    composite = decode_composite(as_png(pixels), [(1, 2, 9), (19, 135, 9)], sparse=sparse)
    assert [runs.area for runs in composite.runs] == [1, 1]
    assert len(composite.unnamed_colours) == 4998
    for shape in ((2, 9000), (600, 900)):
        checkered = (np.indices(shape).sum(axis=0) % 2).astype(np.uint8) * 255
        assert_shows(as_png(checkered, compress_level=1), np.stack([checkered] * 3, axis=-1), sparse)
