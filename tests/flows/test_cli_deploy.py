"""Deployments that are renewed: the file's part is, the operators' part stays, and what was done is said."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.settings import PREFECT_API_URL

from flows.service.pools import make_pool

pytestmark = pytest.mark.prefect


NIGHTLY = {"cron": "0 2 * * *", "timezone": "Europe/Zurich"}


class Operator:
    """A dataset file, its deployment, and somebody who changes that in Prefect."""

    def __init__(self, labelsnap, path):
        self.labelsnap, self.path = labelsnap, path
        self.name = f"streets-{uuid4().hex[:8]}"
        self.content = {
            "dataset": self.name,
            "store": "s3://ml-datasets/labelsnap",
            "source": {"project": "cltd3vkju021907u63w2odj69"},
            "filters": {"workflow_status": "Done"},
        }

    def deploy(self, *arguments, **changes):
        """Deploy the file with these changes; what it says of the one deployment, and of the others."""
        self.path.write_text(yaml.safe_dump(self.content | changes), encoding="utf-8")
        status, outcome = self.labelsnap.json("deploy", self.path, *arguments)
        assert status == 0, outcome
        (deployment,) = outcome["deployments"]
        return deployment, outcome["unnamed"]

    def standing(self):
        """The deployment as the server has it."""
        with get_client(sync_client=True) as client:
            return client.read_deployment_by_name(f"refresh/{self.name}")

    def set(self, **changes):
        """Change it."""
        with get_client(sync_client=True) as client:
            client.update_deployment(self.standing().id, DeploymentUpdate(**changes))


@pytest.fixture
def operator(labelsnap, prefect_server, tmp_path, monkeypatch):
    """One of them, on a server."""
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    return Operator(labelsnap, tmp_path / "dataset.yaml")


def test_a_deployment_is_created_then_unchanged(operator):
    """A second deploy of the same file changes nothing, and says so."""
    deployment, _ = operator.deploy(schedule=NIGHTLY)
    assert (deployment["outcome"], deployment["schedule"], deployment["changes"]) == ("created", "0 2 * * *", {})
    before = operator.standing()
    deployment, _ = operator.deploy(schedule=NIGHTLY)
    assert (deployment["outcome"], deployment["changes"]) == ("unchanged", {})
    assert operator.standing() == before
    status, output, _ = operator.labelsnap("deploy", operator.path)
    assert status == 0
    assert output.startswith(f"refresh/{operator.name}: unchanged (0 2 * * *)\n")


@pytest.mark.slow
def test_what_operators_set_stays_while_the_file_changes(operator):
    """Paused, inactive, limits, tags, job variables and schedules of their own; the file's changes are named."""
    operator.deploy(schedule=NIGHTLY)
    (schedule,) = operator.standing().schedules
    operator.set(
        paused=True,
        concurrency_limit=1,
        tags=[*operator.standing().tags, "team:vision"],
        job_variables={
            "env": {
                **operator.standing().job_variables["env"],
                "LABELSNAP_WORKERS": "8",
                "PREFECT_FLOWS_DEFAULT_RETRIES": "5",
            },
            "stream_output": False,
        },
    )
    weekly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 6 * * 0", timezone="UTC"))
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(operator.standing().id, schedule.id, active=False)
        client.create_deployment_schedules(operator.standing().id, [weekly])
    deployment, _ = operator.deploy(schedule=NIGHTLY | {"cron": "30 3 * * *"}, filters={"workflow_status": "InReview"})
    assert deployment["changes"] == {
        "parameters.dataset.filters.workflow_status": {"before": "Done", "after": "InReview"},
        "parameters.dataset.schedule.cron": {"before": "0 2 * * *", "after": "30 3 * * *"},
        "schedule": {"before": "0 2 * * * Europe/Zurich", "after": "30 3 * * * Europe/Zurich"},
    }
    assert (deployment["outcome"], deployment["paused"], deployment["schedule_active"]) == ("changed", True, False)
    now = operator.standing()
    assert now.paused
    assert now.global_concurrency_limit.limit == 1
    assert set(now.tags) == {"labelsnap", f"dataset:{operator.name}", "team:vision"}
    assert now.job_variables["stream_output"] is False
    assert (
        now.job_variables["env"] | {"LABELSNAP_WORKERS": "8", "PREFECT_FLOWS_DEFAULT_RETRIES": "5"}
        == now.job_variables["env"]
    )
    assert {(each.schedule.cron, each.active) for each in now.schedules} == {("30 3 * * *", False), ("0 6 * * 0", True)}
    assert now.parameters["dataset"]["filters"] == {"workflow_status": "InReview"}
    _, output, _ = operator.labelsnap("deploy", operator.path)
    assert f"refresh/{operator.name}: unchanged (30 3 * * *, paused)" in output


@pytest.mark.slow
def test_a_schedule_that_the_file_gives_and_takes_away(operator):
    """It comes with its slug, and goes; the operator's own stays."""
    operator.deploy()
    weekly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 6 * * 0", timezone="UTC"))
    with get_client(sync_client=True) as client:
        client.create_deployment_schedules(operator.standing().id, [weekly])
    deployment, _ = operator.deploy(schedule=NIGHTLY)
    assert deployment["changes"]["schedule"] == {"before": None, "after": "0 2 * * * Europe/Zurich"}
    assert {each.slug for each in operator.standing().schedules} == {"labelsnap", None}
    deployment, _ = operator.deploy()
    assert deployment["changes"]["schedule"] == {"before": "0 2 * * * Europe/Zurich", "after": None}
    assert [each.schedule.cron for each in operator.standing().schedules] == ["0 6 * * 0"]


