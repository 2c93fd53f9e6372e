"""Training of a judge: SyncNet v2's form, for scores that no generator was trained to please."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lipsync.training.expert import ExpertTraining


class JudgeTraining(ExpertTraining):
    """As :class:`ExpertTraining`, for a :class:`lipsync.models.SyncNetV2` with unit embeddings.

    It hears cepstra and sees whole faces. Of the augmentation's settings for sound, ``mel_noise``
    is the largest standard deviation of noise on the cepstra and ``mel_gain`` the largest constant
    added to each of them, which is what another channel or vocal tract does; both on the cepstra's
    own scale (c0 is about 15, the others within 20 of 0).
    """

    sound: ClassVar[str] = "mfcc"
    layout: ClassVar[torch.memory_format] = torch.contiguous_format  # five dimensions

    def seen(self, faces: Tensor) -> Tensor:
        """Float faces (C, K, 5, 3, S, S) in [0, 1] -> (C * K, 3, 5, S, S) in [0, 255]."""
        return faces.flatten(0, 1).transpose(1, 2) * 255

    def augment_sound(self, sound: Tensor, strength: float, rng: torch.Generator) -> Tensor:
        clips, coefficients = len(sound), sound.shape[-2]
        constant = torch.rand((clips, 1, 1, coefficients, 1), generator=rng) * 2 - 1
        level = torch.rand((clips, 1, 1, 1, 1), generator=rng)
        noise = torch.randn(sound.shape, generator=rng)
        change = self.augment.mel_gain * constant + self.augment.mel_noise * level * noise
        return sound + (change * strength).to(sound)
