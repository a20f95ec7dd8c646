"""Everything that reads a store: lists, shows, verifies, pulls, compares, and plans what to remove."""

from __future__ import annotations

import shutil
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import labelsnap.references
from labelsnap.errors import LabelsnapError
from labelsnap.snapshots import formats_held, list_tags, list_versions, plan_collection, plan_expiry, read_snapshot
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.reading.pull import pull
from tests.fuzz.stores import URL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contracts.memory_store import MemoryStore

MINE = "a reader's own file"


class Readers:
    """``folder`` has a file beside the tree that is pulled, which nothing may touch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree, self.mine = folder / "tree", folder / "mine"

    def read(self, store: MemoryStore, selectors: tuple[int | str, ...]) -> str:
        """Read all of a store; every error of labelsnap's own is counted as refused."""
        labelsnap.references.open_store = lambda _url: store  # type: ignore[assignment]
        self.mine.write_text(MINE, encoding="utf-8")
        calls: list[Callable[[], object]] = [
            lambda: list_versions(store),
            lambda: list_tags(store),
            lambda: verify(store),
            lambda: plan_expiry(store, keep=1, older_than=timedelta(0)),
            lambda: plan_collection(store, grace=timedelta(days=7)),
            lambda: labelsnap.references.compare(f"{URL}@{selectors[0]}", f"{URL}@latest"),
        ]
        calls += [partial(self._pull, store, selector) for selector in selectors]
        refused = [each for each in map(_outcome, calls) if each]
        assert self.mine.read_text(encoding="utf-8") == MINE
        assert {path.name for path in self.folder.iterdir()} <= {"tree", "mine", "current"}
        return refused[0] if refused else "read"

    def _pull(self, store: MemoryStore, selector: int | str) -> None:
        snapshot = read_snapshot(store, selector)
        for name in formats_held(snapshot.manifest):
            shutil.rmtree(self.tree, ignore_errors=True)
            pull(store, snapshot, name, self.tree, layout=lambda split, file_name: f"images/{split}/{file_name}")
            labelsnap.references.pull(f"{URL}@{selector}", name, self.tree)


def _outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except LabelsnapError as error:
        str(error)
        return error.code
    return ""
