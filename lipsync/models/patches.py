"""Patch discriminators on regions of a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import check_whole
from lipsync.models.base import Network
from lipsync.models.blocks import ConvBlock, check_box, check_config, check_shape, scaled

LEAK = 0.2
_CHANNELS = (64, 128, 256)  # per layer; each layer halves the resolution


class PatchDiscriminator(Network):
    """Distinguish real from generated images patch by patch (Isola et al. 2017, section 3.2).

    Each view of a face has its own network, without normalisation layers, with a receptive field of
    38 pixels.

    Args:
        image_size: side of the whole square faces.
        width: factor on all inner channels, which stay multiples of eight.
        views: name -> view: ``part``, its left, top, right and bottom as fractions of the crop;
            ``enlarged``, an upsampling factor, so that patches cover finer detail; ``frames``, the
            number of consecutive frames in the input, which exposes flicker. The last two default
            to 1.

    Raises:
        ConfigError: invalid sizes or views.
    """

    use = "train on (model.discriminator_init_from=FILE)"

    def __init__(
        self, image_size: int, views: Mapping[str, Mapping[str, Any]], width: float = 0.5
    ) -> None:
        super().__init__()
        check_config("PatchDiscriminator", image_size, width)
        views = {name: _check_view(name, **view) for name, view in views.items()}
        self.config = {"image_size": image_size, "width": width, "views": views}
        self.views = nn.ModuleDict(
            {name: _layers(3 * view["frames"], width) for name, view in views.items()}
        )

    def look(self, view: str, faces: Tensor) -> list[Tensor]:
        """Feature maps of all layers of a view's network; the last holds the patch logits.

        Args:
            view: name of the view.
            faces: (N, T, 3, S, S) windows in [0, 1], split into consecutive groups of the view's
                number of frames.

        Raises:
            ValueError: faces of another size, or fewer frames than the view needs.
        """
        size, seen = self.config["image_size"], self.config["views"][view]
        count, frames = faces.shape[1] // seen["frames"], seen["frames"]
        if not count:
            raise ValueError(f"view {view} takes {frames} frames, got {faces.shape[1]}")
        faces = faces[:, : count * frames].unflatten(1, (count, frames)).flatten(0, 1).flatten(1, 2)
        check_shape("PatchDiscriminator", "faces", faces, (3 * frames, size, size))
        left, top, right, bottom = (round(share * size) for share in seen["part"])
        x = 2 * faces[..., top:bottom, left:right] - 1
        if seen["enlarged"] != 1:
            x = F.interpolate(x, scale_factor=seen["enlarged"], mode="bilinear")
        found = []
        for layer in self.views[view]:
            x = layer(x)
            found.append(x)
        return found


def _check_view(name: str, part: Sequence[float], enlarged: int = 1, frames: int = 1) -> dict:
    option = f"PatchDiscriminator: views.{name}"
    check_whole(f"{option}.enlarged", enlarged, 1, 4)
    check_whole(f"{option}.frames", frames, 1)
    return {"part": check_box(f"{option}.part", part), "enlarged": enlarged, "frames": frames}


def _layers(channels: int, width: float) -> nn.ModuleList:
    layers: list[nn.Module] = []
    for each in _CHANNELS:
        layers.append(ConvBlock(channels, scaled(each, width), 4, 2, 1, norm="none", slope=LEAK))
        channels = scaled(each, width)
    layers.append(nn.Conv2d(channels, 1, 3, 1, 1))
    for module in nn.ModuleList(layers).modules():
        if isinstance(module, nn.Conv2d):  # without norms, the default init shrinks the signal
            nn.init.kaiming_normal_(module.weight, LEAK)
            nn.init.zeros_(module.bias)
    return nn.ModuleList(layers)
