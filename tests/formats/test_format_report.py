"""The report: what it shows, and that nothing in it runs or is loaded."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from format_samples import (
    annotation,
    dataset,
    describing,
    every_kind,
    label,
    mask,
    picture,
    registry,
    sample,
    samples_of,
)
from PIL import Image

from labelsnap.formats.outputs import output_of
from labelsnap.formats.registry import FORMATS
from labelsnap.formats.report.page import POLICY, Page, html
from labelsnap.formats.report.plots import WIDTH, Bar, bars
from labelsnap.formats.report.sheet import sheet
from labelsnap.formats.report.thumbnails import LOOKED_AT, choose, thumbnail
from labelsnap.records.geometry import BoundingBox
from labelsnap.records.model import Problem, Sample

ODD = '<script>alert("x")</script>&amp;'
VOID = {"meta", "rect", "image"}


class Document(HTMLParser):
    """The tags, attributes and text of a document whose tags are all closed."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(body.decode())
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(source: Any, **changes: Any) -> Page:
    """Make a page of a dataset with all formats."""
    parts: dict[str, Any] = {"thumbnails": [], "excluded": {}, "problems": []} | changes
    return Page(description=describing(source), outputs=[output_of(name) for name in FORMATS], **parts)


def drawn(of: Sample, source: Any) -> Any:
    """Draw a sample of a dataset."""
    return thumbnail(of, picture(of) or b"", source.registry)


def pixels(figure: str) -> Any:
    """Decode the JPEG of a thumbnail."""
    found = re.search(r"base64,([^\"]+)", figure)
    assert found is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def test_report_shows_counts_losses_and_problems() -> None:
    """Classes, kinds, what each format loses, and rows that are not published stand in it."""
    problem = Problem(7, "row-7", "$.media", "image_damaged", "its pixels cannot be read")
    document = Document(html(page(every_kind(), excluded={"skipped": 12}, problems=[problem])))
    for expected in ("street-scenes", "Streets, drawn for tests.", "cc-by-4.0", "tree", "polyline", *FORMATS):
        assert expected in document.text
    for expected in ("image_damaged", "row-7", "its pixels cannot be read", "skipped", "12", "1 polyline, 1 radio"):
        assert expected in document.text


def test_nothing_runs_and_nothing_is_loaded() -> None:
    """No script, no address but data, and a policy that forbids both."""
    source = every_kind()
    figures = [one for of in samples_of(source, "train") if (one := drawn(of, source))]
    document = Document(html(page(source, thumbnails=figures)))
    assert len(figures) == 2
    assert {tag for tag, _ in document.tags}.isdisjoint({"script", "link", "iframe", "object", "img", "a"})
    addresses = [value for _, found in document.tags for name, value in found.items() if name in {"href", "src"}]
    assert addresses
    assert all(str(address).startswith("data:image/jpeg;base64,") for address in addresses)
    assert POLICY in [found.get("content") for _, found in document.tags]


def test_names_from_the_export_are_text() -> None:
    """A class, a key or a reason with tags in it is shown, not obeyed."""
    odd = sample(label(annotation(BoundingBox(0, 0, 4, 4), name=ODD)), name=ODD)
    source = dataset(odd, classes=registry(ODD))
    problem = Problem(1, ODD, ODD, "not_json", ODD)
    figure = drawn(odd, source)
    document = Document(html(page(source, thumbnails=[figure], problems=[problem], excluded={ODD: 1})))
    assert "script" not in {tag for tag, _ in document.tags}
    assert ODD in document.text


def test_empty_dataset_has_a_report() -> None:
    """Without rows there are zeros, and no plot breaks."""
    assert "0images" in Document(html(page(dataset()))).text


@pytest.mark.parametrize("count", [1, 200])
def test_many_classes_are_summed_up(count: int) -> None:
    """The classes with most objects have bars, and all others one together."""
    names = [f"class-{number:03}" for number in range(count)]
    boxes = [annotation(BoundingBox(0, 0, 1, 1), name=name) for name in names]
    text = Document(html(page(dataset(sample(label(*boxes)), classes=registry(*names))))).text
    assert ("140 other classes" in text) == (count == 200)


def test_bars_are_as_long_as_their_numbers() -> None:
    """The longest bar fills the plot, half of it is half as long, and parts stand one after another."""
    svg = bars([Bar("a", (6, 2)), Bar("b", (0, 4))], ("train", "val"))
    found = re.findall(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)"[^>]+><title>', svg)
    (left, six), (next_left, two), (_, four) = [(float(x), float(width)) for x, width in found]
    assert next_left == pytest.approx(left + six)
    assert (six / two, four / two) == (pytest.approx(3), pytest.approx(2))
    assert left + six + two <= WIDTH
    assert bars([]) == ""


def test_thumbnail_colours_the_masks_pixels() -> None:
    """Pixels of a mask differ from the grey image, others do not."""
    seen = sample(label(annotation(mask("########\n" * 3 + "........\n" * 3), name="tree")))
    figure = pixels(drawn(seen, dataset(seen, classes=registry("tree"))).html)
    assert figure.shape == (6, 8, 3)
    assert np.ptp(figure[0, 0].astype(int)) > 30
    assert np.ptp(figure[5, 0].astype(int)) < 30


def test_thumbnail_is_small_and_shapes_keep_their_coordinates() -> None:
    """A large image is made small; shapes are drawn in the image's own pixels."""
    seen = sample(label(annotation(BoundingBox(100, 50, 200, 30))), size=(1200, 600))
    figure = drawn(seen, dataset(seen)).html
    assert pixels(figure).shape == (180, 360, 3)
    assert 'viewBox="0 0 1200 600"' in figure
    assert '<rect x="100" y="50" width="200" height="30"' in figure


def test_image_that_cannot_be_decoded_has_no_thumbnail() -> None:
    """A report is not stopped by one image."""
    assert thumbnail(sample(), b"no image", registry("car")) is None


def test_a_sheet_is_one_picture_with_every_thumbnail() -> None:
    """Well-formed SVG with nothing outside it: the pictures side by side, each with its caption as text below."""
    wide, tall = sample(name=ODD, size=(720, 360)), sample(label(annotation(BoundingBox(1, 2, 3, 4))), size=(90, 180))
    source = dataset(wide, tall)
    root = ET.fromstring(sheet([drawn(wide, source), drawn(tall, source)]))  # noqa: S314 - our own
    svg = "{http://www.w3.org/2000/svg}"
    cells = root.findall(f"{svg}svg")
    assert [cell.get("x") for cell in cells] == ["0", "372"]
    assert {cell.get("height") for cell in cells} == {"180"}
    assert int(root.get("width", 0)) == 732
    assert root.findtext(f"{svg}text") == f"key-{ODD} · train"
    assert all(str(image.get("href")).startswith("data:image/jpeg;base64,") for image in root.iter(f"{svg}image"))
    assert len(list(root.iter(f"{svg}rect"))) == 1


def test_rows_that_show_most_are_chosen() -> None:
    """Many kinds before many objects, in the order of the rows; of equals the first, and none that comes late."""
    rich, poor, empty = ("rich", ["mask", "point"]), ("poor", ["point"] * 9), ("empty", [])
    assert choose([empty, poor, rich], 2) == ["poor", "rich"]
    assert choose([("a", []), ("b", ["mask"]), ("c", ["point"])], 1) == ["b"]
    assert choose([*((str(number), []) for number in range(LOOKED_AT)), rich], 1) == ["0"]
