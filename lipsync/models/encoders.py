"""The mel encoder that Wav2Lip and its expert share, and the U-Net stages of both generators."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lipsync.models.blocks import ConvBlock, halvings, repeats, residuals, scaled

MEL_SHAPE = (1, 80, 16)
HEARINGS = ("mel", "envelope")
_SLOW = 22  # cepstral coefficients; the harmonics of voices of up to some 300 Hz are faster


def cosines(bins: int) -> Tensor:
    """Cosines over the bins of a mel, from none to ``bins - 1`` half turns (DCT-II)."""
    turns = torch.arange(bins, device="cpu")  # numbers even where networks are built without any
    return torch.cos(math.pi * turns[:, None] * (turns + 0.5) / bins)


def smoothing(bins: int) -> Tensor:
    """The matrix (bins, bins) that leaves a mel's spectral envelope, without its harmonics."""
    slow = cosines(bins)[:_SLOW]
    slow = slow / slow.norm(dim=1, keepdim=True)
    return slow.T @ slow


class SpectralEnvelope(nn.Module):
    """A mel ``(B, 1, 80, n)`` without its harmonics: what is said, not at what pitch."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("smoothing", smoothing(MEL_SHAPE[1]), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        return self.smoothing @ mel


def mel_encoder(
    width: float, depth: float, *, last: int, out_channels: int, hearing: str = "mel"
) -> nn.Sequential:
    """A mel window ``(B, 1, 80, 16)`` -> ``(B, out_channels, 1, 1)``.

    80x16 -> 27x16 -> 9x6 -> 3x3 -> 1x1; ``last`` is the published number of residual blocks on
    the 3x3 map, where the expert has one more than the generator. ``hearing`` is one of
    ``HEARINGS``: the mel as it is, as published, or its spectral envelope.
    """
    c32, c64, c128, c256, c512 = (scaled(c, width) for c in (32, 64, 128, 256, 512))
    return nn.Sequential(
        *([SpectralEnvelope()] if hearing == "envelope" else []),
        ConvBlock(1, c32, 3, 1, 1),
        *residuals(c32, repeats(2, depth)),
        ConvBlock(c32, c64, 3, (3, 1), 1),
        *residuals(c64, repeats(2, depth)),
        ConvBlock(c64, c128, 3, 3, 1),
        *residuals(c128, repeats(2, depth)),
        ConvBlock(c128, c256, 3, (3, 2), 1),
        *residuals(c256, repeats(last, depth)),
        ConvBlock(c256, c512, 3),
        ConvBlock(c512, out_channels, 1),
    )


def encoder_stages(
    image_size: int,
    plan: list[int],
    counts: list[int],
    *,
    second_kernel: int = 3,
    out_channels: int,
    **options,
) -> nn.ModuleList:
    """U-Net encoder of six face channels: one stage per side, then the valid convolution to 1x1.

    ``plan[i]`` channels and ``counts[i]`` residual blocks at the i-th side (0: full size).
    ``options`` go to the residual blocks and, but for ``convs``, to the plain ones.
    """
    plain = {key: value for key, value in options.items() if key != "convs"}
    stages = [[ConvBlock(6, plan[0], 7, 1, 3, **plain), *residuals(plan[0], counts[0], **options)]]
    for level in range(1, len(plan)):
        kernel = second_kernel if level == 1 else 3
        down = ConvBlock(plan[level - 1], plan[level], kernel, 2, kernel // 2, **plain)
        stages.append([down, *residuals(plan[level], counts[level], **options)])
    side = halvings(image_size)[-1]
    stages.append(
        [
            ConvBlock(plan[-1], out_channels, side, **plain),
            ConvBlock(out_channels, out_channels, 1, **plain),
        ]
    )
    return nn.ModuleList(nn.Sequential(*stage) for stage in stages)


def decoder_stages(
    image_size: int,
    bottom_channels: int,
    plan: list[int],
    skips: list[int],
    counts: list[int],
    *,
    bottom_stride: int,
    **options,
) -> list[nn.Sequential]:
    """Up-convolutions that mirror :func:`encoder_stages`, from 1x1 to the full size.

    ``plan``, ``skips`` and ``counts`` are indexed as the encoder's plan, from the full size down;
    the input of every stage is the one before it with that side's encoder features beside it.
    """
    plain = {key: value for key, value in options.items() if key != "convs"}
    sides = [image_size, *halvings(image_size)]
    up = ConvBlock(bottom_channels, plan[-1], sides[-1], bottom_stride, 0, transposed=True, **plain)
    stages = [nn.Sequential(up, *residuals(plan[-1], counts[-1], **options))]
    for level in reversed(range(len(plan) - 1)):
        up = ConvBlock(
            plan[level + 1] + skips[level + 1],
            plan[level],
            3,
            2,
            1,
            transposed=True,
            output_padding=1 - sides[level] % 2,  # an odd side was rounded up on the way down
            **plain,
        )
        stages.append(nn.Sequential(up, *residuals(plan[level], counts[level], **options)))
    return stages
