"""A Hypothesis profile for long runs: ``pytest tests/records --hypothesis-profile=recorded -k any``."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("recorded", max_examples=200_000, deadline=None)
