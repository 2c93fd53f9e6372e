"""The statistics of a person's lips code, given to what tells the code from sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from lipsync.data.store import open_clip
from lipsync.dubbing.lips import Lips
from lipsync.windows import FPS

_MOST = 1.6  # times that the deviation of a number is raised at most
_BATCH = 4 * FPS


@torch.no_grad()
def match_codes(model: nn.Module, root: Path, keys: list[str]) -> None:
    """Let the codes that a model hears in clips have the mean of the true ones, and their spread.

    An encoder that is unsure tells less than there is, so that mouths move too little. The last
    layer of the audio encoder takes the change; the model is otherwise as it was.

    Args:
        model: a :class:`lipsync.models.LipsCode`.
        root, keys: clips of a prepared set, of one person.
    """
    lips = Lips(model)
    heard, true = [], []
    for key in keys:
        clip = open_clip(root, key)
        for start in range(0, len(clip), _BATCH):
            frames = np.arange(start, min(start + _BATCH, len(clip)))
            true.append(lips.codes_of_faces(clip.read(frames)))
            sounds = lips.feature.cut(clip.feature(lips.feature), frames)
            heard.append(lips.codes_of_sound(sounds[:, 0]))
    told, meant = np.concatenate(heard), np.concatenate(true)
    gain = np.clip(meant.std(axis=0) / np.maximum(told.std(axis=0), 1e-6), 1.0, _MOST)
    last = model.audio_encoder[-1]
    scale, shift = (
        torch.from_numpy(v.astype(np.float32)).to(last.weight)
        for v in (gain, meant.mean(axis=0) - gain * told.mean(axis=0))
    )
    last.weight.mul_(scale[:, None])
    last.bias.mul_(scale).add_(shift)
