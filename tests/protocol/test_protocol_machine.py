"""Publishers, collectors, rollbacks, tags and retries, interleaved call by call: what is kept is always whole."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from interleaving import Client

from labelsnap.snapshots import (
    Committed,
    Draft,
    Manifest,
    collect,
    commit,
    expire,
    latest,
    read_history,
    rollback,
    tag,
)
from labelsnap.snapshots.keeping.gc import WAIT
from labelsnap.snapshots.keeping.history import published_by
from labelsnap.storage import probe
from tests.contracts.memory_store import MemoryStore
from tests.contracts.one_by_one import one_by_one

FATES = st.sampled_from(["answered"] * 6 + ["lost", "cut", "late", "killed"])
LETTERS = st.sampled_from("abc")
TURNING_POINTS = [
    ("put", "manifests/"), ("create", "commits/"), ("list", "gc/"), ("create", "gc/"), ("create", "tags/"),
    ("list", "tags/"), ("delete_many", ""), ("create", "checkpoints/"),
    ("put", "checkpoints/"),
]  # fmt: skip
CLASSES = "tables/classes/classes.parquet"
RACES = 5
HISTORIES = int(os.environ.get("LABELSNAP_TEST_HISTORIES", "400"))


def patient(_):
    """Wait no time: the store's clock is moved by the test."""


def working(machine):
    """Whether a client has something left to do."""
    return any(not client.finished for client, _ in machine.clients)


class Run:
    """A refresh, and what its repetitions find of it: the manifest that it prepared, and when it began."""

    def __init__(self, name, letters):
        self.name = name
        self.letters = sorted(letters)
        self.prepared = None

    def refresh(self, store):
        """Upload, and publish on the newest version, again after every lost race."""
        started_at = probe(store)
        base = latest(store)
        draft = Draft(store, base.manifest if base else None)
        files = [draft.add_file(f"{letter}.txt", letter.encode()) for letter in self.letters]
        files.append(draft.add_file(CLASSES, self.name.encode()))
        manifest = Manifest.of(dataset="d", created_at="", config={}, result={"run": self.name}, files=files, packs=[])
        self.prepared = (manifest, started_at, base.version if base else 0)
        return self.publish(store)

    def publish(self, store):
        """The last step alone, as a task that is repeated does it."""
        manifest, started_at, parent = self.prepared
        for _ in range(RACES):
            outcome = commit(store, manifest, publish_id=self.name, parent=parent, started_at=started_at, sleep=patient)
            if isinstance(outcome, Committed):
                return outcome.commit
            parent = outcome.head
        return None


