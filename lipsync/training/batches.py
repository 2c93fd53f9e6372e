"""From a loader's uint8 batches to what the models read; the only place that scales pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from lipsync.seeds import seed_of


def to_float(faces: Tensor) -> Tensor:
    """uint8 (..., H, W, 3) -> float (..., 3, H, W) in [0, 1]."""
    return faces.movedim(-1, -3).to(torch.float32).div_(255)


def mask_lower(faces: Tensor) -> Tensor:
    """A copy of pictures (..., H, W) with the lower half black: the pose, without the mouth."""
    masked = faces.clone()
    masked[..., faces.shape[-2] // 2 :, :] = 0
    return masked


def generator_faces(target: Tensor, reference: Tensor, reference_first: bool = False) -> Tensor:
    """What a generator sees: the masked target and, beside every frame, the same references.

    Args:
        target: (..., T, 3, H, W), what is to be painted; its lower half is masked here.
        reference: (..., R, 3, H, W), the same face at other times.
        reference_first: the order of the two, which a generator's class tells.

    Returns:
        (..., T, 3 + 3 R, H, W).
    """
    beside = reference.flatten(-4, -3).unsqueeze(-4)
    beside = beside.expand(*target.shape[:-3], -1, -1, -1)
    pair = [mask_lower(target), beside]
    return torch.cat(pair[::-1] if reference_first else pair, dim=-3)


def batch_rng(
    seed: int,
    batch: int,
    rank: int = 0,
    purpose: str = "augment",
    device: torch.device | str = "cpu",
) -> torch.Generator:
    """The random generator of one training step, on a device: a function of the other four."""
    return torch.Generator(device).manual_seed(seed_of(seed, purpose, batch, rank))
