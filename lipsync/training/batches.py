"""From the loader's uint8 batches to network inputs; the only place where pixels are scaled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lipsync.faces.framing import Framing, get_framing
from lipsync.seeds import seed_of


def to_float(faces: Tensor) -> Tensor:
    """uint8 (..., H, W, 3) -> float (..., 3, H, W) in [0, 1]."""
    return faces.movedim(-1, -3).to(torch.float32).div_(255)


def generator_faces(generator: Any, target: Tensor, reference: Tensor) -> Tensor:
    """Image input of a generator: the masked target and, for every frame, the same references.

    Args:
        generator: a :class:`lipsync.models.FaceGenerator`; its framing defines the mask, and its
            class the order of target and references.
        target: (..., T, 3, H, W), unmasked; it is masked here.
        reference: (..., R, 3, H, W), the same face at other times.

    Returns:
        (..., T, 3 + 3 R, H, W).
    """
    beside = reference.flatten(-4, -3).unsqueeze(-4)
    beside = beside.expand(*target.shape[:-3], -1, -1, -1)
    pair = [framing_of(generator).hide(target), beside]
    return torch.cat(pair[::-1] if generator.reference_first else pair, dim=-3)


def framing_of(generator: Any) -> Framing:
    """Face framing of a network."""
    return get_framing(generator.config["framing"])


def batch_rng(
    seed: int,
    batch: int,
    rank: int = 0,
    purpose: str = "augment",
    device: torch.device | str = "cpu",
) -> torch.Generator:
    """Random generator of one training step on ``device``, determined by the other arguments."""
    return torch.Generator(device).manual_seed(seed_of(seed, purpose, batch, rank))
