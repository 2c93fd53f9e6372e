"""U-Net encoder and decoder stages, shared by the generators."""

from __future__ import annotations

from torch import nn

from lipsync.models.blocks import ConvBlock, halvings, residuals


def encoder_stages(
    image_size: int,
    plan: list[int],
    counts: list[int],
    *,
    in_channels: int = 6,
    second_kernel: int = 3,
    out_channels: int,
    **options,
) -> nn.ModuleList:
    """U-Net image encoder: one stage per resolution, then a valid convolution to 1x1.

    Level ``i`` (0 is full resolution) has ``plan[i]`` channels and ``counts[i]`` residual blocks.
    ``options`` are passed to the residual blocks and, except for ``convs``, to the plain ones.
    """
    plain = {key: value for key, value in options.items() if key != "convs"}
    first = ConvBlock(in_channels, plan[0], 7, 1, 3, **plain)
    stages = [[first, *residuals(plan[0], counts[0], **options)]]
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
    antialias: bool = False,
    **options,
) -> list[nn.Sequential]:
    """Transposed convolutions that mirror :func:`encoder_stages`, from 1x1 to full resolution.

    ``plan``, ``skips`` and ``counts`` are indexed like the encoder's plan, from full resolution
    down. Each stage takes the previous output concatenated with the encoder features of the same
    resolution.
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
            antialias=antialias,
            output_padding=1 - sides[level] % 2,  # the encoder rounded odd sides up
            **plain,
        )
        stages.append(nn.Sequential(up, *residuals(plan[level], counts[level], **options)))
    return stages
