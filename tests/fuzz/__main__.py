"""``python -m tests.fuzz [--seconds N] [--mutations N] [--seed S] [TARGET…]``: status 1 where something was found.

Findings are written to ``--into`` (``tests/faults/corpus``), where every later run begins.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.driving import Outcome, drive
from tests.fuzz.findings import CORPUS
from tests.fuzz.target import MEBIBYTE
from tests.fuzz.targets import NAMES, target_of

WITHOUT_END = 1 << 40


def main() -> int:
    """Run the targets one after another, and print a line of figures for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all without any")
    parser.add_argument("--seconds", type=float, help="in all, in equal parts")
    parser.add_argument("--mutations", type=int, help="in all, in the targets' shares")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--into", type=Path, default=CORPUS, help="where findings are written")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(NAMES):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    chosen = [target_of(name) for name in asked.targets or NAMES]
    shares = sum(target.share for target in chosen)
    seconds = asked.seconds or (WITHOUT_END if asked.mutations else 60)
    outcomes = []
    for target in chosen:
        mutations = -(-asked.mutations * target.share // shares) if asked.mutations else WITHOUT_END
        outcome = drive(target, seed=asked.seed, mutations=mutations, seconds=seconds / len(chosen))
        outcomes.append(outcome)
        tell(outcome, asked.into)
    found = sum(len(outcome.findings) for outcome in outcomes)
    sys.stdout.write(f"{sum(outcome.mutations for outcome in outcomes)} mutations, {found} findings\n")
    return bool(found)


def tell(outcome: Outcome, folder: Path) -> None:
    """Print a target's figures, and write down what was found."""
    came = ", ".join(f"{name} {count}" for name, count in outcome.outcomes.most_common(8))
    sys.stdout.write(
        f"{outcome.target}: {outcome.mutations} mutations in {outcome.seconds:.0f} s, slowest {outcome.slowest:.2f} s,"
        f" grown {outcome.grown // MEBIBYTE} MiB; {came}\n"
    )
    for finding in outcome.findings:
        sys.stdout.write(f"  {finding.found}: {finding.write(folder)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
