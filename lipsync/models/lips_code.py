"""A generator that speaks through a lips code: a dozen numbers a frame for the mouth's shape.

The idea is public as FlashLips (2025); sizes, losses and code here are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError, check_whole
from lipsync.models.blocks import ConvBlock, scaled
from lipsync.models.sound import code_encoder
from lipsync.models.wav2lip import Wav2Lip

_MOUTH = (48, 56)  # rows and columns of the mouth as it is read
_STEPS = 64  # channels between a code and what it steers in the editor


class LipsCode(Wav2Lip):
    """Three networks around a code of a few numbers that say how the mouth is shaped.

    The *coder* reads the code off a picture, small, grey and standardised, so that neither looks
    nor light fit into it; the *editor*, Wav2Lip's U-Net with the warping head, paints the mouth
    that a code tells into any face; the *audio encoder* tells the code of a sound. As a generator
    it paints what it hears: sound -> code -> picture.

    Args:
        image_size, width, depth, feature, framing, references: as of :class:`Wav2Lip`; ``width``
            and ``depth`` are those of the editor.
        numbers: of the code, each of mean 0 and variance 1 over the training set.
        sound_width: factor on the channels of the audio encoder.
        mouth: where the coder reads in the unit crop, which is the framing's business: its left,
            top, right and bottom.

    Raises:
        ConfigError: sizes of which no network can be built.
    """

    use = "dub (lipsync dub --model FILE), train on (model=lipscode model.init_from=FILE)"

    def __init__(
        self,
        image_size: int = 128,
        width: float = 0.375,
        depth: float = 0.5,
        feature: Any = None,
        framing: str = "aligned_tight",
        references: int = 2,
        numbers: int = 12,
        sound_width: float = 0.5,
        mouth: Sequence[float] = (0.2, 0.5, 0.8, 1.0),
    ) -> None:
        check_whole("LipsCode: numbers", numbers, 1)
        mouth = [float(share) for share in mouth]
        if len(mouth) != 4 or not (0 <= mouth[0] < mouth[2] <= 1 and 0 <= mouth[1] < mouth[3] <= 1):
            raise ConfigError(f"LipsCode: mouth={mouth}: must be left, top, right, bottom, 0 to 1")
        super().__init__(image_size, width, depth, feature, framing, "warp", references)
        del self.config["head"]
        self.config |= {"numbers": numbers, "sound_width": sound_width, "mouth": mouth}
        self.audio_encoder = code_encoder(self.config["feature"], sound_width, numbers)
        self.coder = nn.Sequential(
            *(ConvBlock(i, o, 3, 2, 1) for i, o in ((1, 16), (16, 32), (32, 64), (64, 96))),
            ConvBlock(96, 96, (3, 4)),
            nn.Flatten(),
            nn.Linear(96, numbers),
            nn.BatchNorm1d(numbers, momentum=0.02, affine=False),
        )
        bottom = scaled(512, width)
        self.reader = nn.Sequential(
            nn.Linear(numbers, _STEPS), nn.ReLU(), nn.Linear(_STEPS, _STEPS)
        )
        self.bottom = nn.Linear(_STEPS, bottom)
        self.gains = nn.ModuleList(
            nn.Linear(_STEPS, _channels(stage)) for stage in self.face_decoder_blocks
        )
        for gain in self.gains:  # begin without any
            nn.init.zeros_(gain.weight)
            nn.init.zeros_(gain.bias)

    def see(self, faces: Tensor) -> Tensor:
        """The mouths of faces (B, 3, S, S) in [0, 1] as the coder reads them, (B, 1, 48, 56)."""
        left, top, right, bottom = (
            round(share * faces.shape[-1]) for share in self.config["mouth"]
        )
        mouth = faces[..., top:bottom, left:right].mean(dim=1, keepdim=True).float()
        mouth = F.interpolate(mouth, _MOUTH, mode="bilinear", antialias=True)
        mouth = mouth - mouth.mean(dim=(2, 3), keepdim=True)
        return mouth / mouth.square().mean(dim=(2, 3), keepdim=True).sqrt().clamp_min(0.02)

    def code_of_faces(self, faces: Tensor) -> Tensor:
        """The code of mouths: (B, 3, S, S) in [0, 1] -> (B, numbers)."""
        return self.coder(self.see(faces).to(next(self.parameters()).dtype))

    def code_of_sound(self, mel: Tensor) -> Tensor:
        """The code of sounds: (B, *audio_shape) -> (B, numbers)."""
        return self.audio_encoder(mel)

    def edit(self, code: Tensor, faces: Tensor) -> Tensor:
        """Faces whose mouths a code tells.

        Args:
            code: (B, numbers).
            faces: (B, *faces_shape) in [0, 1], masked target then references.

        Returns:
            (B, 3, H, W) RGB in [0, 1], float32 also under autocast.
        """
        skips, x = [], faces
        for block in self.face_encoder_blocks:
            x = block(x)
            skips.append(x)
        steps = self.reader(code)
        x = F.relu(self.bottom(steps))[:, :, None, None]
        for block, gain in zip(self.face_decoder_blocks, self.gains, strict=True):
            x = block(x) * (1 + gain(steps)[:, :, None, None])
            x = torch.cat([x, skips.pop()], dim=1)
        return self._finish(x, faces)

    def paint(self, mel: Tensor, faces: Tensor) -> Tensor:
        return self.edit(self.code_of_sound(mel), faces)


def _channels(stage: nn.Sequential) -> int:
    """How many channels a stage of the decoder gives."""
    return stage[-1].conv_block[0].out_channels
