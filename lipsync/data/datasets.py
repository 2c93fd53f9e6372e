"""Prepared clips as training and evaluation samples. Everything stays uint8 until the device.

The training sets are endless: ``dataset[draw]`` is a function of the seed and the draw number, see
:mod:`lipsync.data.draws`. The evaluation sets are finite and hold no chance. A clip that is damaged
or too short raises :class:`~lipsync.errors.ClipError` with its name; nothing is skipped silently.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from lipsync.data.draws import ClipDraws
from lipsync.data.store import Clip, open_clip, read_split
from lipsync.errors import ClipError, ConfigError
from lipsync.windows import (
    CENTRED_LEAD,
    SYNC_MFCC_STEP,
    T,
    draw_apart,
    frame_mels,
    sync_mels,
    sync_mfccs,
)

_OPEN_CLIPS = 384  # memory maps held open by one process; each takes a file descriptor


class ClipSet(Dataset):
    """The clips of one split, opened when needed and kept open for a while."""

    def __init__(self, root: str | Path, split: str, image_size: int = 96) -> None:
        self.root, self.image_size = Path(root), image_size
        self.keys = read_split(root, split)
        self.clip = lru_cache(maxsize=_OPEN_CLIPS)(self._open)
        self.clip(self.keys[0])  # a wrong root or image size is an error now, not in a worker

    def _open(self, key: str) -> Clip:
        clip = open_clip(self.root, key, side=self.image_size)
        if clip.size != self.image_size:
            raise ConfigError(
                f"clip {key} is {clip.size} px, data.image_size is {self.image_size}; prepare the "
                f"data again with image_size={self.image_size}"
            )
        return clip

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "clip"}  # maps stay behind

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.clip = lru_cache(maxsize=_OPEN_CLIPS)(self._open)


class TrainingClips(ClipSet):
    """Endless samples: base of the training sets, each of which makes one from :meth:`draw`.

    Args:
        root: a prepared set.
        split: name of a split list.
        image_size: side of the face crops in pixels.
        seed: of everything random.
        balance: 0 for equal shares of clips to 1 for equal shares of speakers.
    """

    def __init__(
        self, root: str | Path, split: str, image_size: int, *, seed: int, balance: float
    ) -> None:
        super().__init__(root, split, image_size)
        self.seed = seed
        self.draws = ClipDraws([key.split("/")[0] for key in self.keys], seed, balance)

    def draw(self, number: int) -> tuple[np.random.Generator, Clip]:
        """The chance of a draw and its clip."""
        rng = np.random.default_rng((self.seed, number))
        return rng, self.clip(self.keys[self.draws(number)])


def _expert_sample(clip: Clip, starts: np.ndarray) -> dict[str, Any]:
    frames = starts[:, None] + np.arange(T)
    half = clip.faces[:, clip.size // 2 :]
    return {
        "faces": half[frames],
        "mel": sync_mels(clip.mel, starts),
        "start": starts,
        "key": clip.key,
    }


def _judge_sample(clip: Clip, starts: np.ndarray) -> dict[str, Any]:
    # The last window of a clip lacks a row of cepstra, where the one before it serves.
    starts = np.minimum(starts, (len(clip.sync_mfcc.T) - SYNC_MFCC_STEP) // 4)
    return {
        "faces": clip.faces[starts[:, None] + np.arange(T)],
        "mfcc": sync_mfccs(clip.sync_mfcc, starts),
        "start": starts,
        "key": clip.key,
    }


class ExpertWindows(TrainingClips):
    """Training samples of a lip-sync expert: several windows of one clip.

    The windows of a clip serve as each other's negatives, so any loss on pairs can be formed from
    one sample.

    Args:
        root, split, image_size, seed, balance: as in :class:`TrainingClips`.
        windows: windows a sample, K; a shorter clip repeats some.

    Returns per draw:
        ``faces`` uint8 (K, 5, S/2, S, 3) lower halves; ``mel`` float32 (K, 1, 80, 16); ``start``
        int64 (K,) first frames, ascending; ``key``.
    """

    sample = staticmethod(_expert_sample)

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        image_size: int = 96,
        *,
        windows: int = 12,
        seed: int = 0,
        balance: float = 1.0,
    ) -> None:
        super().__init__(root, split, image_size, seed=seed, balance=balance)
        self.windows = windows

    def __getitem__(self, draw: int) -> dict[str, Any]:
        rng, clip = self.draw(draw)
        count = clip.windows()
        starts = np.sort(rng.choice(count, self.windows, replace=count < self.windows))
        return self.sample(clip, starts)


class ExpertClips(ClipSet):
    """Whole clips to evaluate an expert on: every window, in order; fields as in training."""

    sample = staticmethod(_expert_sample)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> dict[str, Any]:
        clip = self.clip(self.keys[index])
        return self.sample(clip, np.arange(clip.windows()))


class JudgeWindows(ExpertWindows):
    """Training samples of a judge in SyncNet v2's form; otherwise as for an expert.

    Returns per draw:
        ``faces`` uint8 (K, 5, S, S, 3) whole faces; ``mfcc`` float32 (K, 1, 13, 20); ``start``;
        ``key``.
    """

    sample = staticmethod(_judge_sample)


class JudgeClips(ExpertClips):
    """Whole clips to evaluate such a judge on."""

    sample = staticmethod(_judge_sample)


class GeneratorWindows(TrainingClips):
    """Training samples of a generator: a window to paint, and another of the same clip to look at.

    Args:
        root, split, image_size, seed, balance: as in :class:`TrainingClips`.
        lead: frames before a frame at which its mel window begins, see :mod:`lipsync.windows`.

    Returns per draw:
        ``target`` and ``reference`` uint8 (5, S, S, 3); ``mel`` float32 (5, 1, 80, 16), one window
        for each frame; ``sync_mel`` float32 (1, 80, 16), the sound of the whole window, for the
        expert; ``start``; ``key``.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        image_size: int = 96,
        *,
        lead: int = CENTRED_LEAD,
        seed: int = 0,
        balance: float = 1.0,
    ) -> None:
        super().__init__(root, split, image_size, seed=seed, balance=balance)
        self.lead = lead

    def __getitem__(self, draw: int) -> dict[str, Any]:
        rng, clip = self.draw(draw)
        count = clip.windows()
        start = int(rng.integers(count))
        reference = draw_reference(rng, clip, count, start)
        return _generator_sample(clip, start, reference, self.lead)


