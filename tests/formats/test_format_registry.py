"""Formats by name, and their options as the dataset file spells them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from msgspec import Struct

from labelsnap.errors import ConfigurationError
from labelsnap.formats import registry
from labelsnap.formats.coco.writer import Coco


class Tiled(Struct, frozen=True, forbid_unknown_fields=True):
    """A format with options, for these tests only."""

    tile: int = 256
    overlap: int = 0


class Plain(Struct, frozen=True, forbid_unknown_fields=True):
    """A format without options, for these tests only."""


@pytest.fixture(autouse=True)
def _formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FORMATS", MappingProxyType({"coco": Coco, "plain": Plain, "tiled": Tiled}))


def test_format_is_found_by_its_name() -> None:
    """A name without options gives the format with its defaults."""
    assert registry.format_of("coco") == Coco()


def test_options_are_the_fields_of_the_format() -> None:
    """Options given in the dataset file replace the defaults."""
    tiled: object = registry.format_of("tiled", {"overlap": 8})
    assert tiled == Tiled(256, 8)


@pytest.mark.parametrize(
    ("name", "options", "code", "message", "remedy"),
    [
        ("cocco", {}, "unknown_format", "Unknown format: 'cocco'.", "Did you mean 'coco'?"),
        ("xml", {}, "unknown_format", "Unknown format: 'xml'.", "There are: coco, plain, tiled."),
        (
            "tiled",
            {"tiles": 1},
            "unknown_format_option",
            "Unknown option of the format tiled: 'tiles'.",
            "Did you mean 'tile'?",
        ),
        ("plain", {"crowd": 1}, "unknown_format_option", "Unknown option of the format plain: 'crowd'.", "none"),
        ("tiled", {"tile": "big"}, "bad_format_option", "Expected `int`, got `str`", "Correct its value"),
    ],
)
def test_what_is_not_known_is_refused(name: str, options: dict[str, Any], code: str, message: str, remedy: str) -> None:
    """The error says what was found, and the nearest known name where there is one."""
    with pytest.raises(ConfigurationError) as refused:
        registry.format_of(name, options)
    assert refused.value.code == code
    assert message in refused.value.message
    assert remedy in refused.value.remedy
