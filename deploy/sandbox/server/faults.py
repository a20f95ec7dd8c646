"""Switchable faults: what a real network and a real service do now and then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

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
    over its path, or, of a question about a stream of an export, over the kind with the stream (``graphql:*:ERRORS``).
    ``times`` is how often it strikes, None for always, and ``after`` how many requests it lets pass
    before; ``probability`` is drawn from the sandbox's own seeded generator.

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
    graphql_error  answers 200 with one GraphQL error of ``code``, which says ``message``
    =============  ==========================================================================================
    """

    target: str
    effect: Effect
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    status: int = 503
    retry_after: float | None = None
    seconds: float = 0.1
    host: str = "localhost"
    code: str = "INTERNAL_SERVER_ERROR"
    message: str = "the sandbox was told to fail"
    body: bytes | str = b""
    size: int = 200_000_000

    def hits(self, names: Iterable[str]) -> bool:
        """Whether the target matches one of a request's names."""
        return any(fnmatchcase(name, self.target) for name in names)


TASKS: Final = "graphql:GetUserCreatedTasks*"
NO_TASKS: Final = '{"data": {"user": {"createdTasks": []}}}'
HICCUPS: Final = {
    "too_many_requests": Fault("graphql:*", "status", status=429, retry_after=0.5),
    "too_many_exports": Fault(
        "graphql:exportDataRows*", "graphql_error", code="RESOURCE_CONFLICT", message="10 exports of the project run"
    ),
    "start_lost": Fault("graphql:exportDataRows*", "answer_lost"),
    "not_listed": Fault(TASKS, "body", body=NO_TASKS),
    "missing": Fault(TASKS, "body", body=NO_TASKS, after=1),
    "dropped": Fault("graphql:*", "cut"),
    "failing": Fault("graphql:*", "status", status=503),
    "internal_error": Fault("graphql:*", "graphql_error"),
    "not_json": Fault("graphql:*", "wrong_type"),
}
"""What Labelbox's GraphQL endpoint does now and then, by name: the faults that ``Sandbox.hiccup`` switches on."""


@dataclass(eq=False, slots=True)
class _Armed:
    """A fault that is switched on: how many requests it lets pass yet, and how often it strikes then."""

    fault: Fault
    passing: int
    left: int | None


class Faults:
    """The faults that are switched on; the first that matches strikes."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"faults:{seed}")
        self._lock = Lock()
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Switches one more fault on."""
        with self._lock:
            self._armed.append(_Armed(fault, fault.after, fault.times))

    def hiccup(self, name: str, times: int = 1, on: str | None = None) -> None:
        """Switches on what Labelbox does now and then: the first so many requests, or those of a kind, meet it.

        ``LookupError`` for a name that is not in ``HICCUPS``.
        """
        fault = HICCUPS[name]
        self.add(replace(fault, times=times, target=fault.target if on is None else on))

    def clear(self) -> None:
        """Switches all of them off."""
        with self._lock:
            self._armed.clear()

    def strike(self, *names: str) -> Fault | None:
        """The fault for a request that goes by ``names``, used up once; None for most requests."""
        with self._lock:
            for armed in self._armed:
                if not armed.fault.hits(names) or self._random.random() >= armed.fault.probability:
                    continue
                if armed.passing:
                    armed.passing -= 1
                    continue
                if armed.left is not None:
                    armed.left -= 1
                    if armed.left <= 0:
                        self._armed.remove(armed)
                return armed.fault
        return None