class Protocol(RuleBasedStateMachine):
    """One dataset in a store whose answers get lost, whose clients die or stop for weeks, and whose clock goes on."""

    wait = WAIT

    def __init__(self):
        super().__init__()
        self.store = MemoryStore()
        self.clients = []
        self.runs = []
        self.published = {}
        self.tags = {}
        self.numbers = iter(range(10**6))
        self.seen = []

    def teardown(self):
        for client, _ in self.clients:
            client.kill()

    def start(self, work, done=lambda _: None):
        """Let a client begin; ``done`` is told what it acknowledged."""
        self.clients = [(client, told) for client, told in self.clients if not client.finished or client.late]
        if len(self.clients) < 5:
            self.clients.append((Client(self.store, work), done))

    def settle(self, client, done):
        if client.finished and client.outcome is not None:
            done(client.outcome)
        if client.error is not None and not hasattr(client.error, "code"):
            raise client.error

    def acknowledge(self, record):
        self.published[record.publish_id] = record.version

    @initialize(call=st.sampled_from(TURNING_POINTS[:3]), collecting=st.booleans())
    def begin(self, call, collecting):
        """Two snapshots, the older of them expired a week ago, and a refresh under way that finds its file again."""
        for letters in ("a", "b"):
            self.runs.append(Run(f"run-{next(self.numbers)}", letters))
            self.acknowledge(self.runs[-1].refresh(self.store))
        expire(self.store, keep=1, sleep=patient)
        self.store.pass_time(days=8)
        self.refresh({"a"})
        self.advance(*self.clients[0], call)
        if collecting:
            self.collect(side_by_side=True)

    @rule(letters=st.sets(LETTERS, min_size=1, max_size=2))
    def refresh(self, letters):
        run = Run(f"run-{next(self.numbers)}", letters)
        self.runs.append(run)
        self.start(run.refresh, self.acknowledge)

    @rule(data=st.data(), whole=st.booleans())
    def repeat(self, data, whole):
        run = data.draw(st.sampled_from(self.runs))
        self.start(run.refresh if whole or run.prepared is None else run.publish, self.acknowledge)

    @rule(version=st.integers(1, 8))
    def roll_back(self, version):
        name = f"back-{next(self.numbers)}"
        self.start(lambda store: rollback(store, version, publish_id=name, sleep=patient))

    @rule(name=st.sampled_from(["x", "y"]), version=st.integers(1, 8))
    def name(self, name, version):
        def done(made):
            self.tags[made.name] = made.version

        self.start(lambda store: tag(store, name, version, sleep=patient), done)

    @rule(keep=st.integers(1, 2))
    def expire(self, keep):
        self.start(lambda store: expire(store, keep=keep, sleep=patient))

    @rule(side_by_side=st.booleans())
    def collect(self, side_by_side):
        """Condemn what is garbage, and delete it, at once or call by call."""
        collect(self.store, wait=self.wait, sleep=patient)
        if self.wait:
            self.store.pass_time(hours=25)
        if side_by_side:
            self.start(lambda store: collect(store, wait=self.wait, sleep=patient))
        else:
            collect(self.store, wait=self.wait, sleep=patient)

    @rule(number=st.integers(0, 8), harm=st.sampled_from(["gone", "damaged", "hint"]))
    def harm_a_checkpoint(self, number, harm):
        """Somebody takes a checkpoint away, or damages it, or lets the hint name another: no answer depends on one."""
        key = f"checkpoints/{number:020d}.json"
        if harm == "hint":
            self.store.put("checkpoints/newest.json", b'{"version":%d}' % number)
        elif harm == "gone":
            self.store.delete(key)
        elif (body := self.store.get(key)) is not None:
            self.store.put(key, body[:-2])

    @rule(hours=st.sampled_from([1, 13, 25, 8 * 24, 8 * 24]))
    def pass_time(self, hours):
        self.store.pass_time(hours=hours)

    def advance(self, client, done, call):
        while not client.finished and not (client.pending[0] == call[0] and str(client.pending[1]).startswith(call[1])):
            client.go()
        self.settle(client, done)

    def draw_client(self, data):
        return data.draw(st.sampled_from([pair for pair in self.clients if not pair[0].finished]))

    @precondition(working)
    @rule(data=st.data(), calls=st.integers(0, 30), fate=FATES)
    def go_on(self, data, calls, fate):
        """Some calls of a client, the last of them with a fate."""
        client, done = self.draw_client(data)
        for _ in range(calls):
            if not client.finished:
                client.go()
        if not client.finished:
            client.go(fate)
        self.settle(client, done)

    @precondition(working)
    @rule(data=st.data(), call=st.sampled_from(TURNING_POINTS))
    def go_on_until(self, data, call):
        """Bring a client to where what others do matters most, if it comes there."""
        self.advance(*self.draw_client(data), call)

    @precondition(working)
    @rule(data=st.data())
    def finish(self, data):
        client, done = self.draw_client(data)
        client.finish()
        self.settle(client, done)

    @precondition(lambda self: any(client.late for client, _ in self.clients))
    @rule(data=st.data())
    def land(self, data):
        """A write arrives whose client has long given it up."""
        client, _ = data.draw(st.sampled_from([pair for pair in self.clients if pair[0].late]))
        client.late.pop(0)()

    @invariant()
    def what_is_kept_is_whole(self):
        records = [json.loads(self.store.get(info.key)) for info in self.store.list("commits/")]
        assert [record["version"] for record in records] == list(range(1, len(records) + 1)), "versions have gaps"
        assert records[: len(self.seen)] == self.seen, "a version has changed"
        self.seen = records
        versions = {record["publish_id"]: record["version"] for record in records}
        assert len(versions) == len(records), "one publication is two versions"
        assert self.published.items() <= versions.items(), "what was acknowledged is no version"
        expired = {version for first, last in records[-1]["expired"] for version in range(first, last + 1)}
        for record in records:
            if record["version"] not in expired or record["version"] in self.tags.values():
                self.assert_whole(record["manifest"])

        history = read_history(self.store)
        assert history.head.version == len(records), "the newest version is another"
        live = [(each.version, each.manifest, each.publish_id) for each in history.live]
        said = [(each["version"], each["manifest"], each["publish_id"]) for each in records]
        assert live == [each for each in said if each[0] not in expired], "a checkpoint says what no record does"
        for record in records:
            found = published_by(self.store, history, record["publish_id"])
            assert (found and found.version) == record["version"], "a run is not found"

        to_take_over = left_to_take_over(records)
        assert to_take_over <= set(records[-1]["behind"]), "what has to be taken over does not stand behind"
        for manifest in to_take_over:
            self.assert_whole(manifest, {CLASSES})

    def assert_whole(self, manifest, paths=None):
        body = self.store.get(f"manifests/{manifest}.json")
        assert body is not None, "the manifest of a kept version is gone"
        for file in json.loads(body)["files"]:
            if paths and file["path"] not in paths:
                continue
            content = self.store.get(file["key"])
            assert content is not None, f"{file['key']} of a kept version is gone"
            assert hashlib.sha256(content).hexdigest() == file["sha256"]


