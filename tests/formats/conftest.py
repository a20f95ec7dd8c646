"""Formats for tests of what all of them keep to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from format_samples import VARIANTS

from labelsnap.formats.registry import STANDING, format_of

if TYPE_CHECKING:
    from labelsnap.formats.interface import Format


@pytest.fixture(params=[name for name, (each, _) in VARIANTS.items() if each not in STANDING])
def each(request: pytest.FixtureRequest) -> Format:
    """Give each format of the registry that writes files, with its default options and with others."""
    return format_of(*VARIANTS[request.param])
