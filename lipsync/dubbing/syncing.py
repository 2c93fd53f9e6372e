"""Active speaker detection: a lip-sync expert compares every face in a video with the audio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from lipsync.audio import SAMPLE_RATE
from lipsync.dubbing.detections import Detections
from lipsync.dubbing.source import Source
from lipsync.faces.detect import Detector
from lipsync.faces.framing import Framing, get_framing
from lipsync.faces.shots import ShotMeter, find_cuts
from lipsync.faces.tracks import FaceTrack, fill, link
from lipsync.features import Feature, feature_of
from lipsync.media import audio_blocks
from lipsync.media.loudness import read_speech
from lipsync.media.streams import USUAL
from lipsync.models import LongSyncNet
from lipsync.models.folding import folded
from lipsync.windows import FPS, cut_columns

EXPERT = "judge-open"
_LAGS = 7  # maximum lag of the audio either way, in frames of 1/25 s
_STEADY = 0.5  # seconds around a moment used by the framing
_SMOOTH = 15  # smoothing window in frames when estimating a face's lag
_SWITCH_COST = 5.0  # cost of a change of speaker; a second of clear speech scores 5 to 15
ABSENT = -1e3  # score per frame of a face that is absent
_BATCH_SIZE = 16  # batch size in moments
_IsSpeaker = Callable[[tuple[int, int], int], bool]


@dataclass
class _Candidate:
    """A face in one shot, with the crops and embeddings of its moments."""

    track: FaceTrack
    track_id: tuple[int, int]
    starts: np.ndarray = field(default_factory=lambda: np.zeros(0))  # seconds, one per frame
    crops: dict[int, list[np.ndarray]] = field(default_factory=dict)
    moments: list[torch.Tensor] = field(default_factory=list)


@dataclass
class JudgedShot:
    """The faces in a shot, and how well each matches the audio.

    Attributes:
        start, end: frame range, end exclusive.
        track_ids: identifies each track by its first frame and the index of its face there.
        scores: float64 (faces, frames) sync scores, relative to other lags; about 0 by chance, and
            ``ABSENT`` where the face is absent.
        tracks: tracks of the faces.
    """

    start: int
    end: int
    track_ids: list[tuple[int, int]]
    scores: np.ndarray
    tracks: list[FaceTrack]


def find_speaker(
    source: Source,
    detector: Detector | None,
    stride: int,
    saved: dict[str, Any] | None,
    reference: str | Path,
) -> tuple[dict[str, Any], _IsSpeaker]:
    """Read a whole video, and find which face matches the audio at each time.

    Of several simultaneous faces exactly one speaks at a time, possibly in turn; a face that is
    alone is assumed to speak.

    Args:
        source: the video.
        detector: face detector.
        stride: frames between detections.
        saved: known detections, used instead of the detector.
        reference: audio in sync with the video.

    Returns:
        The detections, in the form returned by :func:`lipsync.dubbing.detections.read_tracks`, and
        a function that tells whether a track, identified by (first frame, face), speaks in a frame.

    Raises:
        MediaError: the reference cannot be read, or has no sound.
    """
    known, times, shots = judge_faces(
        source, detector, stride, saved, reference, include_single=False
    )
    speaker: list[tuple[int, int] | None] = [None] * len(times)  # None: any face
    for shot in shots:
        speaker[shot.start : shot.end] = [shot.track_ids[k] for k in _speaker_path(shot.scores)]

    def is_speaker(track_id: tuple[int, int], number: int) -> bool:
        return speaker[number] in (None, track_id)

    return known, is_speaker


def judge_faces(
    source: Source,
    detector: Detector | None,
    stride: int,
    saved: dict[str, Any] | None,
    reference: str | Path,
    include_single: bool = True,
) -> tuple[dict[str, Any], np.ndarray, list[JudgedShot]]:
    """Read a whole video, and score all of its faces against the audio.

    Args:
        source, detector, stride, saved, reference: as in :func:`find_speaker`.
        include_single: also score shots without simultaneous faces.

    Returns:
        The detections, as for :func:`find_speaker`; times (n,) of the frames in seconds; and the
        scored shots.

    Raises:
        MediaError: as for :func:`find_speaker`.
    """
    streams = source.streams if Path(reference) == source.path else USUAL
    how: dict[str, Any] = {"tolerate_damage": source.tolerate_damage, "streams": streams}
    # raises if there is no audio, before the slow work
    next(audio_blocks(reference, SAMPLE_RATE, **how))
    detections = Detections(detector, stride, record=True)
    times, cuts = _scan(source, detections if saved is None else None)
    known, seconds = saved or {**detections.as_dict(), "cuts": cuts}, np.array(times)
    edges = [0, *sorted(known["cuts"]), len(times)]
    judged = [
        (span, faces)
        for span, faces in zip(pairwise(edges), _candidates(known, len(times)), strict=True)
        if (include_single and faces) or any(_overlap(a, b) for a, b in combinations(faces, 2))
    ]
    shots: list[JudgedShot] = []
    if judged:
        from lipsync.checkpoints import load_model

        expert = cast(LongSyncNet, folded(load_model(EXPERT)))
        feature = feature_of(expert).spanning(expert.moment)
        columns = feature.extract(read_speech(reference, **how))
        _embed_moments(source, [face for _, faces in judged for face in faces], seconds, expert)
        for (start, end), faces in judged:
            scores = [_sync_scores(face, seconds, columns, feature, expert) for face in faces]
            track_ids, tracks = [face.track_id for face in faces], [face.track for face in faces]
            shots.append(JudgedShot(start, end, track_ids, np.stack(scores)[:, start:end], tracks))
    return known, seconds, shots


def _overlap(one: _Candidate, other: _Candidate) -> bool:
    """Whether two faces overlap in time."""
    a, b = one.track.frames, other.track.frames
    return a[0] <= b[-1] and b[0] <= a[-1]


def _scan(source: Source, detections: Detections | None) -> tuple[list[float], list[int]]:
    """Read all frames, detecting faces if ``detections`` is given; returns times and cuts."""
    times, meter = [], ShotMeter()
    for number, (time, frame) in enumerate(source.frames()):
        times.append(time)
        meter.add(frame)
        if detections is not None:
            detections.at(number, frame)
    return times, find_cuts(np.array(meter.steps))


def _candidates(known: dict[str, Any], frames: int) -> list[list[_Candidate]]:
    """Faces in each shot; detections are joined to tracks exactly as when dubbing."""
    edges = [0, *sorted(known["cuts"]), frames]
    shots = []
    for start, end in pairwise(edges):
        seen = [(n, faces) for n, faces in known["looks"] if start <= n < end]
        place = {id(face): (n, i) for n, faces in seen for i, face in enumerate(faces)}
        tracks = link(seen, known["stride"])
        shots.append([_Candidate(t, place[id(t.detections[0])]) for t in tracks])
    return shots


@torch.inference_mode()
def _embed_moments(
    source: Source, faces: list[_Candidate], times: np.ndarray, expert: LongSyncNet
) -> None:
    """Crop the faces in a second pass over the video, and embed their moments, one per frame.

    Only the crops of the latest moments are kept in memory.
    """
    framing = get_framing(expert.config["framing"])
    wanted: dict[int, list[tuple[_Candidate, int, np.ndarray]]] = {}
    ending: dict[int, list[tuple[_Candidate, int]]] = {}
    for face in faces:
        begin, end = times[face.track.frames[0]], times[face.track.frames[-1]]
        face.starts = begin + np.arange(round((end - begin) * FPS) + 2 - expert.moment) / FPS
        for m, start in enumerate(face.starts):
            moment = start + np.arange(expert.moment) / FPS
            numbers = [int(np.abs(times - time).argmin()) for time in moment]
            transforms = _transforms(face.track, numbers, times, framing)
            for number, transform in zip(numbers, transforms, strict=True):
                wanted.setdefault(number, []).append((face, m, transform))
            ending.setdefault(numbers[-1], []).append((face, m))
    for number, (_, frame) in enumerate(source.frames()):
        for face, m, transform in wanted.pop(number, ()):
            crop = framing.cut(frame, transform, expert.config["image_size"])
            face.crops.setdefault(m, []).append(crop)
        for face, m in ending.pop(number, ()):
            if m + 1 == len(face.starts) or (m + 1) % _BATCH_SIZE == 0:
                whole = [face.crops.pop(k) for k in range(m - m % _BATCH_SIZE, m + 1)]
                pixels = torch.from_numpy(np.array(whole)).permute(0, 1, 4, 2, 3).float() / 255
                face.moments.append(expert.face_moments(expert.see(pixels)))


def _transforms(
    track: FaceTrack, numbers: list[int], times: np.ndarray, framing: Framing
) -> np.ndarray:
    """Transforms of a face in the frames of one moment, framed with half a second either side."""
    start, end = track.frames[0], track.frames[-1] + 1
    ends = times[numbers[0]] - _STEADY, times[numbers[-1]] + _STEADY
    first, last = np.clip(np.searchsorted(times, ends), start, [end - 1, end])
    around = fill(track, start, end)[first - start : last - start]
    places = framing.transforms(around[:, :4], around[:, 5:].reshape(-1, 5, 2))
    return places[np.clip(numbers, first, last - 1) - first]


@torch.inference_mode()
def _sync_scores(
    face: _Candidate,
    times: np.ndarray,
    columns: np.ndarray,
    feature: Feature,
    expert: LongSyncNet,
) -> np.ndarray:
    """Sync score of a face at its best overall lag, relative to other lags, in each frame (n,) of
    the video; ``ABSENT`` where it is absent."""
    scores = np.full(len(times), -1.0)  # too short for a moment
    if face.moments:
        places = face.starts[0] + np.arange(-_LAGS, len(face.starts) + _LAGS) / FPS
        starts = [feature.start(place) for place in places]
        cut = [cut_columns(columns, s, feature.window, feature.silence) for s in starts]
        length = min(expert.config["window"], len(face.starts) + expert.moment - 1)
        seen = expert.join(torch.cat(face.moments), length)
        spoken = expert.join(expert.audio_moments(torch.from_numpy(np.stack(cut)[:, None])), length)
        around = spoken.unfold(0, 2 * _LAGS + 1, 1)  # (windows, D, lags)
        fits = torch.einsum("wd,wdl->wl", seen, around).numpy()
        lag = np.maximum(uniform_filter1d(fits, _SMOOTH, axis=0), 0).mean(axis=0).argmax()
        middles = face.starts[: len(fits)] + length / 2 / FPS
        scores = np.interp(times, middles, fits[:, lag] - np.median(fits, axis=1))
    begin, end = face.track.frames[0], face.track.frames[-1] + 1
    scores[:begin] = scores[end:] = ABSENT
    return scores


def _speaker_path(scores: np.ndarray) -> list[int]:
    """The speaker in each frame: Viterbi path through the scores (faces, n)."""
    total, before = scores[:, 0], []
    for now in scores.T[1:]:
        best = int(total.argmax())
        changed = total[best] - _SWITCH_COST > total
        before.append(np.where(changed, best, np.arange(len(total))))
        total = np.where(changed, total[best] - _SWITCH_COST, total) + now
    path = [int(total.argmax())]
    for come_from in reversed(before):
        path.append(int(come_from[path[-1]]))
    return path[::-1]
