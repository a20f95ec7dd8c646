"""What this process has at hand of the dataset that a flow run works on: its store, and what was asked of it before.

Each process of a run has its own; what one wrote the others read from the store. Each attempt of a flow run has its own
too: what a process that outlives one was told of the store then, such as the newest epoch, is old for the next.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from prefect import runtime

from config.settings import load_settings
from labelsnap.buckets.base import ROWS
from labelsnap.buckets.parts.decoded import DecodedRows
from labelsnap.errors import LabelsnapError
from labelsnap.snapshots.keeping.epochs import keys_of, newest_epoch
from labelsnap.snapshots.keeping.records import read_manifest, side_by_side
from labelsnap.snapshots.reading.at_hand import AtHandStore, Folder
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.reading.read import read_snapshot
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.storage import open_store
from tasks.machines.beside import Later
from tasks.machines.room import no_scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from labelsnap.snapshots.manifest import Contents, Manifest
    from labelsnap.storage import ObjectStore

Answer = TypeVar("Answer")

MOST: Final = 4
"""Of so many runs a process keeps what it has at hand; of more the one that began first is let go."""


AHEAD: Final = 17
"""So many files are read before a step asks for them, at most: what the base tells of each bucket, and its classes."""


@dataclass(eq=False, slots=True)
class Here:
    """What a process has at hand in one run. Without a ``folder`` that is nothing but the store.

    ``rows`` are those that were decoded, in the same folder.
    ``begun`` are the runs that were begun anew in this process, each with the names of the receipts that it wrote
    there: in such a run no others are known to this process.
    """

    store: ObjectStore
    folder: Folder | None = None
    rows: DecodedRows | None = None
    begun: dict[str, set[str]] = field(default_factory=dict)
    _later: Later = field(default_factory=Later)
    _named: dict[int, str] = field(default_factory=dict)
    _manifests: dict[int, Manifest] = field(default_factory=dict)
    _epoch: int | None = None
    _asking: Lock = field(default_factory=Lock)

    def manifest(self, version: int) -> Manifest | None:
        """The manifest of a version; None for 0, which is none. Raises what ``read_snapshot`` does."""
        if not version:
            return None
        with self._asking:
            if version not in self._manifests:
                named = self._named.get(version)
                found = read_manifest(self.store, named) if named else read_snapshot(self.store, version).manifest
                self._manifests[version] = found
                if isinstance(self.store, AtHandStore):
                    self.store.expect(keys_of(found))
            return self._manifests[version]

    def read_ahead(self, version: int) -> None:
        """Read what each step asks for first, as far as there is a folder for it: see ``AHEAD``.

        What cannot be read is told by the step that needs it.
        """
        with suppress(LabelsnapError):
            manifest = self.manifest(version)
            if isinstance(self.store, AtHandStore):
                self.store.look()
                files = [*manifest.below(ROWS), *manifest.below(CLASSES_PATH)] if manifest else ()
                for _ in side_by_side(partial(read_file, self.store), files if len(files) <= AHEAD else ()):
                    pass

    def draft(self, base: Contents | None) -> Draft:
        """What a task writes, upon the base snapshot or a part of it."""
        return Draft(self.store, base, generation=self._generation)

    def begin(self, run: str, version: int, manifest: str, epoch: int, *, anew: bool) -> None:
        """Say that a run begins in this process, upon a version with the manifest of this sha256 (0: none).

        It writes objects in an epoch of garbage collection. One that is not begun ``anew`` may have receipts of others.
        """
        self._epoch = epoch
        if version:
            self._named[version] = manifest
        if anew:
            self.begun[run] = set()
        else:
            self.begun.pop(run, None)

    def soon(self, call: Callable[[], Answer]) -> Future[Answer]:
        """What will come of a call, beside the work; the run waits for it in ``settle``.

        Without a folder nobody may know this again, and the call is made at once.
        """
        future = self._later.begin(call)
        if self.folder is None:
            self.settle()
        return future

    def settle(self) -> None:
        """Return when all calls are made. Raises what one of them raised."""
        self._later.settle()

    def rest(self) -> None:
        """Return when all calls have ended, whatever came of them."""
        self._later.rest()

    def close(self) -> None:
        """Remove the copies."""
        if self.folder:
            self.folder.close()

    def _generation(self) -> int:
        with self._asking:
            if self._epoch is None:
                self._epoch = newest_epoch(self.store)
            return self._epoch


class _Work(NamedTuple):
    """Whose it is: a flow run's work on a dataset, in this process."""

    process: int
    flow_run: str
    url: str


_HERE: Final[dict[_Work, tuple[int, Here]]] = {}
"""What is at hand, with the number of the attempt that it is of."""
_CHANGING: Final = Lock()


def here_of(url: str) -> Here:
    """What this process has at hand of the dataset, in the attempt of this context; outside of a flow run nothing.

    What it had in another attempt of the flow run is let go.
    """
    if (work := _work(url)) is None:
        return Here(open_store(url))
    attempt = runtime.flow_run.run_count
    with _CHANGING:
        number, found = _HERE.get(work, (attempt, None))
        if found is None or number != attempt:
            _close(work)
            found = _opened(url)
            _HERE[work] = attempt, found
        while len(_HERE) > MOST:
            _close(next(iter(_HERE)))
        return found


def read_ahead(url: str, version: int) -> None:
    """Read what the steps of a run upon this version (0: none) ask for first, while something else is waited for."""
    here_of(url).read_ahead(version)


def let_go(url: str) -> None:
    """Forget what this process has at hand in the flow run of this context: it has ended, or begins again."""
    if work := _work(url):
        with _CHANGING:
            _close(work)


def _close(work: _Work) -> None:
    _, found = _HERE.pop(work, (None, None))
    if found:
        found.close()


def _opened(url: str) -> Here:
    """A store with its folder; where nothing is to be kept, or can be, the store alone."""
    settings, store = load_settings(), open_store(url)
    if not settings.at_hand_bytes:
        return Here(store)
    try:
        folder = Folder(settings.at_hand_bytes, settings.temporary_directory)
    except OSError as error:
        raise no_scratch(error) from None
    return Here(AtHandStore(store, folder), folder, DecodedRows(folder))


def _work(url: str) -> _Work | None:
    flow_run = runtime.flow_run.id
    return _Work(os.getpid(), str(flow_run), url) if flow_run else None
