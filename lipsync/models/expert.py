"""The lip-sync expert: Wav2Lip's SyncNet on colour faces and mel windows (section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn

from lipsync.models.base import Network
from lipsync.models.blocks import (
    ConvBlock,
    check_choice,
    check_config,
    check_shape,
    halvings,
    repeats,
    residuals,
    scaled,
    unit_norm,
)
from lipsync.models.encoders import HEARINGS, MEL_SHAPE, mel_encoder

EMBEDDING = 512
FRAMES = 5
VIEWS = ("colour", "motion")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of R, G, B


class SyncNet(Network):
    """Embed five lower half faces and 0.2 s of speech; in sync, they point the same way.

    The defaults are the published network (16.4 M parameters) with its parameter names. The
    embeddings are 512 wide whatever ``width`` is, non-negative (a ReLU ends both encoders) and of
    unit length, so their cosine is in [0, 1].

    Args:
        image_size: side of the whole square faces, of which the lower halves are seen.
        width: factor on all inner channels, which stay multiples of eight.
        depth: factor on the residual blocks of each stage; 0 leaves none.
        view: what the face encoder is shown: "colour", the pixels as published, or "motion", see
            :func:`motion`, which hides skin, beard and light and so carries over to new faces.
        hearing: what the audio encoder is given: "mel", as published, or "envelope", the mel
            without the voice's harmonics, which carries over to new voices.

    Raises:
        ConfigError: sizes of which no network can be built, or another view or hearing.
    """

    use = (
        "train a generator (model.expert=FILE), score (lipsync evaluate --judge FILE), "
        "train on (model=syncnet model.init_from=FILE)"
    )

    def __init__(
        self,
        image_size: int = 96,
        width: float = 1.0,
        depth: float = 1.0,
        view: str = "colour",
        hearing: str = "mel",
    ) -> None:
        super().__init__()
        check_config("SyncNet", image_size, width, depth)
        check_choice("SyncNet", "view", view, VIEWS)
        check_choice("SyncNet", "hearing", hearing, HEARINGS)
        self.config = {
            "image_size": image_size,
            "width": width,
            "depth": depth,
            "view": view,
            "hearing": hearing,
        }

        # 48x96 -> 46x47 by the 5x5 convolution, square from the second halving on
        sides = halvings(image_size // 2 - 1)
        c_in, c_out = scaled(32, width), scaled(64, width)
        layers: list[nn.Module] = [
            ConvBlock(3 * FRAMES if view == "colour" else FRAMES, c_in, 7, 1, 3),
            ConvBlock(c_in, c_out, 5, (1, 2), 1),
            *residuals(c_out, repeats(2, depth)),
        ]
        for stage in range(1, len(sides) + 1):
            c_in, c_out = c_out, scaled(min(64 * 2**stage, 512), width)
            published = 3 if stage == 1 else 0 if stage == len(sides) else 2
            layers.append(ConvBlock(c_in, c_out, 3, 2, 1))
            layers += residuals(c_out, repeats(published, depth))
        layers += [ConvBlock(c_out, c_out, sides[-1]), ConvBlock(c_out, EMBEDDING, 1)]
        self.face_encoder = nn.Sequential(*layers)
        self.audio_encoder = mel_encoder(
            width, depth, last=2, out_channels=EMBEDDING, hearing=hearing
        )

    def forward(self, mel: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """``mel (B, 1, 80, 16)``, ``faces (B, 15, H/2, W)`` -> unit ``(audio, face)``, (B, 512)."""
        return self.embed_audio(mel), self.embed_face(faces)

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Mel windows ``(B, 1, 80, 16)`` in [-4, 4] -> ``(B, 512)``, float32, unit length."""
        check_shape("SyncNet", "mel", mel, MEL_SHAPE)
        return unit_norm(self.audio_encoder(mel).flatten(1))

    def embed_face(self, faces: Tensor) -> Tensor:
        """Lower halves of five frames -> ``(B, 512)``, float32, unit length.

        Args:
            faces: ``(B, 15, H/2, W)`` RGB in [0, 1]; channel = 3 x time + colour, which is what
                flattening ``(B, T, 3, H/2, W)`` over T and colour gives.
        """
        size = self.config["image_size"]
        check_shape("SyncNet", "faces", faces, (3 * FRAMES, size // 2, size))
        seen = motion(faces) if self.config["view"] == "motion" else faces
        return unit_norm(self.face_encoder(seen).flatten(1))


def motion(faces: Tensor) -> Tensor:
    """What moves in a window: ``(B, 15, H, W)`` RGB in [0, 1] -> ``(B, 5, H, W)``.

    The grey frames less their mean, in units of the contrast (standard deviation) of that mean.
    """
    frames = faces.unflatten(1, (FRAMES, 3))
    grey = sum(weight * frames[:, :, i] for i, weight in enumerate(_LUMA))
    mean = grey.mean(dim=1, keepdim=True)
    contrast = mean.flatten(1).std(dim=1).clamp_min(0.02).view(-1, 1, 1, 1)
    return (grey - mean) / contrast
