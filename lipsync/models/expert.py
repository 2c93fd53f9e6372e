"""The lip-sync expert: Wav2Lip's SyncNet on colour faces and mel windows (section 3.1)."""

from __future__ import annotations

from typing import Any

import torch
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
from lipsync.models.sound import MEL, sound_encoder, sound_shape, spanning_record
from lipsync.windows import lower_half

EMBEDDING = 512
VIEWS = ("rgb", "mean_subtracted_grey")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of R, G, B


class SyncNet(Network):
    """Embed a window of lower half faces and its speech; in sync, they point the same way.

    The defaults are the published network (16.4 M parameters) with its parameter names. The
    embeddings are 512 wide whatever ``width`` is, non-negative (a ReLU ends both encoders) and of
    unit length, so their cosine is in [0, 1].

    Args:
        image_size: side of the whole square faces; the input is their lower halves.
        width: factor on all inner channels, which stay multiples of eight.
        depth: factor on the residual blocks of each stage; 0 leaves none.
        window: frames of a window; 5 (0.2 s) as published.
        view: input of the face encoder: "rgb", the pixels as published, or "mean_subtracted_grey",
            see :func:`mean_subtracted`, which hides skin, beard and lighting and so generalises to
            new faces.
        feature: audio input: a :class:`lipsync.features.Feature` or the record of one, with its
            window set to span ``window`` frames; None is the published mel.
        framing: name of the framing of its faces; see :mod:`lipsync.faces.framing`.

    Raises:
        ConfigError: sizes from which no network can be built, or an unknown view.
    """

    lower_half = True  # of the faces is all that it sees
    use = (
        "train a generator (model.expert=FILE), score (lipsync evaluate --judge FILE), "
        "train on (model=syncnet model.init_from=FILE)"
    )

    def __init__(
        self,
        image_size: int = 96,
        width: float = 1.0,
        depth: float = 1.0,
        window: int = 5,
        view: str = "rgb",
        feature: Any = None,
        framing: str = "box",
    ) -> None:
        super().__init__()
        check_config("SyncNet", image_size, width, depth)
        check_choice("SyncNet", "view", view, VIEWS)
        record = spanning_record(MEL if feature is None else feature, window)
        self.config = {
            "image_size": image_size,
            "width": width,
            "depth": depth,
            "window": window,
            "view": view,
            "feature": record,
            "framing": framing,
        }

        # 48x96 -> 46x47 by the 5x5 convolution, square from the second halving on
        sides = halvings(image_size // 2 - 1)
        c_in, c_out = scaled(32, width), scaled(64, width)
        layers: list[nn.Module] = [
            ConvBlock(3 * window if view == "rgb" else window, c_in, 7, 1, 3),
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
        self.audio_encoder = sound_encoder(record, width, depth, last=2, out_channels=EMBEDDING)

    def forward(self, mel: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Sound and faces of matching windows -> ``(audio, face)``, (B, 512) each."""
        return self.embed_audio(mel), self.embed_face(faces)

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Sound ``(B, 1, bands, columns)``, published (B, 1, 80, 16) -> ``(B, 512)``, unit length.

        Embeddings are float32, also under autocast.
        """
        check_shape("SyncNet", "sound", mel, sound_shape(self.config["feature"]))
        return unit_norm(self.audio_encoder(mel).flatten(1))

    def embed_face(self, faces: Tensor) -> Tensor:
        """Lower halves of a window -> ``(B, 512)``, float32, unit length.

        Args:
            faces: ``(B, 3 x window, H/2, W)`` RGB in [0, 1]; channel = 3 x time + colour, the
                result of flattening ``(B, T, 3, H/2, W)`` over T and colour.
        """
        size, window = self.config["image_size"], self.config["window"]
        check_shape("SyncNet", "faces", faces, (3 * window, size // 2, size))
        seen = faces if self.config["view"] == "rgb" else mean_subtracted(faces)
        return unit_norm(self.face_encoder(seen).flatten(1))

    def see(self, faces: Tensor) -> Tensor:
        """Windows of faces, float ``(B, T, 3, H, W)`` in [0, 1], whole or lower halves -> input."""
        seen = lower_half(faces) if faces.shape[-2] == faces.shape[-1] else faces
        return seen.flatten(1, 2).contiguous(memory_format=torch.channels_last)


def mean_subtracted(faces: Tensor) -> Tensor:
    """What moves in a window: ``(B, 3 x T, H, W)`` RGB in [0, 1] -> ``(B, T, H, W)``.

    The grey frames less their mean, in units of the contrast (standard deviation) of that mean.
    """
    levels = grey(faces)
    mean = levels.mean(dim=1, keepdim=True)
    contrast = mean.flatten(1).std(dim=1).clamp_min(0.02).view(-1, 1, 1, 1)
    return (levels - mean) / contrast


def grey(faces: Tensor) -> Tensor:
    """Luma of windows: ``(B, 3 x T, H, W)`` RGB -> ``(B, T, H, W)``."""
    frames = faces.unflatten(1, (-1, 3))
    return sum(weight * frames[:, :, i] for i, weight in enumerate(_LUMA))
