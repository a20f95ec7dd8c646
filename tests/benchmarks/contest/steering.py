"""Servers in processes of their own, steered line by line: JSON to their standard input, JSON from their output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Steered:
    """A running server: its address, and what it can be asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url: str = self._read()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Have it carry out a command; give what the command gives."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout
        if line := self._process.stdout.readline():
            return json.loads(line)
        raise RuntimeError(f"{self._process.args} has ended")


@contextmanager
def serving(module: str, *arguments: object) -> Iterator[Steered]:
    """Run a module that calls ``obey``; it ends when its standard input does."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield Steered(process)
        finally:
            process.communicate()


def obey(url: str, commands: Mapping[str, Callable[..., object]]) -> None:
    """Tell where one serves, then carry out what standard input asks, until it ends. ``cpu`` is everybody's command."""
    known = {"cpu": time.process_time} | dict(commands)
    _tell(url)
    for line in sys.stdin:
        command, arguments = json.loads(line)
        _tell(known[command](**arguments))


def _tell(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - for whoever started it
