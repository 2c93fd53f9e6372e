"""Judges: networks that embed what is seen and what is heard, so that the two can be compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
import torch
from scipy.signal import medfilt
from torch import Tensor, nn

from lipsync.audio import HOP_LENGTH, SAMPLE_RATE, melspectrogram, mfcc
from lipsync.devices import to_device
from lipsync.errors import ConfigError
from lipsync.faces.crops import steady_box
from lipsync.metrics.functional import VSHIFT, SyncResult, best_offset
from lipsync.metrics.search import OffsetSearch
from lipsync.models import SyncNet, SyncNetV2
from lipsync.windows import FPS, MEL_STEP, T, count_windows, lower_half, mel_start, mel_window

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
    """

    protocol: ClassVar[str]
    """Name and version of how faces are cropped and windows are cut; written into results."""
    face_size: int

    def __init__(self, model: nn.Module, name: str = "", batch_size: int = 64) -> None:
        self.model, self.name, self.batch_size = model, name or type(model).__name__, batch_size
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
            parts.append(self.model.embed_audio(windows).float().cpu())
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
            yield self.model.embed_face(windows).float().cpu()

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


class ExpertJudge(Judge):
    """A lip-sync expert (:class:`lipsync.models.SyncNet`): lower halves and 16 mel columns."""

    protocol = "expert-1: one steady box, lower half, 16 mel columns at the window's first frame"

    _margin = 4  # mel columns computed beyond a portion; one hears 2.5 columns to either side

    def __init__(self, model: SyncNet, name: str = "", batch_size: int = 64) -> None:
        super().__init__(model, name, batch_size)
        self.face_size = model.config["image_size"]

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        return np.repeat(np.asarray(steady_box(boxes), float)[None], len(boxes), axis=0)

    def count(self, frames: int, samples: int) -> int:
        return count_windows(frames, 1 + samples // 200) if samples else 0

    def _face_windows(self, faces: Tensor) -> Tensor:
        halves = lower_half(faces.permute(0, 3, 1, 2)).float() / 255  # (k + 4, 3, S/2, S)
        windows = halves.unfold(0, T, 1)  # (k, 3, S/2, S, 5)
        return windows.permute(0, 4, 1, 2, 3).flatten(1, 2)  # (k, 15, S/2, S)

    def _sound_windows(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        starts = np.array([mel_start(window) for window in range(start, start + count)])
        first = max(0, int(starts[0]) - self._margin)
        last = int(starts[-1]) + MEL_STEP + self._margin
        mel = melspectrogram(wave[first * HOP_LENGTH : last * HOP_LENGTH])
        return np.stack([mel_window(mel, int(s) - first) for s in starts])[:, None]


class SyncNetV2Judge(Judge):
    """The published judge of LSE-D and LSE-C: whole faces at 224 px and 20 MFCC frames."""

    protocol = "syncnet_v2-1: box x 1.4 following the face, 224 px, 20 MFCC frames, last window out"
    face_size = 224
    _margin = 0.4  # share of the box added around it, as published
    _taps = 13  # median filter over the positions of the box, as published

    def __init__(self, model: SyncNetV2, name: str = "", batch_size: int = 8) -> None:
        super().__init__(model, name, batch_size)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        taps = self._taps // 2
        half, x, y = (
            medfilt(np.pad(values, taps, mode="edge"), self._taps)[taps:-taps]
            for values in (half, *middle.T)
        )
        wide = half * (1 + self._margin)
        # The margin is below and at the sides; the top stays at the box's.
        return np.stack([x - wide, y - half, x + wide, y - half + 2 * wide], axis=1)

    def count(self, frames: int, samples: int) -> int:
        return max(0, min(frames, samples // (SAMPLE_RATE // FPS)) - T)

    def _face_windows(self, faces: Tensor) -> Tensor:
        pixels = faces.permute(0, 3, 1, 2).float()  # (k + 4, 3, 224, 224) in [0, 255]
        return pixels.unfold(0, T, 1).permute(0, 1, 4, 2, 3)  # (k, 3, 5, 224, 224)

    def _sound_windows(self, wave: np.ndarray, start: int, count: int) -> np.ndarray:
        first = max(0, 4 * start - 1)  # four rows a video frame, and one for the pre-emphasis
        last = 4 * (start + count - 1) + 20
        rows = mfcc(wave[160 * first : 160 * last + 240]).T  # (13, rows)
        starts = 4 * np.arange(start, start + count) - first
        return np.stack([rows[:, s : s + 20] for s in starts])[:, None]


def as_judge(model: Judge | nn.Module | str, device: str = "cpu") -> Judge:
    """A judge from a network, or from the path or name of one.

    Raises:
        CheckpointError: a path or name that cannot be loaded.
        ConfigError: a network that is no judge, or a device that is not there.
    """
    if isinstance(model, Judge):
        return model
    name = ""
    if not isinstance(model, nn.Module):
        from lipsync.checkpoints import load_model

        name = str(model)
        model = to_device(load_model(model), device)
    if isinstance(model, SyncNet):
        return ExpertJudge(model, name)
    if isinstance(model, SyncNetV2):
        return SyncNetV2Judge(model, name)
    raise ConfigError(
        f"judge {name or 'given'} is a {type(model).__name__}; a SyncNet expert or SyncNetV2 judges"
    )


def embed_clip(
    faces: Iterable[np.ndarray], wave: np.ndarray, judge: Judge | nn.Module | str
) -> tuple[Tensor, Tensor]:
    """(video_emb, audio_emb) of a clip; see :meth:`Judge.embed` for arguments and errors."""
    return as_judge(judge).embed(faces, wave)


def score_clip(
    faces: Iterable[np.ndarray],
    wave: np.ndarray,
    judge: Judge | nn.Module | str,
    vshift: int = VSHIFT,
) -> SyncResult:
    """Distance, confidence and offset of a clip of face crops and its sound.

    Args:
        faces: n crops, uint8 (S, S, 3) RGB at 25 fps, framed as the judge's training was.
        wave: float32 (samples,) at 16 kHz that begins with the first frame.
        judge: a network, a judge, or the path or name of one.
        vshift: candidate offsets on either side, in frames.

    Raises:
        ValueError: frames or sound too short for one window.
    """
    return as_judge(judge).score(faces, [wave], vshift)[0].result
