"""Order of clips in training: endless, balanced over speakers, and a function of the draw number.

Every training sample has a *draw* number, counted over the whole run: sample ``i`` of batch ``b``
is draw ``b * batch_size + i``. All randomness of a sample follows from the seed and its draw
number, so a run is the same with any number of loader workers, and resumes exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from lipsync.errors import ConfigError
from lipsync.seeds import seed_of

_ROUNDS = 8  # of the Feistel network
_WORD = 2**64 - 1


class ClipDraws:
    """Draw number -> index of a clip.

    A speaker's share of the draws is proportional to ``clips ** (1 - balance)``, as in temperature
    sampling of languages: clips have equal shares with ``balance`` 0, speakers with 1. Draws come
    in rounds, in random order within each; after each round every speaker has had its share of all
    draws so far, to within one. A speaker's clips come in random order, without repetition until
    all have been drawn.

    Only a few numbers are stored per clip and speaker, so a million clips are no problem.

    Args:
        speakers: speaker of every clip.
        seed: random seed.
        balance: 0 to 1.

    Raises:
        ConfigError: a balance outside this range.
    """

    def __init__(self, speakers: Sequence[str], seed: int = 0, balance: float = 1.0) -> None:
        if not 0 <= balance <= 1:
            raise ConfigError(f"data.train.balance={balance}: must be 0 to 1")
        numbers = {name: i for i, name in enumerate(sorted(set(speakers)))}
        of_clips = np.fromiter((numbers[name] for name in speakers), np.int64, len(speakers))
        self.clips = np.argsort(of_clips, kind="stable")  # grouped by speaker
        counts = np.bincount(of_clips)
        self.firsts = _offsets(counts)  # start of each speaker's clips, and the end
        self.seed = seed
        weights = counts ** (1.0 - balance)
        whole = np.array_equal(weights, np.rint(weights))
        if not whole:  # rounded to 30 bits, which is exact for a billion draws
            weights = np.maximum(1, np.rint(weights * (2**30 / weights.sum())))
        self.shares = _offsets(weights.astype(np.int64))
        total = int(self.shares[-1])
        # Long enough that rounding never makes a speaker's turns in a round negative.
        self.length = total if whole else -(-2 * total // int(weights.min()))
        self._round: tuple[int, np.ndarray, np.ndarray] | None = None

    def __call__(self, draw: int) -> int:
        number, place = divmod(draw, self.length)
        before, slots = self._turns(number)
        slot = permute_index(place, self.length, seed_of(self.seed, "round", number))
        speaker = int(np.searchsorted(slots, slot, side="right")) - 1
        turn = int(before[speaker]) + slot - int(slots[speaker])  # over the whole run
        first, end = int(self.firsts[speaker]), int(self.firsts[speaker + 1])
        cycle, position = divmod(turn, end - first)
        key = seed_of(self.seed, "clips", speaker, cycle)
        return int(self.clips[first + permute_index(position, end - first, key)])

    def _turns(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Each speaker's number of turns before a round, and its first slot in the round."""
        if self._round is None or self._round[0] != number:
            before, after = (self._turns_before(n) for n in (number, number + 1))
            self._round = number, before, _offsets(after - before)
        return self._round[1:]

    def _turns_before(self, number: int) -> np.ndarray:
        # floor(draws * share) at both ends of each speaker's interval; products fit into int64
        whole, rest = divmod(number * self.length, int(self.shares[-1]))
        return np.diff(whole * self.shares + rest * self.shares // self.shares[-1])


def permute_index(position: int, size: int, key: int) -> int:
    """Image of ``position`` under a pseudorandom permutation of ``range(size)`` with this key.

    A Feistel network on the next even number of bits with cycle walking (Black & Rogaway 2002),
    which needs no memory for any size.
    """
    bits = ((size - 1).bit_length() + 1) // 2
    mask = (1 << bits) - 1
    while True:
        left, right = position >> bits, position & mask
        for turn in range(_ROUNDS):  # round function: the finaliser of splitmix64
            mixed = (key + (right * _ROUNDS + turn + 1) * 0x9E3779B97F4A7C15) & _WORD
            mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _WORD
            mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _WORD
            left, right = right, left ^ (mixed >> 33 & mask)
        position = left << bits | right
        if position < size:
            return position


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


class DrawSampler(Sampler[int]):
    """Draw numbers of one epoch, for one of ``world`` processes.

    Args:
        per_epoch: draws per epoch over all processes; a multiple of ``world``.
        rank: rank of this process.
        world: number of processes.
        repeat: number of draws to repeat, from the first; None for endless draws.
    """

    def __init__(
        self, per_epoch: int, rank: int = 0, world: int = 1, repeat: int | None = None
    ) -> None:
        if per_epoch % world:
            raise ValueError(
                f"{per_epoch} samples an epoch cannot be divided among {world} processes"
            )
        self.per_epoch, self.rank, self.world = per_epoch, rank, world
        self.epoch, self.repeat = 0, repeat

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.per_epoch
        draws = range(first + self.rank, first + self.per_epoch, self.world)
        return iter(draws) if self.repeat is None else (draw % self.repeat for draw in draws)

    def __len__(self) -> int:
        return self.per_epoch // self.world
