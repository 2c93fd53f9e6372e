"""CycleGAN-VC2: converts speech features between two speakers (Kaneko et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network
from lipsync.models.blocks import check_width, scaled

BLOCKS = 6
STRIDE = 4  # lengths and numbers of coefficients are multiples of it


class VoiceConverter(Network):
    """Two generators, one per direction, with the statistics of both speakers' features.

    Args:
        speakers: names of the two speakers.
        coefficients: features per frame.
        width: factor on the published channel counts, rounded to multiples of eight.

    Raises:
        ConfigError: invalid sizes or names.
    """

    use = (
        "convert voices (lipsync voice --model FILE), "
        "train on (model=cyclegan_vc model.init_from=FILE)"
    )

    def __init__(self, speakers: Sequence[str], coefficients: int = 32, width: float = 1.0) -> None:
        super().__init__()
        speakers = [str(name) for name in speakers]
        if len(set(speakers)) != 2 or len(speakers) != 2:
            raise ConfigError(f"VoiceConverter: two speakers are needed, got {speakers}")
        _check("VoiceConverter", coefficients, width)
        self.config = {"speakers": speakers, "coefficients": coefficients, "width": width}
        self.generators = nn.ModuleList(VoiceGenerator(coefficients, width) for _ in range(2))
        self.register_buffer("mean", torch.zeros(2, coefficients))
        self.register_buffer("std", torch.ones(2, coefficients))
        self.register_buffer("log_pitch", torch.tensor([[5.0, 0.2], [5.0, 0.2]]))

    @property
    def speakers(self) -> list[str]:
        return self.config["speakers"]

    def set_statistics(self, mean: Tensor, std: Tensor, log_pitch: Tensor) -> None:
        """Set mean and standard deviation of features (2, coefficients) and log pitch (2, 2)."""
        self.mean.copy_(mean)
        self.std.copy_(std)
        self.log_pitch.copy_(log_pitch)

    def normalise(self, features: Tensor, speaker: int) -> Tensor:
        """Normalise a speaker's features (B, coefficients, T) to mean 0 and variance 1."""
        return (features - self.mean[speaker, :, None]) / self.std[speaker, :, None]

    def restore(self, features: Tensor, speaker: int) -> Tensor:
        """The inverse of :meth:`normalise`."""
        return features * self.std[speaker, :, None] + self.mean[speaker, :, None]

    def generate(self, features: Tensor, target: int) -> Tensor:
        """Convert normalised features (B, coefficients, T) to speaker ``target``."""
        return self.generators[target](features)

    def forward(self, features: Tensor, target: int) -> Tensor:
        """Convert features (B, coefficients, T) of the other speaker to ``target``; any T."""
        length = features.shape[-1]
        missing = max(-length % STRIDE, 2 * STRIDE - length)  # instance norm needs two positions
        padded = nn.functional.pad(features, (0, missing), mode="replicate")
        converted = self.generate(self.normalise(padded, 1 - target), target)
        return self.restore(converted, target)[..., :length]


class VoiceGenerator(nn.Module):
    """A 2-1-2-D gated network: local patterns in 2-D, the change of voice over time in 1-D.

    Unlike the published one it is residual, with a last layer initialised to zero: it starts as the
    conversion of mean and variance, which keeps the words, and learns the rest.

    Shape: normalised features ``(B, coefficients, T)`` -> the same, T a multiple of 4.
    """

    def __init__(self, coefficients: int = 32, width: float = 1.0) -> None:
        super().__init__()
        c128, c256 = scaled(128, width), scaled(256, width)
        flat = c256 * coefficients // STRIDE
        self.down = nn.Sequential(
            _Gated2d(1, c128, (5, 15), norm=False),
            _Gated2d(c128, c256, 5, stride=2),
            _Gated2d(c256, c256, 5, stride=2),
        )
        self.narrow = nn.Sequential(nn.Conv1d(flat, c256, 1), _norm1d(c256))
        self.body = nn.Sequential(*(_Residual1d(c256) for _ in range(BLOCKS)))
        self.widen = nn.Sequential(nn.Conv1d(c256, flat, 1), _norm1d(flat))
        self.up = nn.Sequential(_Up2d(c256, c256), _Up2d(c256, c128))
        self.last = nn.Conv2d(c128, 1, (5, 15), padding=(2, 7))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> Tensor:
        if features.shape[-1] % STRIDE:
            raise ValueError(f"{features.shape[-1]} frames are not a multiple of {STRIDE}")
        x = self.down(features[:, None])  # (B, c256, coefficients / 4, T / 4)
        _, channels, rows, _ = x.shape
        x = self.widen(self.body(self.narrow(x.flatten(1, 2))))  # (B, c256 x rows, T / 4)
        x = self.up(x.unflatten(1, (channels, rows)))  # (B, c128, coefficients, T)
        return features + self.last(x)[:, 0]


class VoiceDiscriminators(Network):
    """One patch discriminator per speaker.

    Args:
        coefficients: features per frame.
        width: factor on the published channel counts.
    """

    use = "nothing alone"

    def __init__(self, coefficients: int = 32, width: float = 1.0) -> None:
        super().__init__()
        _check("VoiceDiscriminators", coefficients, width)
        self.config = {"coefficients": coefficients, "width": width}
        self.networks = nn.ModuleList(_patch_network(width) for _ in range(2))

    def forward(self, features: Tensor, speaker: int) -> Tensor:
        """Logits of patches (B, 1, coefficients / 8, T / 8) of normalised (B, coefficients, T)."""
        return self.networks[speaker](features[:, None])


def _patch_network(width: float) -> nn.Sequential:
    c128, c256, c512 = (scaled(c, width) for c in (128, 256, 512))
    return nn.Sequential(
        _Gated2d(1, c128, 3, norm=False),
        _Gated2d(c128, c256, 3, stride=2),
        _Gated2d(c256, c512, 3, stride=2),
        _Gated2d(c512, c512, 3, stride=2),
        nn.Conv2d(c512, 1, (1, 3), padding=(0, 1)),
    )


class _Gated2d(nn.Sequential):
    """Convolution, instance norm, gated linear unit."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        norm: bool = True,
    ) -> None:
        padding = tuple(k // 2 for k in ((kernel, kernel) if isinstance(kernel, int) else kernel))
        layers: list[nn.Module] = [nn.Conv2d(c_in, 2 * c_out, kernel, stride, padding)]
        if norm:
            layers.append(nn.InstanceNorm2d(2 * c_out, affine=True))
        super().__init__(*layers, nn.GLU(dim=1))


class _Up2d(nn.Sequential):
    """Twice the size by pixel shuffle, instance norm, gated linear unit."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(
            nn.Conv2d(c_in, 8 * c_out, 5, padding=2),
            nn.PixelShuffle(2),
            nn.InstanceNorm2d(2 * c_out, affine=True),
            nn.GLU(dim=1),
        )


class _Residual1d(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, 4 * channels, 3, padding=1),
            _norm1d(4 * channels),
            nn.GLU(dim=1),
            nn.Conv1d(2 * channels, channels, 3, padding=1),
            _norm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _norm1d(channels: int) -> nn.InstanceNorm1d:
    return nn.InstanceNorm1d(channels, affine=True)


def _check(name: str, coefficients: int, width: float) -> None:
    if coefficients < 8 or coefficients % 8:
        raise ConfigError(f"{name}: {coefficients} coefficients are not a multiple of 8")
    check_width(name, width)
