"""A border of the product where bytes of others come in: what is sent there, and what it may raise."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.fuzz.mutation import Mutate

    Run = Callable[[str, bytes], str]
    """A seed's name and damaged bytes of it → in a word what came of them."""

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Case:
    """What is sent: the name of the seed that it was made of, which says what it is, and the bytes."""

    label: str
    body: bytes


@dataclass(frozen=True)
class Target:
    """``prepare`` is given a folder of its own and returns what sends a case.

    That gives back what the product made of it, or by which of its own errors it was refused; whatever it raises is a
    finding. ``budget`` is how much one process may grow by all cases, in bytes; ``share`` is how many of a number of
    mutations are this target's, in proportion to the others'.
    """

    name: str
    seeds: Callable[[], Mapping[str, bytes]]
    prepare: Callable[[Path], Run]
    mutate: Mutate
    budget: int = 128 * MEBIBYTE
    share: int = 1


class Cases:
    """The damaged seeds of a target, each by its number: the same seed and number, the same case."""

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._seed = seed
        self.seeds = dict(sorted(target.seeds().items()))
        self._labels = list(self.seeds)
        self._bodies = list(self.seeds.values())

    def case(self, number: int) -> Case:
        """Make a case."""
        generator = Random(f"{self._target.name} {self._seed} {number}")  # noqa: S311 - repeatable
        label = generator.choice(self._labels)
        return Case(label, self._target.mutate(generator, self.seeds[label], self._bodies))
