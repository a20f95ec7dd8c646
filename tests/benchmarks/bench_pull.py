"""``labelsnap pull`` against ``aws s3 sync``: the same 5,000 images from one localbucket, in pairs, whole commands.

``packs`` is how a refresh stores images (a tar a bucket), ``objects`` is one object an image, as the AWS CLI has them.
``LABELSNAP_BENCH_AWS`` names an ``aws`` command; without it the bench installs the AWS CLI into a folder of its own,
because its botocore is not ours.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from labelsnap.snapshots import IMAGES_SCHEMA, Draft, File, Manifest, commit, write_tar
from labelsnap.snapshots.layout import data_key
from labelsnap.storage import open_store, probe
from tests.contracts.store_fixtures import localbucket

IMAGES = 5000
PACKED = 128  # images of one pack
SIZES = (8_000, 40_000)  # bytes of an image
PAIRS = 3
BUCKET = "bench"
PULL = [sys.executable, "-m", "flows.cli", "pull"]
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "us-east-1"}


def main() -> dict[str, float]:
    """Return seconds of each, and how many times as long the AWS CLI takes."""
    with tempfile.TemporaryDirectory() as folder, localbucket(Path(folder, "served")) as (_, endpoint):
        root = Path(folder, "served", BUCKET)
        images = dict(drawn())
        publish(root / "packs", images, packed=True)
        publish(root / "objects", images, packed=False)
        for name, body in images.items():
            place(root / "plain" / "images" / "train" / name, body)
        environment = os.environ | KEYS | {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        aws = os.environ.get("LABELSNAP_BENCH_AWS") or installed_aws(Path(folder, "venv"))
        commands = {
            "sync": [aws, "s3", "sync", "--quiet", f"s3://{BUCKET}/plain", "TREE"],
            "packs": [*PULL, f"s3://{BUCKET}/packs", "--format", "coco", "TREE"],
            "objects": [
                sys.executable,
                "-m",
                "flows.cli",
                "pull",
                f"s3://{BUCKET}/objects",
                "--format",
                "yolo",
                "TREE",
            ],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(PAIRS):
            for name, command in commands.items():
                tree = Path(folder, "tree")
                began = time.perf_counter()
                subprocess.run(  # noqa: S603 - our own commands
                    [str(tree) if part == "TREE" else part for part in command],
                    env=environment, check=True, capture_output=True,
                )  # fmt: skip
                seconds[name].append(time.perf_counter() - began)
                check(tree, images)
                shutil.rmtree(tree)
        return figures(seconds)


def figures(seconds: dict[str, list[float]]) -> dict[str, float]:
    """The medians, and the medians of the ratios of pairs."""
    found = {f"{name}_seconds": round(statistics.median(each), 2) for name, each in seconds.items()}
    for name in ("packs", "objects"):
        ratios = [sync / own for sync, own in zip(seconds["sync"], seconds[name], strict=True)]
        found[f"aws_s3_sync_over_pull_of_{name}"] = round(statistics.median(ratios), 2)
    return found


def drawn() -> list[tuple[str, bytes]]:
    """Bytes that no server compresses, under the names of images; the same each time."""
    source = random.Random(5)  # noqa: S311 - a seeded generator of test data
    return [(f"{number:05}.jpg", source.randbytes(source.randint(*SIZES))) for number in range(IMAGES)]


def publish(root: Path, images: dict[str, bytes], *, packed: bool) -> None:
    """Publish the images below the folder that the server serves: in packs, or each as a file of a format."""
    store = open_store(root.as_uri())
    draft = Draft(store)
    files, packs = [], []
    if packed:
        names = list(images)
        for number, start in enumerate(range(0, len(names), PACKED)):
            inside = names[start : start + PACKED]
            tar = root.parent.parent / "pack.tar"
            members = write_tar(tar, ((name, images[name]) for name in inside))
            packs.append(draft.add_pack(f"images/bucket-{number:05}.tar", tar))
            rows = [
                {
                    "data_row_id": member.name,
                    "file_name": member.name,
                    "split": "train",
                    "sha256": sha256(images[member.name]).hexdigest(),
                    "size": member.size,
                    "pack": packs[-1].key,
                    "offset": member.offset,
                }
                for member in members
            ]
            table = pa.BufferOutputStream()
            parquet.write_table(pa.Table.from_pylist(rows, IMAGES_SCHEMA), table)
            files.append(draft.add_file(f"tables/images/bucket-{number:05}.parquet", table.getvalue().to_pybytes()))
        files.append(draft.add_file("formats/coco/annotations/instances_train.json", b"{}"))
    else:
        for name, body in images.items():
            path, digest = f"formats/yolo/images/train/{name}", sha256(body).hexdigest()
            files.append(File(path, data_key(path, digest), len(body), digest))
            place(root / data_key(path, digest), body)
    result = {"rows": {"published": len(images)}}
    manifest = Manifest.of(
        dataset="b", created_at="2024-01-01T00:00:00Z", config={}, result=result, files=files, packs=packs
    )
    commit(store, manifest, publish_id="bench", parent=0, started_at=probe(store))


def place(path: Path, body: bytes) -> None:
    """Write an object where the server, which keeps plain files, will find it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def check(tree: Path, images: dict[str, bytes]) -> None:
    """Both must have brought the same files."""
    folder = tree / "images" / "train"
    assert {path.name for path in folder.iterdir()} == images.keys()
    assert all((folder / name).stat().st_size == len(body) for name, body in images.items())


def installed_aws(folder: Path) -> str:
    """Install the AWS CLI and give its command."""
    venv.create(folder, with_pip=True)
    subprocess.run(  # noqa: S603 - the new environment's own pip
        [folder / "bin" / "pip", "install", "--quiet", "awscli"], check=True, capture_output=True
    )
    return str(folder / "bin" / "aws")


if __name__ == "__main__":
    for figure, value in main().items():
        print(f"{figure:<40} {value}")  # noqa: T201 - a command line prints
