"""Small snapshots to publish in tests."""

from __future__ import annotations

from labelsnap.snapshots import Committed, Draft, Manifest, commit
from labelsnap.storage import probe

CREATED_AT = "2024-05-06T07:08:09Z"


def manifest_of(store, contents, *, packs=(), extra=(), config=None, base=None):
    """Upload {path: bytes} and return their manifest."""
    draft = Draft(store, base)
    return Manifest.of(
        dataset="street-scenes",
        created_at=CREATED_AT,
        config=config or {"split": {"train": 0.8}},
        result={"rows": {"published": len(contents)}},
        files=[*(draft.add_file(path, body) for path, body in contents.items()), *extra],
        packs=list(packs),
    )


def publish(store, manifest, *, publish_id="run-1", parent=0, **options):
    """Commit without ever sleeping."""
    options = {"sleep": lambda _: None, "started_at": probe(store, single_writer=True)} | options
    return commit(store, manifest, publish_id=publish_id, parent=parent, **options)


def published(store, contents, *, publish_id="run-1", parent=0, **options):
    """Publish {path: bytes} and return the commit record."""
    outcome = publish(store, manifest_of(store, contents, **options), publish_id=publish_id, parent=parent)
    assert isinstance(outcome, Committed)
    return outcome.commit
