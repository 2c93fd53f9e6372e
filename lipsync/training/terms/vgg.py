"""VGG for the feature loss, from a file of weights that the user provides."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from lipsync.checkpoints.files import check_is_file, is_safetensors, read_safetensors, read_torch
from lipsync.errors import CheckpointError

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in [0, 1]
_REMEDY = "give the state dict of torchvision's vgg11, 13, 16 or 19, without batch norm"


class VGG(nn.Module):
    """Convolutional layers of VGG (Simonyan and Zisserman 2015).

    Args:
        convolutions: input and output channels of the convolutions in each stage.

    Attributes:
        stages: each ends with the ReLU before the next pooling.
    """

    def __init__(self, convolutions: list[list[tuple[int, int]]]) -> None:
        super().__init__()
        stages = []
        for number, stage in enumerate(convolutions):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if number else []
            for channels in stage:
                layers += [nn.Conv2d(*channels, 3, padding=1), nn.ReLU()]
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1] -> features of the last stage."""
        return self.stages((pictures - self.mean) / self.spread)


def read_vgg(path: Path) -> VGG:
    """Network from a state dict file with ``features.N.weight`` and ``.bias`` per layer.

    Raises:
        CheckpointError: an unreadable file, or other contents; pickled code is never executed.
    """
    check_is_file(path)
    state = read_safetensors(path)[0] if is_safetensors(path) else read_torch(path)
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items() if isinstance(state, dict) else ():
        if match := re.fullmatch(r"features\.(\d+)\.(weight|bias)", str(name)):
            found.setdefault(int(match[1]), {})[match[2]] = value
    stages: list[list[tuple[int, int]]] = []
    expected, channels = -1, 3
    for number, parts in sorted(found.items()):
        weight = parts.get("weight")
        whole = isinstance(weight, Tensor) and {*parts} == {"weight", "bias"}
        if not whole or weight.shape[1:] != (channels, 3, 3):
            raise CheckpointError(path, f"its layer features.{number} is not VGG's", _REMEDY)
        if number != expected:  # a pooling layer in between
            stages.append([])
        stages[-1].append((channels, len(weight)))
        channels, expected = len(weight), number + 2
    if not stages:
        raise CheckpointError(path, "has no layers features.0, features.2, ...", _REMEDY)
    network = VGG(stages)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for layer, (_, parts) in zip(convolutions, sorted(found.items()), strict=True):
        layer.load_state_dict(parts)
    return network
