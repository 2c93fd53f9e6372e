"""Audio feature records in network configs, and the encoders of audio windows.

A network stores the *record* of its audio feature in its config: plain values from which
:mod:`lipsync.features` can rebuild the feature. An audio window is ``(B, 1, bands, window)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.blocks import ConvBlock, repeats, residuals, scaled

MEL = {"name": "mel", "rate": 80, "bands": 80, "window": 16, "lead": 0, "silence": -4.0}
LIPGAN_MFCC = {
    "name": "lipgan_mfcc", "rate": 100, "bands": 12, "window": 35, "lead": 4, "silence": 0.0
}  # fmt: skip
SYNCNET_MFCC = {
    "name": "syncnet_mfcc", "rate": 100, "bands": 13, "window": 20, "lead": 0, "silence": 0.0
}  # fmt: skip
FPS = 25  # frames per second of an expert's windows
_LAST_COLUMNS = 4  # maximum width of the last map, which one convolution spans


def sound_record(feature: Any) -> dict[str, Any]:
    """Record of a feature, given as a :class:`lipsync.features.Feature` or as its record.

    Raises:
        ConfigError: it is neither.
    """
    record = getattr(feature, "record", feature)
    if not isinstance(record, Mapping) or not {"name", "bands", "window"} <= record.keys():
        raise ConfigError(f"feature={feature!r} is neither a feature nor the record of one")
    return dict(record)


def spanning_record(feature: Any, frames: int) -> dict[str, Any]:
    """Record of a feature whose window spans the given number of frames, as for experts.

    Raises:
        ConfigError: not a whole number of frames from 2 to 50.
    """
    if isinstance(frames, bool) or not isinstance(frames, int) or not 2 <= frames <= 50:
        raise ConfigError(f"window={frames}: must be a whole number of frames, 2 to 50")
    record = sound_record(feature)
    return record | {"window": int(frames * record["rate"] / FPS + 1e-9), "lead": 0}


def sound_shape(record: Mapping[str, Any]) -> tuple[int, int, int]:
    """Shape of one audio window: (1, bands, columns)."""
    return 1, record["bands"], record["window"]


def sound_encoder(
    record: Mapping[str, Any], width: float, depth: float, *, last: int, out_channels: int
) -> nn.Sequential:
    """Encoder of audio windows ``(B, 1, bands, window)`` -> ``(B, out_channels, 1, 1)``.

    Features with 80 bands are treated as images, as published; others as sequences of vectors.

    Args:
        record: record of the feature.
        width, depth: factors on channels and residual blocks.
        last: residual blocks on the last map before scaling by ``depth``; as published, 2 in the
            expert and 1 in the generator.
    """
    make = _picture_encoder if record["bands"] == MEL["bands"] else _sequence_encoder
    return make(record, width, depth, last, out_channels)


def _picture_encoder(
    record: Mapping[str, Any], width: float, depth: float, last: int, out_channels: int
) -> nn.Sequential:
    """80x16 -> 27x16 -> 9x6 -> 3x3 -> 1x1; longer windows are halved in time down to 3x4."""
    c32, c64, c128, c256, c512 = (scaled(c, width) for c in (32, 64, 128, 256, 512))
    columns = (record["window"] + 2) // 3  # after the stride of 3
    columns, shorten = _shortened(columns)
    halve = [ConvBlock(c256, c256, 3, (1, 2), 1) for _ in range(shorten - 1)]
    return nn.Sequential(
        ConvBlock(1, c32, 3, 1, 1),
        *residuals(c32, repeats(2, depth)),
        ConvBlock(c32, c64, 3, (3, 1), 1),
        *residuals(c64, repeats(2, depth)),
        ConvBlock(c64, c128, 3, 3, 1),
        *residuals(c128, repeats(2, depth)),
        ConvBlock(c128, c256, 3, (3, 2), 1),
        *residuals(c256, repeats(last, depth)),
        *halve,
        ConvBlock(c256, c512, (3, columns)),
        ConvBlock(c512, out_channels, 1),
    )


def _sequence_encoder(
    record: Mapping[str, Any], width: float, depth: float, last: int, out_channels: int
) -> nn.Sequential:
    """1-D encoder with bands as channels, halving time until at most four columns are left."""
    c256, c512 = scaled(256, width), scaled(512, width)

    def conv(c_in: int, stride: int = 1, residual: bool = False) -> ConvBlock:
        return ConvBlock(c_in, c256, (1, 3), (1, stride), (0, 1), residual=residual)

    columns, halvings = _shortened(record["window"], at_least=0)
    layers = [_BandsAsChannels(), conv(record["bands"])]
    for _ in range(halvings):
        layers += [conv(c256, residual=True) for _ in range(repeats(2, depth))] + [conv(c256, 2)]
    layers += [conv(c256, residual=True) for _ in range(repeats(last, depth))]
    layers += [ConvBlock(c256, c512, (1, columns)), ConvBlock(c512, out_channels, 1)]
    return nn.Sequential(*layers)


def _shortened(columns: int, at_least: int = 1) -> tuple[int, int]:
    """Columns after halving (rounding up) down to at most four, and the number of halvings."""
    count = 0
    while columns > _LAST_COLUMNS or count < at_least:
        columns, count = (columns + 1) // 2, count + 1
    return columns, count


def code_encoder(record: Mapping[str, Any], width: float, numbers: int) -> nn.Sequential:
    """Encoder of any feature, ``(B, 1, bands, window)`` -> ``(B, numbers)``, unbounded."""
    hidden = scaled(512, width)
    layers = _sequence_encoder(record, width, 1.0, 1, hidden)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(hidden, numbers))


class _BandsAsChannels(nn.Module):
    """``(B, 1, bands, n)`` -> ``(B, bands, 1, n)``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)
