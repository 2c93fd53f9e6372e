"""The original SyncNet (Chung and Zisserman 2016, "Out of time"), the judge of LSE-D and LSE-C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network
from lipsync.models.blocks import check_shape, check_width, scaled, unit_norm
from lipsync.models.sound import SYNCNET_MFCC, sound_shape, spanning_record

EMBEDDING = 1024


def _conv2d(
    c_in: int, c_out: int, kernel: int | tuple[int, int], padding: int = 0
) -> list[nn.Module]:
    return [
        nn.Conv2d(c_in, c_out, kernel, padding=padding),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    ]


def _conv3d(
    c_in: int, c_out: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    return [
        nn.Conv3d(c_in, c_out, kernel, (1, stride, stride), (0, padding, padding)),
        nn.BatchNorm3d(c_out),
        nn.ReLU(inplace=True),
    ]


def _head(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, channels),
        nn.BatchNorm1d(channels),
        nn.ReLU(inplace=True),
        nn.Linear(channels, EMBEDDING),
    )


def _last_side(image_size: int) -> int:
    """Side of the map that the last face convolution takes in whole: 224 -> 6, 112 -> 2."""
    side = (image_size - 7) // 2 + 1  # 7x7, stride 2
    side = (side - 3) // 2 + 1  # pooling
    side = (side - 3) // 2 + 1  # 5x5, stride 2, padding 1
    side = (side - 1) // 2 + 1  # pooling, padding 1
    return (side - 3) // 2 + 1  # pooling


def _last_map(record: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns that the last sound convolution takes in whole: (5, 4) of 13 x 20."""
    rows, columns = record["bands"] - 2, (record["window"] - 3) // 2 + 1  # the first pooling
    rows, columns = (rows - 3) // 2 + 1, (columns - 3) // 2 + 1  # the second
    if rows < 1 or columns < 1:
        raise ConfigError(f"SyncNetV2: windows of {record} are too small")
    return rows, columns


class SyncNetV2(Network):
    """Embed a window of faces and its speech; the distance between the two is that of LSE-D.

    The defaults are the published ``syncnet_v2.model`` (13.6 M parameters) with its parameter
    names. The embeddings are 1024 wide whatever ``width`` is, and normalised only with ``unit``.

    Args:
        image_size: side of the whole square faces, 64 to 512 px.
        width: factor on all inner channels, which stay multiples of eight.
        window: frames of a window; 5 (0.2 s) as published.
        feature: audio input: a :class:`lipsync.features.Feature` or the record of one, with its
            window set to span ``window`` frames; None is the published cepstra.
        framing: name of the framing of its faces; see :mod:`lipsync.faces.framing`. "following" is
            the published one.
        unit: normalise the embeddings to unit length, which makes their distance a function of the
            cosine that contrastive training uses.

    Raises:
        ConfigError: sizes from which no network can be built.
    """

    lower_half = False
    use = "score (lipsync evaluate --judge FILE)"

    def __init__(
        self,
        image_size: int = 224,
        width: float = 1.0,
        window: int = 5,
        feature: Any = None,
        framing: str = "following",
        unit: bool = False,
    ) -> None:
        super().__init__()
        check_width("SyncNetV2", width)
        if not 64 <= image_size <= 512:
            raise ConfigError(f"SyncNetV2: image_size {image_size} is not in [64, 512]")
        record = spanning_record(SYNCNET_MFCC if feature is None else feature, window)
        self.config = {
            "image_size": image_size,
            "width": width,
            "window": window,
            "feature": record,
            "framing": framing,
            "unit": unit,
        }

        c64, c96, c192, c256, c384, c512 = (scaled(c, width) for c in (64, 96, 192, 256, 384, 512))
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, c64, 3, 1),
            nn.MaxPool2d(1, 1),  # does nothing; keeps the published numbering
            *_conv2d(c64, c192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2d(c192, c384, 3, 1),
            *_conv2d(c384, c256, 3, 1),
            *_conv2d(c256, c256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_conv2d(c256, c512, _last_map(record)),
        )
        self.netfcaud = _head(c512)
        self.netfclip = _head(c512)
        last = _last_side(image_size)
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, c96, (window, 7, 7), 2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(c96, c256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3d(c256, c256, (1, 3, 3), 1, 1),
            *_conv3d(c256, c256, (1, 3, 3), 1, 1),
            *_conv3d(c256, c256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(c256, c512, (1, last, last)),
        )

    def forward(self, mfcc: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """``(audio, face)`` embeddings, (B, 1024) each, of matching windows."""
        return self.embed_audio(mfcc), self.embed_face(faces)

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """Sound ``(B, 1, bands, columns)``, published (B, 1, 13, 20) -> ``(B, 1024)``."""
        check_shape("SyncNetV2", "sound", mfcc, sound_shape(self.config["feature"]))
        return self._length(self.netfcaud(self.netcnnaud(mfcc).flatten(1)))

    def embed_face(self, faces: Tensor) -> Tensor:
        """Windows of whole faces, ``(B, 3, T, S, S)``, RGB in **[0, 255]** -> ``(B, 1024)``."""
        check_shape("SyncNetV2", "faces", faces, self.face_shape)
        return self._length(self.netfclip(self.netcnnlip(faces).flatten(1)))

    def see(self, faces: Tensor) -> Tensor:
        """Windows of whole faces, float ``(B, T, 3, S, S)`` in [0, 1] -> input of the network."""
        return faces.transpose(1, 2) * 255

    def _length(self, embedding: Tensor) -> Tensor:
        return unit_norm(embedding) if self.config["unit"] else embedding

    @property
    def face_shape(self) -> tuple[int, int, int, int]:
        """Shape of one window of faces: colour, time, height, width."""
        size = self.config["image_size"]
        return 3, self.config["window"], size, size
