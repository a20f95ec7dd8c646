"""Whatever bytes come in at a border, nothing is raised but labelsnap's own errors, and memory stays bounded.

What was found before is sent first. ``make fuzz`` searches longer.
"""

from __future__ import annotations

import json
import random
import re

import pytest

from tests.fuzz.driving import drive
from tests.fuzz.findings import CORPUS, trace_of
from tests.fuzz.mutation import bytes_mutator, json_mutator
from tests.fuzz.target import Cases
from tests.fuzz.targets import NAMES, target_of

SMOKE = 50
SECONDS = 25.0
"""For each target: with what begins and ends a process, all take less than five minutes."""
WITHOUT_END = 1 << 40


def told(outcome):
    """Write down what was found, as the assertion shows it."""
    return [(each.found, each.label, each.body[:200], each.trace[-1500:]) for each in outcome.findings]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_is_held_and_little_that_is_new_is_let_through(name):
    """Every case of the corpus, and a few damaged seeds, end in an answer or an error of ours."""
    outcome = drive(target_of(name), seed=0, mutations=SMOKE, seconds=300)
    assert told(outcome) == []
    assert outcome.mutations == SMOKE


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_damaged_seeds_by_the_thousand(name):
    """As many as there is time for, from another seed; CI has five minutes for all targets."""
    outcome = drive(target_of(name), seed=1, mutations=WITHOUT_END, seconds=SECONDS)
    assert told(outcome) == []
    assert outcome.mutations


@pytest.mark.parametrize("kind", [bytes_mutator, json_mutator])
def test_one_seed_gives_one_damage(kind):
    """The same numbers drawn give the same bytes, and others give others."""
    mutate = kind([b"token"])
    body, seeds = b'{"a": [1, 2.5, "text", null], "b": {"c": true}}', [b'{"d": 1}', b"other"]
    made = [mutate(random.Random(number), body, seeds) for number in range(200)]  # noqa: S311 - repeatable
    assert made == [mutate(random.Random(number), body, seeds) for number in range(200)]  # noqa: S311 - repeatable
    assert len(set(made)) > 100


def test_what_is_kept_names_no_folder_of_a_machine():
    """The trace of a finding, and each that was kept, has files as they are imported."""
    try:
        target_of("")
    except Exception as error:  # noqa: BLE001 - any will do
        made = trace_of(error)
    kept = [json.loads(path.read_text(encoding="utf-8"))["trace"] for path in CORPUS.rglob("*.json")]
    assert 'File "tests/fuzz/test_fuzz.py"' in made
    assert [trace for trace in (made, *kept) if re.search(r'File "/', trace)] == []


def test_a_case_is_known_by_its_number():
    """Whoever has a target, a seed and a number has the case, and each number has another."""
    one, other = Cases(target_of("masks"), 7), Cases(target_of("masks"), 7)
    cases = [one.case(number) for number in range(100)]
    assert cases == [other.case(number) for number in range(100)]
    assert len({case.body for case in cases}) > 90