def left_to_take_over(records):
    """Return the manifests that rollbacks left behind, and that no publication since has taken over.

    A record may name others behind it, which were taken over once and have perhaps been deleted.
    """
    found, before = set(), None
    for record in records:
        if record["action"] == "publish":
            found = set(record["behind"])
        elif record["action"] == "rollback":
            found = (found | {before}) - {record["manifest"]}
        before = record["manifest"]
    return found


@pytest.fixture(autouse=True)
def records_are_read_one_by_one():
    """No threads but the clients' own."""
    with one_by_one():
        yield


class ImpatientProtocol(Protocol):
    """The same, with collectors that delete at once: the fence alone keeps what is kept, and no clock."""

    wait = timedelta(0)


def many(examples, steps):
    """So many histories of so many steps, the same wherever the same modules are loaded: they lend numbers to draw."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


@pytest.fixture(autouse=True)
def checkpoints_are_made_every_other_version():
    """So that histories of a few versions have chains of them."""
    with patch("labelsnap.snapshots.keeping.checkpoints.EVERY", 2):
        yield


MACHINES = [Protocol, pytest.param(ImpatientProtocol, marks=pytest.mark.slow)]


@pytest.mark.parametrize("machine", MACHINES)
def test_interleaved_clients_break_nothing(machine):
    """Some histories of publications, collections, rollbacks, tags, expiries and their repetitions."""
    run_state_machine_as_test(machine, settings=many(25, 25))


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_many_interleaved_clients_break_nothing(machine):
    """Many longer ones; ``LABELSNAP_TEST_HISTORIES`` says how many."""
    run_state_machine_as_test(machine, settings=many(HISTORIES, 50))


RULES = {
    "publish id": ("labelsnap.snapshots.writing.commit.published_by", lambda *_: None),
    "condemned objects": ("labelsnap.snapshots.writing.commit.check_not_condemned", lambda *_: None),
    "fence": ("labelsnap.snapshots.keeping.gc._fence", lambda *_: None),
    "second mark": ("labelsnap.snapshots.keeping.gc._in_use", lambda *_: set()),
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_of_the_protocol_is_needed(rule):
    """Without any one of them such histories lose what is kept, or publish it twice."""
    with patch(*RULES[rule]), pytest.raises(AssertionError, match=r"is gone|two versions"):
        run_state_machine_as_test(ImpatientProtocol, settings=many(3000, 25))
