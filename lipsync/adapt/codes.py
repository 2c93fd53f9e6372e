"""How one person's mouth follows the sound, given to the last layer of the audio encoder."""

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
_MOST = 1.6  # times that the deviation of a number is raised at most
_BATCH = 4 * FPS


@torch.no_grad()
def fit_codes(model: Any, root: Path, keys: list[str], ridge: float = _RIDGE) -> None:
    """Let a model tell from a person's sound the codes of their mouth.

    The last layer of the audio encoder is fitted to the true codes by ridge regression, which draws
    it to the layer that it was; what it hears of a sound stays as it is. Regression is drawn to
    the mean, and mouths would move too little: so each number then gets the deviation of the true
    codes, raised by ``_MOST`` at most.

    Args:
        model: a :class:`lipsync.models.LipsCode`, which is changed.
        root, keys: clips of a prepared set, of one person.
        ridge: frames of the person that count as much as what the layer was.
    """
    heard, true = (torch.from_numpy(part).double() for part in _clips(model, root, keys))
    last = model.audio_encoder[-1]
    scale = heard.std(dim=0) + 1e-3
    heard_mean, true_mean = heard.mean(dim=0), true.mean(dim=0)
    inputs, targets = (heard - heard_mean) / scale, true - true_mean
    weight = last.weight.double().cpu() * scale  # on inputs of mean 0 and deviation 1
    weight = weight + _ridge(inputs, targets - inputs @ weight.T, ridge)
    gain = targets.std(dim=0) / (inputs @ weight.T).std(dim=0).clamp_min(1e-6)
    weight = weight * gain.clamp(1.0, _MOST)[:, None] / scale
    last.weight.copy_(weight)
    last.bias.copy_(true_mean - weight @ heard_mean)


def _ridge(inputs: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """(n, d) and (n, numbers) -> (numbers, d): the small weights that tell most of the targets."""
    squares = inputs.T @ inputs + ridge * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    return torch.linalg.solve(squares, inputs.T @ targets).T


def _clips(model: Any, root: Path, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """What the last layer is told of each sound (n, d), and the true codes (n, numbers)."""
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
