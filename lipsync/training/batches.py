"""From a loader's uint8 batches to what the models read; the only place that scales pixels."""

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
    """What a generator sees: the masked target and, beside every frame, the same references.

    Args:
        generator: a :class:`lipsync.models.FaceGenerator`, whose framing tells what is masked, and
            whose class the order of the two.
        target: (..., T, 3, H, W), what is to be painted; it is masked here.
        reference: (..., R, 3, H, W), the same face at other times.

    Returns:
        (..., T, 3 + 3 R, H, W).
    """
    beside = reference.flatten(-4, -3).unsqueeze(-4)
    beside = beside.expand(*target.shape[:-3], -1, -1, -1)
    pair = [framing_of(generator).hide(target), beside]
    return torch.cat(pair[::-1] if generator.reference_first else pair, dim=-3)


def framing_of(generator: Any) -> Framing:
    """The framing of a network's faces."""
    return get_framing(generator.config["framing"])


def batch_rng(
    seed: int,
    batch: int,
    rank: int = 0,
    purpose: str = "augment",
    device: torch.device | str = "cpu",
) -> torch.Generator:
    """The random generator of one training step, on a device: a function of the other four."""
    return torch.Generator(device).manual_seed(seed_of(seed, purpose, batch, rank))
