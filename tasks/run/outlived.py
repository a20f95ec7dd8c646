"""Whether the URLs of an export that is gone on with still lead anywhere: signed ones end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from labelsnap.buckets.rows.fetch import REFUSED
from labelsnap.decoders import decoder_of
from labelsnap.errors import LabelboxRefusedError
from labelsnap.records.model import Problem
from labelsnap.snapshots.reading.content import read_file
from labelsnap.storage import open_store

if TYPE_CHECKING:
    from config.dataset import Dataset
    from tasks.run.beginning import Beginning
    from tasks.run.receipts import Settlement

ENDED: Final = re.compile(r"(mask_)?http_4\d\d|mask_composite_expired")
"""Codes of problems that an export made now may not have: its URLs are signed anew."""


def check_urls_lived(dataset: Dataset, beginning: Beginning, settlement: Settlement) -> None:
    """Raise ``LabelboxRefusedError`` where URLs of an older export were refused.

    Their rows are problems then, or keep images that nobody confirms.
    """
    if beginning.way != "on":
        return
    lines = read_file(open_store(dataset.url), settlement.problems).splitlines()
    codes = [decoder_of(Problem).decode(line).code for line in lines]
    refused = sum(bool(ENDED.fullmatch(code)) for code in codes) + settlement.tally.requests.get(REFUSED, 0)
    if refused:
        raise LabelboxRefusedError(
            f"The export that was begun at {beginning.exported_since:%Y-%m-%d %H:%M} names {refused} images or masks "
            "that are not served any more.",
            remedy="Run again: a new export has new URLs, and what was fetched is kept.",
            code="export_outlived",
        )
