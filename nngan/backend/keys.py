"""The address of a random number: seed, stream, step."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"


class Stream(IntEnum):
    """The purposes of random numbers: one name each, so that no two uses share a stream."""

    WEIGHTS = 0
    DROPOUT = 1
    ORDER = 2
    NOISE = 3
    DISCRIMINATOR_STEP = 4
    GENERATOR_STEP = 5
    SAMPLE = 6
    DATA = 7
    BETWEEN = 8
    LABELS = 9


class Key(NamedTuple):
    """The address of a block of random numbers: everything random is a function of it.

    Attributes
    ----------
    seed : int
        The run's seed, 0 <= seed < 2**64.
    stream : int
        The purpose of the numbers, 0 <= stream < 2**192; `fold_in` makes one for each purpose.
    step : int or int64 array of shape (1,)
        When: the training step. On a GPU it is an array there, so that a step reads nothing back.
    """

    seed: int
    stream: int = 0
    step: int | Array = 0

    def fold_in(self, i: int) -> Key:
        """Return the key of the `i`-th purpose below this one (0 <= i < 65535, twelve levels)."""
        if not 0 <= i < 0xFFFF or self.stream >> 176:
            raise ValueError(f"no stream {i} below stream {self.stream:#x}: 12 levels of 65535")
        return Key(self.seed, (self.stream << 16) | (i + 1), self.step)

    @property
    def stream_words(self) -> tuple[int, int, int]:
        """The stream in 64-bit words, the lowest first."""
        mask = 2**64 - 1
        return self.stream & mask, (self.stream >> 64) & mask, self.stream >> 128
