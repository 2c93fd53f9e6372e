"""Images logged during voice conversion training: envelopes of speech, converted and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib import colormaps

from lipsync.training.callbacks import Pictures
from lipsync.voice.cepstrum import decode

_SHOWN = slice(0, None, 4)  # every fourth of 513 bins
_RANGE = 60.0  # dB from the darkest to the brightest


class VoiceSheet(Pictures):
    """Envelopes of a validation pair, one column per direction: source, converted, back, target.

    Time runs to the right, frequency upwards to 8 kHz.
    """

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        sample = trainer.datamodule.val[0]
        pair = [torch.from_numpy(sample[name])[None].to(pl_module.device) for name in "ab"]
        network = pl_module.generator
        columns = []
        for target in range(2):
            with trainer.precision_plugin.val_step_context():
                converted = network(pair[1 - target], target)
                back = network(converted, 1 - target)
            shown = (pair[1 - target], converted, back, pair[target])
            columns.append([_picture(x[0].float().cpu().numpy()) for x in shown])
        width = min(part.shape[1] for column in columns for part in column)
        rows = [np.hstack([part[:, :width] for part in row]) for row in zip(*columns, strict=True)]
        self.show(trainer, "envelopes", np.vstack(rows))


def _picture(cepstra: np.ndarray) -> np.ndarray:
    """Cepstra (coefficients, T) as an image of the envelope, uint8 (129, T, 3)."""
    decibels = decode(cepstra.T)[:, _SHOWN].T[::-1] * 10 / np.log(10)
    level = np.clip((decibels - decibels.max()) / _RANGE + 1, 0, 1)
    return (colormaps["magma"](level)[..., :3] * 255).astype(np.uint8)
