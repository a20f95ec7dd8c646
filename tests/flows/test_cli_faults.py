"""Every fault of a command, from outside: a status, a code, a sentence and a remedy, and no bare trace."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import closing, suppress
from threading import Thread

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from labelsnap.redaction import without_secrets
from labelsnap.snapshots.reading.read import list_versions
from labelsnap.storage import open_store

RANGE = ("--from", "2024-01-01", "--to", "2030-01-01")
SHORT = {
    "dataset": "street-scenes",
    "store": "s3://ml-datasets/labelsnap",
    "source": {"project": "cltd3vkju021907u63w2odj69"},
}


class Relay:
    """A port that leads to another one, until it is cut."""

    def __init__(self, target):
        self.target = target
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/api"
        self.pairs = []
        Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                here, _ = self.listening.accept()
            except OSError:
                return
            there = socket.create_connection(self.target)
            self.pairs += [here, there]
            for source, sink in ((here, there), (there, here)):
                Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        with closing(sink), suppress(OSError):
            while block := source.recv(1 << 16):
                sink.sendall(block)

    def cut(self):
        """Close what is open, and answer nobody."""
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for each in self.pairs:
            with closing(each), suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(prefect_server):
    """A way to Prefect's server that a test may cut."""
    host, port = re.fullmatch(r"https?://([^:/]+):(\d+)/api", PREFECT_API_URL.value()).groups()
    between = Relay((host, int(port)))
    with closing(between.listening):
        yield between


@pytest.mark.parametrize(
    "command",
    [
        ("refresh",),
        *(pytest.param(each, marks=pytest.mark.slow) for each in (("backfill", *RANGE), ("deploy",), ("worker",))),
    ],
    ids=lambda command: command[0],
)
def test_prefect_away_at_the_start(labelsnap, dataset_file, monkeypatch, command):
    """An address that nobody answers at: status 2, nothing was started."""
    monkeypatch.setenv("LABELSNAP_PREFECT_SECONDS", "0.1")
    name, *options = command
    config = [] if name == "worker" else [dataset_file()]
    as_json = [] if name == "worker" else ["--json"]
    with temporary_settings({PREFECT_API_URL: "http://user:the-password@127.0.0.1:9/api"}):
        status, output, errors = labelsnap(name, *config, *options, *as_json)
    told = json.loads(output)["error"]["message"] if as_json else errors
    assert status == 2
    assert "http://127.0.0.1:9/api does not answer" in told
    assert "Traceback" not in errors
    if as_json:
        assert json.loads(output)["error"]["code"] == "prefect_unreachable"
        assert "PREFECT_API_URL" in json.loads(output)["error"]["remedy"]


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PREFECT_API_URL", "http://[::1:4200/api"),
        ("PREFECT_FLOWS_DEFAULT_RETRIES", "two"),
        ("PREFECT_SERVER_API_PORT", "the-port"),
    ],
)
def test_a_setting_that_prefect_refuses(dataset_file, name, value):
    """Prefect cannot even be loaded: status 2, the variable is named, and its value is not."""
    command = [sys.executable, "-m", "flows.cli", "deploy", str(dataset_file()), "--json"]
    address = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = subprocess.run(  # noqa: S603
        command, env=os.environ | address | {name: value}, capture_output=True, text=True, check=False
    )
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "bad_prefect_setting")
    assert [each for each in error["message"].split() if each.startswith("PREFECT_")] == [name]
    assert value not in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.prefect
@pytest.mark.slow
def test_prefect_away_in_the_middle(dataset_file, relay, sandbox, tmp_path):
    """The server goes while the export runs: the version is published, and Prefect does not know: status 2."""
    sandbox.settings.polls = 1000
    process = started(dataset_file(formats={}), relay.url)
    wait_for_export(process, sandbox)
    relay.cut()
    for task_id in sandbox.exports:
        sandbox.exports.get(task_id).polls_left = 0
    output, errors = process.communicate(timeout=150)
    assert (process.returncode, json.loads(output)["error"]["code"]) == (2, "prefect_unreachable"), errors
    assert "a version that was published stands" in json.loads(output)["error"]["remedy"]
    assert "Traceback" not in errors
    assert len(list_versions(open_store(f"file://{tmp_path}/store/street-scenes"))) == 1


def started(path, url, *options):
    """A refresh in a process of its own."""
    command = [sys.executable, "-m", "flows.cli", "refresh", str(path), *(options or ["--json"])]
    environment = os.environ | {
        "PREFECT_API_URL": url,
        "LABELSNAP_POLL_INTERVAL": "0.5",
        "LABELSNAP_PREFECT_SECONDS": "3",
        "PREFECT_CLIENT_MAX_RETRIES": "0",
    }
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603


