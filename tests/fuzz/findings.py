"""What was found, as files: the corpus in ``tests/faults/corpus`` is sent again before anything new is tried."""

from __future__ import annotations

import base64
import json
import re
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

from tests.fuzz.target import Case

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "faults" / "corpus"
TRIES = 400
"""How often a case is sent again to make it smaller."""
LONGEST = 3.0
"""Seconds of processor time that this may take."""


@dataclass(frozen=True)
class Finding:
    """A case that did what none may. ``found`` is what and where, ``seed`` and ``number`` say how it was made."""

    target: str
    seed: int
    number: int
    label: str
    found: str
    trace: str
    body: bytes

    def write(self, folder: Path) -> Path:
        """Write it down, under a name that says what it is."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.found).strip("-").lower()[:80]
        path = folder / self.target / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(self) | {"body": base64.b64encode(self.body).decode("ascii")}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return path


def corpus(target: str) -> list[tuple[str, Case]]:
    """What was found of a target before, by file name."""
    found = []
    for path in sorted((CORPUS / target).glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found.append((path.stem, Case(content["label"], base64.b64decode(content["body"]))))
    return found


def signature(error: BaseException) -> str:
    """What was raised and where: its class, and the innermost place of this repository that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT / "labelsnap")]
    ours = ours or [frame for frame in frames if Path(frame.filename).is_relative_to(ROOT)]
    place = ours[-1] if ours else frames[-1]
    return f"{type(error).__name__} in {Path(place.filename).stem}.{place.name}"


def trace_of(error: BaseException) -> str:
    """What Python prints of an exception, with files as they are imported: a finding is read on other machines."""
    trace = "".join(traceback.format_exception(error))
    folders = {each for each in sys.path if each and not Path(each).is_relative_to(ROOT / "tests")}
    for folder in sorted(folders | {str(ROOT)}, key=len, reverse=True):
        trace = trace.replace(f'"{folder}/', '"')
    return trace


def smaller(case: Case, is_same: Callable[[Case], bool]) -> Case:
    """Cut pieces out of a case as long as it stays the same finding: halves first, then ever smaller ones."""
    body, tries = case.body, 0
    size = len(body) // 2
    ends = process_time() + LONGEST
    while size and tries < TRIES and process_time() < ends:
        start = 0
        while start < len(body) and tries < TRIES and process_time() < ends:
            shorter = Case(case.label, body[:start] + body[start + size :])
            tries += 1
            if is_same(shorter):
                body = shorter.body
            else:
                start += size
        size //= 2
    return Case(case.label, body)
