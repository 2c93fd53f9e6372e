"""Weights in and out: official files, own checkpoints and model files, bundled and online models.

This is the only place that knows that the official weights read and write BGR pixels, and the
only one that opens pickles, which it never executes.
"""

from lipsync.checkpoints.files import fingerprint
from lipsync.checkpoints.loading import bundled_models, describe, load_model, network_class
from lipsync.checkpoints.publishing import push_to_hub
from lipsync.checkpoints.saving import export_official, save_model

__all__ = [
    "bundled_models",
    "describe",
    "export_official",
    "fingerprint",
    "load_model",
    "network_class",
    "push_to_hub",
    "save_model",
]
