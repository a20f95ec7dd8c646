"""The vendor's recipe: ``python -m tests.benchmarks.contest.recipe PROJECT s3://BUCKET/PREFIX``.

The export and the request of one instance's mask after another are Labelbox's documentation's, urllib and Pillow
included; what any user must add to come to COCO on a store is added in the plainest way.
"""

from __future__ import annotations

import sys
import urllib.request
from typing import Any

import boto3
import numpy as np
from PIL import Image

from tests.benchmarks.contest.scripts import (
    Made,
    client,
    document,
    exported,
    objects_of,
    of_outline,
    of_pixels,
    place_of,
)


def main(project: str, url: str) -> None:
    """Export, fetch, encode, upload, one after another."""
    sdk = client()
    rows = list(exported(sdk, project))
    store = boto3.client("s3")
    bucket, prefix = place_of(url)

    def shape_of(found: dict[str, Any]) -> dict[str, Any] | None:
        if "mask" not in found:
            return of_outline(found)
        request = urllib.request.Request(found["mask"]["url"], headers=sdk.headers)  # noqa: S310 - of the export
        return of_pixels(np.array(Image.open(urllib.request.urlopen(request))) > 0)  # noqa: S310

    made: list[list[Made]] = []
    for row in rows:
        data_row = row["data_row"]
        with urllib.request.urlopen(data_row["row_data"]) as response:  # noqa: S310 - of the export
            store.put_object(Bucket=bucket, Key=f"{prefix}/images/{data_row['global_key']}", Body=response.read())
        shapes = ((found, shape_of(found)) for found in objects_of(row, project))
        made.append([(found, shape) for found, shape in shapes if shape])
    store.put_object(Bucket=bucket, Key=f"{prefix}/instances.json", Body=document(rows, made))


if __name__ == "__main__":
    main(*sys.argv[1:])
