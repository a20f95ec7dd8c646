"""Sizes as people write them: ``256MB``."""

from __future__ import annotations

import re
from typing import Final

_SIZE: Final = re.compile(r"(?P<number>[1-9][0-9]{0,9}) ?(?P<unit>[kMG]i?B|B|)")
_UNITS: Final = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "kiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def parse_size(text: str) -> int:
    """Read a whole number of B, kB, MB, GB, kiB, MiB or GiB as bytes. Raises ``ValueError``."""
    if (match := _SIZE.fullmatch(text)) is None:
        raise ValueError(f"expected a size such as 256MB or 1GiB, found {text!r}")
    return int(match["number"]) * _UNITS[match["unit"]]
