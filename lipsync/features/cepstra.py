"""MFCC features of LipGAN and SyncNet v2."""

from __future__ import annotations

import numpy as np

from lipsync.audio import lipgan_mfcc, mfcc
from lipsync.features.augment import CepstraAugment
from lipsync.features.base import Feature
from lipsync.windows import FPS, mfcc_start


class SyncNetMFCC(Feature):
    """13 cepstral coefficients, see :func:`lipsync.audio.mfcc`; 20 columns are five frames."""

    name = "syncnet_mfcc"
    rate = 100
    bands = 13
    reach = 400
    context = 1
    default_window = 20
    augmentation = CepstraAugment

    def extract(self, wave: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(mfcc(wave).T)


class LipGANMFCC(Feature):
    """LipGAN's 12 coefficients, see :func:`lipsync.audio.lipgan_mfcc`; 35 columns are 365 ms.

    A window is centred on the middle of the frame's display time as closely as possible at any
    frame rate. At 25 fps it is 2.5 ms late, with a lead of four frames.
    """

    name = "lipgan_mfcc"
    rate = 100
    bands = 12
    reach = 400
    context = 1
    default_window = 35
    default_lead = 4
    augmentation = CepstraAugment

    def extract(self, wave: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(lipgan_mfcc(wave).T)

    def start(self, seconds: float, fps: float = FPS) -> int:
        if self.lead != self.default_lead:
            return super().start(seconds, fps)
        return mfcc_start(seconds * fps, fps)
