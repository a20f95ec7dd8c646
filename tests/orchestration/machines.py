"""Machines of their own on this one: a mount and a host name of their own, private scratch, an empty environment."""

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

from flows.trees import read_ref

CODE = Path(__file__).parents[2]
PRIVATE = 'hostname "$0" && mount -t tmpfs none /tmp && exec "$@"'


def needs_namespaces():
    """Skip where this user may not make mount namespaces."""
    command = ["unshare", "-mu", "sh", "-c", PRIVATE, "machine", "true"]
    if shutil.which("unshare") is None or subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("unshare -mu needs root, or rights to mount")


@contextmanager
def machine(name, *command, environment, log):
    """A command of our Python on a machine while the block runs; nothing of this one's environment reaches it."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CODE), "HOME": "/tmp", "PREFECT_HOME": "/tmp/prefect"}  # noqa: S108
    whole = ["unshare", "-mu", "sh", "-c", PRIVATE, name, sys.executable, *command]
    with (
        log.open("ab") as output,
        subprocess.Popen(whole, env=own | environment, stdout=output, stderr=output, cwd="/") as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.kill()


def files(result):
    """What a version holds by path, without the raw export, which names its task."""
    manifest = read_ref(result["ref"]).manifest
    return {file.path: file.sha256 for file in manifest.files if not file.path.startswith("raw/")}


class Recorder:
    """Stands before a TCP server and keeps every byte of both directions."""

    def __init__(self, host, port):
        self._target = host, port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.bytes = bytearray()
        Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
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
