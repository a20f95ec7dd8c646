"""The pages of the repository: links, anchors and paths lead somewhere, and so does what the code says of pages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from labelsnap.formats.registry import FORMATS
from tests.test_structure import source_files

ROOT = Path(__file__).parents[1]
FOLDERS = ("labelsnap", "flows", "tasks", "config", "deploy", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
SAID = [*source_files(), *(path for folder in FOLDERS[:-1] for path in (ROOT / folder).rglob("*.y*ml"))]
CODE = re.compile(r"^ *(```|~~~).*?^ *\1$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(`+)(.*?)\1")
LINK = re.compile(r"\[[^][]*\]\(([^()\s]+)\)")
PAGE = re.compile(r"(?<![\w./-])((?:\w+/)+\w+\.md)(?:[`)]*,? [“\"]([^”\"]+)[”\"])?")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*")


def name_of(path):
    """A path from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def text_of(path):
    """A page without its blocks of code."""
    return CODE.sub("", path.read_text(encoding="utf-8"))


def slug(heading):
    """The anchor that GitHub gives a heading: small letters, hyphens for blanks, no punctuation."""
    shown = LINK.sub(lambda link: link[0][1:].partition("](")[0], heading).replace("`", "")
    return re.sub(r"[^\w -]", "", shown.strip().lower()).replace(" ", "-")


def anchors(path):
    """The anchors of a page; of headings that are alike, the later ones have a number behind them."""
    found = []
    for heading in re.findall(r"^#+ (.*)$", text_of(path), re.MULTILINE):
        again = found.count(slug(heading))
        found += [slug(heading)] + [f"{slug(heading)}-{again}"] * bool(again)
    return found


def wrong_links(path):
    """The links of a page that lead to no file, or to no heading of the page that they lead to."""
    for link in LINK.findall(SPAN.sub("code", text_of(path))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = path.parent / unquote(place) if place else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    """To a file or folder of the repository, and where they name a heading, to one that is there."""
    assert list(wrong_links(path)) == []


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    """A file that is not there, and a heading that is not there; what is code is no link."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`, c!\n## Twice\n## Twice\n[1](page.md#a-b-c) [2](#twice-1) [3](#twice-2) [4](other.md) [5](https://a.b/c)\n"
        "`[6](no.md)`\n```\n[7](no.md)\n```\n",
        encoding="utf-8",
    )
    assert list(wrong_links(page)) == ["#twice-2", "other.md"]


@pytest.mark.parametrize("path", [path for path in PAGES if "golden" not in path.parts], ids=name_of)
def test_paths_that_a_page_names_are_there(path):
    """Files and folders in code that begin with a folder of the repository; NAME and * stand for any."""
    named = (span[1] for span in SPAN.findall(text_of(path)))
    paths = {each for each in named if PATH.fullmatch(each)}
    assert not {each for each in paths if not list(ROOT.glob(each.replace("NAME", "*")))}


@pytest.mark.parametrize("path", [*SAID, *PAGES], ids=name_of)
def test_pages_that_are_named_are_there(path):
    """So are their sections, where a message, a remark or a page names one behind the page."""
    for page, heading in PAGE.findall(path.read_text(encoding="utf-8")):
        found = [base / page for base in (ROOT, path.parent, path.parent.parent) if (base / page).is_file()]
        assert found, page
        assert not heading or slug(heading) in anchors(found[0]), heading


def test_the_first_page_is_short_and_has_every_format():
    """At most 120 lines; whoever wants more reads on."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(FORMATS)


def test_pictures_of_pages_are_small():
    """A picture on a page has 300 kB at most: everybody who clones the repository has it."""
    shown = [page.parent / link for page in PAGES for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text_of(page))]
    assert shown
    assert all(path.stat().st_size <= 300_000 for path in shown)


def test_the_librarys_page_can_be_typed_into_python(tmp_path, monkeypatch):
    """Its lines read a version that an earlier labelsnap wrote, and lay out its COCO files."""
    shutil.copytree(ROOT / "tests/golden/format-1", tmp_path / "golden")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "labelsnap/README.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    exec(lines.replace("s3://ml-datasets/labelsnap/street-scenes", (tmp_path / "golden").as_uri()), names := {})  # noqa: S102
    assert str(names["snapshot"].ref).endswith("golden@6")
    assert len(names["versions"]) == 6
    assert (tmp_path / "tree/a.json").read_bytes() == b'{"version":6}' == names["first"]
