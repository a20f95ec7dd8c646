"""The project's ontology: asked for beside its exports, and kept as a table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from prefect import task

from config.dataset import Dataset
from config.settings import load_settings
from labelsnap.errors import LabelboxError
from labelsnap.formats.shared.attributes import joined
from labelsnap.labelbox.ontology import ontology_of
from labelsnap.records.choices.classes import offered_classes
from labelsnap.records.ontology import OBJECTS, union
from labelsnap.records.tables.tables import ontology_table, write_table
from labelsnap.snapshots.tables.bucket_tables import ONTOLOGY_PATH, read_ontology
from tasks.machines.environment import labelbox
from tasks.machines.here import here_of
from tasks.machines.retries import RETRIES
from tasks.run.receipts import OntologyReceipt

if TYPE_CHECKING:
    from labelsnap.records.ontology import Ontology
    from labelsnap.snapshots.manifest import File
    from labelsnap.snapshots.writing.draft import Uploads

SECONDS: Final = 60.0
"""How long Labelbox is asked for an ontology; a run goes on without it."""

log = logging.getLogger(__name__)


@task(**RETRIES)
def fetch_ontology(dataset: Dataset, base: int) -> OntologyReceipt:
    """Put the project's ontology into the store, where the snapshot ``base`` (0: none) has not the same.

    Where it cannot be read, that of the base stands: its classes do not go because Labelbox did not answer. A model run
    has none. Of several sources it is that of all projects, under the names that the sources' ``classes`` give, first
    that of the source that wins: where one of them cannot be read, it is as if none could.
    """
    projects = {
        (each.id, *asked.classes.items()): (each.id, asked.classes)
        for asked in dataset.by_winning
        for each in asked.of
        if each.kind == "project"
    }
    if not projects:
        return OntologyReceipt(reason="model_run")
    here = here_of(dataset.url)
    earlier = here.manifest(base)
    client = labelbox(load_settings()).briefly(SECONDS)
    try:
        told = [(ontology_of(client, project), classes) for project, classes in projects.values()]
    except LabelboxError as error:
        log.warning("The project's ontology is not read, and the run goes on without: %s", error.message)
        standing = earlier.file(ONTOLOGY_PATH) if earlier else None
        if standing is None:
            return OntologyReceipt(reason=error.code)
        draft = here.draft(earlier)
        kept = draft.keep_file(standing)
        return received(dataset, read_ontology(here.store, standing), kept, draft.uploads, reason=error.code)
    found = union(told)
    draft = here.draft(earlier)
    file = draft.add_file(ONTOLOGY_PATH, write_table(ontology_table(found)))
    return received(dataset, found, file, draft.uploads)


def received(
    dataset: Dataset, ontology: Ontology, file: File, uploads: Uploads, *, reason: str | None = None
) -> OntologyReceipt:
    """What later steps and the result need of an ontology that lies in a file."""
    return OntologyReceipt(
        files=(file,),
        offered=offered_classes(ontology, dataset.classes),
        archived=tuple(
            dataset.classes.get(each.name) or each.name
            for each in ontology.features
            if each.archived and each.kind in OBJECTS
        ),
        choices={joined(question): options for question, options in ontology.options.items()},
        questions=ontology.questions,
        unreadable=ontology.unreadable,
        uploads=uploads,
        reason=reason,
    )
