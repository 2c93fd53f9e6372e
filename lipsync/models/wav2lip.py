"""Wav2Lip's generator (Prajwal et al. 2020, paper section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import check_whole
from lipsync.models.blocks import ConvBlock, check_choice, check_config, halvings, repeats, scaled
from lipsync.models.encoders import decoder_stages, encoder_stages
from lipsync.models.generator import FaceGenerator
from lipsync.models.growth import OuterStage, check_growth, resized, sizes_of
from lipsync.models.sound import MEL, sound_encoder, sound_record

HEADS = ("paint", "warp")
_REACH = 0.3  # maximum flow of the warp head, in half image sides
_WARPED_AT_FIRST = 2.0  # initial logit of the warped references together; the painted colours' is 0


class Wav2Lip(FaceGenerator):
    """Inpaint the masked lower half of a face, conditioned on an audio window and references.

    The defaults are the published network (36.3 M parameters) with its parameter names.

    Args:
        image_size: side of the square faces: 96, 128, 192, 256, 288, 384 or 512.
        width: factor on all inner channels, which stay multiples of eight.
        depth: factor on the residual blocks of each stage; 0 leaves none.
        feature: audio input of each frame: a :class:`lipsync.features.Feature` or the record of
            one; None is the published mel.
        framing: name of the face framing; see :mod:`lipsync.faces.framing`.
        head: output of the last layer: "paint" predicts colours, as published; "warp" predicts
            colours, a flow that warps each reference, and per-pixel weights that blend them, which
            generalises better to new faces.
        references: number of reference frames in the input; one as published.
        grown_from: image sizes of the smaller networks inside, smallest first: the U-Net has the
            first, and a :class:`.growth.OuterStage` adds each further one, the last adding
            ``image_size``. Training can start from their weights (``model.init_from``). Flows are
            relative to the image size, so the warp head samples references at full resolution from
            the start.
        antialias: low-pass filter upsampled features (:class:`.blocks.AntialiasedUp`), which
            prevents stripes on faces unlike those in the training set.

    Shape: ``mel (B[, T], 1, 80, 16)`` in [-4, 4] and ``faces (B[, T], 3 + 3 * references, H, W)``
    in [0, 1], masked target then references -> ``(B[, T], 3, H, W)`` in [0, 1].

    Raises:
        ConfigError: invalid sizes, or an unknown head.
    """

    use = "dub (lipsync dub --model FILE), train on (model=wav2lip model.init_from=FILE)"

    def __init__(
        self,
        image_size: int = 96,
        width: float = 1.0,
        depth: float = 1.0,
        feature: Any = None,
        framing: str = "box",
        head: str = "paint",
        references: int = 1,
        grown_from: Sequence[int] = (),
        antialias: bool = False,
    ) -> None:
        super().__init__()
        check_config("Wav2Lip", image_size, width, depth)
        check_choice("Wav2Lip", "head", head, HEADS)
        check_whole("Wav2Lip: references", references, 1)
        record = sound_record(MEL if feature is None else feature)
        self.config = {
            "image_size": image_size,
            "width": width,
            "depth": depth,
            "feature": record,
            "framing": framing,
            "head": head,
            "references": references,
            "grown_from": check_growth("Wav2Lip", grown_from, image_size),
            "antialias": bool(antialias),
        }
        image_size, *outer = sizes_of(self.config)  # of the U-Net, and of the outer stages
        last = len(halvings(image_size))  # level 0 is full resolution, level `last` is 3x3 or 4x4
        levels = range(last + 1)
        encoder = [scaled(min(16 * 2**level, 512), width) for level in levels]
        decoder = [
            scaled((64, 128, 256, 384)[level] if level < 4 else 512, width) for level in levels
        ]
        bottom = scaled(512, width)

        def count(level: int, at_full_size: int) -> int:
            published = {0: at_full_size, last: 1}.get(level, 2)
            return repeats(published, depth)

        down = [count(level, 0) for level in levels]
        down[2] = repeats(3, depth)
        pictures = {"in_channels": 3 + 3 * references, "out_channels": bottom}
        self.face_encoder_blocks = encoder_stages(image_size, encoder, down, **pictures)
        self.audio_encoder = sound_encoder(record, width, depth, last=1, out_channels=bottom)
        up = decoder_stages(
            image_size,
            2 * bottom,
            decoder,
            encoder,
            [count(level, 2) for level in levels],
            bottom_stride=1,
            antialias=antialias,
        )
        self.face_decoder_blocks = nn.ModuleList([nn.Sequential(ConvBlock(bottom, bottom, 1)), *up])
        c32 = scaled(32, width)
        channels = 3 if head == "paint" else 3 + 3 * references
        last_layer = nn.Conv2d(c32, channels, 1)
        self.output_block = nn.Sequential(
            ConvBlock(decoder[0] + encoder[0], c32, 3, 1, 1), last_layer
        )
        if head == "warp":  # start from the unwarped references, equally weighted
            nn.init.zeros_(last_layer.weight[3:].data)
            nn.init.zeros_(last_layer.bias[3:].data)
            last_layer.bias.data[3 : 3 + references] = _WARPED_AT_FIRST - math.log(references)
        full = {"faces": 3 + 3 * references, "within": decoder[0] + encoder[0], "inner": c32}
        full |= {"encoder": encoder[0], "decoder": decoder[0], "output": channels}
        self.outer = nn.ModuleList(
            OuterStage(side, **full, blocks=repeats(1, depth)) for side in outer
        )

    def paint(self, mel: Tensor, faces: Tensor) -> Tensor:
        at_sides = self._at_sides(faces)
        return self._picture(self._outward(self._decode(mel, at_sides[0]), at_sides), faces)

    def _at_sides(self, faces: Tensor) -> list[Tensor]:
        """Faces resized for the U-Net and for each outer stage, smallest first."""
        at_sides = [faces]
        for side in reversed(sizes_of(self.config)[:-1]):
            at_sides.insert(0, resized(at_sides[0], side))
        return at_sides

    def _outward(self, x: Tensor, at_sides: list[Tensor], gains: Iterable[Tensor] = ()) -> Tensor:
        """Output of the last layer at full resolution.

        Args:
            x: (B, C, S, S) decoder output of the U-Net.
            at_sides: see :meth:`_at_sides`.
            gains: one per outer stage, see :class:`.growth.OuterStage`; missing ones are no gain.
        """
        output, gains = self._last(x), iter(gains)
        for stage, faces in zip(self.outer, at_sides[1:], strict=True):
            x, output = stage(x, output, faces, next(gains, None))
        return output

    def _picture(self, x: Tensor, faces: Tensor) -> Tensor:
        if self.config.get("head", "warp") == "paint":
            return torch.sigmoid(x)
        count, side = self.references, x.shape[-1]
        at = (2 * torch.arange(side, device=x.device, dtype=x.dtype) + 1) / side - 1
        picture, logits, flows = torch.sigmoid(x[:, :3]), x[:, 3 : 3 + count], self.flows(x)
        behind: float | Tensor = 0.0  # log-sum-exp of the logits so far: a running softmax
        for i in range(count):
            across, down = at.view(1, 1, -1) + flows[:, i, 0], at.view(1, -1, 1) + flows[:, i, 1]
            sampled = F.grid_sample(
                faces[:, 3 + 3 * i : 6 + 3 * i].to(x.dtype),
                torch.stack([across, down], dim=-1),
                padding_mode="border",
                align_corners=False,
            )
            above = logits[:, i : i + 1] - behind
            picture = torch.lerp(picture, sampled, torch.sigmoid(above))
            if i + 1 < count:
                behind = behind + F.softplus(above)
        return picture

    def flows(self, x: Tensor) -> Tensor:
        """Flow of the warp head, in half image sides: where each pixel samples the references.

        Args:
            x: (B, 3 + 3 * references, H, W) output of the last layer.

        Returns:
            (B, references, 2, H, W), positive to the right and downwards.
        """
        return _REACH * torch.tanh(x[:, 3 + self.references :]).unflatten(1, (-1, 2))
