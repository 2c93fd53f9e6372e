"""A lip-sync expert of long windows, which embeds them moment by moment."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipsync.errors import ConfigError
from lipsync.models.base import Network
from lipsync.models.blocks import (
    ConvBlock,
    check_choice,
    check_config,
    check_shape,
    residuals,
    scaled,
    unit_norm,
)
from lipsync.models.expert import grey
from lipsync.models.sound import FPS, MEL, sound_shape, spanning_record
from lipsync.windows import lower_half

MOMENT = 5  # frames, as the published expert's window
EMBEDDING = 128  # of a moment
_SEEN = {"mouth": (40, 60), "face": (64, 64)}  # rows and columns to which pictures are brought
_CHANNELS = (32, 48, 64, 96)
_HIDDEN = 256
_LEAST_CONTRAST = 0.02  # of full scale


class LongSyncNet(Network):
    """Embed a long window of faces and its speech; in sync, they point the same way.

    A window is represented by its *moments*: all runs of five frames in it, each with its own
    sound. Moments are embedded one by one and concatenated, after subtracting their mean, which is
    what all moments of a face or a voice have in common; the result is normalised to unit length.
    So the cosine of two windows is the correlation of their moments, in [-1, 1], in which
    distinctive moments weigh most. Every moment of a clip is embedded once, however many windows
    contain it, and a trained network can be used with windows of any length. A window of five
    frames is a single moment, from which no mean is subtracted; its cosine is in [0, 1], since a
    ReLU ends both encoders.

    Args:
        image_size: side of the whole square faces; the part used as input is resized to a fixed
            size.
        width: factor on all inner channels, which stay multiples of eight.
        window: frames of a window, 5 to 50.
        view: input of the face encoder: "mouth", the middle of the lower half in grey at 40 x 60
            pixels, or "face", the whole face in colour at 64 x 64, for an independent judge.
        feature: audio input: a :class:`lipsync.features.Feature` or the record of one, with its
            window set to span ``window`` frames; None is the published mel.
        framing: name of the framing of its faces; see :mod:`lipsync.faces.framing`.

    Attributes:
        moment: frames of a moment.

    Raises:
        ConfigError: sizes from which no network can be built, or an unknown view.
    """

    moment = MOMENT
    use = (
        "score (lipsync evaluate --judge FILE), check the sync of footage (python -m data_prep "
        "judge=FILE), train on (model=long_syncnet model.init_from=FILE)"
    )

    def __init__(
        self,
        image_size: int = 96,
        width: float = 1.0,
        window: int = 25,
        view: str = "mouth",
        feature: Any = None,
        framing: str = "box",
    ) -> None:
        super().__init__()
        check_config("LongSyncNet", image_size, width)
        record = spanning_record(MEL if feature is None else feature, window)
        if window < MOMENT:
            raise ConfigError(f"LongSyncNet: window={window} is shorter than {MOMENT} frames")
        check_choice("LongSyncNet", "view", view, tuple(_SEEN))
        self.config = {
            "image_size": image_size,
            "width": width,
            "window": window,
            "view": view,
            "feature": record,
            "framing": framing,
        }
        self._columns = spanning_record(record, MOMENT)["window"]
        self.lower_half = view == "mouth"  # of the faces is all that it sees
        self.size = _SEEN[view]
        channels = MOMENT if view == "mouth" else 3 * MOMENT
        self.face_encoder = _encoder(channels, width, (5, 5), (2, 2), self.size)
        self.audio_encoder = _encoder(1, width, (5, 3), (2, 1), (record["bands"], self._columns))

    def forward(self, mel: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Sound and faces of matching windows -> ``(audio, face)``, (B, D) each."""
        return self.embed_audio(mel), self.embed_face(faces)

    def embed_audio(self, mel: Tensor) -> Tensor:
        """Sound of windows ``(B, 1, bands, columns)`` -> ``(B, 128 x moments)``, unit length."""
        check_shape("LongSyncNet", "sound", mel, sound_shape(self.config["feature"]))
        cut = self.cut_sound(mel)
        return self.join(self.audio_moments(cut.flatten(0, 1)).unflatten(0, cut.shape[:2]))[:, 0]

    def embed_face(self, faces: Tensor) -> Tensor:
        """Faces of windows -> ``(B, 128 x moments)``, float32, unit length.

        Args:
            faces: ``(B, 3 x window, H/2, W)`` RGB in [0, 1], with the view "face" whole ones;
                channel = 3 x time + colour, as :class:`lipsync.models.SyncNet` takes them.
        """
        size, window = self.config["image_size"], self.config["window"]
        rows = size // 2 if self.lower_half else size
        check_shape("LongSyncNet", "faces", faces, (3 * window, rows, size))
        cut = self.cut_faces(faces)
        return self.join(self.face_moments(cut.flatten(0, 1)).unflatten(0, cut.shape[:2]))[:, 0]

    @staticmethod
    def cut_faces(faces: Tensor) -> Tensor:
        """The moments of windows of T frames: ``(B, 3 x T, H, W)`` -> ``(B, k, 15, H, W)``."""
        return faces.unfold(1, 3 * MOMENT, 3).movedim(-1, 2)

    def cut_sound(self, mel: Tensor) -> Tensor:
        """Cut sound into moments: ``(B, 1, 80, columns)`` -> ``(B, k, 1, 80, 16)``."""
        rate = self.config["feature"]["rate"] / FPS  # columns a frame
        count = int((mel.shape[-1] - self._columns + 1) / rate + 1 - 1e-9)
        starts = [int(i * rate + 1e-9) for i in range(count)]
        return torch.stack([mel[..., s : s + self._columns] for s in starts], dim=1)

    def audio_moments(self, mel: Tensor) -> Tensor:
        """Sound of moments, published ``(B, 1, 80, 16)`` -> ``(B, 128)``, of any length."""
        return self.audio_encoder(mel)

    def face_moments(self, faces: Tensor) -> Tensor:
        """Faces of moments ``(B, 15, rows, W)`` -> ``(B, 128)``, of any length."""
        seen = self.shrink(faces)
        if self.lower_half:
            seen = grey(seen)
        mean = seen.mean(dim=(1, 2, 3), keepdim=True)
        contrast = seen.std(dim=(1, 2, 3), keepdim=True).clamp_min(_LEAST_CONTRAST)
        return self.face_encoder((seen - mean) / contrast)

    def shrink(self, faces: Tensor) -> Tensor:
        """Faces ``(..., rows, W)`` -> ``(..., *size)``, of a mouth three quarters of the width.

        What has that size already is left as it is.
        """
        if faces.shape[-2:] == self.size:
            return faces
        side = faces.shape[-1] // 8 if self.lower_half else 0
        middle = faces[..., side : faces.shape[-1] - side]
        flat = middle.reshape(-1, 1, *middle.shape[-2:])
        small = F.interpolate(flat, self.size, mode="bilinear", antialias=True)
        return small.view(*faces.shape[:-2], *self.size)

    def join(self, moments: Tensor, window: int | None = None) -> Tensor:
        """Windows of successive moments: ``(..., n, 128)`` -> ``(..., windows, D)``, unit length.

        Args:
            moments: embeddings of the moments of one clip, one per frame.
            window: frames of a window; None takes the network's.
        """
        count = (self.config["window"] if window is None else window) - MOMENT + 1
        windows = moments.float().unfold(-2, count, 1)  # (..., windows, 128, count)
        if count > 1:
            windows = windows - windows.mean(dim=-1, keepdim=True)
        return unit_norm(windows.transpose(-1, -2).flatten(-2))

    def with_window(self, window: int) -> LongSyncNet:
        """A network with the same (shared) weights, for windows of another length."""
        record = spanning_record(self.config["feature"], window)
        other = copy.copy(self)
        other.config = self.config | {"window": window, "feature": record}
        return other

    def see(self, faces: Tensor) -> Tensor:
        """Windows of faces, float ``(B, T, 3, H, W)`` in [0, 1] -> input.

        Lower halves are enough for the view "mouth".
        """
        whole = faces.shape[-2] == faces.shape[-1]
        seen = lower_half(faces) if whole and self.lower_half else faces
        return seen.flatten(1, 2).contiguous(memory_format=torch.channels_last)


def _encoder(
    channels: int,
    width: float,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    size: tuple[int, int],
) -> nn.Sequential:
    """Pictures ``(B, channels, *size)`` -> ``(B, 128)``, non-negative."""
    first, *others = (scaled(c, width) for c in _CHANNELS)
    padding = kernel[0] // 2, kernel[1] // 2
    layers: list[nn.Module] = [ConvBlock(channels, first, kernel, stride, padding)]
    rows, columns = (-(-side // step) for side, step in zip(size, stride, strict=True))
    for c_out in others:
        layers += [ConvBlock(first, c_out, 3, 2, 1), *residuals(c_out, 1)]
        first, rows, columns = c_out, -(-rows // 2), -(-columns // 2)
    return nn.Sequential(
        *layers,
        ConvBlock(first, _HIDDEN, (rows, columns)),
        ConvBlock(_HIDDEN, EMBEDDING, 1, norm="none"),
        nn.Flatten(),
    )
