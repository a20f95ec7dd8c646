"""Classes that outputs name, looked up before anything is exported: a name that no class has is a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelsnap.errors import ConfigurationError
from labelsnap.records.choices.classes import inherited, update
from labelsnap.redaction import shown
from tasks.machines.here import here_of
from tasks.settle import classes_behind, earlier_classes

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.dataset import Dataset
    from tasks.run.beginning import Head
    from tasks.run.receipts import OntologyReceipt

CLASSES_SHOWN = 30


def check_named_classes(dataset: Dataset, base: Head, read: Callable[[], OntologyReceipt]) -> None:
    """Raise ``ConfigurationError`` where an output names a class that neither the ontology nor a version has or had.

    One without an object is fine. Without an ontology, as of a model run, nobody can tell such a class from one that is
    yet to come: then the result says so in the output's ``notes``, and so where only a part of the ontology was read.
    Nothing is ``read`` where no output names classes.
    """
    naming = {name: each.selection for name, each in dataset.outputs.items() if each.selection.classes}
    if not naming:
        return
    ontology = read()
    if not ontology.files or ontology.unreadable:
        return
    here = here_of(dataset.url)
    standing = earlier_classes(here.store, here.manifest(base.version))
    known = update(
        inherited(standing, classes_behind(here.store, base.behind)),
        (),
        dataset.classes,
        ontology.offered,
        by_name=bool(dataset.sources),
    )
    for name, selection in naming.items():
        choice = selection.of(known)
        for unknown in choice.unknown:
            if unknown not in ontology.archived:
                names = sorted({each.name for each in known.classes})
                more = ", …" if len(names) > CLASSES_SHOWN else ""
                near = choice.meant(unknown)
                meant = f"Did you mean {near!r}? " if near else ""
                raise ConfigurationError(
                    f"The output {name!r} names the class {shown(unknown)}, which neither the project's ontology has "
                    "nor any version of the dataset.",
                    remedy=f"{meant}There are: {', '.join(names[:CLASSES_SHOWN])}{more}. A class that only labels of a "
                    "former ontology have can be named once a version has been published.",
                    code="unknown_class",
                )
