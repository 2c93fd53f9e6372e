"""Whose lips fit the sound: an expert compares every face of a video with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lipsync.audio import SAMPLE_RATE
from lipsync.dubbing.looks import Looks
from lipsync.dubbing.source import Source
from lipsync.faces.detect import Detector
from lipsync.faces.framing import Framing, get_framing
from lipsync.faces.shots import ShotMeter, find_cuts
from lipsync.faces.tracks import FaceTrack, fill, link
from lipsync.features import Feature, feature_of
from lipsync.media import audio_blocks
from lipsync.media.loudness import read_speech
from lipsync.windows import FPS, cut_columns

EXPERT = "expert-grid"
_WINDOWS = 40  # of the expert, that a face is judged by
_LAGS = 7  # frames to each side at which the sound is tried
_STEADY = 0.5  # seconds around a window that a framing is shown
_BIRTH = Callable[[tuple[int, int]], bool]


@dataclass
class _Candidate:
    """A face of one shot, the windows it is judged by, and what they hold."""

    track: FaceTrack
    birth: tuple[int, int]
    starts: list[float] = field(default_factory=list)
    crops: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    score: float = -np.inf


def find_speaker(
    source: Source,
    detector: Detector | None,
    stride: int,
    saved: dict[str, Any] | None,
    reference: str | Path,
) -> tuple[dict[str, Any], _BIRTH]:
    """Read a video through and find, shot by shot, the faces that fit a sound.

    Of faces that are seen at the same time the one that fits best speaks; a face that is alone
    does.

    Args:
        source: the video.
        detector: finds the faces.
        stride: frames from one look to the next.
        saved: faces that are known already, which the detector is not asked for.
        reference: a sound on the clock of the video.

    Returns:
        The faces, as :func:`lipsync.dubbing.looks.read_tracks` gives them, and whether a track that
        begins with a (frame, face) is a speaker's.

    Raises:
        MediaError: the reference cannot be read, or has no sound.
    """
    tolerant = source.tolerate_damage
    # refuses what has no sound before the long work
    next(audio_blocks(reference, SAMPLE_RATE, tolerate_damage=tolerant))
    looks = Looks(detector, stride, record=True)
    times, cuts = _scan(source, looks if saved is None else None)
    known = saved or {**looks.recorded(), "cuts": cuts}
    shots = _candidates(known, len(times))
    contested = [faces for faces in shots if any(_meet(a, b) for a, b in combinations(faces, 2))]
    if contested:
        from lipsync.checkpoints import load_model

        sound = read_speech(reference, tolerate_damage=tolerant)
        _judge(source, contested, np.array(times), sound, load_model(EXPERT))
    speakers: list[_Candidate] = []
    for faces in shots:
        for face in sorted(faces, key=lambda face: -face.score):
            if not any(_meet(face, other) for other in speakers):
                speakers.append(face)
    return known, {face.birth for face in speakers}.__contains__


def _meet(one: _Candidate, other: _Candidate) -> bool:
    """Whether two faces are seen at the same time."""
    a, b = one.track.frames, other.track.frames
    return a[0] <= b[-1] and b[0] <= a[-1]


def _scan(source: Source, looks: Looks | None) -> tuple[list[float], list[int]]:
    """Look at all frames, for faces only if asked to: their seconds, and where shots begin."""
    times, meter = [], ShotMeter()
    for number, (time, frame) in enumerate(source.frames()):
        times.append(time)
        meter.add(frame)
        if looks is not None:
            looks.at(number, frame)
    return times, find_cuts(np.array(meter.steps))


def _candidates(known: dict[str, Any], frames: int) -> list[list[_Candidate]]:
    """The faces of each shot; tracks are joined as they will be when frames are followed."""
    edges = [0, *sorted(known["cuts"]), frames]
    shots = []
    for start, end in pairwise(edges):
        seen = [(n, faces) for n, faces in known["looks"] if start <= n < end]
        place = {id(face): (n, i) for n, faces in seen for i, face in enumerate(faces)}
        tracks = link(seen, known["stride"])
        shots.append([_Candidate(t, place[id(t.detections[0])]) for t in tracks])
    return shots


def _judge(
    source: Source,
    shots: list[list[_Candidate]],
    times: np.ndarray,
    sound: np.ndarray,
    expert: torch.nn.Module,
) -> None:
    """Cut the windows' faces out in one more pass over the video, and score each after its last.

    So only the faces of the shot that is passing are held.
    """
    feature, length = feature_of(expert), expert.config["window"]
    columns = feature.extract(sound)
    framing = get_framing(expert.config.get("framing", "box"))
    wanted: dict[int, list[tuple[_Candidate, tuple[int, int], np.ndarray]]] = {}
    ending: dict[int, list[_Candidate]] = {}
    for face in (face for faces in shots for face in faces):
        begin, end = times[face.track.frames[0]], times[face.track.frames[-1]]
        count = min(_WINDOWS, int((end - begin) * FPS / length))
        last = -1  # where a face is too short for a window
        face.starts = np.linspace(begin, end - length / FPS, max(count, 0)).tolist()
        for w, start in enumerate(face.starts):
            numbers = [int(np.abs(times - (start + k / FPS)).argmin()) for k in range(length)]
            transforms = _transforms(face.track, numbers, times, framing)
            for k, number in enumerate(numbers):
                wanted.setdefault(number, []).append((face, (w, k), transforms[k]))
                last = max(last, number)
        ending.setdefault(last, []).append(face)
    for number, (_, frame) in enumerate(source.frames()):
        for face, place, transform in wanted.get(number, ()):
            face.crops[place] = framing.cut(frame, transform, expert.config["image_size"])
        for face in ending.get(number, ()):
            heard = np.stack([_around(columns, feature, start) for start in face.starts])
            face.score = _score(face, heard, expert)
            face.crops.clear()


def _transforms(
    track: FaceTrack, numbers: list[int], times: np.ndarray, framing: Framing
) -> np.ndarray:
    """Where a face's crops lie in the frames of one window, by half a second to either side."""
    start, end = track.frames[0], track.frames[-1] + 1
    ends = times[numbers[0]] - _STEADY, times[numbers[-1]] + _STEADY
    first, last = np.clip(np.searchsorted(times, ends), start, [end - 1, end])
    around = fill(track, start, end)[first - start : last - start]
    places = framing.transforms(around[:, :4], around[:, 5:].reshape(-1, 5, 2))
    return places[np.clip(numbers, first, last - 1) - first]


@torch.inference_mode()
def _score(face: _Candidate, heard: np.ndarray, expert: torch.nn.Module) -> float:
    """How much better the best lag fits than the middling one, over all windows.

    Args:
        heard: (windows, lags, bands, columns).
    """
    stack = np.stack([crop for _, crop in sorted(face.crops.items())])  # by window, then time
    stack = stack.reshape(len(heard), -1, *stack.shape[1:])  # (windows, T, S, S, 3)
    pixels = torch.from_numpy(stack).permute(0, 1, 4, 2, 3).float() / 255
    seen = expert.embed_face(expert.see(pixels))
    curve = []
    for lag in range(heard.shape[1]):
        spoken = expert.embed_audio(torch.from_numpy(heard[:, lag, None]))
        curve.append(float((seen * spoken).sum(dim=1).mean()))
    return max(curve) - float(np.median(curve))


def _around(columns: np.ndarray, feature: Feature, start: float) -> np.ndarray:
    """Windows that begin at and around a time: (2 * _LAGS + 1, bands, columns)."""
    starts = [feature.start(start + lag / FPS) for lag in range(-_LAGS, _LAGS + 1)]
    return np.stack([cut_columns(columns, s, feature.window, feature.silence) for s in starts])
