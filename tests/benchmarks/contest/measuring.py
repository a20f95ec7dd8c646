"""What a command costs: the clock, the processors' time, and the memory of it and all that it starts."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOK_SECONDS: Final = 0.1
"""How often memory is looked at."""
TOLD: Final = 2000
"""Characters of what a command that failed has said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the clock and of the processors, and the most bytes resident at once, all processes together.

    Memory that processes share counts for each. ``output`` is the command's standard output.
    """

    seconds: float
    cpu: float
    memory: int
    output: str


def cost_of(command: Sequence[str], environment: Mapping[str, str], root: Path, log: Path) -> Cost:
    """Run a command in the folder ``root``; what it says on standard error goes to ``log``."""
    ended, peaks = Event(), [0]
    begin = time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command, env=dict(environment), cwd=root, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        watching = Thread(target=_watch, args=(psutil.Process(process.pid), ended, peaks))
        watching.start()
        assert process.stdout
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watching.join()
    if process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[-TOLD:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {output[-TOLD:]}{said}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peaks[0], output)


def _watch(root: psutil.Process, ended: Event, peaks: list[int]) -> None:
    while not ended.wait(LOOK_SECONDS):
        resident = 0
        with suppress(psutil.Error):
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.Error):
                    resident += process.memory_info().rss
        peaks[0] = max(peaks[0], resident)
