"""Who of a cluster gets a run's tasks: its members, each asked once whether it fits, and those that come late, too."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from labelsnap.errors import ConfigurationError
from tasks.machines.fitness import look

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

ANSWER_SECONDS: Final = 60.0
"""Within which a member has to say whether it fits."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at who is there; one whose answer failed is asked again after as long, then twice as long."""
ASKERS: Final = 8
UNKNOWN: Final = ("ImportError", "ModuleNotFoundError", "AttributeError", "failed to import")
"""What tells that a member does not know what it is asked; clusters wrap it up in errors of their own."""

log = logging.getLogger(__name__)


class LostError(Exception):
    """Whoever carried out a task is gone, and what came of it is not known."""


class Sent(Protocol):
    """A task that is with a member."""

    def result(self, seconds: float) -> Any:
        """What came of it; None where nobody began it. Raises ``TimeoutError`` while it goes on, and ``LostError``."""

    def cancel(self) -> None:
        """Give it up."""


class Cluster(Protocol):
    """Machines that carry out functions. Each method raises ``ConfigurationError`` where the cluster is gone."""

    def members(self) -> Mapping[str, str]:
        """What people call each member that is there now, by its id."""

    def ask(self, member: str, terms: bytes, seconds: float) -> list[str]:
        """What keeps a member from working. Raises whatever the way there and back raises."""

    def send(self, members: Collection[str], function: Callable[..., Any], *arguments: bytes) -> Sent:
        """Have one of these members call a function; without members whoever comes."""


class Pause(NamedTuple):
    """A member whose answer failed is let alone for so many seconds, until the clock shows ``end``."""

    seconds: float
    end: float


class Roster:
    """The members of a cluster that fit a run's terms.

    Raises ``ConfigurationError`` (``no_worker``) where there is none for ``patience`` seconds. A member that has come
    within them has its time to answer beside: a process of its own has to start for that, on a machine that just did.
    """

    def __init__(self, cluster: Cluster, terms: bytes, *, patience: float) -> None:
        self._cluster = cluster
        self._terms = terms
        self._patience = patience
        self._lock = threading.Lock()
        self._askers = ThreadPoolExecutor(ASKERS, thread_name_prefix="ask")
        self._asked: dict[str, Future[list[str]]] = {}
        self._names: dict[str, str] = {}
        self._refusals: dict[str, str] = {}
        self._unanswered: dict[str, Pause] = {}
        self._waiting = False
        self._looked = float("-inf")
        self._gone: ConfigurationError | None = None

    def close(self) -> None:
        """Ask nobody any more."""
        self._askers.shutdown(wait=False, cancel_futures=True)

    def begin(self) -> frozenset[str]:
        """Those that fit, once everybody has answered. Raises at once where all have, and none fits.

        Who has come while the others answered, or answers still, is waited for.
        """
        self.fit()
        log.info("%d workers are asked whether they fit. Each has %g seconds.", len(self._names), ANSWER_SECONDS)
        wait(list(self._asked.values()), timeout=ANSWER_SECONDS)
        fit = self.fit(anew=True)
        if self._names and not fit and not self._unanswered and not self._is_new_asked():
            raise self._nobody()
        return fit or self.await_fit()

    def fit(self, *, anew: bool = False) -> frozenset[str]:
        """Those that fit of whoever is there now."""
        with self._lock:
            if self._gone is not None:
                raise self._gone
            if anew or time.monotonic() - self._looked >= LOOK_SECONDS:
                self._names = dict(self._members())
                self._looked = time.monotonic()
                self._asked = {member: found for member, found in self._asked.items() if member in self._names}
                self._refusals = {member: why for member, why in self._refusals.items() if member in self._names}
                self._unanswered = {member: each for member, each in self._unanswered.items() if member in self._names}
                for member in self._names:
                    pause = self._unanswered.get(member)
                    if member not in self._asked and (pause is None or pause.end <= time.monotonic()):
                        self._asked[member] = self._askers.submit(
                            self._cluster.ask, member, self._terms, ANSWER_SECONDS
                        )
            return frozenset(member for member, found in list(self._asked.items()) if self._fits(member, found))

    def _members(self) -> Mapping[str, str]:
        """Who is there. That the cluster is gone is found once, and told to everybody who waits for an answer."""
        try:
            return self._cluster.members()
        except ConfigurationError as gone:
            self._gone = gone
            raise

    def await_fit(self) -> frozenset[str]:
        """Those that fit, as soon as there is one."""
        deadline = time.monotonic() + self._patience
        wanted: Sent | None = None
        try:
            while not (fit := self.fit()):
                late = time.monotonic() - deadline
                if late >= (ANSWER_SECONDS if self._is_new_asked() else 0):
                    raise self._nobody()
                self._say_waiting()
                if wanted is None and not self._names:
                    wanted = self._cluster.send((), look, self._terms)  # a cluster that grows by need sees one
                time.sleep(LOOK_SECONDS / 4)
        finally:
            if wanted is not None:
                wanted.cancel()
        self._waiting = False
        return fit

    def _is_new_asked(self) -> bool:
        """Whether one of those that are there is asked for the first time."""
        with self._lock:
            return any(member not in self._unanswered and not found.done() for member, found in self._asked.items())

    def _say_waiting(self) -> None:
        """Say what is waited for, once for all tasks that wait."""
        with self._lock:
            said, self._waiting = self._waiting, True
            names = list(self._names.values())
        if not said:
            found = f"{', '.join(names)} cannot be used yet" if names else "There is no worker yet"
            log.warning("%s. It is waited for one that fits for %g seconds.", found, self._patience)

    def ask_again(self, why: str) -> None:
        """A member that seemed to fit does not: everybody is asked once more."""
        with self._lock:
            log.warning("A worker does not fit any more, and gave a task back: %s.", why)
            self._asked.clear()
            self._looked = float("-inf")

    def _fits(self, member: str, found: Future[list[str]]) -> bool:
        if not found.done():
            return False
        if failure := found.exception():
            del self._asked[member]
            last = self._unanswered.get(member)
            seconds = min(2 * last.seconds, ANSWER_SECONDS) if last else LOOK_SECONDS
            if isinstance(failure, TimeoutError):
                seconds = ANSWER_SECONDS  # else those that hang keep the askers from the others
            self._unanswered[member] = Pause(seconds, time.monotonic() + seconds)
            self._refuse(member, _said(failure))
            return False
        if reasons := found.result():
            self._refuse(member, "; ".join(reasons))
        return not reasons

    def _refuse(self, member: str, why: str) -> None:
        if self._refusals.get(member) != why:
            self._refusals[member] = why
            log.warning("The worker %s gets no work: %s.", self._names[member], why.rstrip("."))

    def _nobody(self) -> ConfigurationError:
        each = [f"{name}: {self._refusals.get(member, 'it has not answered')}" for member, name in self._names.items()]
        found = f"none of {len(each)} workers fits ({'; '.join(each)})" if each else "there is none"
        return ConfigurationError(
            f"No worker can carry out the run's tasks: {found}.",
            remedy="Give each worker the same labelsnap, environment and rights as the machine that starts the run "
            "(deploy/README.md, “Over many machines”), start workers, and run again: what is finished is kept.",
            code="no_worker",
        )


def _said(failure: BaseException) -> str:
    if isinstance(failure, TimeoutError):
        return f"it did not answer within {ANSWER_SECONDS:g} seconds"
    found = (repr(failure).splitlines() or [""])[0][:200]
    if any(each in found for each in UNKNOWN):
        return f"it has no labelsnap, or another version of it ({found})"
    return f"it cannot answer ({found})"
