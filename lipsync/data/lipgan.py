"""Samples of LipGAN: single frames with 350 ms of sound, and sound that is not theirs.

Draws, fixed evaluation windows and errors are those of :mod:`lipsync.data.datasets`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lipsync.data.datasets import EvaluationWindows, TrainingClips, draw_reference
from lipsync.data.store import Clip
from lipsync.errors import ClipError
from lipsync.windows import T, draw_apart, frame_mfccs

MIN_GAP = 5  # frames from a face to the nearest sound that counts as shifted


class LipGANFrames(TrainingClips):
    """Training samples: frames of one clip, each with a reference, its sound and a shifted sound.

    Several frames of a clip make one sample, so that a clip is opened, and its cepstra computed,
    for all of them at once.

    Args:
        root, split, image_size, seed, balance: as in :class:`TrainingClips`.
        frames: frames a sample, K; a shorter clip repeats some.
        min_gap: least distance in frames of the shifted sound, which is of the same clip.

    Returns per draw:
        ``target`` and ``reference`` uint8 (K, S, S, 3); ``mfcc`` and ``shifted_mfcc`` float32
        (K, 1, 12, 35); ``frame`` int64 (K,), ascending; ``key``.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        image_size: int = 96,
        *,
        frames: int = 5,
        min_gap: int = MIN_GAP,
        seed: int = 0,
        balance: float = 1.0,
    ) -> None:
        super().__init__(root, split, image_size, seed=seed, balance=balance)
        self.frames, self.min_gap = frames, min_gap

    def __getitem__(self, draw: int) -> dict[str, Any]:
        rng, clip = self.draw(draw)
        count = clip.windows() + T - 1  # the frames of the clip's windows
        _check_length(clip, count, self.min_gap, "frames")
        frames = np.sort(rng.choice(count, self.frames, replace=count < self.frames))
        references = np.array([draw_reference(rng, clip, count, int(f)) for f in frames])
        shifted = np.array([draw_apart(rng, count, int(f), self.min_gap) for f in frames])
        return _sample(clip, frames, references, shifted)


class LipGANClips(EvaluationWindows):
    """The evaluation windows of :class:`~lipsync.data.datasets.GeneratorClips`, for LipGAN.

    Fields as in training, and ``swapped_mfcc`` float32 (5, 1, 12, 35), another moment of
    another clip. The shifted sound is half a clip away, where the reference is.
    """

    def __init__(
        self, root: str | Path, split: str = "val", image_size: int = 96, *, per_clip: int = 4
    ) -> None:
        super().__init__(root, split, image_size, per_clip=per_clip)

    def __getitem__(self, index: int) -> dict[str, Any]:
        clip, start, reference = self.window(index)
        _check_length(clip, clip.windows(), MIN_GAP, "windows")
        window = np.arange(T)
        sample = _sample(clip, start + window, reference + window, reference + window)
        other, elsewhere = self.elsewhere(index, start)
        return {**sample, "swapped_mfcc": frame_mfccs(other.mfcc, elsewhere + window)}


def _check_length(clip: Clip, count: int, gap: int, what: str) -> None:
    """Raise ClipError unless every place among ``count`` has another ``gap`` away."""
    if count < 2 * gap:
        problem = f"{count} {what}, sound {gap} frames away needs {2 * gap}"
        raise ClipError(clip.key, problem, "take it out of the split list")


def _sample(
    clip: Clip, frames: np.ndarray, references: np.ndarray, shifted: np.ndarray
) -> dict[str, Any]:
    return {
        "target": clip.faces[frames],
        "reference": clip.faces[references],
        "mfcc": frame_mfccs(clip.mfcc, frames),
        "shifted_mfcc": frame_mfccs(clip.mfcc, shifted),
        "frame": frames,
        "key": clip.key,
    }
