"""What every judge does: stream faces and sound through a network, and search the offset.

A judge is a network that embeds what is seen and what is heard, so that the two can be compared;
:mod:`lipsync.evaluation.judges` has the kinds there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lipsync.audio import SAMPLE_RATE
from lipsync.metrics.functional import VSHIFT, SyncResult, best_offset
from lipsync.metrics.search import OffsetSearch
from lipsync.windows import T

_ENDLESS = 1 << 40  # frames or samples that never are the limit


class Scored(NamedTuple):
    """What a judge finds for a stretch of video and one sound."""

    result: SyncResult
    windows: int


class Judge(ABC):
    """Embeds windows of five frames, one window a frame, and the sound beside each.

    Args:
        model: the network, with ``embed_face`` and ``embed_audio``.
        name: how tables name it.
        batch_size: windows embedded at a time.

    ``network`` is what embeds: the model itself, or a faster copy of a model that nobody trains
    (:func:`lipsync.models.folding.folded`).
    """

    protocol: str
    """Name and version of how faces are cropped and windows are cut; written into results."""
    face_size: int

    def __init__(self, model: nn.Module, name: str = "", batch_size: int = 64) -> None:
        self.model, self.name, self.batch_size = model, name or type(model).__name__, batch_size
        self.network = model
        self.device = next(model.parameters()).device

    @abstractmethod
    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """The square to crop in each frame, (n, 4), from the face's box in each, (n, 4)."""

    @abstractmethod
    def count(self, frames: int, samples: int) -> int:
        """How many windows so many frames (25 fps) and samples (16 kHz) hold; may be 0."""

    @abstractmethod
    def _face_windows(self, faces: Tensor) -> Tensor:
        """uint8 (k + 4, S, S, 3) -> the network's input for k windows."""

    @abstractmethod
    def _sound_windows(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        """float32 (samples,) -> the network's input for windows start, start + 1, ...

        Only the sound of these windows is looked at, so that a long one costs no memory.
        """

    @torch.no_grad()
    def embed_faces(self, faces: Iterable[np.ndarray]) -> Tensor:
        """Stream n face crops, uint8 (S, S, 3) RGB at 25 fps -> (n - 4, d) float32."""
        parts = list(self._face_parts(faces))
        return torch.cat(parts) if parts else torch.zeros(0, 0)

    @torch.no_grad()
    def embed_sound(self, wave: np.ndarray, count: int, start: int = 0) -> Tensor:
        """float32 (samples,) at 16 kHz -> (count, d) float32 for windows of frame start, ..."""
        parts = []
        for first in range(start, start + count, self.batch_size):
            some = min(self.batch_size, start + count - first)
            windows = torch.from_numpy(self._sound_windows(wave, first, some)).to(self.device)
            parts.append(self.network.embed_audio(windows).float().cpu())
        return torch.cat(parts)

    def embed(self, faces: Iterable[np.ndarray], wave: np.ndarray) -> tuple[Tensor, Tensor]:
        """Embed a clip.

        Args:
            faces: n crops, uint8 (S, S, 3) RGB at 25 fps, an array or a stream of any S.
            wave: float32 (samples,) at 16 kHz that begins with the first frame.

        Returns:
            (video_emb, audio_emb), float32 (windows, d) each, on the CPU.

        Raises:
            ValueError: frames or sound too short for one window.
        """
        with self._evaluating():
            video = self.embed_faces(faces)
            frames = len(video) + T - 1 if len(video) else 0
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
    ) -> list[Scored]:
        """Score one stretch of faces beside one sound or several, the faces embedded once.

        Gives what :meth:`embed` and ``sync_score`` give, without holding pictures or embeddings.

        Args:
            faces: n crops, uint8 (S, S, 3) RGB at 25 fps, an array or a stream.
            waves: float32 (samples,) at 16 kHz each, that begin with the first frame.
            vshift: candidate offsets on either side, in frames.
            watch: called with the embeddings (k, d) of the faces as they come.

        Raises:
            ValueError: frames, or one of the sounds, too short for one window.
        """
        searches = [OffsetSearch(vshift) for _ in waves]

        def add(start: int, video: Tensor, frames: int) -> None:
            for search, wave in zip(searches, waves, strict=True):
                some = min(len(video), self.count(frames, len(wave)) - start)
                if some > 0:
                    search.update(video[:some], self.embed_sound(wave, some, start))

        with self._evaluating():
            start, held = 0, torch.zeros(0, 0)
            for part in self._face_parts(faces):
                if watch:
                    watch(part)
                # A judge may leave out the last window: one portion is held until the next is there
                add(start, held, _ENDLESS)
                start, held = start + len(held), part
            frames = start + len(held) + T - 1 if len(held) else 0
            add(start, held, frames)
        for search, wave in zip(searches, waves, strict=True):
            if not search.windows:
                raise ValueError(self._too_short(frames, wave))
        return [Scored(best_offset(search.distances()), search.windows) for search in searches]

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(training)

    @staticmethod
    def _too_short(frames: int, wave: np.ndarray) -> str:
        return (
            f"{frames if frames else f'fewer than {T}'} frames and "
            f"{len(wave) / SAMPLE_RATE:.2f} s of sound, too short for one window"
        )

    def _face_parts(self, faces: Iterable[np.ndarray]) -> Iterator[Tensor]:
        """Embeddings (k, d) of the windows in turn."""
        for stack in self._stacks(faces):
            windows = self._face_windows(torch.from_numpy(stack).to(self.device))
            yield self.network.embed_face(windows).float().cpu()

    def _stacks(self, faces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Overlapping runs (up to batch_size + 4, S, S, 3) that together hold every window once."""
        stream = (self._resized(face) for face in faces)
        kept: list[np.ndarray] = []
        while lot := list(islice(stream, self.batch_size)):
            kept += lot
            if len(kept) >= T:
                yield np.stack(kept)
                kept = kept[1 - T :]

    def _resized(self, face: np.ndarray) -> np.ndarray:
        side = self.face_size
        if face.shape[:2] == (side, side):
            return face
        shrink = face.shape[0] > side
        how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        return cv2.resize(face, (side, side), interpolation=how)
