"""Writes the dataset in ``format-1``: run once for a version of the format, never again; kept to show what it is.

python -m tests.golden.remake_format_1 DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from labelsnap.snapshots import Committed, Draft, File, Manifest, commit, expire, latest, rollback, tag, write_tar
from labelsnap.snapshots.keeping.epochs import Condemned
from labelsnap.snapshots.keeping.gc import condemn
from labelsnap.snapshots.manifest import digest
from labelsnap.storage import ObjectStore, open_store, probe

VERSIONS = (
    {"formats/coco/a.json": b'{"version":1}', "raw/problems.ndjson": b""},
    {"formats/coco/a.json": b'{"version":2}', "raw/problems.ndjson": b""},
    {"formats/coco/a.json": b'{"version":3}', "raw/problems.ndjson": b""},
)
LAST = {"formats/coco/a.json": b'{"version":6}', "raw/problems.ndjson": b""}
LABELS = {f"formats/yolo/labels/{number}.txt": f"{number} 0.5 0.5 1 1\n".encode() for number in range(3)}


def publish(store: ObjectStore, contents: dict[str, bytes], parent: int) -> None:
    """Publish the contents and the labels on the parent."""
    started_at = probe(store)
    base = latest(store)
    draft = Draft(store, base.manifest if base else None)
    with TemporaryDirectory() as folder:
        tar = Path(folder, "labels.tar")
        members = write_tar(tar, LABELS.items())
        pack = draft.add_pack("formats/yolo/labels.tar", tar)
    packed = [File(name, pack.key, size, digest(LABELS[name]), offset) for name, offset, size in members]
    manifest = Manifest.of(
        dataset="street-scenes",
        created_at="2024-05-06T07:08:09Z",
        config={"dataset": "street-scenes"},
        result={"rows": {"published": 3}},
        files=[*draft.add_files(contents.items()), *packed],
        packs=[pack],
    )
    outcome = commit(store, manifest, publish_id=f"run-{parent + 1}", parent=parent, started_at=started_at)
    assert isinstance(outcome, Committed)


def main(directory: Path) -> None:
    """Three publications, the first tagged; a rollback, an expiry, an epoch, and a publication after it."""
    store = open_store(directory.resolve().as_uri())
    for number, contents in enumerate(VERSIONS):
        publish(store, contents, number)
    tag(store, "model-7", 1)
    rollback(store, 2, publish_id="back")
    expire(store, keep=1)
    condemn(store, tuple(Condemned(info.key, info.size) for info in store.list("data/formats/coco/a-7")))
    publish(store, LAST, 5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
