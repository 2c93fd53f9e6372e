"""Audio features: columns extracted from audio, and the window of columns for each frame."""

from lipsync.features.base import Feature, feature_of, get_feature
from lipsync.features.cepstra import LipGANMFCC, SyncNetMFCC
from lipsync.features.mel import LifteredMel, Mel
from lipsync.features.whisper import Whisper

__all__ = [
    "Feature",
    "LifteredMel",
    "LipGANMFCC",
    "Mel",
    "SyncNetMFCC",
    "Whisper",
    "feature_of",
    "get_feature",
]
