"""One target's cases in a process of their own: ``python -m tests.fuzz.child TARGET SEED FIRST COUNT SECONDS FOLDER``.

Its memory is bounded and each case's time; what it finds is a line of JSON on standard output, and so is, at the end,
what it did. Where it dies, ``FOLDER/current`` tells of which case.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import signal
import struct
import sys
import time
from collections import Counter
from mmap import mmap
from pathlib import Path

from tests.fuzz.findings import Finding, corpus, signature, smaller, trace_of
from tests.fuzz.target import Case, Cases, Target
from tests.fuzz.targets import target_of

LONGEST = 20
"""Seconds for one case, on a busy machine; most take milliseconds."""
ROOM = 4
"""The process may reserve so many budgets before the system refuses it more."""


class Stretch:
    """Cases of a target, one after another, and what came of them."""

    def __init__(self, target: Target, seed: int, folder: Path) -> None:
        self.target, self.seed = target, seed
        self.run = target.prepare(folder)
        self.cases = Cases(target, seed)
        self.known: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        self.base = 0
        current = folder / "current"
        current.write_bytes(struct.pack(">q", -1))
        with current.open("r+b") as file:
            self.current = mmap(file.fileno(), 8)

    def warm(self) -> None:
        """Send every seed as it is, so that what is loaded once is there, and bound what may come on top."""
        faulthandler.enable()
        faulthandler.register(signal.SIGALRM, chain=True)
        for label, body in self.cases.seeds.items():
            self.run(label, body)
        self.base = peak()
        room = reserved() + ROOM * self.target.budget
        resource.setrlimit(resource.RLIMIT_AS, (room, room))

    def send(self, case: Case, name: str, number: int) -> bool:
        """Send a case; False: the process has grown past its budget, and is to be given up."""
        self.current[:] = struct.pack(">q", number)
        begin = time.process_time()
        signal.alarm(LONGEST)
        try:
            self.outcomes[self.run(case.label, case.body)] += 1
            self.slowest = max(self.slowest, time.process_time() - begin)
        except Exception as error:  # noqa: BLE001 - whatever is raised was found
            self.slowest = max(self.slowest, time.process_time() - begin)
            found = signature(error)
            if found not in self.known:
                self.known.add(found)
                self._tell(case, name, number, found, trace_of(error))
            self.outcomes[found] += 1
        finally:
            signal.alarm(0)
        if self.base and (grown := peak() - self.base) > self.target.budget:
            self._tell(case, name, number, "growth", f"{grown} bytes more than before")
            return False
        return True

    def _tell(self, case: Case, name: str, number: int, found: str, trace: str) -> None:
        if found != "growth" and name != "corpus":
            case = smaller(case, lambda shorter: self._does(shorter) == found)
        print_line(
            {
                "target": self.target.name,
                "seed": self.seed,
                "number": number,
                "label": case.label,
                "found": found,
                "trace": trace[-4000:],
                "body": case.body.hex(),
            }
        )

    def _does(self, case: Case) -> str:
        signal.alarm(LONGEST)
        try:
            self.run(case.label, case.body)
        except Exception as error:  # noqa: BLE001 - the same
            return signature(error)
        return ""


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reserved() -> int:
    """The addresses that this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def print_line(content: object) -> None:
    """Tell the parent."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def read_finding(line: dict[str, object]) -> Finding:
    """Read what a child told of a finding."""
    return Finding(**line | {"body": bytes.fromhex(str(line["body"]))})  # type: ignore[arg-type]


def main() -> None:
    """Send what was found before, and then so many cases, or for so many seconds."""
    name, seed, first, count, seconds, folder = sys.argv[1:]
    stretch = Stretch(target_of(name), int(seed), Path(folder))
    stretch.warm()
    done, goes_on = 0, True
    if first == "0":
        places = enumerate(corpus(name), 1)
        goes_on = all(stretch.send(case, "corpus", -1 - place) for place, (_, case) in places)
    ends = time.monotonic() + float(seconds)
    while goes_on and done < int(count) and time.monotonic() < ends:
        number = int(first) + done
        goes_on = stretch.send(stretch.cases.case(number), "", number)
        done += 1
    print_line(
        {
            "done": done,
            "slowest": stretch.slowest,
            "grown": peak() - stretch.base,
            "outcomes": stretch.outcomes,
        }
    )


if __name__ == "__main__":
    main()
