"""A dataset in a folder, with six versions of a YOLO tree, and where its records lie."""

from __future__ import annotations

from labelsnap.snapshots import Draft, Manifest, commit
from labelsnap.storage import open_store, probe

TREES = [
    {"data.yaml": b"names: [car]\n", "labels/train/a.txt": b"0 1\n", "labels/train/b.txt": b"0 2\n"},
    {"data.yaml": b"names: [car]\n", "labels/train/a.txt": b"0 1\n", "labels/val/b.txt": b"0 2\n"},
]


def publish_six(url):
    """Publish six versions, of two trees in turn; each has a file of its own."""
    store = open_store(url)
    for version in range(1, 7):
        tree = TREES[(version - 1) % 2] | {"version.txt": str(version).encode()}
        manifest = Manifest.of(
            dataset="street-scenes",
            created_at="2024-05-06T07:08:09Z",
            config={"formats": {"yolo": {}}},
            result={"rows": {"published": version}},
            files=[Draft(store).add_file(f"formats/yolo/{path}", body) for path, body in tree.items()],
            packs=[],
        )
        commit(store, manifest, publish_id=f"run-{version}", parent=version - 1, started_at=probe(store))


def record(folder, version):
    """The file of a version's commit record."""
    return folder / f"commits/{version:020d}.json"
