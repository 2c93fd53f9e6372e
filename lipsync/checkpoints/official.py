"""The published weights: which network they are of, and their colour order.

They read and write pixels in OpenCV's order, blue first. Turning round the colours of the first
convolution's input and of the last one's output makes the same network for RGB; doing it twice
gives back the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor, nn

from lipsync import models

PUBLISHED = ("Wav2Lip", "SyncNet", "QualityDiscriminator", "SyncNetV2")

# parameters with pixels: (name, axis); along it, colours are the fastest index
_COLOURS = {
    "Wav2Lip": [
        ("face_encoder_blocks.0.0.conv_block.0.weight", 1),
        ("output_block.1.weight", 0),
        ("output_block.1.bias", 0),
    ],
    "SyncNet": [("face_encoder.0.conv_block.0.weight", 1)],
    "QualityDiscriminator": [("face_encoder_blocks.0.0.conv_block.0.weight", 1)],
    "SyncNetV2": [("netcnnlip.0.weight", 1)],
}


@cache
def published_network(name: str) -> nn.Module:
    """The network at its published size, without memory for its weights."""
    with torch.device("meta"):
        return getattr(models, name)()


def recognise(state: Mapping[str, Tensor]) -> str | None:
    """The class whose parameter names ``state`` has the largest share of, at least half."""
    shares = {}
    for name in PUBLISHED:
        expected = published_network(name).state_dict().keys()
        shares[name] = len(expected & state.keys()) / len(expected | state.keys())
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= 0.5 else None


def swap_colours(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of class ``name`` for the other colour order, BGR to RGB or back."""
    swapped = dict(state)
    for parameter, axis in _COLOURS[name]:
        value = state[parameter]
        # (..., pictures * 3, ...) -> the three of each picture turned round
        colours = value.unflatten(axis, (-1, 3)).flip(axis + 1)
        swapped[parameter] = colours.flatten(axis, axis + 1).contiguous()
    return swapped


def without_wrapping(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameter names without the ``module.`` that data-parallel training puts in front."""
    state = dict(names)
    while state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state
