"""Expiry: a version that says which earlier versions are kept no longer. Garbage collection deletes their objects."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from labelsnap.errors import ConfigurationError
from labelsnap.snapshots.keeping.behind import left_behind
from labelsnap.snapshots.keeping.history import ALL, check_whole, head_version, read_history, survey
from labelsnap.snapshots.keeping.losses import Losses, is_lost, losses_of
from labelsnap.snapshots.keeping.records import Commit, read_manifest, side_by_side
from labelsnap.snapshots.keeping.rollback import lost_race
from labelsnap.snapshots.keeping.tags import list_tags
from labelsnap.snapshots.layout import COMMIT, EXPORTED
from labelsnap.snapshots.listing import listed
from labelsnap.snapshots.runs import Runs, holds, merged, runs_of
from labelsnap.snapshots.writing.commit import LostRace, recommit
from labelsnap.storage import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from labelsnap.snapshots.keeping.behind import Manifests
    from labelsnap.snapshots.keeping.history import History
    from labelsnap.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class ExpiryPlan:
    """Which versions would expire, which stay, and which of those only because of a tag.

    ``lost`` are those that are given up because their records or manifests are missing or damaged.
    """

    expiring: tuple[int, ...]
    kept: tuple[int, ...]
    tagged: tuple[int, ...]
    lost: Runs = ()


def plan_expiry(
    store: ObjectStore, *, keep: int, older_than: timedelta = timedelta(0), lost: bool = False
) -> ExpiryPlan:
    """Say which versions expire when the newest ``keep`` snapshots stay, and all younger than ``older_than``.

    Versions that follow each other with one manifest count as one snapshot. Age is by the store's clock. The newest
    version and tagged ones always stay. Nothing is written but the probe. Raises ConfigurationError for ``keep`` < 1,
    and StorageRefusedError where a record, or the manifest of what stays, is missing or damaged, unless ``lost`` says
    that such versions expire too, tagged or not.
    """
    return _planned(store, *_history(store, lost=lost), keep, older_than)


def expire(
    store: ObjectStore,
    *,
    keep: int,
    older_than: timedelta = timedelta(0),
    lost: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[ExpiryPlan, Commit | None]:
    """Expire what ``plan_expiry`` says by one new version; None when there is nothing to expire.

    Their objects stay until garbage collection deletes them, which spares what a tag names. Where the newest version is
    given up, the note that the dataset is as of its export goes first. Raises like
    ``plan_expiry``; StorageRefusedError when something else was published meanwhile, and StorageOutcomeUnknownError
    when an answer is lost: then repeat the call.
    """
    history, losses = _history(store, lost=lost)
    plan = _planned(store, history, losses, keep, older_than)
    if not plan.expiring and not plan.lost:
        return plan, None
    head = losses.standing(history.live)[-1]
    if holds(plan.lost, history.newest):
        store.delete(EXPORTED)  # it is of that version: the next look at the source finds that it has to be made again
    outcome = recommit(
        store,
        history,
        head,
        action="expire",
        publish_id=uuid4().hex,
        expired=merged((*history.expired, *runs_of(plan.expiring), *plan.lost)),
        lost=plan.lost,
        behind=_behind(store, history, head, losses) if lost else None,
        sleep=sleep,
    )
    if isinstance(outcome, LostRace):
        raise lost_race(store, head, outcome)
    return plan, outcome.commit


def _history(store: ObjectStore, *, lost: bool) -> tuple[History, Losses]:
    """Read the records that are kept: all of them, or what is left of them where the others are given up."""
    if not lost:
        return check_whole(store, read_history(store, expired=False, back=ALL)), Losses()
    history = survey(store)
    head_version(history.listing)
    if not history.live:
        check_whole(store, history)
    return history, losses_of(store, history)


def _behind(store: ObjectStore, history: History, head: Commit, losses: Losses) -> Manifests:
    """Return what stands behind the version that is gone on from, as far as it can be read.

    Lost versions after it are there too where a tag says which manifests they had.
    """
    tags = sorted(list_tags(store), key=lambda tag: -tag.version)
    later = [tag.manifest for tag in tags if tag.version > head.version and holds(losses.lost, tag.version)]
    named = [sha256 for sha256 in later if sha256 != head.manifest and not is_lost(store, sha256)]
    known = left_behind(store, history.commits, head)
    return tuple(dict.fromkeys((*named, *(sha256 for sha256 in known if sha256 not in losses.manifests))))


def _planned(store: ObjectStore, history: History, losses: Losses, keep: int, older_than: timedelta) -> ExpiryPlan:
    if keep < 1:
        raise ConfigurationError(
            f"Expected to keep at least one snapshot, found {keep}.", remedy="Give a number from 1.", code="keep"
        )
    if not history.live:
        return ExpiryPlan((), (), ())
    now = probe(store, single_writer=history.single_writer)
    young = _younger_than(store, now - older_than) if older_than else set()  # some clocks tell whole seconds only
    standing = losses.standing(history.live)
    staying = _newest_snapshots(standing, keep) | young
    old = [commit.version for commit in standing if commit.version not in staying]
    tagged = {tag.version for tag in list_tags(store)}
    expiring = tuple(version for version in old if version not in tagged)
    if expiring:
        _check_manifests(store, (commit for commit in standing if commit.version not in expiring))
    return ExpiryPlan(
        expiring=tuple(sorted((*losses.swept, *expiring))),
        kept=tuple(commit.version for commit in standing if commit.version not in expiring),
        tagged=tuple(version for version in old if version in tagged),
        lost=losses.lost,
    )


def _check_manifests(store: ObjectStore, staying: Iterable[Commit]) -> None:
    """Raise StorageRefusedError when the manifest of a version that stays cannot be read: no other may be left."""
    for _ in side_by_side(partial(read_manifest, store), sorted({commit.manifest for commit in staying})):
        pass


def _younger_than(store: ObjectStore, moment: datetime) -> set[int]:
    return {int(found["version"]) for info, found in listed(store, COMMIT) if info.modified > moment}


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
