"""Fits the last layer of a lips-code model's audio encoder to one person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lipsync.data.store import open_clip
from lipsync.generators.lips import Lips
from lipsync.windows import FPS

_RIDGE = 10000.0
_MOST = 1.6  # maximum factor on a code's standard deviation
_BATCH = 4 * FPS


@torch.no_grad()
def fit_codes(model: Any, root: Path, keys: list[str], ridge: float = _RIDGE) -> None:
    """Fit a model's mapping from sound to mouth codes to one person, by ridge regression.

    The last layer of the audio encoder is fitted to the true codes, with the old layer as the
    prior; the other layers are unchanged. Regression shrinks towards the mean, so mouths would move
    too little: each code is then rescaled to the standard deviation of the true ones, by at most
    ``_MOST``.

    Args:
        model: a :class:`lipsync.models.LipsCode`, modified in place.
        root, keys: clips of one person in a prepared set.
        ridge: weight of the prior, in frames.
    """
    heard, true = (torch.from_numpy(part).double() for part in _clips(model, root, keys))
    last = model.audio_encoder[-1]
    scale = heard.std(dim=0) + 1e-3
    heard_mean, true_mean = heard.mean(dim=0), true.mean(dim=0)
    inputs, targets = (heard - heard_mean) / scale, true - true_mean
    weight = last.weight.double().cpu() * scale  # for standardised inputs
    weight = weight + _ridge(inputs, targets - inputs @ weight.T, ridge)
    gain = targets.std(dim=0) / (inputs @ weight.T).std(dim=0).clamp_min(1e-6)
    weight = weight * gain.clamp(1.0, _MOST)[:, None] / scale
    last.weight.copy_(weight)
    last.bias.copy_(true_mean - weight @ heard_mean)


def _ridge(inputs: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """(n, d) and (n, codes) -> (codes, d): weights of the ridge regression."""
    squares = inputs.T @ inputs + ridge * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    return torch.linalg.solve(squares, inputs.T @ targets).T


def _clips(model: Any, root: Path, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the last layer (n, d), and true codes (n, codes)."""
    lips = Lips(model)
    heard, true = [], []
    for key in keys:
        clip = open_clip(root, key)
        for start in range(0, len(clip), _BATCH):
            frames = np.arange(start, min(start + _BATCH, len(clip)))
            true.append(lips.codes_of_faces(clip.read(frames)))
            sounds = torch.from_numpy(lips.feature.cut(clip.feature(lips.feature), frames))
            heard.append(model.audio_encoder[:-1](sounds.to(lips.device)).float().cpu().numpy())
    return np.concatenate(heard), np.concatenate(true)