def wait_for_export(process, sandbox):
    """Return as soon as the refresh waits for its export."""
    deadline = time.monotonic() + 120
    while sandbox.requests.count("graphql:GetUserCreatedTasks*") < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.prefect
def test_a_run_that_was_cancelled_publishes_nothing(labelsnap, dataset_file, newest_run, tmp_path, monkeypatch):
    """Nobody ended its process: it asks before the commit record, ends as Cancelled, and lets go of its lease."""
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}

    def cancel(client, run):
        client.request("POST", f"/flow_runs/{run.id}/set_state", json=state)

    monkeypatch.setattr("tasks.export.wait", lambda *_, **__: newest_run(cancel))
    status, result = labelsnap.json("refresh", dataset_file())
    assert (status, result["error"]["code"]) == (130, "run_cancelled")
    assert list_versions(open_store(f"file://{tmp_path}/store/street-scenes")) == ()
    assert not list((tmp_path / "store/street-scenes").glob("work/lease/*"))
    assert newest_run(lambda _, run: run.state.name) == "Cancelled"


@pytest.mark.slow
@pytest.mark.prefect
def test_a_run_that_was_deleted_publishes_nothing(labelsnap, dataset_file, newest_run, tmp_path, monkeypatch):
    """A flow run that the server does not know any more is not wanted any more; it says so without a trace."""
    monkeypatch.setattr(
        "tasks.export.wait", lambda *_, **__: newest_run(lambda client, run: client.delete_flow_run(run.id))
    )
    status, result = labelsnap.json("refresh", dataset_file())
    assert (status, result["error"]["code"]) == (130, "run_cancelled")
    assert list_versions(open_store(f"file://{tmp_path}/store/street-scenes")) == ()


def test_no_scratch(labelsnap, dataset_file, monkeypatch, tmp_path):
    """A scratch directory that is not there: status 4, and the machine and the folder are named."""
    monkeypatch.setenv("LABELSNAP_TEMPORARY_DIRECTORY", str(tmp_path / "nowhere"))
    status, result = labelsnap.json("refresh", dataset_file())
    assert (status, result["error"]["code"]) == (4, "scratch_full")
    assert str(tmp_path / "nowhere") in result["error"]["message"]
    assert socket.gethostname() in result["error"]["message"]
    assert "LABELSNAP_TEMPORARY_DIRECTORY" in result["error"]["remedy"]


