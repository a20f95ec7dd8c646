"""A team's months with one dataset, in any order: nothing is lost, nothing is stale, nothing moves."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from config.reading import parse_dataset
from tests.months.engine import engine
from tests.months.machine import FUTURE, LATELY, Months
from tests.months.plain import check_not_scattered
from tests.months.power import Point, Power, powered
from tests.months.project import team_project
from tests.months.team import Event, World

EXAMPLES = int(os.environ.get("LABELSNAP_TEST_MONTHS", "25"))
STEPS = 12
AT_THE_ROWS = Point("put", r"work/.+/receipts/bucket-", after=True)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The project, and a store in a folder for every history."""
    power = Power()
    with engine() as runtime, team_project(tmp_path / "sandbox") as project, powered(lambda: project.clock, power):
        small = {"LABELSNAP_ROWS_PER_BUCKET": "4", "LABELSNAP_WORKERS": "1", "LABELSNAP_EXPORTS": "1"}
        for name, value in (project.sandbox.environment() | small).items():
            monkeypatch.setenv(name, value)

        def dataset(root, formats=("coco",)):
            content = {
                "dataset": "streets",
                "store": root.as_uri(),
                "source": {"project": project.sandbox.project_id},
                "params": {"data_row_details": True},
                "filters": {"workflow_status": "Done"},
                "split": {"train": 0.4, "val": 0.3, "test": 0.3},
                "formats": {name: {} for name in formats},
                "problems": {"max_share": 0},
            }
            return parse_dataset(content)

        yield World(project, power, tmp_path / "stores", dataset, runtime)


def histories(examples, steps=STEPS):
    """So many histories of so many steps, the same in every run."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


@pytest.mark.slow
def test_months_of_a_team(world):
    """Refreshes, backfills, kills, rollbacks, expiry, losses, hints, polls; ``LABELSNAP_TEST_MONTHS`` says how many."""
    machine = type("OurMonths", (Months,), {"world": world})
    run_state_machine_as_test(machine, settings=histories(EXAMPLES))


@pytest.mark.slow
def test_a_quarter(world):
    """Three months in the order of the calendar: each kind of thing that happens, once."""
    team = type("OurQuarter", (Months,), {"world": world})()
    try:
        team.begin()
        team.edit_and_tell(0, ["schema-2-bus"])
        team.disturbed_answer(Event(AT_THE_ROWS, kills=True, is_retried=True, edits=1))
        team.poll()
        team.replace_image(2, is_shared=False, is_last=False)
        team.add(done=True, classes=["schema-4-dog"], is_last=False)
        team.killed_backfill((LATELY, FUTURE), Event(AT_THE_ROWS, kills=True, is_retried=False, edits=None))
        team.refresh()
        team.backfill_again()
        team.roll_back(1, is_last=False)
        team.edit(3, ["schema-7-car"], is_last=False)
        team.put_file("work/lease/.DS_Store")
        team.refresh()
        team.lose_record(1)
        team.collect()
        team.give_up()
        team.expire(2)
        team.collect()
        team.pull(0)
        team.pull(1)
        for check in (team.versions_read_whole, team.hints_wait, team.foreign_files_stay):
            check()
    finally:
        team.teardown()


@pytest.mark.slow
def test_rows_of_one_image_while_buckets_become_fewer_and_more(world):
    """Five rows are two buckets, and four are one: there each row's image is found in the pack of any of them."""
    team = type("OurRows", (Months,), {"world": world})()
    team.begin()
    for number in range(5):
        team.replace_image(number, is_shared=True, is_last=number == 4)
    team.delete(0, is_last=True)
    for number in range(4):
        team.edit(number, (), is_last=number == 3)
    team.add(done=True, classes=(), is_last=True)
    for number in range(5):
        team.edit(number, (), is_last=True)
    team.versions_read_whole()


@pytest.mark.slow
def test_forty_nights_leave_nothing_behind(world):
    """Edits, kills at some call of the store, expiry, collections, rollbacks: packs and objects are few in the end."""
    ours = replace(world, dataset=partial(world.dataset, formats=("coco", "yolo")))
    team = type("OurNights", (Months,), {"world": ours})()
    try:
        team.begin()
        for night in range(40):
            team.edit(night, ["schema-2-bus", "schema-4-dog"][: night % 3], is_last=False)
            point = Point("", "", after=night % 2 == 0, times=1 + 17 * night % 90)
            cut = Event(point, kills=True, is_retried=night % 3 == 0, edits=None)
            team.refreshed(cut if night % 4 == 3 else None)
            if night % 10 == 9:
                team.roll_back(2, is_last=True)
                team.expire(2)
                team.collect()
        team.versions_read_whole()
        team.expire(1)
        team.collect()
        team.collect()
        team.folder.check_nothing_unreachable()
        check_not_scattered(team.folder.newest())
        team.versions_read_whole()
    finally:
        team.teardown()
