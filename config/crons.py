"""When a schedule runs next, by the parser that runs it: Prefect's own copy of croniter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo


def check_cron(cron: str, timezone: str) -> None:
    """Raise ``ValueError`` for a cron or time zone that Prefect does not take, and for a cron that has no next time."""
    from prefect._vendor import croniter  # noqa: PLC0415 - seconds, and few files have a schedule
    from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415

    reader: Any = croniter

    try:
        CronSchedule(cron=cron, timezone=timezone)
    except ValueError:
        raise ValueError(f"Prefect cannot read the cron {cron!r} in the time zone {timezone!r}") from None
    try:
        reader.croniter(cron, datetime.now(UTC).astimezone(ZoneInfo(timezone))).get_next(datetime)
    except reader.CroniterError:
        raise ValueError(f"the cron {cron!r} has no next time: there is no such day") from None
