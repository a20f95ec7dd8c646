"""Datasets, slices and the catalog of the sandbox, exported by the official SDK."""

from __future__ import annotations

import labelbox
import pytest


@pytest.fixture
def client(sandbox):
    """The SDK's client."""
    return labelbox.Client(sandbox.api_key, endpoint=sandbox.graphql_endpoint, rest_endpoint=sandbox.rest_endpoint)


def lines(task):
    """The lines of an export that has come to its end."""
    task.wait_till_done()
    assert task.status == "COMPLETE"
    return [each.json for each in task.get_buffered_stream()]


def test_a_dataset_has_all_rows_with_the_labels_of_the_projects_that_are_asked_for(client, sandbox):
    """A further project has every second row; of a project that is not asked for there is nothing."""
    project = sandbox.workspace.project
    exported = lines(client.get_dataset(project.dataset_id).export(params={"project_ids": [project.partners[0]]}))
    assert [each["data_row"]["id"] for each in exported] == [row.id for row in sandbox.rows()]
    held = [list(each["projects"]) for each in exported]
    assert held == [[] if row.index % 2 else [project.partners[0]] for row in sandbox.rows()]


def test_a_slice_has_every_fifth_row(client, sandbox):
    """With the labels of a project and of a model run; each label has an id of its own."""
    project = sandbox.workspace.project
    params = {"project_ids": [project.id, project.partners[1]], "model_run_ids": [project.model_run_id]}
    exported = lines(client.get_catalog_slice(project.slice_id).export(params=params))
    rows = [row for row in sandbox.rows() if row.index % 5 == 0]
    assert [each["data_row"]["id"] for each in exported] == [row.id for row in rows]
    assert ["experiments" in each for each in exported] == [row.in_model_run for row in rows]
    labels = [label["id"] for each in exported for entry in each["projects"].values() for label in entry["labels"]]
    assert len(set(labels)) == len(labels) > len(rows)


def test_the_catalog_has_the_rows_that_its_filters_take(client, sandbox):
    """By their ids."""
    project, wanted = sandbox.workspace.project, [sandbox.row(index).id for index in (3, 4)]
    catalog = client.get_catalog()
    exported = lines(catalog.export(filters={"data_row_ids": wanted}, params={"project_ids": [project.id]}))
    assert [each["data_row"]["id"] for each in exported] == wanted


def test_a_further_project_is_exported_with_its_own_names(client, sandbox):
    """The second calls cars automobiles; its ontology does too."""
    found = client.get_project(sandbox.workspace.project.partners[1])
    exported = lines(found.export(params={"label_details": True}))
    assert len(exported) == len([row for row in sandbox.rows() if row.index % 3 == 0])
    objects = [
        each["name"]
        for line in exported
        for label in line["projects"][found.uid]["labels"]
        for each in label["annotations"]["objects"]
    ]
    assert "automobile" in objects
    assert "car" not in objects
    assert "automobile" in {tool.name for tool in found.ontology().tools()}
