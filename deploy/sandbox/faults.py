"""Switchable faults: what a real network and a real service do now and then."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Effect = Literal[
    "status",
    "cut",
    "answer_lost",
    "short_body",
    "wrong_type",
    "corrupt",
    "body",
    "flood",
    "delay",
    "redirect",
    "graphql_error",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    ``target`` is a glob over the request's kind (``composite_mask``, ``graphql:export*``; see ``traffic.Traffic``) or
    over its path. ``times`` is how often it strikes, None for always; ``probability`` is drawn from the sandbox's own
    seeded generator.

    =============  ==========================================================================================
    status         answers ``status``, with ``Retry-After: retry_after`` where given
    cut            closes the connection before anything happens
    answer_lost    does what was asked, then closes the connection without an answer
    short_body     declares the whole length and sends half
    wrong_type     answers 200 with an HTML page
    corrupt        flips bytes in the middle of the body
    body           answers 200 with ``body`` in place of the real one
    flood          answers 200 with ``size`` zero bytes, without saying how many
    delay          waits ``seconds`` first
    redirect       answers 302 to the same path at ``host`` (a name that leads to this machine, without port)
    graphql_error  answers 200 with one GraphQL error of ``code``
    =============  ==========================================================================================
    """

    target: str
    effect: Effect
    times: int | None = 1
    probability: float = 1.0
    status: int = 503
    retry_after: float | None = None
    seconds: float = 0.1
    host: str = "localhost"
    code: str = "INTERNAL_SERVER_ERROR"
    body: bytes | str = b""
    size: int = 200_000_000

    def hits(self, names: Iterable[str]) -> bool:
        """Whether the target matches one of a request's names."""
        return any(fnmatchcase(name, self.target) for name in names)


class Faults:
    """The faults that are switched on; the first that matches strikes."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"faults:{seed}")
        self._lock = Lock()
        self._left: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Switches one more fault on."""
        with self._lock:
            self._left.append((fault, fault.times))

    def clear(self) -> None:
        """Switches all of them off."""
        with self._lock:
            self._left.clear()

    def strike(self, *names: str) -> Fault | None:
        """The fault for a request that goes by ``names``, used up once; None for most requests."""
        with self._lock:
            for position, (fault, left) in enumerate(self._left):
                if fault.hits(names) and self._random.random() < fault.probability:
                    if left is not None:
                        self._left[position] = (fault, left - 1)
                        if left <= 1:
                            del self._left[position]
                    return fault
        return None
