"""Independent seeds derived from a run's seed."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=2**14)
def seed_of(seed: int, purpose: str, *numbers: int) -> int:
    """Derive a 64-bit seed for one use of random numbers.

    Uses :class:`numpy.random.SeedSequence`, as sums or products of seed and numbers would collide.

    Args:
        seed: seed of the run, 0 or more.
        purpose: distinguishes uses with the same numbers, such as ``augment`` and ``sample``.
        numbers: indices such as batch, draw and process, each 0 or more and below 2**32.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *numbers))
    return int(sequence.generate_state(1, np.uint64)[0])
