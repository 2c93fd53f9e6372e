"""Seeds derived from a run's seed: a function of what they are for, and no two alike."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=2**14)
def seed_of(seed: int, purpose: str, *numbers: int) -> int:
    """A seed of 64 bits for one use of random numbers.

    Sums and products of seed and numbers collide; a :class:`numpy.random.SeedSequence` mixes them.

    Args:
        seed: of the run, 0 or more.
        purpose: keeps uses that count alike apart, such as ``augment`` and ``sample``.
        numbers: what is counted, 0 or more and below 2**32: batch, draw, process.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *numbers))
    return int(sequence.generate_state(1, np.uint64)[0])
