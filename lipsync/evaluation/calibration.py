"""Calibration of a judge's confidence: the probability that the offset it finds is right.

A logistic regression on the confidence and the number of windows, fitted to clips that are known to
be in sync: with their own sound shifted by a known number of frames, and with the sound of other
clips, where no offset is right. It is stored in the card of the judge's file, with its errors on
held-out people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lipsync.errors import ConfigError
from lipsync.plain import Plain

IN_SYNC, OFF_SYNC, UNSURE = "yes", "no", "unsure"
LEVEL = 0.9  # minimum probability for a verdict
_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)
_STEPS = 50  # of Newton's method, which converges in a few
_RIDGE = 1e-2  # keeps the weights finite on separable data


@dataclass(frozen=True)
class Errors:
    """Errors on clips of one length, from people held out of the calibration.

    Shares of clips: ``unsure``, in sync but below the level; ``wrong``, confident in an offset more
    than a frame from the true one; ``taken``, confident although the sound is another clip's.
    """

    seconds: float
    clips: int
    unsure: float
    wrong: float
    taken: float

    def __str__(self) -> str:
        return (
            f"of clips of {self.seconds:g} s in sync {self.unsure:.0%} are unsure and "
            f"{self.wrong:.0%} sure of a wrong offset, and {self.taken:.0%} sure of another's sound"
        )


@dataclass(frozen=True)
class Calibration(Plain):
    """Maps a judge's confidence in an offset to the probability that it is within a frame.

    Attributes:
        window: frames per window of the judge; it is valid for this length only.
        weights: of 1, the confidence and the logarithm of the number of windows.
        windows: smallest and largest number of windows in the fit; inputs are clamped to them.
        level: minimum probability for a verdict.
        people: whose clips it was fitted to.
        clips: number of clips.
        left_out: what was held out in turn to find the errors: "speakers", or "clips" for a
            single speaker.
        errors: at ``level``, by length.
        bins: share right against stated probability, see :func:`reliability`.
    """

    window: int
    weights: tuple[float, float, float]
    windows: tuple[int, int]
    level: float
    people: list[str]
    clips: int
    left_out: str
    errors: list[Errors] = field(default_factory=list)
    bins: list[dict[str, float]] = field(default_factory=list)

    def probability(self, confidence: float, windows: int) -> float:
        """Probability that the offset is within a frame, for a prior of one half."""
        return float(_logistic(_features([confidence], [windows], self.windows), self.weights)[0])

    def in_sync(self, offset: int, confidence: float, windows: int) -> str:
        """ "yes", "no" if the sound is more than a frame off, or "unsure"."""
        if self.probability(confidence, windows) < self.level:
            return UNSURE
        return IN_SYNC if abs(offset) <= 1 else OFF_SYNC

    def __str__(self) -> str:
        return (
            f"accepted from probability {self.level:g}; calibrated on {self.clips} clips of "
            f"{', '.join(self.people)}"
        )

    @classmethod
    def from_card(cls, card: Mapping[str, Any], window: int) -> Calibration | None:
        """The calibration in a card; None if it has none for windows of this length."""
        found = card.get("calibration")
        if not isinstance(found, Mapping) or found.get("window") != window:
            return None
        try:
            errors = [Errors(**errors) for errors in found["errors"]]
            pairs = {name: tuple(found[name]) for name in ("weights", "windows")}
            return cls(**{**found, **pairs, "errors": errors})
        except (KeyError, TypeError):
            raise ConfigError(
                "the calibration in the judge's card is from another version; repeat it with "
                "`lipsync calibrate`"
            ) from None


def fit(confidence: np.ndarray, windows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(3,) weights of the logistic regression; see :class:`Calibration`.

    Args:
        confidence, windows, right: (n,) each, per clip; ``right``: whether the offset is right.
    """
    rows = _features(confidence, windows)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    mean[0], scale[0] = 0, 1
    scale[scale == 0] = 1
    x, y = (rows - mean) / scale, np.asarray(right, float)
    found = np.zeros(3)
    ridge = np.diag([0, _RIDGE, _RIDGE])
    for _ in range(_STEPS):
        predicted = _logistic(x, found)
        slope = x.T @ (y - predicted) - ridge @ found
        bend = (x * (predicted * (1 - predicted))[:, None]).T @ x + ridge
        found += np.linalg.solve(bend + 1e-9 * np.eye(3), slope)
    found /= scale
    found[0] -= found[1:] @ mean[1:]
    return found


def reliability(stated: Iterable[float], right: Iterable[bool]) -> list[dict[str, float]]:
    """Share right against stated probability, for each non-empty bin."""
    stated, right = np.array([*stated], float), np.array([*right], bool)
    place = np.clip(np.searchsorted(_EDGES, stated, side="right") - 1, 0, len(_EDGES) - 2)
    return [
        {
            "from": _EDGES[i],
            "to": _EDGES[i + 1],
            "n": int((place == i).sum()),
            "stated": round(float(stated[place == i].mean()), 4),
            "right": round(float(right[place == i].mean()), 4),
        }
        for i in range(len(_EDGES) - 1)
        if (place == i).any()
    ]


def _features(
    confidence: Sequence[float] | np.ndarray,
    windows: Sequence[int] | np.ndarray,
    limits: tuple[int, int] | None = None,
) -> np.ndarray:
    """(n, 3): 1, the confidence, and the log of the number of windows, clamped to ``limits``."""
    counts = np.asarray(windows, float)
    counts = counts if limits is None else counts.clip(*limits)
    return np.stack([np.ones_like(counts), np.asarray(confidence, float), np.log(counts)], axis=1)


def _logistic(rows: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(rows @ np.asarray(weights), -30, 30)))
