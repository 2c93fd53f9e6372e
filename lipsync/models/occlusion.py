"""A network that sees what is in front of a face: hands, microphones, captions, hair."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.models.base import Network
from lipsync.models.blocks import ConvBlock, check_config, scaled

SIDE = 64  # pixels to which pictures are brought
_CHANNELS = (16, 24, 40, 64, 96)  # of the stages, each of half the side of the one before


class OcclusionNet(Network):
    """Which pixels of a face are hidden by something in front of it (a small U-Net).

    A second input shows the face at another time, so that a beard or glasses count as part of it.

    Args:
        image_size: side of the square faces it is trained on; others are resized.
        framing: how the faces are cropped; see :mod:`lipsync.faces.framing`.
        width: factor on all inner channels, which stay multiples of eight.

    Raises:
        ConfigError: sizes from which no network can be built.
    """

    use = "keep what is in front of a mouth in dubs (lipsync dub --occlusion FILE)"

    def __init__(
        self, image_size: int = 128, framing: str = "aligned_jaw", width: float = 1.0
    ) -> None:
        super().__init__()
        check_config("OcclusionNet", image_size, width)
        self.config = {"image_size": image_size, "framing": framing, "width": width}
        channels = [scaled(c, width) for c in _CHANNELS]
        inputs = [6, *channels]
        self.down = nn.ModuleList(
            nn.Sequential(ConvBlock(i, o, 3, 1 if k == 0 else 2, 1), ConvBlock(o, o, 3, 1, 1))
            for k, (i, o) in enumerate(zip(inputs, channels, strict=False))
        )
        self.up = nn.ModuleList(
            ConvBlock(deep + flat, flat, 3, 1, 1)
            for deep, flat in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(channels[0], 1, 1)

    def forward(self, faces: Tensor, references: Tensor) -> Tensor:
        """Logits of the hidden pixels.

        Args:
            faces: (B, 3, S, S) in [0, 1], of any size.
            references: of the same shape, the same people at another time.

        Returns:
            (B, 1, 64, 64).
        """
        x = torch.cat([faces, references], dim=1)
        x = F.interpolate(x, (SIDE, SIDE), mode="area")
        stages = []
        for block in self.down:
            x = block(x)
            stages.append(x)
        for block, flat in zip(self.up, stages[-2::-1], strict=True):
            deep = F.interpolate(x, flat.shape[-2:], mode="nearest")
            x = block(torch.cat([deep, flat], dim=1))
        return self.last(x)
