"""Train, measure and use lip-sync models: SyncNet experts, LipGAN and Wav2Lip generators.

Conventions throughout the package:

* pixels are **RGB**: uint8 ``(height, width, 3)`` on disk and in loaders, float in [0, 1] once on
  the device, laid out ``(batch, time, channel, height, width)``; the published weights expect BGR,
  which only :mod:`lipsync.checkpoints` deals with;
* video is 25 frames per second, audio 16 kHz mono float32 in [-1, 1];
* a mel spectrogram has 80 bins and 80 columns per second; a window is 5 frames or 16 columns.

Importing the package is cheap: torch is imported with the first model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipsync.checkpoints import load_model as from_pretrained
    from lipsync.checkpoints import push_to_hub

__version__ = "0.1.0"
__all__ = ["__version__", "from_pretrained", "push_to_hub"]

_LAZY = {"from_pretrained": "load_model", "push_to_hub": "push_to_hub"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("lipsync.checkpoints"), _LAZY[name])
