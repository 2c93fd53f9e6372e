"""A feature: how loud and how noisy the sound is, two numbers every 10 ms."""

from dataclasses import dataclass

import numpy as np
import torch

from lipsync.features import Feature
from lipsync.features.augment import Augmentation

HOP, FRAME = 160, 400  # samples at 16 kHz


@dataclass
class LoudnessAugment(Augmentation):
    """Augmentation in training.

    Attributes:
        gain: maximum change of the loudness, in bels.
    """

    gain: float = 1.0

    def draw(self, clips, strength, rng):
        gain = torch.rand(clips, generator=rng, device=rng.device) * 2 - 1

        def change(windows):  # (clips, ..., 2, columns)
            moved = windows.clone()
            loudness = moved[..., 0, :]
            loudness += strength * self.gain * gain.view(-1, *[1] * (loudness.ndim - 1))
            return moved

        return change


class Loudness(Feature):
    """Log energy in bels, 0 at -80 dB of full scale, and the rate of zero crossings in [0, 1].

    A column covers the 25 ms from its start.
    """

    name = "loudness"
    rate = 16000 // HOP  # columns per second
    bands = 2
    silence = 0.0
    reach = FRAME  # samples from the start of a column to its last one
    context = 0  # columns needed before the first column of a piece
    default_window = 20
    augmentation = LoudnessAugment

    def extract(self, wave: np.ndarray) -> np.ndarray:
        """float32 (samples,) at 16 kHz in [-1, 1] -> float32 (2, columns)."""
        columns = 1 + len(wave) // HOP
        padded = np.pad(wave, (0, columns * HOP + FRAME - len(wave)))
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[: columns * HOP : HOP]
        energy = 8 + np.log10((frames**2).mean(axis=1) + 1e-8)
        crossings = np.diff(np.signbit(frames), axis=1).mean(axis=1)
        return np.stack([energy, crossings]).astype(np.float32)
