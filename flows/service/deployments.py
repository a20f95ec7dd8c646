"""A dataset file → a deployment on a Prefect server: its schedule, its parameters as a form, what a crash does."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.commands.options import HEARTBEAT_SECONDS
from flows.refresh import refresh
from flows.service.pools import check_pool_name, make_pool
from flows.service.prefect_server import check_named, check_server
from flows.service.renewal import SLUG, cron_of, left_of, renew, schedule_of
from labelsnap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

    from config.dataset import Dataset

TAG: Final = "labelsnap"
"""What marks deployments as labelsnap's."""
ENVIRONMENT: Final = {
    "PREFECT_FLOWS_DEFAULT_RETRIES": "2",
    "PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS": "300",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
}
"""A refresh that fails is run again after five minutes, twice, and goes on with what it had; one that runs says so."""
PAGE: Final = 200


def deployment_of(dataset: Dataset, pool: str) -> RunnerDeployment:
    """The deployment ``refresh/<dataset>``. The schedule is the file's; without one the deployment has none."""
    schedule = dataset.schedule
    return RunnerDeployment.from_flow(
        refresh,
        name=dataset.dataset,
        description=f"Publishes {dataset.spoken} to {dataset.url}.",
        parameters={"dataset": dataset.model_dump(mode="json", exclude_unset=True)},
        schedules=[Cron(schedule.cron, timezone=schedule.timezone, slug=SLUG)] if schedule else [],
        tags=[TAG, f"dataset:{dataset.dataset}"],
        version=version("labelsnap"),
        work_pool_name=pool,
        job_variables={"env": ENVIRONMENT},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def deploy(datasets: Sequence[Dataset], pool: str) -> dict[str, Any]:
    """Create or renew one deployment a dataset; a work pool that is not there is made as a process pool.

    What became of each, and ``unnamed``: labelsnap's other deployments of the server, which are left as they are.
    Raises ``ConfigurationError`` where no Prefect server is named (a deployment on an ephemeral one ends with it), and
    for a pool's name that Prefect does not take.
    """
    check_named("deploy to")
    check_pool_name(pool)
    names = [dataset.dataset for dataset in datasets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"Two dataset files are named {twice[0]!r}.",
            remedy="Deployments are named after datasets: give each file a `dataset` of its own.",
            code="same_dataset",
        )
    check_server()
    with get_client(sync_client=True) as client:
        make_pool(client, pool)
        deployed = [_deployed(client, deployment_of(dataset, pool)) for dataset in datasets]
        ours = {each["deployment"] for each in deployed}
        unnamed = sorted(name for name in _names_of(client, _tagged(client)) if name not in ours)
    return {"pool": pool, "deployments": deployed, "unnamed": unnamed}


def _deployed(client: SyncPrefectClient, wanted: RunnerDeployment) -> dict[str, Any]:
    """Create or renew a deployment: its name, id, schedule, whether it is paused, what changed, and what could not."""
    name = f"{refresh.name}/{wanted.name}"
    try:
        standing = client.read_deployment_by_name(name)
    except ObjectNotFound:
        wanted.apply()
        changes, outcome = {}, "created"
    else:
        changes = renew(client, standing, wanted)
        outcome = "changed" if changes else "unchanged"
    now = client.read_deployment_by_name(name)
    schedule = schedule_of(now)
    cron = cron_of(schedule.schedule) if schedule else None
    return {
        "deployment": name,
        "id": str(now.id),
        "outcome": outcome,
        "changes": changes,
        "left": left_of(now),
        "schedule": cron[0] if cron else None,
        "paused": now.paused,
        "schedule_active": schedule.active if schedule else None,
    }


def _tagged(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    chosen, offset = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])), 0
    while page := client.read_deployments(deployment_filter=chosen, limit=PAGE, offset=offset):
        yield from page
        offset += len(page)


def _names_of(client: SyncPrefectClient, deployments: Iterator[DeploymentResponse]) -> Iterator[str]:
    flows: dict[UUID, str] = {}
    for each in deployments:
        if each.flow_id not in flows:
            flows[each.flow_id] = client.read_flow(each.flow_id).name
        yield f"{flows[each.flow_id]}/{each.name}"
