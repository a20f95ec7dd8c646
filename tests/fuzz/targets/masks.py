"""Masks: PNGs of every format, read by both ways, as a composite and as one instance."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.decoding.png import Limits, check_png
from labelsnap.masks.errors import MaskError
from tests.fuzz.mutation import bytes_mutator
from tests.fuzz.target import MEBIBYTE, Target
from tests.masks import png_damage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fuzz.target import Run

LIMITS = Limits(pixels=1_000_000, bytes=1 << 20)
SEEDS = 200
TOKENS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"fdAT", b"\x78\x9c")


def seeds() -> dict[str, bytes]:
    """Draw pictures of random formats."""
    return {f"{number:03}": png_damage.draw_png(Random(number)) for number in range(SEEDS)}  # noqa: S311 - repeatable


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage chunks under right checksums, rows under a right zlib stream, or bytes of any kind."""
    if generator.random() < 0.6:
        return png_damage.mutate(body, generator)
    damaged = bytes_mutator(TOKENS)(generator, body, others)
    return png_damage.rechecked(damaged) if generator.random() < 0.8 else damaged


def prepare(_: Path) -> Run:
    """Read a mask as a download is read, by both ways."""

    def run(_label: str, body: bytes) -> str:
        try:
            check_png(body)
            for sparse in (True, False):
                shown = decode_composite(body, [(1, 2, 3)], limits=LIMITS, sparse=sparse)
                decode_composite(body, shown.unnamed_colours, limits=LIMITS, sparse=sparse)
                decode_instance(body, limits=LIMITS, sparse=sparse)
        except MaskError as error:
            return error.code
        return "read"

    return run


TARGET = Target("masks", seeds, prepare, mutate, budget=128 * MEBIBYTE, share=8)
