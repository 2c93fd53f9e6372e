"""Speaker clustering: groups lines by voice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from lipsync.audio import SAMPLE_RATE, mfcc

_LOUD_DB = 25.0  # below the loudest frames; quieter frames are pauses
_RATE = 100  # frames per second
_LEAST = 400  # minimum number of samples for cepstra
_NEVER = 1e9  # penalty for lines that cannot be by the same person,
_DOUBTED = 5.0  # and for those that probably are not; two voices differ by 3 to 30
_ANGLE = 20.0  # scales the cosine distance of voiceprints to that range


def voice_rows(wave: np.ndarray) -> np.ndarray:
    """Voice features, frame by frame.

    Args:
        wave: float32 (n,) at 16 kHz, a line of speech.

    Returns:
        float64 (frames, 13): twelve cepstra and the log pitch, every 10 ms, without pauses; pitch
        is NaN in unvoiced frames. No frames for a silent line.
    """
    from lipsync.voice.pitch import HOP_LENGTH, track_pitch

    if len(wave) < _LEAST or not wave.any():
        return np.zeros((0, 13))
    cepstra = mfcc(wave).astype(np.float64)
    pitch = track_pitch(wave)[:: SAMPLE_RATE // _RATE // HOP_LENGTH]
    count = min(len(cepstra), len(pitch))
    voiced = np.where(pitch > 0, pitch, np.nan)[:count]
    energy = cepstra[:count, 0]  # natural logarithm
    loud = energy > np.quantile(energy, 0.95) - _LOUD_DB * np.log(10) / 10
    return np.column_stack([cepstra[:count, 1:], np.log(voiced)])[loud]


def cluster(
    voices: Sequence[np.ndarray],
    count: int,
    faces: Sequence[Hashable] | None = None,
    apart: Sequence[tuple[int, int]] = (),
    doubted: Sequence[tuple[int, int]] = (),
) -> list[int]:
    """Group lines by voice, by agglomerative clustering.

    The distance of two groups is the squared Mahalanobis distance of their mean features, with a
    diagonal covariance; for voiceprints, one minus the cosine of their sums. It is weighted by the
    groups' durations, as in Ward's method: otherwise one odd line would stay alone and all others
    be merged.

    Args:
        voices: :func:`voice_rows` of each line, or the voiceprint (d,) of each, zeros if unknown
            (:func:`lipsync.translation.voiceprints.voiceprints`).
        count: number of groups; fewer if there are fewer lines.
        faces: the face seen to speak each line, None if there is none; lines with the same face
            are by the same person.
        apart: pairs of lines by different people, whose faces are visible at the same time.
        doubted: pairs that are probably by different people, unless their voices are very similar.

    Returns:
        The group of each line, numbered by their first lines.
    """
    faces = faces or [None] * len(voices)
    names: list[Hashable] = [k if face is None else (face,) for k, face in enumerate(faces)]
    firsts = list(dict.fromkeys(names))
    groups = [[k for k, name in enumerate(names) if name == first] for first in firsts]
    places = {name: k for k, name in enumerate(firsts)}
    penalties = np.zeros((len(groups), len(groups)))
    for pairs, penalty in ((doubted, _DOUBTED), (apart, _NEVER)):
        for one, other in pairs:
            a, b = places[names[one]], places[names[other]]
            penalties[a, b] = penalties[b, a] = penalty
    are_voiceprints = voices[0].ndim == 1
    each = voices if are_voiceprints else [_sums(rows) for rows in voices]
    durations = [
        np.linalg.norm(voice) if are_voiceprints else len(voice) / _RATE for voice in voices
    ]
    sums = np.stack([np.sum([each[k] for k in group], axis=0) for group in groups])
    weights = np.array([max(1 / _RATE, sum(durations[k] for k in group)) for group in groups])
    while len(groups) > count:
        distances = (
            _voiceprint_distances(sums) if are_voiceprints else _voice_distances(sums)
        ) + penalties
        distances *= np.outer(weights, weights) / np.add.outer(weights, weights)
        np.fill_diagonal(distances, np.inf)
        a, b = sorted(map(int, np.unravel_index(distances.argmin(), distances.shape)))
        groups[a] += groups.pop(b)
        sums[a] += sums[b]
        weights[a] += weights[b]
        penalties[a] = penalties[:, a] = np.maximum(penalties[a], penalties[b])
        sums, weights = np.delete(sums, b, axis=0), np.delete(weights, b)
        penalties = np.delete(np.delete(penalties, b, axis=0), b, axis=1)
    ordered = sorted(groups, key=min)
    return [next(g for g, group in enumerate(ordered) if k in group) for k in range(len(voices))]


def _sums(rows: np.ndarray) -> np.ndarray:
    """(3, 13): count, sum and sum of squares of each feature's known values."""
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0)
    return np.stack([known.sum(axis=0), filled.sum(axis=0), np.square(filled).sum(axis=0)])


def _voice_distances(sums: np.ndarray) -> np.ndarray:
    """Distances (groups, groups) from (groups, 3, 13); features with too few frames are ignored."""
    counts = sums[:, 0]
    means = sums[:, 1] / np.maximum(counts, 1)
    spread = np.maximum(sums[:, 2] / np.maximum(counts, 1) - np.square(means), 0)
    known = counts >= 8
    steps = np.square(means[:, None] - means[None])
    units = np.maximum((spread[:, None] + spread[None]) / 2, 1e-3)
    both = known[:, None] & known[None]
    return np.where(both, steps / units, 0.0).sum(axis=-1)


def _voiceprint_distances(sums: np.ndarray) -> np.ndarray:
    """Distances (groups, groups) from voiceprints (groups, d); unknown ones are at distance 0."""
    lengths = np.linalg.norm(sums, axis=1)
    known = np.outer(lengths, lengths) > 0
    cosines = sums @ sums.T / np.where(known, np.outer(lengths, lengths), 1)
    return np.where(known, _ANGLE * (1 - cosines), 0.0)
