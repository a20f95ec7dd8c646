"""The key stays at home: a run with failures and redirects is searched for it, byte by byte."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from urllib.parse import quote

import pytest

from deploy.sandbox import Fault, Sandbox
from tests.faults.searching import holding

pytestmark = pytest.mark.slow


@contextmanager
def running(sandbox, directory):
    """The command in a process group of its own, all that it may write below ``directory``, at its most talkative."""
    folders = {name: directory / name.lower() for name in ("HOME", "TMPDIR", "PREFECT_HOME", "XDG_CACHE_HOME")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    dataset_file = sandbox.write_dataset_file(directory / "dataset.yaml")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= sandbox.environment() | {name: str(folder) for name, folder in folders.items()}
    environment |= {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG"}
    environment |= {"PREFECT_LOGGING_ROOT_LEVEL": "DEBUG", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    environment |= {"LABELSNAP_ALLOW_HOSTS": "127.0.0.1,localhost"}
    command = [sys.executable, "-m", "flows.cli", "refresh", str(dataset_file), "--json"]
    with (directory / "said").open("ab") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)  # noqa: S603
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_key_is_in_no_byte_of_what_a_run_leaves_behind(tmp_path):
    """Neither in store, database, log, output or temporary file, in no spelling; no other host was sent it."""
    with Sandbox(rows=24, seed=86753098, directory=tmp_path / "sandbox") as sandbox:
        key = sandbox.api_key
        for target in ("composite_mask", "instance_mask", "image", "chunk"):
            sandbox.faults.add(Fault(target, "redirect", times=3, host="localhost"))
            sandbox.faults.add(Fault(target, "status", status=500, times=2))
            sandbox.faults.add(Fault(target, "cut"))
        sandbox.faults.add(Fault("composite_mask", "wrong_type", times=2))
        sandbox.faults.add(Fault("*_mask", "status", status=429, retry_after=0.1, times=2))
        sandbox.faults.add(Fault("image", "status", status=404))
        sandbox.faults.add(Fault("graphql:*", "status", status=500))
        with running(sandbox, tmp_path) as process:
            assert process.wait(timeout=300) == 0, (tmp_path / "said").read_text(encoding="utf-8")
        foreign = {request.path.split("/")[1] for request in sandbox.requests.foreign}
        leaks = dict(sandbox.requests.leaks)

        sandbox.add_rows(8)  # a second run is killed while it waits for images, with its scratch files in place
        sandbox.faults.add(Fault("image", "delay", times=None, seconds=3600))
        sandbox.requests.clear()
        with running(sandbox, tmp_path) as process:
            while not sandbox.requests.count("image"):
                assert process.poll() is None, (tmp_path / "said").read_text(encoding="utf-8")
                time.sleep(0.1)

    assert foreign == {"api", "images", "files"}
    assert leaks == {}
    spellings = {key, quote(key, safe=""), key[::-1], base64.b64encode(key.encode()).decode().rstrip("=")}
    spellings |= {base64.b64encode(f"Bearer {key}".encode()).decode().rstrip("=")}
    assert holding(tmp_path, *(spelling.encode() for spelling in spellings)) == []
    found = {path.relative_to(tmp_path).parts[0] for path in holding(tmp_path, sandbox.project_id.encode())}
    assert found >= {"sandbox", "prefect_home", "said", "tmpdir"}  # the search sees into all of them
