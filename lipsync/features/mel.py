"""The mel spectrogram of Wav2Lip and its expert, as it is and without the voice's harmonics."""

from __future__ import annotations

from functools import cache

import numpy as np

from lipsync.audio import N_MELS, melspectrogram
from lipsync.features.augment import MelAugment, lifter
from lipsync.features.base import Feature
from lipsync.windows import MEL_RATE, MEL_STEP, PUBLISHED_INFERENCE_LEAD, SILENCE


class Mel(Feature):
    """80 mel bands in decibels, in [-4, 4], see :func:`lipsync.audio.melspectrogram`.

    A lead of 0 is where published inference begins a frame's window, 1 where published training
    does, and 2 puts the frame in the middle of the sound that it is painted for.
    """

    name = "mel"
    rate = MEL_RATE
    bands = N_MELS
    silence = SILENCE
    reach = 400
    context = 3
    default_window = MEL_STEP
    augmentation = MelAugment

    @property
    def repeats_end(self) -> bool:  # type: ignore[override]
        """As published inference does: its last window is the last 16 columns of the sound."""
        return self.lead == PUBLISHED_INFERENCE_LEAD

    def extract(self, wave: np.ndarray) -> np.ndarray:
        return melspectrogram(wave)


class LifteredMel(Mel):
    """The mel's spectral envelope: its slow cepstral part, without the harmonics of the voice.

    What is said, not at what pitch, which carries over to new voices.
    """

    name = "liftered_mel"

    def extract(self, wave: np.ndarray) -> np.ndarray:
        return _lifter() @ melspectrogram(wave)


@cache
def _lifter() -> np.ndarray:
    return lifter(N_MELS).numpy()
