"""A generator: a plain U-Net whose narrowest map the sound scales and shifts."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from lipsync.models import FaceGenerator
from lipsync.models.sound import MEL, sound_record


class PlainUNet(FaceGenerator):
    """Three halvings of the picture, FiLM by the sound (Perez et al. 2018), and three doublings.

    Args:
        image_size: side of the faces, a multiple of 8.
        channels: at full resolution; doubled with every halving.
        feature: audio input of each frame; None is the mel.
        framing: name of the framing of its faces.
    """

    def __init__(self, image_size=96, channels=16, feature=None, framing="box"):
        super().__init__()
        self.config = {  # builds the network again when its checkpoint is loaded
            "image_size": image_size,
            "channels": channels,
            "feature": sound_record(MEL if feature is None else feature),
            "framing": framing,
        }
        _, bands, columns = self.audio_shape
        sizes = [channels * 2**level for level in range(4)]
        self.first = nn.Conv2d(6, channels, 3, padding=1)
        self.down = nn.ModuleList(_layer(a, b, 2) for a, b in pairwise(sizes))
        self.sound = nn.Sequential(nn.Flatten(), nn.Linear(bands * columns, 2 * sizes[-1]))
        self.up = nn.ModuleList(_layer(b + a, a) for a, b in pairwise(sizes))
        self.last = nn.Conv2d(channels, 3, 1)

    def paint(self, mel: Tensor, faces: Tensor) -> Tensor:
        """(B, 1, bands, columns) and (B, 6, S, S), masked target then reference -> (B, 3, S, S)."""
        x, skips = self.first(faces), []
        for layer in self.down:
            skips.append(x)
            x = layer(x)
        scale, shift = self.sound(mel)[..., None, None].chunk(2, dim=1)
        x = x * (1 + scale) + shift
        for layer in reversed(self.up):
            x = nn.functional.interpolate(x, scale_factor=2.0)
            x = layer(torch.cat([x, skips.pop()], dim=1))
        return torch.sigmoid(self.last(x).float())


def _layer(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1), nn.GroupNorm(4, channels_out), nn.SiLU()
    )
