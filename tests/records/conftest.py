"""A Hypothesis profile for long runs: ``pytest tests/records --hypothesis-profile=recorded -k any``.

Three tests of arbitrary bytes, JSON and damage with 70,000 inputs each.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("recorded", max_examples=70_000, deadline=None)
