"""The convolution block and the size rules that every network of the package is built from.

One rule instead of a table of sizes: stride-2 stages halve the side, rounding up, until it is at
most four; the last convolution is then as large as what is left. 96 -> 48, 24, 12, 6, 3 as
published; 288 -> 144, 72, 36, 18, 9, 5, 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError

IMAGE_SIZES = (96, 128, 192, 256, 288, 384, 512)
SMALLEST_SIDE = 4


class ConvBlock(nn.Module):
    """Convolution, norm and activation, with an optional residual sum before the activation.

    The convolution and its norm live in ``conv_block`` under the published names (``conv_block.0``
    and ``conv_block.1``), so official state dicts load without a mapping.

    Args:
        in_channels, out_channels, kernel, stride, padding: as in :class:`torch.nn.Conv2d`.
        residual: add the input before the activation; needs equal channels and stride 1.
        convs: 2 puts another convolution with norm behind the first (LipGAN's residual block).
        norm: "batch", "instance" or "none".
        slope: slope of the (leaky) ReLU for negative values; 0 is the plain ReLU.
        momentum: of the batch norm, in PyTorch's sense.
        transposed: an up-convolution; ``output_padding`` belongs to it.
        antialias: an up-convolution that is an :class:`AntialiasedUp`.

    Shape: ``(B, in_channels, H, W)`` -> ``(B, out_channels, H', W')``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        *,
        residual: bool = False,
        convs: int = 1,
        norm: str = "batch",
        slope: float = 0.0,
        momentum: float = 0.1,
        transposed: bool = False,
        output_padding: int = 0,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        if residual and (in_channels != out_channels or stride not in (1, (1, 1))):
            raise ValueError(
                f"a residual block keeps its shape: {in_channels} -> {out_channels} channels"
            )
        layers: list[nn.Module] = []
        if transposed:
            up = AntialiasedUp if antialias else nn.ConvTranspose2d
            layers.append(up(in_channels, out_channels, kernel, stride, padding, output_padding))
        else:
            layers.append(nn.Conv2d(in_channels, out_channels, kernel, stride, padding))
        layers += _norm(norm, out_channels, momentum)
        for _ in range(convs - 1):
            layers += [
                nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True),
                nn.Conv2d(out_channels, out_channels, kernel, 1, padding),
                *_norm(norm, out_channels, momentum),
            ]
        self.conv_block = nn.Sequential(*layers)
        self.residual = residual
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_block(x)
        if self.residual:
            out = out + x
        return F.leaky_relu_(out, self.slope) if self.slope else F.relu_(out)


class AntialiasedUp(nn.ConvTranspose2d):
    """An up-convolution with kernel 3 and stride 2, followed by a low-pass filter.

    With a stride of 2, odd and even pixels are computed by different weights, which shows as
    stripes and chequers in pictures unlike the training set. The binomial filter (1, 2, 1) / 4
    along both axes removes that alternation (as Zhang 2019 does for downsampling). The parameters
    are those of the plain up-convolution.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        padding = (2, 2)
        return F.conv_transpose2d(
            x, self._filtered(), self.bias, self.stride, padding, self.output_padding
        )

    def plain(self) -> nn.ConvTranspose2d:
        """The same as one plain up-convolution with kernel 5, for inference."""
        channels = self.in_channels, self.out_channels
        made = nn.ConvTranspose2d(*channels, 5, self.stride, 2, self.output_padding)
        made.weight.data, made.bias.data = self._filtered().detach(), self.bias.detach()
        return made.eval()

    def _filtered(self) -> Tensor:
        taps = self.weight.new_tensor([0.25, 0.5, 0.25])
        kernels = self.weight.flatten(0, 1)[:, None]
        filtered = F.conv2d(kernels, (taps[:, None] * taps)[None, None], padding=2)
        return filtered[:, 0].unflatten(0, self.weight.shape[:2])


def _norm(kind: str, channels: int, momentum: float) -> list[nn.Module]:
    if kind == "batch":
        return [nn.BatchNorm2d(channels, momentum=momentum)]
    if kind == "instance":
        return [nn.InstanceNorm2d(channels, affine=True)]
    if kind == "none":
        return []
    raise ValueError(f"norm {kind!r}: expected batch, instance or none")


def residuals(channels: int, count: int, kernel: int = 3, **options) -> list[ConvBlock]:
    """``count`` residual blocks that keep their shape."""
    return [
        ConvBlock(channels, channels, kernel, 1, kernel // 2, residual=True, **options)
        for _ in range(count)
    ]


def halvings(side: int) -> list[int]:
    """The sides after each stride-2 stage: ``side`` halved, rounding up, until it is at most 4."""
    sides = []
    while side > SMALLEST_SIDE:
        side = (side + 1) // 2
        sides.append(side)
    return sides


def scaled(channels: int, width: float) -> int:
    """``channels`` times ``width``, as a multiple of eight and at least eight."""
    return max(8, 8 * math.floor(channels * width / 8 + 0.5))


def repeats(published: int, depth: float) -> int:
    """How many of the ``published`` residual blocks of a stage are kept; halves round up."""
    return math.floor(published * depth + 0.5)


def check_config(name: str, image_size: int, width: float, depth: float = 1.0) -> None:
    """Raise :class:`ConfigError` for sizes from which no network can be built."""
    if image_size not in IMAGE_SIZES:
        sizes = ", ".join(map(str, IMAGE_SIZES))
        raise ConfigError(f"{name}: image_size {image_size} is not one of {sizes}")
    check_width(name, width)
    if not 0 <= depth <= 4:
        raise ConfigError(f"{name}: depth {depth} is not in [0, 4]; 1.0 is the published network")


def check_width(name: str, width: float) -> None:
    """Raise :class:`ConfigError` for a factor on channels that makes no sense."""
    if not 0 < width <= 4:
        raise ConfigError(f"{name}: width {width} is not in (0, 4]; 1.0 is the published network")


def check_choice(name: str, what: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise :class:`ConfigError` for a kind that there is not."""
    if value not in choices:
        raise ConfigError(f"{name}: {what} '{value}' is not one of {', '.join(choices)}")


def check_box(option: str, box: Sequence[float]) -> list[float]:
    """A part of the unit crop as numbers; raise :class:`ConfigError` where it is none."""
    box = [float(share) for share in box]
    if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        raise ConfigError(f"{option}={box}: must be left, top, right, bottom, 0 to 1")
    return box


def check_shape(name: str, what: str, x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless ``x`` is ``(batch, *shape)``."""
    if torch.jit.is_tracing():
        return  # an export has checked its example already; here sizes are symbols
    if x.ndim != len(shape) + 1 or tuple(x.shape[1:]) != shape:
        expected = ", ".join(["batch", *map(str, shape)])
        raise ValueError(f"{name}: {what} of shape {tuple(x.shape)}, expected ({expected})")


def unit_norm(x: Tensor) -> Tensor:
    """``x`` at unit length along its last axis, in float32 even under autocast."""
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    return F.normalize(x, dim=-1)
