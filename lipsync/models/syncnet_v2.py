"""The original SyncNet (Chung and Zisserman 2016, "Out of time"), the judge of LSE-D and LSE-C."""

from __future__ import annotations

from torch import Tensor, nn

from lipsync.models.blocks import check_shape

MFCC_SHAPE = (1, 13, 20)
FACE_SHAPE = (3, 5, 224, 224)


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


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, 1024)
    )


class SyncNetV2(nn.Module):
    """Embed 0.2 s of face and of speech; the distance of the two is LSE-D's.

    Parameter names are those of the published ``syncnet_v2.model``. The embeddings are not
    normalised. The network takes no options.
    """

    def __init__(self) -> None:
        super().__init__()
        self.config: dict = {}
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, 64, 3, 1),
            nn.MaxPool2d(1, 1),  # does nothing; keeps the published numbering
            *_conv2d(64, 192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2d(192, 384, 3, 1),
            *_conv2d(384, 256, 3, 1),
            *_conv2d(256, 256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_conv2d(256, 512, (5, 4)),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, 96, (5, 7, 7), 2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(96, 256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(256, 512, (1, 6, 6)),
        )

    def forward(self, mfcc: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """``(audio, face)`` embeddings, (B, 1024) each, of windows that belong together."""
        return self.embed_audio(mfcc), self.embed_face(faces)

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """Twenty MFCC frames (0.2 s) of 13, ``(B, 1, 13, 20)`` -> ``(B, 1024)``."""
        check_shape("SyncNetV2", "mfcc", mfcc, MFCC_SHAPE)
        return self.netfcaud(self.netcnnaud(mfcc).flatten(1))

    def embed_face(self, faces: Tensor) -> Tensor:
        """Five whole faces, ``(B, 3, 5, 224, 224)``, RGB in **[0, 255]** -> ``(B, 1024)``."""
        check_shape("SyncNetV2", "faces", faces, FACE_SHAPE)
        return self.netfclip(self.netcnnlip(faces).flatten(1))
