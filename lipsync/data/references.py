"""Choice of reference frames: random in training, evenly spread in evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lipsync.data.clips import Clip
from lipsync.data.inputs import TOO_SHORT, Inputs
from lipsync.errors import ClipError, ConfigError, check_whole

GAP = 5  # frames from a reference to the nearest frame of its window, if the clip is long enough
_SIDE = 16  # side of the thumbnails that are compared
_POSE = np.s_[:, : _SIDE // 2]  # the upper half, which is never masked
_MOUTH = np.s_[:, _SIDE // 2 :, _SIDE // 4 : -_SIDE // 4]


@dataclass(frozen=True)
class ReferenceDraws:
    """Draw reference frames with a similar head pose to the window but a different mouth.

    Of several random frames, the half most similar above the mouth is kept, and of these the one
    that differs most at the mouth is taken, so that the mouth must be inferred from audio.

    Args:
        candidates: random frames from which each reference is chosen; 1 for a random reference.
        random: fraction of references that are random all the same.
        dropout: probability that a reference beyond the first is replaced by the first.

    Raises:
        ConfigError: invalid numbers.
    """

    candidates: int = 4
    random: float = 0.25
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_whole("data.train.references.candidates", self.candidates, 1)
        for name in ("random", "dropout"):
            if not 0 <= getattr(self, name) <= 1:
                value = getattr(self, name)
                raise ConfigError(f"data.train.references.{name}={value}: must be 0 to 1")

    def __call__(
        self,
        rng: np.random.Generator,
        clip: Clip,
        inputs: Inputs,
        starts: Sequence[int],
        faces: np.ndarray,
    ) -> np.ndarray:
        """Draw references for K windows.

        Args:
            rng: random generator.
            clip: clip of the windows.
            inputs: defines window length and number of references.
            starts: (K,) first frames of the windows.
            faces: uint8 (K, T, S, S, 3), the windows.

        Returns:
            uint8 (K, references, S, S, 3).

        Raises:
            ClipError: the clip has no frame outside a window.
        """
        drawn = [
            self._candidates(rng, clip, inputs, int(start))
            for start in starts
            for _ in range(inputs.references)
        ]
        candidates = inputs.read_faces(clip, np.concatenate(drawn))
        ends = np.cumsum([len(d) for d in drawn])
        middles = np.repeat(faces[:, inputs.window // 2], inputs.references, axis=0)
        groups = zip(np.split(candidates, ends[:-1]), middles, strict=True)
        chosen = np.stack([group[_most_different(group, middle)] for group, middle in groups])
        chosen = chosen.reshape(len(starts), inputs.references, *chosen.shape[1:])
        for references in chosen:
            references[1:][rng.random(len(references) - 1) < self.dropout] = references[0]
        return chosen

    def _candidates(
        self, rng: np.random.Generator, clip: Clip, inputs: Inputs, start: int
    ) -> np.ndarray:
        count = 1 if rng.random() < self.random else self.candidates
        for gap in (GAP, 1):  # in a short clip, any other frame
            before = max(0, start - gap + 1)
            skipped = start + inputs.window - 1 + gap - before
            if (others := before + max(0, len(clip) - before - skipped)) > 0:
                places = rng.integers(others, size=count)
                return np.where(places < before, places, places + skipped)
        raise _no_reference_error(clip)


def spread_references(clip: Clip, inputs: Inputs, starts: np.ndarray) -> np.ndarray:
    """References evenly spaced over the rest of the clip, deterministic.

    Args:
        clip: clip of the windows.
        inputs: defines window length and number of references.
        starts: (K,) first frames of the windows.

    Returns:
        uint8 (K, references, S, S, 3).

    Raises:
        ClipError: the clip has no frame outside a window.
    """
    rest = len(clip) - inputs.window
    if rest < 1:
        raise _no_reference_error(clip)
    parts = 2 * np.arange(inputs.references) + 1
    steps = inputs.window + parts * rest // (2 * inputs.references)
    return inputs.read_faces(clip, (starts[:, None] + steps) % len(clip))


def _no_reference_error(clip: Clip) -> ClipError:
    return ClipError(clip.key, "has one window only; a reference needs another frame", TOO_SHORT)


def _most_different(pictures: np.ndarray, target: np.ndarray) -> int:
    """Index of the best reference for ``target`` (S, S, 3) among images (n, S, S, 3)."""
    if len(pictures) == 1:
        return 0
    small = np.stack([_thumbnail(picture) for picture in (target, *pictures)])
    apart = np.abs(small[1:] - small[0])
    pose, mouth = (apart[part].mean(axis=(1, 2)) for part in (_POSE, _MOUTH))
    near = np.argsort(pose, kind="stable")[: (len(pictures) + 1) // 2]
    return int(near[mouth[near].argmax()])


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return small.mean(axis=-1, dtype=np.float32)