def test_an_interval_in_the_place_of_the_file_s_schedule_is_named(operator):
    """What an operator set under labelsnap's slug is the file's to change, and is said, of whatever kind it is."""
    operator.deploy()
    hourly = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)), slug="labelsnap")
    for file, after in (({}, None), ({"schedule": NIGHTLY}, "0 2 * * * Europe/Zurich")):
        with get_client(sync_client=True) as client:
            client.create_deployment_schedules(operator.standing().id, [hourly])
        deployment, _ = operator.deploy(**file)
        assert deployment["changes"]["schedule"] == {"before": "interval 3600", "after": after}


def test_job_variables_that_are_a_template_stay(operator):
    """They are looked up when the run starts: they are kept and named, and the rest of the file is deployed."""
    operator.deploy()
    operator.set(job_variables={"env": "{{ prefect.variables.my_env }}"})
    deployment, _ = operator.deploy(filters={"workflow_status": "InReview"})
    assert (deployment["outcome"], deployment["left"]) == ("changed", ["job_variables.env"])
    assert list(deployment["changes"]) == ["parameters.dataset.filters.workflow_status"]
    assert operator.standing().job_variables == {"env": "{{ prefect.variables.my_env }}"}
    assert "job_variables.env: left as it is" in operator.labelsnap("deploy", operator.path)[1]


def test_the_schedule_of_an_earlier_labelsnap_is_taken_over(operator):
    """It has no slug; what its file said is in the parameters. It is not doubled, and stays inactive."""
    operator.deploy(schedule=NIGHTLY)
    (schedule,) = operator.standing().schedules
    earlier = DeploymentScheduleCreate(schedule=schedule.schedule, active=False)
    with get_client(sync_client=True) as client:
        client.delete_deployment_schedule(operator.standing().id, schedule.id)
        client.create_deployment_schedules(operator.standing().id, [earlier])
    operator.deploy(schedule=NIGHTLY | {"cron": "0 4 * * *"})
    (schedule,) = operator.standing().schedules
    assert (schedule.schedule.cron, schedule.active, schedule.slug) == ("0 4 * * *", False, "labelsnap")


@pytest.mark.slow
def test_deployments_that_no_file_names_are_named_and_left(operator, labelsnap, tmp_path):
    """By their tag; nothing about them changes."""
    operator.deploy()
    before = operator.standing()
    _, unnamed = Operator(labelsnap, tmp_path / "other.yaml").deploy()
    assert f"refresh/{operator.name}" in unnamed
    assert operator.standing() == before
    assert f"refresh/{operator.name}" in labelsnap("deploy", tmp_path / "other.yaml")[1]


@pytest.mark.slow
def test_the_parameters_of_the_file_s_schedule_stay(operator):
    """They are the operator's, however often its cron changes."""
    operator.deploy(schedule=NIGHTLY)
    (schedule,) = operator.standing().schedules
    own = {"dataset": operator.content | {"masks": "instance"}}
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(operator.standing().id, schedule.id, parameters=own, max_scheduled_runs=2)
    deployment, _ = operator.deploy(schedule=NIGHTLY | {"cron": "0 3 * * *"})
    (renewed,) = operator.standing().schedules
    assert deployment["schedule"] == "0 3 * * *"
    assert (renewed.parameters, renewed.max_scheduled_runs) == (own, 2)


@pytest.mark.slow
def test_a_queue_goes_along_to_another_pool_or_is_said_to_be_left(operator):
    """Where the other pool has one of its name, the deployment comes to it."""
    operator.deploy()
    with get_client(sync_client=True) as client:
        for pool in ("labelsnap", "with-night"):
            make_pool(client, pool)
            client.create_work_queue(name=f"night-{operator.name}", work_pool_name=pool)
    operator.set(work_queue_name=f"night-{operator.name}")
    moved, _ = operator.deploy("--pool", "with-night")
    assert moved["changes"] == {"work_pool_name": {"before": "labelsnap", "after": "with-night"}}
    assert operator.standing().work_queue_name == f"night-{operator.name}"
    moved, _ = operator.deploy("--pool", "without-night")
    assert moved["changes"]["work_queue_name"] == {"before": f"night-{operator.name}", "after": "default"}
    assert operator.standing().work_queue_name == "default"


@pytest.mark.parametrize("command", ["deploy", "worker"])
@pytest.mark.parametrize("pool", ["a/b", "", " ", "..", "a?b", "a\n", "x" * 300])
def test_what_is_no_name_of_a_pool(operator, command, pool):
    """The name is at fault: status 2, before anything is asked."""
    operator.path.write_text(yaml.safe_dump(operator.content), encoding="utf-8")
    options = [operator.path, "--json"] if command == "deploy" else []
    status, output, errors = operator.labelsnap(command, *options, "--pool", pool)
    assert status == 2
    assert "No work pool can be named" in output + errors
    assert "Give another --pool" in output + errors


def test_a_reserved_name_of_a_pool(operator):
    """Prefect makes no such pool for anybody."""
    operator.path.write_text(yaml.safe_dump(operator.content), encoding="utf-8")
    status, outcome = operator.labelsnap.json("deploy", operator.path, "--pool", "Prefect-x")
    assert (status, outcome["error"]["code"]) == (2, "bad_pool")
    assert "reserved" in outcome["error"]["message"]
