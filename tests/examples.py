"""How many examples Hypothesis draws: a few in the fast tests, and more in the slow ones."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

FEW: Final = 12
MANY: Final = 100


def draw_few():
    """Draw few examples of a test; many with the profile ``thorough``."""
    without = [HealthCheck.too_slow]
    settings.register_profile("labelsnap", deadline=None, max_examples=FEW, suppress_health_check=without)
    settings.register_profile("thorough", deadline=None, max_examples=MANY, suppress_health_check=without)
    settings.load_profile("labelsnap")  # a busy machine fails no test


def of_a_hundred(count):
    """As many examples where others have a hundred: each of them writes tables or trees, or reads them."""
    return -(-settings().max_examples * count // MANY)
