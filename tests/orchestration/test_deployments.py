"""What a dataset file becomes on a Prefect server, and the files that are shipped for it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.settings.models.flows import FlowsSettings

from config.reading import parse_dataset
from flows.cli import QUIET_PREFECT
from flows.service.deployments import deploy, deployment_of
from labelsnap.errors import ConfigurationError

HEARTBEAT = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
DEPLOY = Path(__file__).parents[2] / "deploy"
SHORT = {
    "dataset": "street-scenes",
    "store": "s3://ml-datasets/labelsnap",
    "source": {"project": "cltd3vkju021907u63w2odj69"},
    "filters": {"workflow_status": "Done"},
}


def test_prefect_yaml_has_what_the_command_makes():
    """The same entry point, parameters, schedule, pool and environment, from the file and from `labelsnap deploy`."""
    (written,) = yaml.safe_load((DEPLOY / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    schedule = {"cron": "0 2 * * *", "timezone": "UTC"}
    made = deployment_of(parse_dataset(SHORT | {"schedule": schedule}), "labelsnap")
    assert made.entrypoint == written["entrypoint"]
    assert made.name == written["name"]
    assert made.parameters["dataset"] == written["parameters"]["dataset"] | {"schedule": schedule}
    assert (made.work_pool_name, made.job_variables) == (
        written["work_pool"]["name"],
        written["work_pool"]["job_variables"],
    )
    (scheduled,) = made.schedules
    assert {
        "cron": scheduled.schedule.cron,
        "timezone": scheduled.schedule.timezone,
        "slug": scheduled.slug,
    } == written["schedules"][0]


def test_parameters_are_a_validated_form():
    """The parameters' schema names the dataset's keys, and a deployment's parameters are checked against it."""
    made = deployment_of(parse_dataset(SHORT), "labelsnap")
    assert made.enforce_parameter_schema
    assert made.schedules == []
    assert {"dataset", "store", "source", "filters", "formats"} <= set(
        made._parameter_openapi_schema.definitions["Dataset"]["properties"]
    )


def test_no_deployment_has_a_key(monkeypatch):
    """Parameters and job variables go into Prefect's database; rights come from the worker's environment."""
    monkeypatch.setenv("LABELBOX_API_KEY", "the-key-itself")
    assert "the-key-itself" not in deployment_of(parse_dataset(SHORT), "labelsnap").model_dump_json()


def test_deploying_needs_a_server_and_a_name_a_dataset():
    """Refused before anything is created."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(ConfigurationError) as caught:
        deploy([parse_dataset(SHORT)], "labelsnap")
    assert caught.value.code == "no_prefect_server"
    nobody = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with nobody, pytest.raises(ConfigurationError) as caught:
        deploy([parse_dataset(SHORT), parse_dataset(SHORT)], "labelsnap")
    assert caught.value.code == "same_dataset"


@pytest.mark.parametrize(
    "schedule", [{"cron": "every night"}, {"cron": "0 2 * *"}, {"cron": "0 2 * * *", "timezone": "Mars"}, {"hour": 2}]
)
def test_a_schedule_that_is_none_is_refused(schedule):
    """With the dataset file, before anything is deployed."""
    with pytest.raises(ConfigurationError, match=r"schedule"):
        parse_dataset(SHORT | {"schedule": schedule})


def test_a_leap_day_is_a_next_time():
    """29 February comes, though not this year."""
    assert parse_dataset(SHORT | {"schedule": {"cron": "0 0 29 2 *"}}).schedule is not None


def test_the_schedule_and_what_overlaps_are_no_content():
    """Another schedule makes no new version."""
    plain = parse_dataset(SHORT).content()
    assert parse_dataset(SHORT | {"schedule": {"cron": "0 3 * * *"}, "overlap": "refuse"}).content() == plain


@pytest.mark.parametrize(
    "path", sorted([*DEPLOY.glob("*.yaml"), *DEPLOY.glob("kubernetes/*.yaml")]), ids=lambda p: p.name
)
def test_shipped_files_are_yaml(path):
    """Each document can be read."""
    assert all(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_the_shipped_automations_are_ones_that_prefect_takes():
    """Triggers and actions are read by Prefect's own models: a lost heartbeat crashes, an event starts a refresh."""
    described = yaml.safe_load((DEPLOY / "automations.yaml").read_text(encoding="utf-8"))["automations"]
    lost, moved = (AutomationCore.model_validate(each) for each in described)
    assert (lost.trigger.within, moved.trigger.within) == (timedelta(minutes=10), timedelta(minutes=2))
    assert [action.state for action in lost.actions] == ["CRASHED"]
    assert [(action.type, action.schedule_after) for action in moved.actions] == [
        ("run-deployment", timedelta(minutes=2))
    ]
    assert (lost.enabled, moved.enabled) == (True, False)


def test_heartbeats_are_set_wherever_runs_start_and_the_automation_waits_for_several():
    """Job variables, the image, compose, Kubernetes, and the command line; three of Prefect's default fit."""
    described = yaml.safe_load((DEPLOY / "automations.yaml").read_text(encoding="utf-8"))["automations"]
    lost = AutomationCore.model_validate(described[0])
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    config_map, *_ = yaml.safe_load_all((DEPLOY / "kubernetes/worker.yaml").read_text(encoding="utf-8"))
    image = re.search(r"PREFECT_FLOWS_HEARTBEAT_FREQUENCY=(\d+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    places = [
        deployment_of(parse_dataset(SHORT), "labelsnap").job_variables["env"],
        compose["x-labelsnap"]["environment"],
        config_map["data"],
        {HEARTBEAT: image[1]},
        QUIET_PREFECT,
    ]
    assert {place[HEARTBEAT] for place in places} == {"30"}
    default = FlowsSettings.model_fields["heartbeat_frequency"].default
    assert lost.trigger.within >= timedelta(seconds=3 * default)
    waits = timedelta(seconds=int(places[0]["PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS"]))
    assert lost.trigger.within > waits
    assert "prefect.flow-run.AwaitingRetry" in lost.trigger.expect


def test_workers_have_longer_to_stop_than_their_runs():
    """Docker and Kubernetes kill what is not done after their own grace."""
    worker = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["worker"]
    assert (worker["stop_grace_period"], worker["command"].split()[-2:]) == ("2m", ["--grace", "100"])
    _, described = yaml.safe_load_all((DEPLOY / "kubernetes/worker.yaml").read_text(encoding="utf-8"))
    pod = described["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 120
    assert pod["containers"][0]["command"][-2:] == ["--grace", "100"]
