"""Writes the dataset in ``format-1-joined``: run once for this version of the format; kept to show what it is.

python -m tests.golden.remake_format_1_joined DIRECTORY
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from labelsnap.snapshots import Committed, Draft, Manifest, commit, latest
from labelsnap.snapshots.writing.frames import EarlierFrames, add_chunk
from labelsnap.storage import open_store, probe
from tests.snapshots.revisions import add_revision

DOCUMENT = "formats/coco/annotations/instances_train.json"
CHUNK = "raw/result-000-000000000000000.ndjson.zst"
TASKS = ("cm3task1", "cm3task2")


def document(version: int) -> bytes:
    """Forty lines, of which one is another in every version."""
    lines = [f'{{"id":{number},"file_name":"{number * 7919 % 10007:032}.jpg"}}\n' for number in range(40)]
    lines[20] = f'{{"id":20,"file_name":"version-{version}.jpg"}}\n'
    return "".join(lines).encode()


def export(version: int) -> bytes:
    """Forty rows with a mask and a signed URL; one is another in every version, one has ellipses of its own."""
    lines = [
        f'{{"id":"row{number:02}","row_data":"https://a.example/{number}.jpg?Signature={TASKS[version - 1]}-{number}",'
        f'"url":"https://api.labelbox.com/api/v1/tasks/{TASKS[version - 1]}/masks/m{number}/index/1"}}\n'
        for number in range(40)
    ]
    lines[10] = f'{{"id":"row10","answer":"https://a/tasks/…/masks/?… in version {version}"}}\n'
    return "".join(lines).encode()


def main(directory: Path) -> None:
    """Two publications, the second of which points to what the first has."""
    store = open_store(directory.resolve().as_uri())
    for version in (1, 2):
        started_at, head = probe(store), latest(store)
        base = head.manifest if head else None
        draft = Draft(store, base)
        with TemporaryDirectory() as folder:
            path = Path(folder, "body")
            path.write_bytes(document(version))
            file, packs = add_revision(draft, store, DOCUMENT, path, base)
            path.write_bytes(export(version))
            known = EarlierFrames(store, base, "raw/result-").near(0)
            chunk, more = add_chunk(draft, CHUNK, path, TASKS[version - 1], known)
        manifest = Manifest.of(
            dataset="street-scenes",
            created_at="2024-05-06T07:08:09Z",
            config={"dataset": "street-scenes"},
            result={"rows": {"published": 40}},
            files=[file, chunk],
            packs=[*packs, *more],
        )
        outcome = commit(store, manifest, publish_id=f"run-{version}", parent=version - 1, started_at=started_at)
        assert isinstance(outcome, Committed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