def draw_reference(rng: np.random.Generator, clip: Clip, count: int, start: int) -> int:
    """A window (or frame) of ``count`` to look at that does not show the mouth of ``start``."""
    reference = draw_apart(rng, count, start, T)
    if reference is None:  # a clip of under a second: the nearest that is another window
        reference = draw_apart(rng, count, start, 1)
    if reference is None:
        raise ClipError(clip.key, "one window only, a reference needs another")
    return reference


class EvaluationWindows(ClipSet):
    """Fixed windows of five frames: the same ones for every kind of generator.

    Args:
        root, split, image_size: as in :class:`TrainingClips`.
        per_clip: windows taken from each clip, evenly spaced.
    """

    def __init__(self, root: str | Path, split: str, image_size: int, *, per_clip: int) -> None:
        super().__init__(root, split, image_size)
        self.per_clip = per_clip

    def __len__(self) -> int:
        return len(self.keys) * self.per_clip

    def window(self, index: int) -> tuple[Clip, int, int]:
        """A clip, the first frame to paint, and the first to look at, half a clip away."""
        place, part = divmod(index, self.per_clip)
        clip = self.clip(self.keys[place])
        count = clip.windows()
        start = int((part + 0.5) * count / self.per_clip)
        return clip, start, (start + count // 2) % count

    def elsewhere(self, index: int, start: int) -> tuple[Clip, int]:
        """Sound that says something else: half a list, and half a clip, away.

        Neighbours in a list are often of one sentence or speaker, and sentences of one form (GRID)
        say alike things at the same moment: a mouth need not move differently for these.
        """
        place = index // self.per_clip
        other = self.clip(self.keys[(place + max(1, len(self.keys) // 2)) % len(self.keys)])
        count = other.windows()
        return other, (start + count // 2) % count


class GeneratorClips(EvaluationWindows):
    """Fixed windows for the evaluation of a generator, each also with the sound of another clip.

    Fields as in training, and ``swapped_mel`` float32 (5, 1, 80, 16), another moment of another
    clip: a generator that listens paints another mouth for it.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "val",
        image_size: int = 96,
        *,
        lead: int = CENTRED_LEAD,
        per_clip: int = 4,
    ) -> None:
        super().__init__(root, split, image_size, per_clip=per_clip)
        self.lead = lead

    def __getitem__(self, index: int) -> dict[str, Any]:
        clip, start, reference = self.window(index)
        sample = _generator_sample(clip, start, reference, self.lead)
        other, elsewhere = self.elsewhere(index, start)
        return {**sample, "swapped_mel": frame_mels(other.mel, elsewhere + np.arange(T), self.lead)}


def _generator_sample(clip: Clip, start: int, reference: int, lead: int) -> dict[str, Any]:
    return {
        "target": np.array(clip.faces[start : start + T]),
        "reference": np.array(clip.faces[reference : reference + T]),
        "mel": frame_mels(clip.mel, start + np.arange(T), lead),
        "sync_mel": sync_mels(clip.mel, np.array([start]))[0],
        "start": start,
        "key": clip.key,
    }
