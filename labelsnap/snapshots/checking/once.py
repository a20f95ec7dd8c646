"""A snapshot's objects as the gate reads them: new ones come from the store, once; what the base has may be at hand."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING

from labelsnap.snapshots.reading.at_hand import AtHandStore, the_store_of
from labelsnap.storage.interface import RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from labelsnap.storage import ObjectStore


@dataclass(frozen=True, slots=True, eq=False)
class ReadOnce:
    """Reads objects for several threads.

    Those with keys among ``standing`` are the base's. ``shared`` are new objects that are read in several places, with
    their sizes in bytes: each is brought to ``folder``, where its copy stays.
    """

    at_hand: ObjectStore
    standing: Collection[str]
    shared: Mapping[str, int]
    folder: Path
    _bringing: dict[str, Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._bringing.update((key, Lock()) for key in self.shared)

    def get(self, key: str, *, offset: int = 0, length: int | None = None, most: int = RECORD_BYTES) -> bytes | None:
        """See ObjectStore."""
        if key not in self.shared:
            return self._store_of(key).get(key, offset=offset, length=length, most=most)
        if (copy := self._copy_of(key)) is None:
            return None
        with copy.open("rb") as content:
            content.seek(offset)
            return content.read(most if length is None else length)

    def download(self, key: str, path: Path, *, size: int) -> bool:
        """See ObjectStore. Nobody writes to what is given; of an object that is read in several places that is all."""
        if key not in self.shared:
            store = self._store_of(key)
            if isinstance(store, AtHandStore):
                return store.lend(key, path, size=size)
            return store.download(key, path, size=size)
        if (copy := self._copy_of(key)) is None:
            return False
        shutil.copyfile(copy, path)
        return True

    def _store_of(self, key: str) -> ObjectStore:
        return self.at_hand if key in self.standing else the_store_of(self.at_hand)

    def _copy_of(self, key: str) -> Path | None:
        """Bring an object, if it is not here; None: there is none."""
        copy = self.folder / sha256(key.encode()).hexdigest()
        with self._bringing[key]:
            if copy.exists() or the_store_of(self.at_hand).download(key, copy, size=self.shared[key]):
                return copy
        return None
