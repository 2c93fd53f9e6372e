"""Which other frames of its clip a window is shown: in training drawn, in evaluation spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lipsync.data.clips import Clip
from lipsync.data.inputs import TOO_SHORT, Inputs
from lipsync.errors import ClipError, ConfigError, check_whole

GAP = 5  # frames from a reference to the nearest frame of its window, where the clip has such
_SIDE = 16  # of the thumbnails that are compared
_POSE = np.s_[:, : _SIDE // 2]  # the upper half, which is never painted
_MOUTH = np.s_[:, _SIDE // 2 :, _SIDE // 4 : -_SIDE // 4]


@dataclass(frozen=True)
class ReferenceDraws:
    """Draws single frames that show the head as in a window, and another mouth.

    Of some random frames the half that is most alike above the mouth is kept, and of these the one
    that differs most about it is taken: what cannot be seen in the reference must be heard.

    Args:
        candidates: random frames that each reference is chosen from; with 1 it is random.
        random: share of the references that are random all the same.
        dropout: where there are several, probability that one beyond the first repeats the first.

    Raises:
        ConfigError: numbers that cannot work.
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
        """References of K windows.

        Args:
            rng: random generator.
            clip, inputs: where they are from, and how many each window has.
            starts: (K,) first frames of the windows.
            faces: uint8 (K, T, S, S, 3) the windows.

        Returns:
            uint8 (K, references, S, S, 3).

        Raises:
            ClipError: the clip has no frame outside of a window.
        """
        drawn = [
            self._candidates(rng, clip, inputs, int(start))
            for start in starts
            for _ in range(inputs.references)
        ]
        seen, ends = inputs.seen(clip, np.concatenate(drawn)), np.cumsum([len(d) for d in drawn])
        middles = np.repeat(faces[:, inputs.window // 2], inputs.references, axis=0)
        groups = zip(np.split(seen, ends[:-1]), middles, strict=True)
        chosen = np.stack([group[_other_mouth(group, middle)] for group, middle in groups])
        chosen = chosen.reshape(len(starts), inputs.references, *chosen.shape[1:])
        for shown in chosen:
            shown[1:][rng.random(len(shown) - 1) < self.dropout] = shown[0]
        return chosen

    def _candidates(
        self, rng: np.random.Generator, clip: Clip, inputs: Inputs, start: int
    ) -> np.ndarray:
        count = 1 if rng.random() < self.random else self.candidates
        for gap in (GAP, 1):  # of a short clip any other frame
            before = max(0, start - gap + 1)
            skipped = start + inputs.window - 1 + gap - before
            if (others := before + max(0, len(clip) - before - skipped)) > 0:
                places = rng.integers(others, size=count)
                return np.where(places < before, places, places + skipped)
        raise _alone(clip)


def spread_references(clip: Clip, inputs: Inputs, starts: np.ndarray) -> np.ndarray:
    """References of windows at even distances over the rest of the clip, always the same.

    Args:
        clip, inputs: where they are from, and how many each window has.
        starts: (K,) first frames of the windows.

    Returns:
        uint8 (K, references, S, S, 3).

    Raises:
        ClipError: the clip has no frame outside of a window.
    """
    rest = len(clip) - inputs.window
    if rest < 1:
        raise _alone(clip)
    parts = 2 * np.arange(inputs.references) + 1
    steps = inputs.window + parts * rest // (2 * inputs.references)
    return inputs.seen(clip, (starts[:, None] + steps) % len(clip))


def _alone(clip: Clip) -> ClipError:
    return ClipError(clip.key, "has one window only; a reference needs another frame", TOO_SHORT)


def _other_mouth(pictures: np.ndarray, target: np.ndarray) -> int:
    """Of pictures (n, S, S, 3) the one to look at beside ``target`` (S, S, 3)."""
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
