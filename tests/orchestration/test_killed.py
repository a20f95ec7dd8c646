"""A refresh killed at random moments and started again: nothing is lost, nothing is done twice, nothing is damaged."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from deploy.sandbox import Sandbox
from labelsnap.references import pull
from labelsnap.snapshots.checking.verify import verify
from labelsnap.snapshots.reading.read import list_versions
from labelsnap.storage import open_store
from tests.orchestration.killing import Trigger, counting_store, refreshed

pytestmark = pytest.mark.slow

ROWS = 48
CHAINS, KILLS = 4, 5


def tree(url, directory):
    """The bytes of the pulled tree by path; `snapshot.json` says which version it is, and so may differ."""
    pull(url, "coco", directory)
    paths = (path for path in directory.rglob("*") if path.is_file() and path.name != "snapshot.json")
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


def test_killed_at_twenty_random_moments(dataset, prefect_server, monkeypatch, tmp_path, capsys):
    """The final tree is that of an undisturbed run, a kill costs at most one bucket's masks, all versions verify."""
    random, trigger = Random(7), Trigger()  # noqa: S311 - moments to kill at
    with Sandbox(rows=ROWS, directory=tmp_path / "own") as sandbox, counting_store(tmp_path / "s3", trigger) as s3:
        environment = sandbox.environment() | {
            "AWS_ENDPOINT_URL_S3": s3,
            "LABELSNAP_ROWS_PER_BUCKET": "8",
            "LABELSNAP_WORKERS": "1",
            "LABELSNAP_LEASE_SECONDS": "0.5",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        def chosen(name):
            return dataset(source={"project": sandbox.project_id}, store=f"s3://datasets/{name}")

        after_buckets = [0]

        def on_path(path):
            if path.startswith("PUT ") and "/receipts/bucket-" in path:
                after_buckets.append(sandbox.requests.count("*mask"))

        trigger.on_path = on_path
        undisturbed = chosen("undisturbed")
        assert refreshed(undisturbed, environment, trigger)
        trigger.on_path = lambda _: None
        requests, masks = len(trigger.paths), sandbox.requests.count("*mask")
        one_bucket = max(later - earlier for earlier, later in pairwise(after_buckets))
        expected = tree(undisturbed.url, tmp_path / "undisturbed")

        total, repeated = 0, 0
        for chain in range(CHAINS):
            killed = chosen(f"killed-{chain}")
            sandbox.requests.clear()
            kills = 0
            while kills < KILLS and not refreshed(
                killed, environment, trigger, at=random.randint(1, 2 * requests // KILLS), delay=random.uniform(0, 0.1)
            ):
                kills += 1
            assert refreshed(killed, environment, trigger)
            twice = sandbox.requests.count("*mask") - masks
            assert 0 <= twice <= kills * one_bucket
            store = open_store(killed.url)
            for commit in list_versions(store):
                assert verify(store, commit.version).faults == ()
            assert tree(killed.url, tmp_path / f"killed-{chain}") == expected
            total, repeated = total + kills, repeated + twice
    assert total >= CHAINS * KILLS / 2
    with capsys.disabled():
        print(f"\n{total} kills: {repeated} masks fetched twice, {one_bucket} in the largest bucket, {masks} in all")  # noqa: T201
