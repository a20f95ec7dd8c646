"""A target's cases in child processes: one that dies has found something, and the next goes on after that case."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.fuzz.child import read_finding
from tests.fuzz.findings import ROOT, Finding, corpus
from tests.fuzz.target import Cases

if TYPE_CHECKING:
    from tests.fuzz.target import Target

DEATHS = 20
"""A target whose process has died so often is given up."""
IN_MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own is made there
"""Where pulls write, which wait for the disk after each file elsewhere."""


@dataclass
class Outcome:
    """What came of a target's cases; ``slowest`` in seconds of processor time, ``grown`` in bytes at most."""

    target: str
    mutations: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    grown: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Note a finding, unless it is one that is there."""
        if finding.found not in {each.found for each in self.findings}:
            self.findings.append(finding)


def drive(target: Target, *, seed: int, mutations: int, seconds: float) -> Outcome:
    """Send what was found before, and then so many cases, or for so many seconds."""
    outcome = Outcome(target.name)
    begin = time.monotonic()
    cases = Cases(target, seed)
    deaths, first = 0, 0
    while deaths < DEATHS and outcome.mutations < mutations and (left := begin + seconds - time.monotonic()) > 0:
        with TemporaryDirectory(prefix="labelsnap-fuzz-", dir=IN_MEMORY) as folder:
            arguments = [target.name, str(seed), str(first), str(mutations - outcome.mutations), str(left), folder]
            child = subprocess.run(  # noqa: S603 - this very program
                [sys.executable, "-m", "tests.fuzz.child", *arguments],
                cwd=ROOT,
                env=os.environ | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            (number,) = struct.unpack(">q", Path(folder, "current").read_bytes())
        done = None
        for line in map(json.loads, child.stdout.splitlines()):
            if "done" in line:
                done = line
            else:
                outcome.add(read_finding(line))
        if done is None:
            if number == -1:
                raise RuntimeError(f"{target.name} dies of its seeds:\n{child.stderr}")
            deaths += 1
            case = cases.case(number) if number >= 0 else dict(enumerate(corpus(target.name), 2))[-number][1]
            found = f"death by {child.returncode}"
            outcome.add(Finding(target.name, seed, number, case.label, found, child.stderr[-4000:], case.body))
            outcome.mutations += max(0, number - first + 1)
            first = max(first, number + 1) or 1
            continue
        outcome.mutations += done["done"]
        outcome.slowest = max(outcome.slowest, done["slowest"])
        outcome.grown = max(outcome.grown, done["grown"])
        outcome.outcomes.update(done["outcomes"])
        first += done["done"] or 1
    outcome.seconds = time.monotonic() - begin
    return outcome
