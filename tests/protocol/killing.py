"""Publications in processes of their own that die by SIGKILL at a chosen store call."""

from __future__ import annotations

import os
import signal
from threading import Lock

from interleaving import OPERATIONS

from labelsnap.snapshots import Committed, Draft, Manifest, commit, latest
from labelsnap.storage import probe

CONTENTS = {f"{name}.txt": name.encode() * 100 for name in ("same", "new", "other")}
PACKED = {f"labels/{number}.txt": b"0 " * number for number in range(5)}


class Counting:
    """A store that counts the calls to it, and kills its process before or after one of them."""

    def __init__(self, store, *, kill_at=None, after=False):
        self.store = store
        self.kill_at = kill_at
        self.after = after
        self.calls = []
        self.lock = Lock()

    def __getattr__(self, name):
        real = getattr(self.store, name)
        if name not in OPERATIONS:
            return real

        def call(*arguments, **options):
            with self.lock:
                self.calls.append((name, *arguments))
                chosen = len(self.calls) == self.kill_at
            if chosen and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = real(*arguments, **options)
            answer = iter(list(answer)) if name == "list" else answer
            if chosen:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call


def publish_whole(store, name="run", contents=None):
    """A whole publication: probe, base, uploads, a pack, manifest, commit record. Return it and what went up."""
    started_at = probe(store)
    base = latest(store)
    draft = Draft(store, base.manifest if base else None)
    pack, packed = draft.add_small_files("labels.tar", PACKED.items())
    files = draft.add_files(sorted((contents or CONTENTS).items()))
    manifest = Manifest.of(
        dataset="d", created_at="", config={}, result={"run": name}, files=[*files, *packed], packs=[pack]
    )
    outcome = commit(
        store,
        manifest,
        publish_id=name,
        parent=base.version if base else 0,
        started_at=started_at,
        sleep=lambda _: None,
    )
    assert isinstance(outcome, Committed)
    return outcome.commit, draft.uploads
