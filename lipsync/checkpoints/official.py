"""The published weights: identification of their network, and conversion of their colour order.

They use OpenCV's pixel order, BGR. Reversing the colour channels of the first convolution's input
and of the last one's output gives the equivalent network for RGB; doing it twice restores the same
bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor, nn

from lipsync import models

PUBLISHED = ("Wav2Lip", "SyncNet", "QualityDiscriminator", "SyncNetV2")

# parameters that touch pixels: (name, axis); colour is the fastest index along the axis
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
    """The network at its published size, on the meta device."""
    with torch.device("meta"):
        return getattr(models, name)()


def recognise(state: Mapping[str, Tensor]) -> str | None:
    """The class with the largest share of its parameter names in ``state``, at least half."""
    shares = {}
    for name in PUBLISHED:
        expected = published_network(name).state_dict().keys()
        shares[name] = len(expected & state.keys()) / len(expected | state.keys())
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= 0.5 else None


def swap_colours(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the weights of class ``name`` between BGR and RGB."""
    swapped = dict(state)
    for parameter, axis in _COLOURS[name]:
        value = state[parameter]
        # (..., images * 3, ...): reverse the three channels of each image
        colours = value.unflatten(axis, (-1, 3)).flip(axis + 1)
        swapped[parameter] = colours.flatten(axis, axis + 1).contiguous()
    return swapped


def without_wrapping(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameter names without the ``module.`` prefix of data-parallel training."""
    state = dict(names)
    while state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state
