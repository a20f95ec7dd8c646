"""The ontology of a project, asked of the sandbox through the real SDK."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from deploy.sandbox import Fault
from labelsnap.errors import LabelboxAnswerError, LabelboxRefusedError
from labelsnap.labelbox.client import Account, connect
from labelsnap.labelbox.ontology import ontology_of
from labelsnap.labelbox.patience import Patience
from labelsnap.records.ontology import Ontology

QUESTION = "graphql:GetProjectOntologyPyApi"


@pytest.fixture
def client(sandbox):
    """The real SDK's client, pointed at the sandbox, without patience."""
    account = Account(sandbox.api_key, sandbox.graphql_endpoint, sandbox.rest_endpoint)
    return connect(account, Patience(place=0, question=0))


def test_what_is_read_is_what_the_sdk_reads(sandbox, client):
    """By one request: names, schemas, colours and order are those of the SDK's own ``Project.ontology``."""
    sandbox.add_class("lamp", "point")
    sandbox.colour_class("lamp", "#00ff00")
    found = ontology_of(client, sandbox.project_id)
    assert Counter(sandbox.requests.kinds) == Counter([QUESTION])
    sdk = client.sdk.get_project(sandbox.project_id).ontology()
    tools = [(each.name, each.feature_schema_id, each.color) for each in sdk.tools()]
    questions = [(each.name, each.feature_schema_id, None) for each in sdk.classifications()]
    assert [(each.name, each.feature_schema_id, each.colour) for each in found.features] == [*tools, *questions]
    assert tools[-1][2] == "#00ff00"
    assert found.unreadable == 0


def test_a_project_without_an_ontology_has_no_feature(sandbox, client):
    """That is an answer."""
    sandbox.faults.add(Fault(QUESTION, "body", body=json.dumps({"data": {"project": {"ontology": None}}})))
    assert ontology_of(client, sandbox.project_id) == Ontology()


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault(QUESTION, "graphql_error", code="AUTHORIZATION_ERROR"), LabelboxRefusedError, "key_refused"),
        (Fault(QUESTION, "status", status=503), LabelboxAnswerError, "labelbox_failing"),
        (Fault(QUESTION, "body", body='{"data": {"project": null}}'), LabelboxAnswerError, "labelbox_answer"),
        (
            Fault(QUESTION, "body", body='{"data": {"project": 7}}'),
            LabelboxAnswerError,
            "labelbox_answer",
        ),
    ],
)
def test_what_is_no_answer_is_an_error_that_has_a_name(sandbox, client, fault, error, code):
    """Whoever asks can go on without."""
    sandbox.faults.add(fault)
    with pytest.raises(error) as raised:
        ontology_of(client, sandbox.project_id)
    assert raised.value.code == code
