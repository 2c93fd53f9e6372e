"""torch.compile for a network's forward and the other methods that training calls."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_METHODS = (  # besides forward
    "logits", "look", "embed_audio", "embed_face", "generate",
    "audio_moments", "face_moments",  # of LongSyncNet
    "code_of_faces", "code_of_sound", "decode", "picture",  # of LipsCode
)  # fmt: skip


def compile_network(network: nn.Module, **options: Any) -> None:
    """Compile a network's forward and other entry points, in place.

    Args:
        network: one from :mod:`lipsync.models`; parameters and their names do not change.
        options: passed to :func:`torch.compile`.
    """
    network.compile(**options)
    for name in _METHODS:
        if hasattr(network, name):
            setattr(network, name, torch.compile(getattr(network, name), **options))
