"""A whole refresh against the scripts that people write: the same COCO on the same store, and the same check of it.

Contestants take turns, in another order each round; ratios are those of runs of one round, and their medians are told.
All are whole commands. ``packed`` is the strong script, ``recipe`` the vendor's, which takes so long that it runs in
the first round alone. Neither can begin where an earlier run ended, so that their one figure stands against all three
of labelsnap's: a new dataset, one of which nothing has changed, and one of which some rows have. labelsnap is there
with COCO's ``instances`` alone, which is what the scripts write, with COCO's ``default``, and with ``seven`` formats.
"""

from __future__ import annotations

import platform
import statistics
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import psutil

from tests.benchmarks.contest.arena import TRAINING, arena

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.benchmarks.contest.arena import Arena, Run

NEW, UNCHANGED, CHANGED = "new", "unchanged", "changed"
STRONG, VENDORS = "packed", "recipe"
INSTANCES, DEFAULT, SEVEN = "instances", "default", "seven"
FORMATS: Final = {
    INSTANCES: {"coco": {"panoptic": False}},
    DEFAULT: {"coco": {}},
    SEVEN: TRAINING,
}
CONTESTANTS: Final = (STRONG, VENDORS, *FORMATS)

Round = dict[str, "Run"]
"""A round's runs by what was run."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Something of a run that is compared: what it is called, and how it is written."""

    name: str
    of: Callable[[Run], float]
    written: str


SECONDS: Final = Figure("wall", lambda run: run.cost.seconds, "{:.1f} s")
CPU: Final = Figure("CPU", lambda run: run.cost.cpu, "{:.1f} s")
MEMORY: Final = Figure("peak memory", lambda run: run.cost.memory / 1e6, "{:.0f} MB")
SERVERS: Final = Figure("servers' CPU", lambda run: run.servers, "{:.1f} s")


def called(formats: str, when: str) -> str:
    """A refresh's name in the table."""
    return f"labelsnap, {formats}, {when}"


def main(
    rows: int = 100,
    *,
    latencies: Sequence[int] = (0,),
    rounds: int = 3,
    changed: int | None = None,
    contestants: Sequence[str] = CONTESTANTS,
) -> dict[str, float]:
    """Run all rounds at each latency in milliseconds, print the tables, and return the ratios.

    Of the contestants the strong script is always one.
    """
    chosen = [name for name in CONTESTANTS if name == STRONG or name in contestants]
    figures: dict[str, float] = {}
    rounds_at: dict[int, list[Round]] = {}
    with arena(rows) as servers:
        for milliseconds in latencies:
            edited = changed or max(1, rows // 100)
            played = [
                play(servers, chosen, rows, milliseconds=milliseconds, changed=edited, number=number)
                for number in range(rounds)
            ]
            rounds_at[milliseconds] = played
            title = f"{rows} rows, {edited} changed, {milliseconds} ms"
            print("\n".join(["", *table(title, played)]))  # noqa: T201 - a command line prints
            figures |= {f"{milliseconds} ms: {name}": value for name, value in ratios(played).items()}
    print(f"\n{machine()}; medians of {rounds}\n")  # noqa: T201
    return figures | waited(rounds_at)


def waited(rounds_at: Mapping[int, Sequence[Round]]) -> dict[str, float]:
    """Seconds that everybody takes longer at each latency than at the first, by the rounds at each."""
    first, *others = rounds_at
    return {
        f"{late} ms: seconds more than at {first} ms, {name}": round(
            median(SECONDS, rounds_at[late], name) - median(SECONDS, rounds_at[first], name), 2
        )
        for late in others
        for name in rounds_at[late][0]
    }


def play(
    servers: Arena, contestants: Sequence[str], rows: int, *, milliseconds: int, changed: int, number: int
) -> Round:
    """One round; the vendor's recipe is left out of all but the first."""
    takers = [name for name in contestants if name != VENDORS or number == 0]
    found: Round = {}
    first = number % len(takers)
    for name in (*takers[first:], *takers[:first]):
        servers.set(rows, milliseconds)
        found |= in_turn(servers, name, changed) if name in FORMATS else {name: servers.script(name)}
    return found


def in_turn(servers: Arena, formats: str, changed: int) -> Round:
    """Three refreshes of one dataset."""
    new = servers.refresh(FORMATS[formats])
    unchanged = servers.refresh(FORMATS[formats], upon=new)
    servers.change(changed)
    after = servers.refresh(FORMATS[formats], upon=new)
    return {called(formats, when): run for when, run in ((NEW, new), (UNCHANGED, unchanged), (CHANGED, after))}


def table(title: str, played: Sequence[Round]) -> Iterator[str]:
    """The lines of a Markdown table: what the strong script takes, and everybody's share of it."""
    heads = (title, SECONDS.name, CPU.name, MEMORY.name, SERVERS.name, "requests: Labelbox + store", "right")
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for name in played[0]:
        runs = [each[name] for each in played if name in each]
        cells = [shown(figure, played, name) for figure in (SECONDS, CPU, MEMORY)]
        cells.append(written(SERVERS, played, name))
        asked = statistics.median(sum(run.requests.values()) for run in runs)
        stored = statistics.median(sum(run.store_requests.values()) for run in runs)
        wrong = [fault for run in runs for fault in run.faults]
        right = "yes" if not wrong else f"**no**: {wrong[0]} and {len(wrong) - 1} more"
        yield f"| {name} | {' | '.join(cells)} | {asked:.0f} + {stored:.0f} | {right} |"


def shown(figure: Figure, played: Sequence[Round], name: str) -> str:
    """A cell: the median as it is, and where it is not the strong script's own, its ratio to that."""
    value = written(figure, played, name)
    return value if name == STRONG else f"{ratio(figure, played, name, STRONG):.2f} × ({value})"


def written(figure: Figure, played: Sequence[Round], name: str) -> str:
    """The median, with its unit."""
    return figure.written.format(median(figure, played, name))


def median(figure: Figure, played: Sequence[Round], name: str) -> float:
    """The median of the rounds' figures."""
    return statistics.median(figure.of(each[name]) for each in played if name in each)


def ratio(figure: Figure, played: Sequence[Round], name: str, to: str) -> float:
    """The median of the ratios within rounds."""
    return statistics.median(figure.of(each[name]) / figure.of(each[to]) for each in played if name in each)


def ratios(played: Sequence[Round]) -> dict[str, float]:
    """All ratios to the strong script; those of seven formats to COCO; those of a change to a new dataset."""
    names = [name for name in played[0] if name != STRONG]
    compared = [(figure, name, STRONG) for name in names for figure in (SECONDS, CPU, MEMORY)]
    compared += [(CPU, called(SEVEN, NEW), called(formats, NEW)) for formats in (INSTANCES, DEFAULT)]
    compared += [(CPU, called(formats, CHANGED), called(formats, NEW)) for formats in FORMATS]
    figures = {
        f"{figure.name}, {name} to {to}": round(ratio(figure, played, name, to), 3)
        for figure, name, to in compared
        if {name, to} <= played[0].keys()
    }
    return figures | {"faults": sum(len(run.faults) for each in played for run in each.values())}


def machine() -> str:
    """Where figures were measured, and with what."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("labelsnap", "prefect", "numpy", "pycocotools"))
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {packages}"


if __name__ == "__main__":
    main()
