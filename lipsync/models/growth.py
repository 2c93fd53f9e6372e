"""Outer stages that extend a generator to a larger image size around a smaller network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.blocks import IMAGE_SIZES, ConvBlock, residuals

_LARGEST_STEP = 2  # beyond this, bilinear resampling would skip pixels


class OuterStage(nn.Module):
    """Outermost U-Net stage that refines the upsampled output of the network inside it.

    It has an encoder for the faces at its own size, a decoder on the inner decoder's upsampled
    features, and an output block whose result is added to the inner network's upsampled output.
    The output block is initialised to zero, so a new stage changes nothing.

    Args:
        side: image size of this stage.
        faces: channels of the face input.
        within: channels of the inner decoder's features.
        encoder, decoder: channels of this stage's encoder and decoder.
        blocks: residual blocks in this stage's decoder.
        inner: channels of the output block.
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
        """Apply this stage.

        Args:
            x: (B, within, S, S) features of the inner decoder, including its skip connection.
            output: (B, C, S, S) output of the inner network.
            faces: (B, faces, side, side) in [0, 1].
            gain: (B, decoder, 1, 1); the decoder's features are multiplied by 1 + gain.

        Returns:
            ``x`` and ``output`` at this size: (B, decoder + encoder, side, side) and
            (B, C, side, side).
        """
        x = self.decoder(resized(x, self.side))
        if gain is not None:
            x = x * (1 + gain)
        x = torch.cat([x, self.encoder(faces)], dim=1)
        change = self.output_block(x).to(output.dtype)
        return x, resized(output, self.side) + change


def resized(x: Tensor, side: int) -> Tensor:
    """Bilinear (B, C, S, S) -> (B, C, side, side); halving averages 2 x 2 pixels."""
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def sizes_of(config: Mapping[str, Any]) -> list[int]:
    """Image sizes that a network has grown through, from its first to its current one."""
    return [*config.get("grown_from", ()), config["image_size"]]


def can_grow(small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
    """Whether, judging by sizes, a network with config ``large`` can contain one with ``small``."""
    given, wanted = sizes_of(small), sizes_of(large)
    return len(given) < len(wanted) and wanted[: len(given)] == given


def check_growth(name: str, grown_from: Sequence[int], image_size: int) -> list[int]:
    """Validate ``grown_from`` and return it as a list.

    Raises:
        ConfigError: unsupported sizes, sizes that do not increase, or that more than double.
    """
    sizes = [*grown_from, image_size]
    for small, large in pairwise(sizes):
        if small not in IMAGE_SIZES or not small < large <= _LARGEST_STEP * small:
            raise ConfigError(
                f"{name}: grown_from {list(grown_from)} to image_size {image_size}: sizes must be "
                f"of {', '.join(map(str, IMAGE_SIZES))} and grow, at most {_LARGEST_STEP}-fold each"
            )
    return list(grown_from)
