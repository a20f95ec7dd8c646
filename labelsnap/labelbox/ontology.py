"""The ontology of a project, as Labelbox has it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelsnap.labelbox.client import spoken
from labelsnap.records.ontology import Ontology
from labelsnap.records.parsing.ontology import parse_ontology

if TYPE_CHECKING:
    import labelbox

    from labelsnap.labelbox.client import Client

ONTOLOGY_QUERY: Final = (
    "query GetProjectOntologyPyApi($param_0: ID!){project(where: {id: $param_0}){ontology{normalized}}}"
)
"""The SDK's own document (labelbox 7.17, ``Project.ontology``), which asks for the project before, and for more."""


def ontology_of(client: Client, project: str) -> Ontology:
    """The project's ontology; one without any feature where it has none.

    Raises ``LabelboxRefusedError`` and ``LabelboxAnswerError`` where it may not be read, or is not told.
    """

    def told(sdk: labelbox.Client) -> Ontology:
        answer = sdk.execute(ONTOLOGY_QUERY, {"param_0": project})
        found = answer["project"]["ontology"]
        return Ontology() if found is None else parse_ontology(found["normalized"])

    return client.asked(f"the ontology of {spoken('project', project)}", told)
