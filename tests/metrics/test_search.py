"""Padding beyond the ends of the sound in the offset search."""

import math

import pytest
import torch
from torch.nn import functional as F

from lipsync.metrics.functional import offset_curve, sync_score


def embeddings(seed: int = 0) -> torch.Tensor:
    return torch.randn(40, 24, generator=torch.Generator().manual_seed(seed))


def test_missing_sound_is_as_far_from_signed_unit_embeddings_as_what_has_nothing_to_do_with_them():
    video = F.normalize(embeddings(), dim=1)
    audio = F.normalize(0.25 * embeddings() + embeddings(1), dim=1)  # in sync, barely
    curve = offset_curve(video, audio)
    assert sync_score(video, audio).offset == 0
    others = torch.cat([curve[:14], curve[17:]])
    torch.testing.assert_close(others, torch.full_like(others, math.sqrt(2)), atol=0.08, rtol=0)


@pytest.mark.parametrize("change", [torch.relu, lambda x: 3 * x])
def test_other_embeddings_are_compared_with_zeros_as_published(change):
    video, audio = change(embeddings()), change(embeddings(1))
    last = torch.cat([audio[15:], torch.zeros(15, 24)])
    expected = F.pairwise_distance(video, last).mean()
    torch.testing.assert_close(offset_curve(video, audio)[-1], expected)
