"""A deployment that stands → the same one as a dataset file has it now; what operators set in Prefect stays.

The file decides the description, the parameters, the pool, and the schedule with labelsnap's slug. Whether a deployment
is paused and a schedule active, limits, other schedules, and tags and job variables beside labelsnap's are operators',
and so is another value that they gave to one of labelsnap's job variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import VersionInfo
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.exceptions import ObjectNotFound

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.deployments.runner import RunnerDeployment

SLUG: Final = "labelsnap"
"""By which a deployment's schedule is known as the dataset file's."""

QUEUE: Final = "work_queue_name"

Changes = dict[str, dict[str, Any]]
"""What was and what is, by key."""


def renew(client: SyncPrefectClient, standing: DeploymentResponse, wanted: RunnerDeployment) -> Changes:
    """Change what differs, and nothing else; say what that was."""
    update = _differing(standing, wanted)
    changes = {key: value for name in update for key, value in _told(name, getattr(standing, name), update[name])}
    if "work_pool_name" in update:
        queue = _queue(client, standing, update["work_pool_name"])
        update[QUEUE] = queue
        changes |= {} if queue == standing.work_queue_name else dict(_told(QUEUE, standing.work_queue_name, queue))
    if update:
        if "version" in update:
            update["version_info"] = VersionInfo(type="prefect:simple", version=update["version"])
        client.update_deployment(standing.id, DeploymentUpdate(**update))
    return changes | _renew_schedule(client, standing, wanted)


def _queue(client: SyncPrefectClient, standing: DeploymentResponse, pool: str) -> str:
    """The queue of a pool that the deployment comes to: the one of its name, else the pool's own."""
    if standing.work_queue_name:
        try:
            return client.read_work_queue_by_name(standing.work_queue_name, work_pool_name=pool).name
        except ObjectNotFound:
            pass
    return client.read_work_queue(client.read_work_pool(pool).default_queue_id).name


def schedule_of(standing: DeploymentResponse) -> DeploymentSchedule | None:
    """The dataset file's schedule: the one with the slug.

    Earlier versions of labelsnap gave none: there it is the one without a slug that the parameters name.
    """
    by_slug = {each.slug: each for each in standing.schedules}
    if SLUG in by_slug:
        return by_slug[SLUG]
    dataset = standing.parameters.get("dataset")
    named = dataset.get("schedule") if isinstance(dataset, dict) else None
    told = (named.get("cron"), named.get("timezone", "UTC")) if isinstance(named, dict) else None
    return next((each for each in standing.schedules if each.slug is None and cron_of(each.schedule) == told), None)


def _differing(standing: DeploymentResponse, wanted: RunnerDeployment) -> dict[str, Any]:
    made = {
        "description": wanted.description,
        "version": wanted.version,
        "entrypoint": wanted.entrypoint,
        "work_pool_name": wanted.work_pool_name,
        "parameters": standing.parameters | wanted.parameters,
        "parameter_openapi_schema": wanted._parameter_openapi_schema.model_dump(exclude_unset=True),  # noqa: SLF001
        "tags": [*standing.tags, *(tag for tag in wanted.tags if tag not in standing.tags)],
        "job_variables": _job_variables(standing, wanted),
    }
    return {name: value for name, value in made.items() if getattr(standing, name) != value}


def _job_variables(standing: DeploymentResponse, wanted: RunnerDeployment) -> dict[str, Any]:
    variables = standing.job_variables or {}
    if left_of(standing):
        return variables
    return variables | {"env": wanted.job_variables["env"] | (variables.get("env") or {})}


def left_of(standing: DeploymentResponse) -> list[str]:
    """What of the file's part cannot be put in: an ``env`` that is a template for values that the worker looks up."""
    env = (standing.job_variables or {}).get("env")
    return [] if env is None or isinstance(env, dict) else ["job_variables.env"]


def _told(name: str, before: Any, after: Any) -> list[tuple[str, dict[str, Any]]]:
    """What changed of one value, by its innermost keys; of the form of parameters only that it did."""
    if name == "parameter_openapi_schema":
        return [(name, {"before": "another version's", "after": "this version's"})]
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        differing = [key for key in keys if before.get(key) != after.get(key)]
        return [each for key in differing for each in _told(f"{name}.{key}", before.get(key), after.get(key))]
    return [(name, {"before": before, "after": after})]


def _renew_schedule(client: SyncPrefectClient, standing: DeploymentResponse, wanted: RunnerDeployment) -> Changes:
    before = schedule_of(standing)
    after = wanted.schedules[0].schedule if wanted.schedules else None
    was, will_be = _text(before.schedule if before else None), _text(after)
    if before is None and isinstance(after, CronSchedule):
        made = DeploymentScheduleCreate(schedule=after, slug=SLUG)
        client.create_deployment_schedules(standing.id, [made])
    elif before is not None and after is None:
        client.delete_deployment_schedule(standing.id, before.id)
    elif before is not None and (was != will_be or before.slug != SLUG):
        # the server forgets a schedule's parameters where none are sent
        client.update_deployment_schedule(
            standing.id, before.id, schedule=after, slug=SLUG, parameters=before.parameters
        )
    return {} if was == will_be else {"schedule": {"before": was, "after": will_be}}


def cron_of(schedule: object) -> tuple[str, str] | None:
    """A schedule's cron and time zone; None for one of another kind."""
    return (schedule.cron, schedule.timezone or "UTC") if isinstance(schedule, CronSchedule) else None


def _text(schedule: object) -> str | None:
    """A schedule of any kind in a few words."""
    match schedule:
        case CronSchedule():
            return f"{schedule.cron} {schedule.timezone or 'UTC'}"
        case IntervalSchedule():
            return f"interval {schedule.interval.total_seconds():g}"
        case RRuleSchedule():
            return f"rrule {schedule.rrule}"
        case _:
            return None
