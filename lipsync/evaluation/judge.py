"""A judge: a network that embeds faces and sound, so that they can be compared.

Crops, windows and audio features follow the network's config; faces and sound are streamed, so
that memory does not grow with the length of a video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lipsync.audio import SAMPLE_RATE
from lipsync.checkpoints.origin import card_of
from lipsync.data.clips import Clip
from lipsync.errors import ConfigError
from lipsync.evaluation.calibration import Calibration
from lipsync.evaluation.sounds import SoundWindows
from lipsync.evaluation.table import LSE_PROTOCOL
from lipsync.faces.framing import get_framing
from lipsync.features import feature_of
from lipsync.metrics.functional import VSHIFT, SyncResult, best_offset
from lipsync.metrics.search import OffsetSearch
from lipsync.models import SyncNetV2
from lipsync.models.sound import SYNCNET_MFCC
from lipsync.windows import FPS

_ENDLESS = 1 << 40  # frames: more than any video has
_PIXELS = 64 * 5 * 48 * 96  # per batch: 64 windows of a published expert
_READ = 64  # frames of a prepared clip read at a time
_ASKED = ("embed_face", "embed_audio", "see", "lower_half")
_STATED = ("image_size", "window", "feature", "framing")
_PUBLISHED = {
    "image_size": 224,
    "width": 1.0,
    "window": 5,
    "feature": SYNCNET_MFCC,
    "framing": "following",
    "unit": False,
}  # the config of the published SyncNet v2


class StretchScore(NamedTuple):
    """A judge's scores for a stretch of video and one sound."""

    result: SyncResult
    windows: int


