"""Seeds derived from a run's seed."""

import itertools

import torch

from lipsync.seeds import seed_of
from lipsync.training.batches import batch_rng


def test_seed_and_batch_do_not_stand_for_each_other():
    """Unlike a sum, where seed 0 at batch 1,000,003 equalled seed 1 at batch 0."""
    drawn = [torch.rand(4, generator=batch_rng(*key)) for key in ((0, 1_000_003), (1, 0), (1, 0))]
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[1], drawn[2])


def test_no_two_uses_share_a_seed():
    small = range(3)
    keys = [
        (seed, purpose, *numbers)
        for seed, purpose, length in itertools.product(small, ("augment", "sample"), small)
        for numbers in itertools.product(small, repeat=length)
    ]
    assert len({seed_of(*key) for key in keys}) == len(keys)  # (1,) is not (1, 0) either


def test_a_seed_is_the_same_for_ever():
    assert seed_of(0, "augment", 1, 2) == 4049502816955495755
