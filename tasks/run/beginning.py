"""How a run begins: decided here, once, from the dataset's head, from what a killed run left, and from its cause.

What a run left is worth two things. Its *work*, what was fetched of each row, is good for whatever line has the same
fingerprint, and is taken over always. Its *export* says what Labelbox held at one moment, and is gone on with only by
a retry of the flow run that asked for it: for any other run it is older than its cause.

==================================================================  =========================================
what was left                                                       the run begins
==================================================================  =========================================
nothing, or a run that has published                                anew
work that was begun more than ``OLDEST`` ago                        anew
anything else, and another flow run begins                          over: takes its work over, exports again
… the same flow run, and its export was given up                    over
… the same flow run, after more than ``hours`` without a sign       over
… the same flow run, and its sign is as far in the future           over
… the same flow run, and the head has another manifest, or behind   over
… the same flow run                                                 on: the same export on the same base
==================================================================  =========================================
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from labelsnap.snapshots.values import Number

Way: TypeAlias = Literal["anew", "over", "on"]
Moment = Annotated[datetime, Meta(tz=True)]

OLDEST: Final = timedelta(days=6)
"""Garbage collection leaves alone what is younger than 7 days, unless told otherwise; then a run has to begin anew."""
LOOK_AFTER: Final = timedelta(hours=1)
"""Who uses objects that were looked for longer ago than this looks for them again."""

Run = Annotated[str, Meta(pattern=r"^(?!(?:lease|hints|runs)\Z)[A-Za-z0-9][A-Za-z0-9_-]{0,199}\Z")]
"""A run's name, which is that of its folder in the store: no other's."""


class Head(Struct, frozen=True):
    """The newest version (0: none) and the sha256 of its manifest, which an expiry or a fence leaves as it is.

    ``behind`` are the sha256s of manifests that gave away class ids and splits which it does not know of.
    """

    version: Number = 0
    manifest: str = ""
    behind: tuple[str, ...] = ()

    def holds(self, other: Head) -> bool:
        """Whether what was made for the one is made for the other."""
        return (self.manifest, self.behind) == (other.manifest, other.behind)


class Beginning(Struct, frozen=True):
    """How a run begins, and what each of its steps goes by. Times are by the store's clock.

    ``run`` names it in the ledger and as publication, and no two runs have one name; ``cause`` is the flow run.
    ``base`` is the head that everything is made for. ``exported_since`` is before its export was begun, so whatever
    happened at Labelbox before that is in the export. ``looking_since`` is when it began to look for objects: a
    publication must follow within the commit protocol's limit. ``working_since`` is when the oldest work was begun that
    no version holds. ``given_up`` tells, of a run that ended, that nobody shall go on with its export.
    """

    run: Run
    cause: str
    base: Head
    exported_since: Moment
    looking_since: Moment
    working_since: Moment
    way: Way = "anew"
    given_up: bool = False


class Left(Struct, frozen=True):
    """What a run without an outcome left: how it began, its last sign of life, and whether it has published."""

    beginning: Beginning
    last_sign: datetime
    published: bool = False


def begin(head: Head, left: Left | None, *, cause: str, run: str, now: datetime, hours: float) -> Beginning:
    """Decide how the run that ``cause`` started begins; ``run`` is its name unless it goes on with another's.

    ``hours`` is how long ago the last sign of life of an export may be that is gone on with.
    """
    anew = Beginning(run, cause, head, exported_since=now, looking_since=now, working_since=now)
    if left is None or left.published or _apart(now, left.beginning.working_since) > OLDEST:
        return anew
    before = left.beginning
    looking_since = before.looking_since if _apart(now, before.looking_since) <= LOOK_AFTER else now
    if (
        before.cause == cause
        and not before.given_up
        and before.base.holds(head)
        and _apart(now, left.last_sign) <= timedelta(hours=hours)
    ):
        exported_since = min(before.exported_since, now)
        return replace(before, exported_since=exported_since, looking_since=looking_since, way="on")
    return replace(anew, looking_since=looking_since, working_since=before.working_since, way="over")


def _apart(now: datetime, then: datetime) -> timedelta:
    """How far two moments are apart: what is from the future by far was written by a clock that was ahead."""
    return abs(now - then)
