"""The exports of a run as it notes them, and the end of those that nobody goes on with.

Labelbox runs ten exports of a project at a time. One that was started keeps its place until it is complete, whatever
became of the run that wanted it, unless it is cancelled.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from config.settings import load_settings
from labelsnap.errors import LabelboxAnswerError, LabelsnapError
from labelsnap.labelbox.export import cancel
from labelsnap.labelbox.starting import started_as
from labelsnap.shown import line
from tasks.machines.beside import started_beside
from tasks.machines.environment import labelbox

if TYPE_CHECKING:
    from labelsnap.labelbox.client import Client
    from tasks.run.ledger import Ledger

EXPORT: Final = "export-"
"""How the receipts of exports begin that were started; behind it stands the export's number."""
ASKED: Final = "asked-"
"""The same of those that Labelbox was asked for: of one without the other no answer came."""
WINDOW: Final = "window-"
"""How the receipts of windows begin that are here whole; behind it stands where one begins, as in its exports."""
SECONDS: Final = 10.0
"""How long it may take to cancel exports; they end by themselves, too."""

log = logging.getLogger(__name__)


class ExportTask(Struct, frozen=True):
    """The id of an export task at Labelbox."""

    id: str


class Asked(Struct, frozen=True):
    """The name of an export that Labelbox is asked for: it may have been started, though no id came."""

    name: str


def cancel_exports(ledger: Ledger) -> None:
    """Cancel those exports of a run that are in progress: of a window that is here whole none is.

    What Labelbox does not cancel, or the store does not tell of, is logged, and stops nothing. It takes ``SECONDS`` at
    most: then nobody waits any more.
    """
    try:
        started_beside(partial(_cancel_exports, ledger)).result(SECONDS)
    except TimeoutError:
        log.warning("In %g seconds exports could not all be cancelled; those that are in progress run on.", SECONDS)
    except Exception as error:  # noqa: BLE001 - why it is cancelled is told by the run itself
        log.warning("Which exports are in progress cannot be told (%s); those run on.", line(str(error)))


def _cancel_exports(ledger: Ledger) -> None:
    if not (found := _noted(ledger)):
        return
    client = labelbox(load_settings())
    for task_id, name in found:
        if not cancel_export(client, task_id, name):
            return


def _noted(ledger: Ledger) -> list[tuple[str | None, str]]:
    """The exports of a run that are not here whole: the id of each, where it is known, and its name."""
    whole = {name.removeprefix(WINDOW) for name in ledger.names(WINDOW)}
    numbers = (name.removeprefix(ASKED) for name in ledger.names(ASKED))
    found = []
    for number in numbers:
        if number.partition("-")[0] not in whole:
            asked, known = ledger.recall(f"{ASKED}{number}", Asked), ledger.recall(f"{EXPORT}{number}", ExportTask)
            found.append((known.id if known else None, asked.name if asked else ""))
    return found


def cancel_export(client: Client, task_id: str | None, name: str = "") -> bool:
    """Cancel an export that is in progress, by the name that it was asked for under where its id is not known.

    Gives whether Labelbox answers. What it refuses is told.
    """
    briefly = client.briefly(SECONDS)
    try:
        found = task_id or (started_as(briefly, name) if name else None)
        if found and cancel(briefly, found):
            log.info("The export task %s is cancelled: nobody goes on with it.", found)
    except LabelsnapError as error:
        log.warning("Export task %s is not cancelled, and may run on: %s", task_id or name, error.message)
        return not isinstance(error, LabelboxAnswerError)
    return True
