"""YAML as PyYAML (1.1) and ruamel.yaml (1.1 and 1.2) read it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from labelsnap.formats.shared.yaml_documents import dump

NUMBERS = [
    "1e3",
    "1E+3",
    "0o7",
    "0x1F",
    "0b1",
    "1_000",
    "017",
    "1.",
    ".5",
    "+1",
    "-1",
    "1.5",
    "12:30",
    "1:2:3",
    "190:20:30.15",
]
DATES = ["2024-01-01", "2024-01-01T00:00:00Z", "2024-1-1 0:00:00"]
WORDS = [
    "yes",
    "No",
    "y",
    "N",
    "on",
    "OFF",
    "True",
    "false",
    "null",
    "Null",
    "~",
    "",
    ".inf",
    "-.INF",
    ".nan",
    "=",
    "<<",
    "!",
    "NaN",
]
NAMES = [
    *NUMBERS,
    *DATES,
    *WORDS,
    "car",
    "naïve: 🚗",
    "a #b",
    "- a",
    "[a]",
    "a, b",
    "'",
    '"',
    "line\nbreak",
    "@a",
    " a ",
    "e1",
]


def of_version(version: tuple[int, int]) -> YAML:
    """Make a reader of a version of YAML."""
    reader = YAML(typ="safe", pure=True)
    reader.version = version
    return reader


def same(text: str) -> list[Any]:
    """Read text by every reader."""
    return [yaml.safe_load(text), *(of_version(version).load(text) for version in ((1, 1), (1, 2)))]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_text_for_every_reader(name: str) -> None:
    """Numbers, dates, times and words with a meaning are read as the text that they are, as values and as keys."""
    assert same(dump({"names": {0: name}, name: [name]})) == [{"names": {0: name}, name: [name]}] * 3


@pytest.mark.parametrize("name", [*NUMBERS, *DATES, *WORDS])
def test_what_could_be_more_than_text_is_quoted(name: str) -> None:
    """Whichever schema a reader knows, quotes make it text."""
    assert dump([name]) in {f"- '{name}'\n", f'- "{name}"\n'}


@given(name=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(name: str) -> None:
    """Whatever a name holds."""
    assert yaml.safe_load(dump({"names": {0: name}})) == {"names": {0: name}}


def test_words_stay_plain() -> None:
    """What begins with a letter and means nothing else needs no quotes."""
    assert dump({"train": "images/train", "names": {0: "car", 1: "traffic light"}}) == (
        "train: images/train\nnames:\n  0: car\n  1: traffic light\n"
    )
