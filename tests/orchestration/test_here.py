"""What a process has at hand in a flow run: each attempt asks the store anew."""

from __future__ import annotations

import pytest

from labelsnap.snapshots.layout import epoch_key
from labelsnap.storage import open_store
from tasks.machines.here import here_of, let_go
from tests.months.engine import engine


@pytest.fixture
def flow_run():
    """The flow run of this context."""
    with engine() as runtime:
        runtime.flow_run.id = "a-flow-run"
        yield runtime.flow_run


@pytest.fixture
def url(tmp_path, flow_run):
    """A dataset; what is at hand of it goes with the test."""
    found = f"file://{tmp_path}/street-scenes"
    yield found
    let_go(found)


def test_a_process_that_outlives_an_attempt_asks_for_the_epoch_again(url, flow_run):
    """A worker's next attempt writes under the epoch that stands then, and puts what was collected since."""
    first = here_of(url).draft(None).add_file("a.txt", b"a")
    assert first.key == "data/a-ca978112ca1bbdca.txt"  # sha256sum of the letter
    store = open_store(url)
    store.delete(first.key)
    store.create(epoch_key(1), b"{}")
    assert here_of(url).draft(None).add_file("b.txt", b"b").key == "data/b-3e23e8160039594a.txt"
    flow_run.run_count = 2
    again = here_of(url).draft(None).add_file("a.txt", b"a")
    assert again.key == "data/a-ca978112ca1bbdca-g1.txt"
    assert store.get(again.key) == b"a"


def test_what_an_attempt_had_at_hand_goes_with_the_next(url, flow_run):
    """A process keeps the copies of one attempt of a flow run."""
    before = here_of(url)
    assert here_of(url) is before
    flow_run.run_count = 2
    now = here_of(url)
    before.folder.take("name", b"body")
    assert now is not before
    assert before.folder.size("name") is None
    now.folder.take("name", b"body")
    assert now.folder.size("name") == 4
