"""Expiry: a version that says which earlier versions are kept no longer. Garbage collection deletes their objects."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from tasks.errors import ConfigurationError
from tasks.snapshots.commit import LostRace, recommit
from tasks.snapshots.history import Commit, read_history, runs_of
from tasks.snapshots.layout import COMMITS, parse_commit_key
from tasks.snapshots.rollback import lost_race
from tasks.snapshots.tags import list_tags
from tasks.storage import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tasks.snapshots.history import History
    from tasks.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class ExpiryPlan:
    """Which versions would expire, which stay, and which of those only because of a tag."""

    expiring: tuple[int, ...]
    kept: tuple[int, ...]
    tagged: tuple[int, ...]


def plan_expiry(store: ObjectStore, *, keep: int, older_than: timedelta = timedelta(0)) -> ExpiryPlan:
    """Say which versions expire when the newest ``keep`` snapshots stay, and all younger than ``older_than``.

    Versions that follow each other with one manifest count as one snapshot. Age is by the store's clock. The newest
    version and tagged ones always stay. Nothing is written but the probe. Raises ConfigurationError for ``keep`` < 1.
    """
    history = read_history(store)
    return _planned(store, history, keep, older_than)


def expire(
    store: ObjectStore,
    *,
    keep: int,
    older_than: timedelta = timedelta(0),
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[ExpiryPlan, Commit | None]:
    """Expire what ``plan_expiry`` says by one new version; None when there is nothing to expire.

    Their objects stay until garbage collection deletes them, which spares what a tag names. Raises like
    ``plan_expiry``; StorageRefusedError when something else was published meanwhile, and StorageOutcomeUnknownError
    when an answer is lost: then repeat the call.
    """
    history = read_history(store)
    plan = _planned(store, history, keep, older_than)
    if not plan.expiring:
        return plan, None
    head = history.commits[-1]
    expired = runs_of(history.expired | set(plan.expiring))
    outcome = recommit(store, history, head, action="expire", publish_id=uuid4().hex, expired=expired, sleep=sleep)
    if isinstance(outcome, LostRace):
        raise lost_race(store, head, outcome)
    return plan, outcome.commit


def _planned(store: ObjectStore, history: History, keep: int, older_than: timedelta) -> ExpiryPlan:
    if keep < 1:
        raise ConfigurationError(
            f"Expected to keep at least one snapshot, found {keep}.", remedy="Give a number from 1.", code="keep"
        )
    if not history.live:
        return ExpiryPlan((), (), ())
    now = probe(store, single_writer=history.single_writer)
    young = _younger_than(store, now - older_than) if older_than else set()  # some clocks tell whole seconds only
    staying = _newest_snapshots(history.live, keep) | young
    old = [commit.version for commit in history.live if commit.version not in staying]
    tagged = {tag.version for tag in list_tags(store)}
    expiring = tuple(version for version in old if version not in tagged)
    return ExpiryPlan(
        expiring=expiring,
        kept=tuple(commit.version for commit in history.live if commit.version not in expiring),
        tagged=tuple(version for version in old if version in tagged),
    )


def _younger_than(store: ObjectStore, moment: datetime) -> set[int]:
    return {parse_commit_key(item.key).version for item in store.list(COMMITS) if item.modified > moment}


def _newest_snapshots(commits: Iterable[Commit], keep: int) -> set[int]:
    """Return the newest versions, as many as have ``keep`` manifests."""
    versions: set[int] = set()
    manifests: set[str] = set()
    for commit in sorted(commits, key=lambda commit: -commit.version):
        manifests.add(commit.manifest)
        if len(manifests) > keep:
            break
        versions.add(commit.version)
    return versions
