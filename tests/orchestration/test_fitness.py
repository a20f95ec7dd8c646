"""What a machine says of itself when a run asks whether it fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace
from prefect.settings import PREFECT_API_URL, temporary_settings

from config.reading import parse_dataset
from labelsnap.storage import open_store
from tasks.machines import fitness
from tasks.machines.fitness import Misfit, carry_out, drop_terms, look, packed, set_terms
from tasks.machines.server import check_answer
from tests.contracts.prefect_front import answering


@pytest.fixture
def terms(tmp_path, monkeypatch):
    """The terms of a run of this machine, on a store in a folder."""
    monkeypatch.setenv("LABELBOX_API_KEY", "key-8675309")
    content = {"dataset": "streets", "store": f"file://{tmp_path}/store", "source": {"project": "p"}}
    terms = set_terms(parse_dataset(content), has_server=False)
    yield terms
    drop_terms(terms)


def said(terms):
    """What this machine lacks."""
    return "; ".join(look(msgspec.json.encode(terms)))


def test_the_machine_that_starts_a_run_fits_it(terms):
    """And leaves nothing in the store but what proves it to be the run's; the key is not in the terms."""
    assert said(terms) == ""
    assert [info.key for info in open_store(terms.store).list("")] == [f"_probe/{terms.salt}"]
    assert b"8675309" not in msgspec.json.encode(terms)


def test_a_clock_that_is_off_is_told(terms, monkeypatch):
    """By how much, against the store's own."""
    later = datetime.now(UTC) + timedelta(seconds=90)
    monkeypatch.setattr(fitness, "probe", lambda *_, **__: later)
    assert "its clock is 90 seconds off the store's, and 60 are allowed" in said(terms)


def test_another_store_of_the_same_name_is_told(terms):
    """As a folder is that machines do not share."""
    drop_terms(terms)
    assert "is another store or folder" in said(terms)


@pytest.mark.parametrize("name", ["labelsnap", "labelsnap's software digest", "Python", "Prefect"])
def test_another_version_is_told_and_nothing_else(terms, name, monkeypatch):
    """What else it lacks says nothing then."""
    monkeypatch.delenv("LABELBOX_API_KEY")
    here = terms.versions[name]
    assert said(replace(terms, versions=terms.versions | {name: "0.0"})) == f"{name} is {here}, not 0.0"


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (401, "refuses it (401): PREFECT_API_AUTH_STRING or PREFECT_API_KEY is at fault"),
        (500, "does not answer (HTTPStatusError)"),
        (200, "cannot be used: it answers text/html, and no JSON"),
    ],
)
def test_a_prefect_server_that_does_not_take_the_machine_is_told(terms, status, found):
    """It says that it is well to everybody; the machine has to have rights there."""
    with answering(status) as url, temporary_settings({PREFECT_API_URL: url}):
        assert said(replace(terms, has_server=True)) == f"the Prefect server of its PREFECT_API_URL {found}"


def test_a_machine_that_the_prefect_server_refuses_since_gives_its_task_back(terms, monkeypatch):
    """It fitted when it was asked; now it is named, and asked again before its next task."""
    body = msgspec.json.encode(terms)
    monkeypatch.setattr(fitness, "run_task_sync", check_answer)
    with answering(401) as url, temporary_settings({PREFECT_API_URL: url}):
        found = carry_out(body, packed({}))
    assert isinstance(found, Misfit)
    assert "refuses it (401)" in found.reasons[0]
    drop_terms(terms)
    assert "is another store" in carry_out(body, packed({})).reasons[0]


def test_terms_of_another_version_are_no_crash():
    """Whatever they look like."""
    assert look(b'{"store": 1}') == ["its labelsnap cannot read what is asked of it: it is another version"]


def test_a_process_that_does_not_fit_gives_its_task_back_unread(terms, monkeypatch):
    """A worker may have been replaced since it was asked."""
    monkeypatch.setenv("LABELBOX_API_KEY", "another")
    found = carry_out(msgspec.json.encode(terms), b"no pickle")
    assert isinstance(found, Misfit)
    assert found.reasons == ("LABELBOX_API_KEY is not what it is where the run was started",)
