"""LipGAN (Prajwal et al. 2019, "Towards automatic face-to-face translation"), residual variant."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network
from lipsync.models.blocks import (
    ConvBlock,
    check_config,
    check_shape,
    halvings,
    repeats,
    residuals,
    scaled,
    unit_norm,
)
from lipsync.models.encoders import decoder_stages, encoder_stages
from lipsync.models.generator import FaceGenerator
from lipsync.models.sound import LIPGAN_MFCC, sound_record, sound_shape

MOMENTUM = 0.2
LEAK = 0.2


class LipGAN(FaceGenerator):
    """Generate a face that speaks a 350 ms audio window, given a reference of the person.

    Args:
        image_size, width, depth, framing: as in :class:`~lipsync.models.Wav2Lip`; the defaults are
            the published layers.
        feature: audio input; its window must be 12 x 35. None is the published one, 350 ms of 12
            cepstral coefficients.

    Shape: ``mfcc (B[, T], 1, 12, 35)`` and ``faces (B[, T], 6, H, W)`` in [0, 1], **reference
    then masked target** -> ``(B[, T], 3, H, W)`` in [0, 1].

    Raises:
        ConfigError: invalid sizes, or a feature of another shape.
    """

    use = "dub (lipsync dub --model FILE), train on (model=lipgan model.init_from=FILE)"

    reference_first = True

    def __init__(
        self,
        image_size: int = 96,
        width: float = 1.0,
        depth: float = 1.0,
        feature: Any = None,
        framing: str = "box",
    ) -> None:
        super().__init__()
        check_config("LipGAN", image_size, width, depth)
        record = _audio_record("LipGAN", feature)
        self.config = {
            "image_size": image_size,
            "width": width,
            "depth": depth,
            "feature": record,
            "framing": framing,
        }
        last = len(halvings(image_size))  # level 0 is full resolution, level `last` is 3x3 or 4x4
        plan = [scaled(min(32 * 2**level, 512), width) for level in range(last + 1)]
        up_counts = [repeats(0 if level in (0, last) else 2, depth) for level in range(last + 1)]
        down_counts = [*up_counts]
        down_counts[2] = repeats(3, depth)
        bottom = scaled(512, width)
        two_convs = {"convs": 2, "momentum": MOMENTUM}

        self.face_encoder_blocks = encoder_stages(
            image_size, plan, down_counts, second_kernel=5, out_channels=bottom, **two_convs
        )
        self.audio_encoder = self._audio_encoder(width, depth)
        up = decoder_stages(
            image_size,
            2 * bottom,
            plan,
            plan,
            up_counts,
            bottom_stride=halvings(image_size)[-1],
            **two_convs,
        )
        # the bottleneck is the plain concatenation of audio and face
        self.face_decoder_blocks = nn.ModuleList([nn.Identity(), *up])
        c16 = scaled(16, width)
        self.output_block = nn.Sequential(
            ConvBlock(2 * plan[0], c16, 3, 1, 1, momentum=MOMENTUM),
            ConvBlock(c16, c16, 3, 1, 1, momentum=MOMENTUM),
            nn.Conv2d(c16, 3, 1),
        )

    @staticmethod
    def _audio_encoder(width: float, depth: float) -> nn.Sequential:
        """12x35 -> 13x35 -> 13x18 -> 7x9 -> 4x5 -> 1x1."""
        c128, c256, c512 = (scaled(c, width) for c in (128, 256, 512))
        two_convs = {"convs": 2, "momentum": MOMENTUM}
        return nn.Sequential(
            ConvBlock(1, c128, 3, 1, 1, momentum=MOMENTUM),
            *residuals(c128, repeats(3, depth), **two_convs),
            nn.ZeroPad2d((0, 0, 1, 0)),  # one row at the top
            ConvBlock(c128, c256, 3, (1, 2), 1, momentum=MOMENTUM),
            *residuals(c256, repeats(2, depth), **two_convs),
            ConvBlock(c256, c512, 3, 2, 1, momentum=MOMENTUM),
            *residuals(c512, repeats(2, depth), **two_convs),
            ConvBlock(c512, c512, 3, 2, 1, momentum=MOMENTUM),
            *residuals(c512, repeats(1, depth), **two_convs),
            ConvBlock(c512, c512, (4, 5), momentum=MOMENTUM),
            ConvBlock(c512, c512, 1, momentum=MOMENTUM),
        )


class LipGANDiscriminator(Network):
    """Distance between the unit-length embeddings of a face and its speech.

    Instance norm and leaky ReLU throughout, except no norm on the last convolutions: their output
    is a single pixel, which instance norm would set to zero.

    Args:
        image_size: side of the square faces.
        width: factor on all channels, which stay multiples of eight.
        feature: as in :class:`LipGAN`.

    Raises:
        ConfigError: invalid sizes, or a feature of another shape.
    """

    use = "train on (model=lipgan model.discriminator_init_from=FILE)"

    def __init__(self, image_size: int = 96, width: float = 1.0, feature: Any = None) -> None:
        super().__init__()
        check_config("LipGANDiscriminator", image_size, width)
        record = _audio_record("LipGANDiscriminator", feature)
        self.config = {"image_size": image_size, "width": width, "feature": record}

        def conv(
            c_in: int, c_out: int, kernel: int, stride: int | tuple[int, int] = 1
        ) -> ConvBlock:
            return ConvBlock(c_in, c_out, kernel, stride, kernel // 2, norm="instance", slope=LEAK)

        sides = halvings(image_size)
        face: list[nn.Module] = []
        c_in = 3
        for level in range(len(sides)):
            c_out = scaled(min(64 * 2**level, 512), width)
            face.append(conv(c_in, c_out, {0: 7, 1: 5}.get(level, 3), 2))
            c_in = c_out
        c64, c128, c256, c512 = (scaled(c, width) for c in (64, 128, 256, 512))
        face.append(ConvBlock(c_in, c512, sides[-1], norm="none", slope=LEAK))
        self.face_encoder = nn.Sequential(*face)
        # 12x35 -> 13x35 -> 13x18 -> 7x9 -> 4x5 -> 1x1
        self.audio_encoder = nn.Sequential(
            conv(1, c64, 3),
            conv(c64, c128, 3),
            nn.ZeroPad2d((0, 0, 1, 0)),
            conv(c128, c256, 3, (1, 2)),
            conv(c256, c256, 3),
            conv(c256, c256, 3, 2),
            conv(c256, c512, 3, 2),
            ConvBlock(c512, c512, (4, 5), norm="none", slope=LEAK),
        )

    def forward(self, mfcc: Tensor, faces: Tensor) -> Tensor:
        """Distances in [0, 2], ``(B,)`` float32: small when face and audio are in sync.

        Args:
            mfcc: ``(B, 1, 12, 35)``.
            faces: whole faces ``(B, 3, H, W)``, RGB in [0, 1].
        """
        difference = self.embed_audio(mfcc) - self.embed_face(faces)
        # the gradient of the square root is infinite at zero
        return difference.square().sum(1).clamp_min(1e-12).sqrt()

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """``(B, 1, 12, 35)`` -> ``(B, 512 x width)``, float32, unit length."""
        check_shape("LipGANDiscriminator", "mfcc", mfcc, sound_shape(LIPGAN_MFCC))
        return unit_norm(self.audio_encoder(mfcc).flatten(1))

    def embed_face(self, faces: Tensor) -> Tensor:
        """``(B, 3, H, W)`` -> ``(B, 512 x width)``, float32, unit length."""
        size = self.config["image_size"]
        check_shape("LipGANDiscriminator", "faces", faces, (3, size, size))
        return unit_norm(self.face_encoder(faces).flatten(1))


def _audio_record(name: str, feature: Any) -> dict[str, Any]:
    """Record of the audio feature, which must have the published window shape."""
    record = sound_record(LIPGAN_MFCC if feature is None else feature)
    if sound_shape(record) != sound_shape(LIPGAN_MFCC):
        raise ConfigError(
            f"{name} needs windows of 12 x 35 numbers, but feature={record} has another shape"
        )
    return record
