"""Sizes as people write them."""

from __future__ import annotations

import pytest

from labelsnap.formats.shared.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("12B", 12), ("3kB", 3000), ("256MB", 256_000_000), ("2 GB", 2 * 10**9), ("1GiB", 1 << 30)],
)
def test_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    """Decimal and binary units, with or without a space."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0MB", "-1MB", "1.5GB", "MB", "1 TB", "256 mb", "1\n"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The error says what was found, and nothing is guessed."""
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)