class Judge:
    """Embeds windows of frames, one window per frame, and the sound of each.

    Args:
        model: a :class:`lipsync.models.SyncNet`, :class:`lipsync.models.LongSyncNet` or
            :class:`lipsync.models.SyncNetV2`, or any other network with ``embed_face``,
            ``embed_audio``, ``see`` and ``lower_half``, and with ``image_size``, ``window``,
            ``feature`` and ``framing`` in its config.
        name: its name in tables.
        batch_size: windows per batch; None to choose it from their size.

    Attributes:
        network: the network that embeds: the model itself, or a faster copy for inference
            (:func:`lipsync.models.folding.folded`).
        feature: its audio feature; each window of frames has one window of it.
        framing: how its faces are cropped.
        window: frames per window.
        face_size: side of its crops, pixels.
        published: whether it is the judge of LSE-D and LSE-C: SyncNet v2 with its published
            sizes and inputs.
        protocol: how faces are cropped and windows cut, with a version; written into results.
        calibration: of its confidence, from the card of its file; None if it was not calibrated
            for its window length.

    Raises:
        ConfigError: the network is not one of these.
    """

    def __init__(self, model: nn.Module, name: str = "", batch_size: int | None = None) -> None:
        config = getattr(model, "config", {})
        if not all(hasattr(model, part) for part in _ASKED) or not set(_STATED) <= config.keys():
            raise ConfigError(
                f"judge {name or 'given'} is a {type(model).__name__}, which does not compare "
                "faces with sound; use a SyncNet expert or SyncNetV2"
            )
        self.model, self.name = model, name or type(model).__name__
        self.network: Any = model
        self.device = next(model.parameters()).device
        self.feature, self.framing = feature_of(model), get_framing(config["framing"])
        self.window, self.face_size = config["window"], config["image_size"]
        # Frames per embedded unit: a window, or one of the moments that are joined into windows
        self._moment = getattr(model, "moment", self.window)
        feature = self.feature.spanning(self._moment) if self._joins_moments else self.feature
        self._sound = SoundWindows(feature)
        self.calibration = Calibration.from_card(card_of(model), self.window)
        rows = self.face_size // 2 if model.lower_half else self.face_size
        fitting = _PIXELS // (self._moment * rows * self.face_size)
        self.batch_size = max(4, fitting) if batch_size is None else batch_size

        of_syncnet = isinstance(model, SyncNetV2)  # the published code omits the last window
        self.published = of_syncnet and config == _PUBLISHED
        self.protocol = (
            f"{LSE_PROTOCOL if self.published else 'judge-1'}: framing {self.framing.name}, "
            f"{self.face_size} px, windows of {self.window} frames, {self.feature.name} in "
            f"{self.feature.window} columns{', last window out' if of_syncnet else ''}"
        )

    def count(self, frames: int, samples: int) -> int:
        """Number of windows in ``frames`` (25 fps) and ``samples`` (16 kHz); may be 0."""
        if isinstance(self.model, SyncNetV2):
            return max(0, min(frames, samples * FPS // SAMPLE_RATE) - self.window)
        return self.feature.count(frames, self.feature.columns(samples), self.window)

    def faces(self, clip: Clip) -> Iterator[np.ndarray]:
        """Stream the crops of a prepared clip.

        Raises:
            ConfigError: the clip's framing is not the judge's. A clip that states none is accepted.
        """
        if clip.framing not in (None, self.framing.name):
            raise ConfigError(
                f"clip {clip.key} is framed '{clip.framing}', but judge {self.name} expects "
                f"'{self.framing.name}'; use a judge with that framing, or prepare the data again "
                f"with framing={self.framing.name}"
            )
        for first in range(0, len(clip), _READ):
            yield from clip.read(range(first, min(first + _READ, len(clip))))

    @torch.no_grad()
    def embed_faces(self, faces: Iterable[np.ndarray]) -> Tensor:
        """Stream n face crops, uint8 (S, S, 3) RGB at 25 fps -> (windows, d) float32."""
        parts = list(self._face_parts(faces))
        return torch.cat(parts) if parts else torch.zeros(0, 0)

    @torch.no_grad()
    def embed_sound(self, wave: np.ndarray, count: int, start: int = 0) -> Tensor:
        """float32 (samples,) at 16 kHz -> float32 (count, d) for windows from frame ``start``."""
        embed = self.network.audio_moments if self._joins_moments else self.network.embed_audio
        parts, end = [], start + count + self.window - self._moment
        for first in range(start, end, self.batch_size):
            some = min(self.batch_size, end - first)
            windows = torch.from_numpy(self._sound.cut(wave, first, some)).to(self.device)
            parts.append(embed(windows).float().cpu())
        found = torch.cat(parts)
        return self.network.join(found) if self._joins_moments else found

    def embed(self, faces: Iterable[np.ndarray], wave: np.ndarray) -> tuple[Tensor, Tensor]:
        """Embed a clip.

        Args:
            faces: n crops, uint8 (S, S, 3) RGB at 25 fps, any S; an array or a stream.
            wave: float32 (samples,) at 16 kHz, starting at the first frame.

        Returns:
            (video_emb, audio_emb), float32 (windows, d) each, on the CPU.

        Raises:
            ValueError: frames or sound too short for one window.
        """
        with self._eval_mode():
            video = self.embed_faces(faces)
            frames = len(video) + self.window - 1 if len(video) else 0
            count = self.count(frames, len(wave))
            if count < 1:
                raise ValueError(self._too_short(frames, wave))
            return video[:count], self.embed_sound(wave, count)

    @torch.no_grad()
    def score(
        self,
        faces: Iterable[np.ndarray],
        waves: Sequence[np.ndarray],
        vshift: int = VSHIFT,
        watch: Callable[[Tensor], None] | None = None,
    ) -> list[StretchScore]:
        """Score a stretch of faces against one or more sounds; the faces are embedded once.

        Equal to :meth:`embed` and ``sync_score``, without holding images or embeddings in memory.

        Args:
            faces: n crops, uint8 (S, S, 3) RGB at 25 fps, an array or a stream.
            waves: float32 (samples,) at 16 kHz each, starting at the first frame.
            vshift: candidate offsets on either side, in frames.
            watch: called with each batch of face embeddings, (k, d).

        Raises:
            ValueError: frames, or one of the sounds, too short for one window.
        """
        searches = [OffsetSearch(vshift) for _ in waves]

        def add(start: int, video: Tensor, counts: list[int]) -> None:
            for search, wave, count in zip(searches, waves, counts, strict=True):
                some = min(len(video), count - start)
                if some > 0:
                    search.update(video[:some], self.embed_sound(wave, some, start))

        with self._eval_mode():
            start, held = 0, torch.zeros(0, 0)
            by_sound = [self.count(_ENDLESS, len(wave)) for wave in waves]
            for part in self._face_parts(faces):
                if watch:
                    watch(part)
                # A judge may omit the last window, so each batch is held until the next arrives
                add(start, held, by_sound)
                start, held = start + len(held), part
            frames = start + len(held) + self.window - 1 if len(held) else 0
            add(start, held, [self.count(frames, len(wave)) for wave in waves])
        for search, wave in zip(searches, waves, strict=True):
            if not search.windows:
                raise ValueError(self._too_short(frames, wave))
        return [
            StretchScore(best_offset(search.distances()), search.windows) for search in searches
        ]

    @contextmanager
    def _eval_mode(self) -> Iterator[None]:
        training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(training)

    def _too_short(self, frames: int, wave: np.ndarray) -> str:
        return (
            f"{frames if frames else f'fewer than {self.window}'} frames and "
            f"{len(wave) / SAMPLE_RATE:.2f} s of sound are too short for one window"
        )

    @property
    def _joins_moments(self) -> bool:
        """Whether windows are joined from moments, see :class:`lipsync.models.LongSyncNet`."""
        return self._moment < self.window

    def _face_parts(self, faces: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """Embeddings (k, d) of the windows, batch by batch."""
        embed = self.network.face_moments if self._joins_moments else self.network.embed_face
        more = self.window - self._moment  # moments after the first in a window
        held = None
        for stack in self._stacks(faces):
            windows = self._face_windows(torch.from_numpy(stack).to(self.device))
            found = embed(windows).float().cpu()
            if not self._joins_moments:
                yield found
                continue
            held = found if held is None else torch.cat([held, found])
            if len(held) > more:
                yield self.network.join(held)
                held = held[len(held) - more :]

    def _face_windows(self, faces: Tensor) -> Tensor:
        """uint8 (k + window - 1, S, S, 3) -> the network's input for k windows."""
        rows = faces[:, self.face_size // 2 :] if self.model.lower_half else faces
        rows = rows.float() / 255
        if shrink := getattr(self.network, "shrink", None):  # once for each frame, not each window
            rows = shrink(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        windows = rows.unfold(0, self._moment, 1)  # (k, rows, S, 3, T)
        # Channels last in memory, which survives merging frames and colours into one dimension.
        windows = windows.movedim(-1, 3).contiguous()
        return self.network.see(windows.permute(0, 3, 4, 1, 2))

    def _stacks(self, faces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Overlapping runs (k + window - 1, S, S, 3) that together contain every window once."""
        stream = (self._resize(face) for face in faces)
        kept: list[np.ndarray] = []
        while lot := list(islice(stream, self.batch_size)):
            kept += lot
            if len(kept) >= self._moment:
                yield np.stack(kept)
                kept = kept[1 - self._moment :]

    def _resize(self, face: np.ndarray) -> np.ndarray:
        side = self.face_size
        if face.shape[:2] == (side, side):
            return face
        shrink = face.shape[0] > side
        how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        return cv2.resize(face, (side, side), interpolation=how)