@pytest.mark.parametrize(
    "size", [pytest.param("16k", marks=pytest.mark.slow), pytest.param("128k", marks=pytest.mark.slow), "512k"]
)
def test_a_full_scratch_disk(labelsnap, dataset_file, monkeypatch, tmp_path, size):
    """Full while the export comes down, in a bucket, or later: status 4, no row is a problem, and a retry goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("this user may not mount a small disk")
    path = dataset_file()
    try:
        monkeypatch.setenv("LABELSNAP_TEMPORARY_DIRECTORY", str(disk))
        status, output, errors = labelsnap("refresh", path, "--json")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S603, S607
    assert (status, json.loads(output)["error"]["code"]) == (4, "scratch_full"), (output, errors)
    assert "Traceback" not in errors
    assert list_versions(open_store(f"file://{tmp_path}/store/street-scenes")) == ()
    monkeypatch.setenv("LABELSNAP_TEMPORARY_DIRECTORY", str(tmp_path))
    status, result = labelsnap.json("refresh", path)
    assert (status, result["rows"]["problems"]) == (0, 0)


@pytest.mark.prefect
@pytest.mark.parametrize(
    "command",
    [
        ("snapshots", "list", "URL"),
        pytest.param(("snapshots", "gc", "URL"), marks=pytest.mark.slow),
        pytest.param(("pull", "URL@1", "--format", "coco", "tree"), marks=pytest.mark.slow),
        ("refresh", "FILE"),
        pytest.param(("deploy", "FILE"), marks=pytest.mark.slow),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_what_nobody_foresaw(labelsnap, dataset_file, monkeypatch, tmp_path, command):
    """Status 1 with where the trace lies; the trace is its owner's, and neither it nor the message has a secret."""
    secret = "the-key=that/nobody+sees"
    path = dataset_file()
    monkeypatch.setenv("LABELBOX_API_KEY", secret)
    monkeypatch.setenv("LABELSNAP_TEMPORARY_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())

    def fault(*_, **__):
        raise LookupError(f"Authorization: Bearer {secret}, https://me:mine@host/a?X-Amz-Signature=0123abc&x=1")

    for name in (
        "labelsnap.references.open_store",
        "flows.commands.maintain.open_store",
        "tasks.run.undertaking.open_store",
    ):
        monkeypatch.setattr(name, fault)
    monkeypatch.setattr("flows.service.deployments.check_server", fault)
    named = {"URL": f"file://{tmp_path}/s", "URL@1": f"file://{tmp_path}/s@1", "FILE": str(path)}
    filled = [named.get(each, each) for each in command]
    for _ in range(2):
        status, output, errors = labelsnap(*filled, "--json")
        error = json.loads(output)["error"]
        assert (status, error["code"]) == (1, "unforeseen")
        assert "LookupError" in error["message"]
        assert "Traceback" not in errors
    (trace,) = tmp_path.glob("labelsnap-trace-*.txt")
    assert str(trace) in error["remedy"]
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    kept = trace.read_text(encoding="utf-8")
    assert "Traceback" in kept
    assert "LookupError" in kept
    for text in (kept, output, errors):
        assert secret not in text
        assert "0123abc" not in text
        assert "mine" not in text
    status, _, errors = labelsnap(*filled)
    assert status == 1
    assert str(trace.parent) in errors
    assert "Traceback" not in errors


def test_a_trace_that_cannot_be_kept(labelsnap, monkeypatch, tmp_path):
    """It is still status 1 with a code, and says why there is no trace."""
    monkeypatch.setenv("LABELSNAP_TEMPORARY_DIRECTORY", str(tmp_path / "nowhere"))
    monkeypatch.setattr("flows.commands.maintain.open_store", lambda _: 1 // 0)
    status, result = labelsnap.json("snapshots", "list", f"file://{tmp_path}/s")
    assert (status, result["error"]["code"]) == (1, "unforeseen")
    assert "could not be kept" in result["error"]["remedy"]


def test_secrets_are_left_out_however_they_are_spelled(monkeypatch):
    """As they are, percent-encoded, in base64, in an address, in a query and in a header."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abc/def+ghi=")
    text = (
        "abc/def+ghi= abc%2Fdef%2Bghi%3D YWJjL2RlZitnaGk9 postgresql://p:w0rd@host/db https://h/k?sig=zz%3D&sp=r "
        "Authorization: Basic dXNlcjpwYXNz and a plain sentence"
    )
    told = without_secrets(text)
    assert not [each for each in ("abc", "YWJj", "w0rd", "zz", "dXNl") if each in told]
    assert "sp=r" in told
    assert told.endswith("and a plain sentence")


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "61 * * * *", "R 2 * * *", "0 2 * * mon#9"])
@pytest.mark.parametrize("command", ["refresh", "deploy"])
def test_a_cron_that_never_comes(labelsnap, tmp_path, cron, command):
    """What Prefect's own parser cannot read, or finds no next time for, is a fault of the file: status 2."""
    path = tmp_path / "dataset.yaml"
    path.write_text(yaml.safe_dump(SHORT | {"schedule": {"cron": cron, "timezone": "Europe/Zurich"}}), encoding="utf-8")
    status, result = labelsnap.json(command, path)
    assert (status, result["error"]["code"]) == (2, "bad_dataset_file")
    assert cron in result["error"]["message"]
    assert "schedule" in result["error"]["message"]


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.parametrize(
    ("sent", "status", "options", "code"),
    [
        (signal.SIGINT, 130, ["--json"], "interrupted"),
        (signal.SIGTERM, 143, ["--json"], "terminated"),
        (signal.SIGHUP, 129, ["--json"], "hung_up"),
        (signal.SIGTERM, 143, ["--runner", "thread"], None),
    ],
    ids=["ctrl-c", "sigterm", "terminal-closed", "in-words"],
)
def test_a_command_that_is_stopped(dataset_file, sandbox, prefect_server, tmp_path, *, sent, status, options, code):
    """One line or one object, the shell's status, the lease is let go of, and its export takes no place any more."""
    sandbox.settings.polls = 1000
    process = started(dataset_file(), PREFECT_API_URL.value(), *options)
    wait_for_export(process, sandbox)
    leases = tmp_path / "store/street-scenes/work/lease"
    assert list(leases.iterdir())
    process.send_signal(sent)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    assert not leases.exists() or not list(leases.iterdir())
    *_, export = sandbox.exports
    assert sandbox.exports.get(export).poll()[0] == "CANCELED"
    if code:
        assert json.loads(output)["error"]["code"] == code
    else:
        assert [line for line in errors.splitlines() if "labelsnap: " in line] == errors.strip().splitlines()[-1:]
