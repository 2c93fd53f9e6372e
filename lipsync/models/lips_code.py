"""A generator that speaks through a lips code: a dozen numbers a frame for the mouth's shape.

The idea is public as FlashLips (2025); sizes, losses and code here are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import check_whole
from lipsync.models.blocks import ConvBlock, check_box, scaled
from lipsync.models.sound import code_encoder
from lipsync.models.wav2lip import Wav2Lip

_MOUTH = (48, 56)  # rows and columns of the mouth as it is read
_SURE = 20.0  # logit of what is fetched where nothing may be painted
_EDGE = 0.3  # width of the edge around what may be painted, in half widths of it
_STEPS = 64  # channels between a code and what it steers in the editor


class LipsCode(Wav2Lip):
    """Three networks around a code of a few numbers that describe the shape of the mouth.

    The *coder* reads the code from a picture that is small, grey and standardised, so that neither
    appearance nor lighting fits into it. The *editor*, Wav2Lip's U-Net with the warping head,
    generates the mouth that a code describes in any face. The *audio encoder* predicts the code
    from sound. As a generator it goes from sound to code to picture.

    Args:
        image_size, width, depth, feature, framing, references, grown_from, antialias: as in
            :class:`Wav2Lip`; ``width`` and ``depth`` are those of the editor.
        numbers: size of the code; each number has mean 0 and variance 1 over the training set.
        sound_width: factor on the channels of the audio encoder.
        mouth: region that the coder reads in the unit crop, which depends on the framing: left,
            top, right and bottom.
        colours: region in which the editor may generate colours of its own, as the same four
            numbers: an ellipse with a soft edge that fills them. Around it everything is sampled
            from the references, so that on a face unlike those of the training set nothing has to
            be invented. None lets it generate colours everywhere.

    Raises:
        ConfigError: sizes from which no network can be built.
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
        colours: Sequence[float] | None = None,
        grown_from: Sequence[int] = (),
        antialias: bool = False,
    ) -> None:
        check_whole("LipsCode: numbers", numbers, 1)
        mouth = check_box("LipsCode: mouth", mouth)
        colours = None if colours is None else check_box("LipsCode: colours", colours)
        seen = framing, "warp", references, grown_from, antialias
        super().__init__(image_size, width, depth, feature, *seen)
        del self.config["head"]
        self.config |= {"numbers": numbers, "sound_width": sound_width, "mouth": mouth}
        self.config["colours"] = colours
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
        stages = [*self.face_decoder_blocks, *(stage.decoder for stage in self.outer)]
        self.gains = nn.ModuleList(nn.Linear(_STEPS, _channels(stage)) for stage in stages)
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
        """Faces with the mouths that a code describes.

        Args:
            code: (B, numbers).
            faces: (B, *faces_shape) in [0, 1], masked target then references.

        Returns:
            (B, 3, H, W) RGB in [0, 1], float32 also under autocast.
        """
        return self.picture(self.decode(code, faces), faces)

    def decode(self, code: Tensor, faces: Tensor) -> Tensor:
        """Output of the editor's last layer: colours, weights and flows, see :meth:`flows`."""
        at_sides = self._at_sides(faces)
        skips, x = [], at_sides[0]
        for block in self.face_encoder_blocks:
            x = block(x)
            skips.append(x)
        steps = self.reader(code)
        gains = (gain(steps)[:, :, None, None] for gain in self.gains)
        x = F.relu(self.bottom(steps))[:, :, None, None]
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x) * (1 + next(gains)), skips.pop()], dim=1)
        return self._outward(x, at_sides, gains)

    def picture(self, decoded: Tensor, faces: Tensor) -> Tensor:
        """The picture from the output of :meth:`decode`, as returned by :meth:`edit`."""
        return self._picture(decoded, faces)

    def paint(self, mel: Tensor, faces: Tensor) -> Tensor:
        return self.edit(self.code_of_sound(mel), faces)

    def _picture(self, x: Tensor, faces: Tensor) -> Tensor:
        if self.config["colours"] is not None:
            colours, logits, flows = x.split([3, self.references, 2 * self.references], dim=1)
            outside = _outside(self.config["colours"], x.shape[-1], x.device)
            x = torch.cat([colours, logits + outside.to(x.dtype), flows], dim=1)
        return super()._picture(x, faces)


def _channels(stage: nn.Sequential) -> int:
    """How many channels a stage of the decoder gives."""
    return stage[-1].conv_block[0].out_channels


def _outside(box: Sequence[float], side: int, device: torch.device) -> Tensor:
    """float32 (side, side): 0 within the ellipse that fills a box, up to ``_SURE`` around it."""
    left, top, right, bottom = box
    at = (torch.arange(side, device=device) + 0.5) / side
    across = (2 * at - left - right) / (right - left)
    down = (2 * at - top - bottom) / (bottom - top)
    reach = (across.square() + down.square()[:, None]).sqrt()  # 1 on the ellipse
    return _SURE * ((reach - 1) / _EDGE).clamp(0, 1)
