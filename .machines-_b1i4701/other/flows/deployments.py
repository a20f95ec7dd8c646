"""A dataset file → a deployment on a Prefect server: its schedule, its parameters as a form, what a crash does."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.refresh import refresh
from tasks.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.dataset import Dataset

RETRIED: Final = {"PREFECT_FLOWS_DEFAULT_RETRIES": "2", "PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS": "300"}
"""A refresh that fails is run again after five minutes, twice; it goes on with what it had."""


def deployment_of(dataset: Dataset, pool: str) -> RunnerDeployment:
    """The deployment ``refresh/<dataset>``. The schedule is the file's; without one the deployment has none."""
    schedule = dataset.schedule
    return RunnerDeployment.from_flow(
        refresh,
        name=dataset.dataset,
        description=f"Publishes {dataset.source.kind.replace('_', ' ')} {dataset.source.id} to {dataset.url}.",
        parameters={"dataset": dataset.model_dump(mode="json", exclude_unset=True)},
        schedules=[Cron(schedule.cron, timezone=schedule.timezone)] if schedule else [],
        tags=["labelsnap", f"dataset:{dataset.dataset}"],
        version=version("labelsnap"),
        work_pool_name=pool,
        job_variables={"env": RETRIED},
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def deploy(datasets: Sequence[Dataset], pool: str) -> list[dict[str, Any]]:
    """Create or renew one deployment a dataset; a work pool that is not there is made as a process pool.

    Raises ``ConfigurationError`` where no Prefect server is named: a deployment on an ephemeral one ends with it.
    """
    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigurationError(
            "There is no Prefect server to deploy to.",
            remedy="Start one (`prefect server start`) and set PREFECT_API_URL; deploy/README.md shows how.",
            code="no_prefect_server",
        )
    names = [dataset.dataset for dataset in datasets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"Two dataset files are named {twice[0]!r}.",
            remedy="Deployments are named after datasets: give each file a `dataset` of its own.",
            code="same_dataset",
        )
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    deployments = [deployment_of(dataset, pool) for dataset in datasets]
    return [
        {
            "deployment": f"{refresh.name}/{deployment.name}",
            "id": str(deployment.apply()),
            "schedule": dataset.schedule.cron if dataset.schedule else None,
        }
        for dataset, deployment in zip(datasets, deployments, strict=True)
    ]
