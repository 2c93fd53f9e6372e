"""Outer stages, by which a network of larger pictures grows around one of smaller pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.blocks import IMAGE_SIZES, ConvBlock, residuals

_LARGEST_STEP = 2  # a stage resamples from side to side without leaving pixels out


class OuterStage(nn.Module):
    """Paints at a larger side what the network within has painted at a smaller one.

    It is a U-Net's outermost stage: an encoder of the pictures at its side, a decoder of what the
    decoder within gives, enlarged, and an output block, whose output is added to the enlarged
    output of the network within. A new stage adds nothing.

    Args:
        side: of its pictures.
        faces: their channels.
        within: channels of what the decoder within gives.
        encoder, decoder: channels of its own encoder and decoder.
        blocks: residual blocks of its decoder.
        inner: channels of its output block.
        output: channels of the output.
    """

    def __init__(
        self,
        side: int,
        *,
        faces: int,
        within: int,
        encoder: int,
        decoder: int,
        blocks: int,
        inner: int,
        output: int,
    ) -> None:
        super().__init__()
        self.side = side
        self.encoder = ConvBlock(faces, encoder, 3, 1, 1)
        self.decoder = nn.Sequential(
            ConvBlock(within, decoder, 3, 1, 1), *residuals(decoder, blocks)
        )
        last = nn.Conv2d(inner, output, 1)
        self.output_block = nn.Sequential(ConvBlock(decoder + encoder, inner, 3, 1, 1), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(
        self, x: Tensor, output: Tensor, faces: Tensor, gain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One stage further out.

        Args:
            x: (B, within, S, S) of the decoder within, the skip of its side beside it.
            output: (B, C, S, S) of the network within.
            faces: (B, faces, side, side) in [0, 1].
            gain: (B, decoder, 1, 1) added to 1, by which what its decoder gives is multiplied.

        Returns:
            The same two at this side: (B, decoder + encoder, side, side), (B, C, side, side).
        """
        x = self.decoder(resized(x, self.side))
        if gain is not None:
            x = x * (1 + gain)
        x = torch.cat([x, self.encoder(faces)], dim=1)
        change = self.output_block(x).to(output.dtype)
        return x, resized(output, self.side) + change


def resized(x: Tensor, side: int) -> Tensor:
    """(B, C, S, S) -> (B, C, side, side), bilinear; to half the side it is the mean of four."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def sizes_of(config: Mapping[str, Any]) -> list[int]:
    """The sides of a network's pictures, from the one that it began with to its own."""
    return [*config.get("grown_from", ()), config["image_size"]]


def grows(small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
    """Whether a network of the second config has one of the first within, as far as sizes go."""
    given, wanted = sizes_of(small), sizes_of(large)
    return len(given) < len(wanted) and wanted[: len(given)] == given


def check_growth(name: str, grown_from: Sequence[int], image_size: int) -> list[int]:
    """``grown_from`` as a list.

    Raises:
        ConfigError: sizes that do not grow, or by more than twofold at once.
    """
    sizes = [*grown_from, image_size]
    for small, large in pairwise(sizes):
        if small not in IMAGE_SIZES or not small < large <= _LARGEST_STEP * small:
            raise ConfigError(
                f"{name}: grown_from {list(grown_from)} to image_size {image_size}: sizes must be "
                f"of {', '.join(map(str, IMAGE_SIZES))} and grow, at most {_LARGEST_STEP}-fold each"
            )
    return list(grown_from)
