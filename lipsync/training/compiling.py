"""torch.compile for all that training calls of a network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_METHODS = ("logits", "look", "embed_audio", "embed_face", "generate")  # beside forward


def compile_network(network: nn.Module, **options: Any) -> None:
    """Compile a network in place: when it is called, and where one of its methods is.

    Args:
        network: of :mod:`lipsync.models`; its parameters and their names stay as they are.
        options: of :func:`torch.compile`.
    """
    network.compile(**options)
    for name in _METHODS:
        if hasattr(network, name):
            setattr(network, name, torch.compile(getattr(network, name), **options))
