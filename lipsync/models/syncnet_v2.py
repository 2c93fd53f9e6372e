"""The original SyncNet (Chung and Zisserman 2016, "Out of time"), the judge of LSE-D and LSE-C."""

from __future__ import annotations

from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network
from lipsync.models.blocks import check_shape, check_width, scaled, unit_norm

EMBEDDING = 1024
FRAMES = 5
MFCC_SHAPE = (1, 13, 20)
FRAMINGS = ("published", "steady")


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


class SyncNetV2(Network):
    """Embed 0.2 s of face and of speech; the distance of the two is LSE-D's.

    The defaults are the published ``syncnet_v2.model`` (13.6 M parameters) with its parameter
    names. The embeddings are not normalised, but by ``unit``, and 1024 wide whatever ``width`` is.

    Args:
        image_size: side of the whole square faces, 64 to 512 px.
        width: factor on all inner channels, which stay multiples of eight.
        framing: how the faces it was trained on are cut, which scoring follows: "published", a
            wide square that moves with the face, or "steady", the square of prepared clips.
        unit: bring the embeddings to unit length, which makes their distance a function of the
            cosine that a contrastive training works on.

    Raises:
        ConfigError: sizes of which no network can be built, or another framing.
    """

    use = "score (lipsync evaluate --judge FILE)"

    def __init__(
        self,
        image_size: int = 224,
        width: float = 1.0,
        framing: str = "published",
        unit: bool = False,
    ) -> None:
        super().__init__()
        check_width("SyncNetV2", width)
        if not 64 <= image_size <= 512:
            raise ConfigError(f"SyncNetV2: image_size {image_size} is not in [64, 512]")
        if framing not in FRAMINGS:
            raise ConfigError(f"SyncNetV2: framing '{framing}' is not one of {', '.join(FRAMINGS)}")
        self.config = {
            "image_size": image_size,
            "width": width,
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
            *_conv2d(c256, c512, (5, 4)),
        )
        self.netfcaud = _head(c512)
        self.netfclip = _head(c512)
        last = _last_side(image_size)
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, c96, (FRAMES, 7, 7), 2),
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
        """``(audio, face)`` embeddings, (B, 1024) each, of windows that belong together."""
        return self.embed_audio(mfcc), self.embed_face(faces)

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """Twenty MFCC frames (0.2 s) of 13, ``(B, 1, 13, 20)`` -> ``(B, 1024)``."""
        check_shape("SyncNetV2", "mfcc", mfcc, MFCC_SHAPE)
        return self._length(self.netfcaud(self.netcnnaud(mfcc).flatten(1)))

    def embed_face(self, faces: Tensor) -> Tensor:
        """Five whole faces, ``(B, 3, 5, S, S)``, RGB in **[0, 255]** -> ``(B, 1024)``."""
        check_shape("SyncNetV2", "faces", faces, self.face_shape)
        return self._length(self.netfclip(self.netcnnlip(faces).flatten(1)))

    def _length(self, embedding: Tensor) -> Tensor:
        return unit_norm(embedding) if self.config["unit"] else embedding

    @property
    def face_shape(self) -> tuple[int, int, int, int]:
        """Shape of one window of faces: colour, time, height, width."""
        size = self.config["image_size"]
        return 3, FRAMES, size, size
