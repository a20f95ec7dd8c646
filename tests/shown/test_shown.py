"""Text of others, by the medium in which it is shown: readers of each medium find text and nothing else."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from labelsnap.shown import json_text, line, lines, markdown, markup
from tasks.telling.logged import ShownRecord

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "photo\u202egpj.exe",
    "\u2066a\u2069\u200e\u200f\u061c",
    "first\nsecond",
    "first\r\nsecond\rthird\u2028fourth\u2029fifth\x85sixth",
    "zero\u200bwidth\ufeff\u2060",
    "\x00\x08\x7f\ufffe\ud83d",
    "\U000e0068\U000e0069",
    "a\U000e0101\u034f\ufe00\u17b4",
    "\u3164\u115f\u1160\uffa0",
)
LIVE = (
    "![t](http://evil.example/t.png)",
    "[x](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "<http://evil.example>",
    "http://evil.example/a`b``c",
    "www.evil.example",
    "somebody@evil.example",
    "a | b\\| c | ![t](http://evil.example)",
    "`code` ![t][r]",
    "[r]: http://evil.example",
    "# heading",
    "- item",
    "1. item",
    "---",
    "**bold** _slanted_ ~~gone~~",
    "&lt;b&gt; &#33;[t](x)",
    "\\![t](x) \\\\[x](y)",
    "```",
)
HONEST = (
    "car",
    "traffic_light",
    "Straße & Weg",
    "می\u200cخواهم",
    "क्\u200dष",
    "👩\u200d🚗",
    "日本語",
    "a/b (c)",
    "100 % 🚗️",
    "✈︎ ✈️",
    "ᠮᠣᠩᠭᠣᠯ\u180b",
)


def obeyed(text):
    """What of a text a terminal may obey or cannot write, by Unicode's own categories and the joiners' exception."""
    kept = {"\n", "\u200c", "\u200d"}
    return [each for each in text if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} and each not in kept] + [
        each for each in text if unicodedata.bidirectional(each) in {"LRE", "RLE", "LRO", "RLO", "PDF"}
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_obeys_nothing_of_a_name(text):
    """A name is one line, without what moves a cursor, colours, turns the direction of writing or has no width."""
    shown = line(text)
    assert obeyed(shown) == []
    assert "\n" not in shown
    assert not set(shown) & set("\u061c\u200b\u200e\u200f\u2060\u2066\u2069\ufeff\ufffe\U000e0068")
    assert not set(shown) & set("\U000e0101\u034f\ufe00\u17b4\u3164\u115f\u1160\uffa0")
    shown.encode()


@pytest.mark.parametrize("text", HONEST)
def test_honest_names_stay_as_they_are(text):
    """Other alphabets, emoji and the joiners that these need are no danger."""
    assert line(text) == text
    assert json.loads(json_text(text)) == text
    assert text in json_text(text)


def test_what_is_left_out_can_still_be_read():
    """A character that is not shown is spelled out by its number."""
    assert line("a\x1b[1m\u202eb\U000e0041") == r"a\x1b[1m\u202eb\U000e0041"


def test_only_our_own_line_feeds_part_lines():
    """Of several lines each is cleaned; a carriage return does not begin one."""
    assert lines("one\rtwo\nthree\x1b") == "one two\nthree\\x1b"


def tokens(text):
    """The tokens of Markdown with every extension that makes more of a text, links without marks included."""
    reader = MarkdownIt("gfm-like", {"linkify": False, "html": True}).disable("linkify")
    found = reader.parse(text)
    return [*found, *(inner for token in found for inner in token.children or ())]


@pytest.mark.parametrize("text", [*LIVE, *HOSTILE])
@pytest.mark.parametrize("frame", ["# {}", "{}", "| class | n |\n|---|---|\n| {} | 1 |"])
def test_markdown_of_a_name_is_text(text, frame):
    """In a heading, a paragraph and a cell a name stays text or code, and breaks neither of them."""
    plain, found = tokens(frame.format("name")), tokens(frame.format(markdown(text)))
    kinds = [token.type for token in found if token.type not in {"text", "text_special", "code_inline"}]
    assert kinds == [token.type for token in plain if token.type != "text"]
    assert obeyed(markdown(text)) == []


@pytest.mark.parametrize("text", ["see http://evil.example", "www.evil.example", "a@evil.example", "HTTP://EVIL"])
def test_no_reader_makes_a_link_of_a_name_by_itself(text):
    """What looks like an address is code, where readers that look through all text do not look."""
    assert {token.type for token in tokens(markdown(text))} == {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "code_inline",
    }


def test_markdown_shows_the_name_that_there_is():
    """A reader of the card reads the characters of the name."""
    shown = "".join(
        token.content for token in tokens(markdown("a*b_ [c](d) <e>|f \\g")) if token.type.startswith("text")
    )
    assert shown == "a*b_ [c](d) <e>|f \\g"


@given(st.text(st.characters(), max_size=40))
def test_markup_is_well_formed_whatever_the_name(text):
    """Any name can stand in an element and in an attribute of XML, and is read there as it is shown in a line."""
    read = ET.fromstring(f'<a b="{markup(text)}">{markup(text)}</a>')  # noqa: S314 - our own
    assert read.get("b") == read.text or read.text is None
    assert (read.text or "") == line(text)


@given(st.text(st.characters(), max_size=40))
def test_json_is_the_same_value_and_nothing_is_obeyed(text):
    """A value that is printed as JSON comes back whole, and a terminal finds nothing in it."""
    written = json_text({"name": text})
    assert json.loads(written) == {"name": text}
    assert obeyed(written) == []


def test_a_record_of_ours_is_one_line():
    """What is quoted in a message of a log does not begin another record; nor does a trace hold what is obeyed."""
    about = (ValueError, ValueError("\x1b[2J\u202e"), None)
    record = ShownRecord("tasks.x", logging.WARNING, __file__, 1, "%s is odd", ("a\nWARNING b\x1b",), about)
    assert record.getMessage() == r"a WARNING b\x1b is odd"
    assert obeyed(logging.Formatter().format(record)) == []


ROOT = Path(__file__).parents[2]
BORDERS = {
    r"\bprint\(|sys\.std(?:out|err)\.write|typer\.echo|\.print\b": {"flows/commands/console.py"},
    r"(?<!re\.)\bescape\(": {"labelsnap/shown.py", "labelsnap/formats/voc.py"},  # which writes XML for machines
    r"\bcreate_\w+_artifact\(": {"tasks/telling/artifacts.py"},
    r"setLogRecordFactory|logging\.Handler\b": {"flows/commands/console.py", "tasks/telling/logged.py"},
}


@pytest.mark.parametrize("pattern", BORDERS)
def test_nothing_else_shows(pattern):
    """Who prints, escapes, logs or makes pages is in one module each, which cleans what passes."""
    files = [path for package in ("labelsnap", "flows", "tasks", "config") for path in (ROOT / package).rglob("*.py")]
    found = {
        path.relative_to(ROOT).as_posix() for path in files if re.search(pattern, path.read_text(encoding="utf-8"))
    }
    assert found == BORDERS[pattern]
