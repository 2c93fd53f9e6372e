"""The mel spectrogram of Wav2Lip and its expert, with and without the voice's harmonics."""

from __future__ import annotations

from functools import cache

import numpy as np

from lipsync.audio import N_MELS, melspectrogram
from lipsync.features.augment import MelAugment, lifter
from lipsync.features.base import Feature
from lipsync.windows import MEL_RATE, MEL_STEP, PUBLISHED_INFERENCE_LEAD, SILENCE


class Mel(Feature):
    """80 mel bands in decibels, scaled to [-4, 4]; see :func:`lipsync.audio.melspectrogram`.

    The lead is 0 in published inference and 1 in published training; 2 centres the window on the
    frame.
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
        """True for published inference, whose last window is the last 16 columns of the audio."""
        return self.lead == PUBLISHED_INFERENCE_LEAD

    def extract(self, wave: np.ndarray) -> np.ndarray:
        return melspectrogram(wave)


class LifteredMel(Mel):
    """Spectral envelope of the mel: its low cepstral coefficients, without the voice's harmonics.

    It carries what is said rather than the pitch, and so generalises to new voices.
    """

    name = "liftered_mel"

    def extract(self, wave: np.ndarray) -> np.ndarray:
        return _lifter() @ melspectrogram(wave)


@cache
def _lifter() -> np.ndarray:
    return lifter(N_MELS).numpy()
