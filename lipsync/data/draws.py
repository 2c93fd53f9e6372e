"""Which clip a training run sees when: endless, balanced over speakers, and a function of a number.

Every training sample has a *draw* number, counted over the whole run: sample ``i`` of batch ``b``
is draw ``b * batch_size + i``. All that is random about a sample follows from the seed and its
draw, so a run is the same with any number of loader workers, and continues exactly where it was
cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from torch.utils.data import Sampler


class ClipDraws:
    """Draw number -> index of a clip.

    Speakers come in rounds, in random order within each. With ``balance`` 1 every speaker has one
    turn a round; with 0 as many as its clips demand, the smallest speaker one; in between,
    ``clips ** (1 - balance)`` decides, as in temperature sampling of languages. Each speaker's
    clips come in random order, all of them once before any comes again.

    Args:
        speakers: the speaker of every clip.
        seed: of the order.
        balance: 0 for equal shares of clips to 1 for equal shares of speakers.
    """

    def __init__(self, speakers: Sequence[str], seed: int = 0, balance: float = 1.0) -> None:
        groups: dict[str, list[int]] = {}
        for index, speaker in enumerate(speakers):
            groups.setdefault(speaker, []).append(index)
        self.groups = [np.array(groups[name]) for name in sorted(groups)]
        self.seed = seed
        shares = np.array([len(group) for group in self.groups]) ** (1.0 - balance)
        self.turns = np.maximum(1, np.rint(shares / shares.min())).astype(int)  # in a round
        self.order = np.repeat(np.arange(len(self.groups)), self.turns)
        self.nth = np.concatenate([np.arange(turns) for turns in self.turns])

    def __call__(self, draw: int) -> int:
        number, place = divmod(draw, len(self.order))
        slot = _permutation(self.seed, len(self.order), number)[place]
        speaker = int(self.order[slot])
        clips = self.groups[speaker]
        turn = number * int(self.turns[speaker]) + int(self.nth[slot])  # of this speaker, ever
        cycle, position = divmod(turn, len(clips))
        return int(clips[_permutation(self.seed, len(clips), cycle, speaker)[position]])


@lru_cache(maxsize=4096)
def _permutation(seed: int, size: int, *key: int) -> np.ndarray:
    return np.random.default_rng((seed, size, *key)).permutation(size)


class DrawSampler(Sampler[int]):
    """The draw numbers of one epoch, for one of ``world`` processes.

    Args:
        per_epoch: draws an epoch over all processes; a multiple of ``world``.
        rank: this process.
        world: number of processes.
    """

    def __init__(self, per_epoch: int, rank: int = 0, world: int = 1) -> None:
        if per_epoch % world:
            raise ValueError(f"{per_epoch} draws an epoch cannot be shared by {world} processes")
        self.per_epoch, self.rank, self.world = per_epoch, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.per_epoch
        return iter(range(first + self.rank, first + self.per_epoch, self.world))

    def __len__(self) -> int:
        return self.per_epoch // self.world
