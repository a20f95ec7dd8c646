"""Machines of their own on this one: processes, mounts and a host name of their own, private scratch, no environment.

They share this one's network. Whatever a machine's command has started ends with it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_API_KEY

from labelsnap.references import open_snapshot
from tests.orchestration.prefect_service import until

CODE = Path(__file__).parents[2]
UNSHARED = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
PRIVATE = 'hostname "$0" && mount -t tmpfs none /tmp && exec "$@"'
SECRETS = {
    PREFECT_API_KEY: "prefect-key-8675309",
    PREFECT_API_AUTH_STRING: "auth-string-8675309",
    PREFECT_API_DATABASE_CONNECTION_URL: "postgresql+asyncpg://prefect:password-8675309@127.0.0.1/prefect",
}


def needs_namespaces():
    """Skip where this user may not make namespaces."""
    command = [*UNSHARED, "sh", "-c", PRIVATE, "machine", "true"]
    if shutil.which("unshare") is None or subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("unshare needs root, or rights to mount")


@contextmanager
def machine(name, *command, environment, log):
    """A command of our Python on a machine while the block runs; nothing of this one's environment reaches it."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CODE), "HOME": "/tmp", "PREFECT_HOME": "/tmp/prefect"}  # noqa: S108
    whole = [*UNSHARED, "sh", "-c", PRIVATE, name, sys.executable, *command]
    with (
        log.open("ab") as output,
        subprocess.Popen(whole, env=own | environment, stdout=output, stderr=output, cwd="/") as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.kill()


def another_version(folder):
    """The same code, but for a comment."""
    for name in ("labelsnap", "flows", "tasks", "config", "deploy"):
        shutil.copytree(CODE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "labelsnap/errors.py").open("a", encoding="utf-8") as file:
        file.write("# another\n")
    return str(folder)


def without_labelsnap(folder):
    """A folder whose module is in the way of labelsnap's."""
    folder.mkdir()
    (folder / "tasks.py").write_text("raise ModuleNotFoundError(\"No module named 'tasks'\")\n", encoding="utf-8")
    return str(folder)


def files(result):
    """What a version holds by path, without the raw export, which names its task."""
    manifest = open_snapshot(result["ref"]).manifest
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith("raw/")}


class Recorder:
    """Stands before a TCP server, as soon as that listens, and keeps every byte of both directions."""

    def __init__(self, host, port):
        self._target = host, port
        until(self._listens, 60)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.bytes = bytearray()
        Thread(target=self._accept, daemon=True).start()

    def _listens(self):
        try:
            socket.create_connection(self._target).close()
        except ConnectionRefusedError:
            return False
        return True

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:  # it ended: whoever asks is refused, as it would be there
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while block := source.recv(1 << 16):
                self.bytes += block
                sink.sendall(block)
        except OSError:
            pass
        for each in (source, sink):
            each.close()

    def close(self):
        """Take nobody any more."""
        self._server.close()
